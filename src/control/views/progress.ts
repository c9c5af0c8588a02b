import type { ProgressDocument } from '../../domain/documents.ts'
import type { Fact, FactBody } from '../../domain/fact.ts'
import type { Run } from '../../domain/run.ts'
import { livingAttempt } from '../../domain/run.ts'
import type { AttemptId } from '../../domain/ids.ts'
import { attemptIdOf } from '../../domain/ids.ts'
import type { Control } from '../control.ts'
import { booksOf } from './statement.ts'

/** Progress of the living attempt, or of the last one. What no source said is null. */
export async function progressOf(control: Control, run: Run): Promise<ProgressDocument> {
  const attempt: AttemptId | null =
    livingAttempt(run.state) ?? (run.attempts > 0 ? attemptIdOf(run.id, run.attempts) : null)
  const steps = attempt === null ? [] : ((await control.store.newestSteps([attempt])).get(attempt) ?? [])
  const books = await booksOf(control, run)
  return {
    ...progressFrom(steps, run.sequenceLength),
    heldGpuMs: books.heldGpuMs,
    paidGpuMs: books.paidGpuMs,
    money: books.money,
  }
}

type Step = Extract<FactBody, { kind: 'step' }>

/** From the newest step facts, the newest first: what one source leaves out another one may say, a log the end, a reporter the tokens. */
export function progressFrom(
  steps: readonly Fact[],
  sequenceLength: number | null,
): Omit<ProgressDocument, 'heldGpuMs' | 'paidGpuMs' | 'money'> {
  const said = steps.flatMap(({ body }) => (body.kind === 'step' ? [body] : []))
  const [body] = said
  if (body === undefined)
    return {
      recognised: false,
      step: null,
      totalSteps: null,
      loss: null,
      stepMs: null,
      tokensPerSecond: null,
      observedAt: null,
      etaMs: null,
    }
  const newestOf = <Value>(of: (step: Step) => Value | null): Value | null =>
    said.map(of).find((value) => value !== null) ?? null
  const stepMs = newestOf((step) => step.durationMs)
  const perStep = newestOf((step) =>
    step.tokens !== null
      ? step.tokens / (step.steps ?? 1)
      : step.batch === null || sequenceLength === null
        ? null
        : step.batch * sequenceLength,
  )
  const totalSteps = newestOf((step) => step.total)
  const left = totalSteps === null ? null : Math.max(0, totalSteps - body.step)
  return {
    recognised: true,
    step: body.step,
    totalSteps,
    loss: newestOf((step) => (step.step === body.step ? step.loss : null)),
    stepMs,
    tokensPerSecond:
      perStep === null || stepMs === null || stepMs === 0 ? null : Math.round((perStep * 1_000) / stepMs),
    observedAt: steps[0]?.at ?? null,
    etaMs: left === null || stepMs === null ? null : Math.round(left * stepMs),
  }
}
