// From the newest facts of an attempt to what detectors look at: steps as one source tells them, and phases, whoever says them. Megatron
// prints its steps on the last rank and its checkpoints on the first.
import type { Fact, Phase } from '../../domain/fact.ts'
import { byTime } from '../../domain/fact.ts'
import { assertNever } from '../../domain/reasons.ts'
import type { EpochMs } from '../../domain/units.ts'
import { earlier } from '../../domain/units.ts'
import type { Mark, Series } from './look.ts'

/**
 * `told`: of the source of steps. `phases`: begins and ends of all. A phase lasts while anybody is in it; those before the last mark are in
 * the distances of the marks.
 */
export function seriesFrom(told: readonly Fact[], phases: readonly Fact[]): Omit<Series, 'heardTo' | 'experts'> {
  const marks: Mark[] = []
  let open = new Map<string, { readonly phase: Phase; readonly since: EpochMs }>()
  let phasesMs = 0
  let doneAt: EpochMs | null = null
  const isPhase = ({ body }: Fact): boolean => body.kind === 'begin' || body.kind === 'end'
  for (const { at, body, source } of [...told.filter((fact) => !isPhase(fact)), ...phases].toSorted(byTime)) {
    switch (body.kind) {
      case 'step':
        marks.push({ at, step: body.step, loss: body.loss })
        open = new Map()
        phasesMs = 0
        doneAt = null
        break
      case 'begin':
        if (!open.has(source)) open.set(source, { phase: body.phase, since: at })
        break
      case 'end': {
        const since = firstOf(open)?.since ?? null
        open.delete(source)
        if (since !== null && open.size === 0) phasesMs += Math.max(0, at - since)
        break
      }
      case 'done':
        doneAt = at
        break
      case 'saved':
      case 'resumed':
      case 'gap':
      case 'directive':
        break
      default:
        assertNever(body)
    }
  }
  return { marks, phase: firstOf(open), phasesMs, doneAt }
}

type Open = { readonly phase: Phase; readonly since: EpochMs }

/** The one that began first, as of when anybody was in one. */
function firstOf(open: ReadonlyMap<string, Open>): Open | null {
  return [...open.values()].reduce<Open | null>(
    (first, each) => (first === null || earlier(each.since, first.since) !== first.since ? each : first),
    null,
  )
}
