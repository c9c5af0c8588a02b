// config/alerts/thresholds.yaml, and what an operator puts over it.
import { z } from 'zod'
import type { Thresholds } from '../domain/thresholds.ts'
import type { DurationMs } from '../domain/units.ts'
import { durationMs } from '../domain/units.ts'
import { duration, strict } from './fields.ts'
import { faultsOf, PARSE } from './issues.ts'
import type { Layered, LayerNames } from './layers.ts'
import { layered } from './layers.ts'

const ms = duration.transform((value): DurationMs => durationMs(value))
const steps = z.int().min(1).max(200)
const part = z.number().gt(0).max(1)

const schema = strict({
  progress: strict({
    factor: z.number().min(1).max(1_000),
    silenceMin: ms,
    marks: z.int().min(2).max(100),
    firstStep: ms,
    phase: ms,
  }),
  loss: strict({
    missing: steps,
    window: z.int().min(4).max(64),
    deviations: z.number().min(1).max(1_000),
    ratio: z.number().gt(1).max(1_000),
  }),
  experts: strict({ collapsedShare: part, collapsedSteps: steps, deadSteps: steps }),
  idle: strict({ afterDone: ms }),
  budget: strict({
    used: z
      .array(z.number().gt(0).max(10))
      .max(10)
      .refine((parts) => parts.every((each, at) => at === 0 || each > (parts[at - 1] ?? 0)), 'must ascend'),
    goneWithin: ms,
    pace: z.number().gt(1).max(1_000),
    paceFrom: part,
  }),
})

/** `blindAfterMs` is a duration of the configuration. */
export function parseThresholds(
  defaultText: string,
  overrideText: string | null,
  names: LayerNames,
  blindAfterMs: DurationMs,
): Layered<Thresholds> {
  return layered(defaultText, overrideText, names, (value) => {
    const parsed = schema.safeParse(value, PARSE)
    return parsed.success
      ? { value: { blindAfterMs, ...parsed.data }, faults: [] }
      : { value: null, faults: faultsOf(parsed.error.issues) }
  })
}
