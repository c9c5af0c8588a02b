import type { ProgressDocument } from '../../domain/documents.ts'
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
  const newest = attempt === null ? null : await control.store.newestStep(attempt)
  const statement = await booksOf(control, run)
  const base = { heldGpuMs: statement.heldGpuMs, paidGpuMs: statement.paidGpuMs, money: statement.money }
  if (newest === null || newest.fact.body.kind !== 'step') {
    return {
      recognised: false,
      step: null,
      totalSteps: null,
      loss: null,
      stepMs: null,
      tokensPerSecond: null,
      observedAt: null,
      etaMs: null,
      ...base,
    }
  }
  const { body } = newest.fact
  const said = [body, ...newest.others.flatMap(({ body: other }) => (other.kind === 'step' ? [other] : []))]
  const newestOf = <Value>(of: (step: typeof body) => Value | null): Value | null =>
    said.map(of).find((value) => value !== null) ?? null
  const stepMs = newestOf((step) => step.durationMs)
  const perStep = newestOf((step) =>
    step.tokens !== null
      ? step.tokens / (step.steps ?? 1)
      : step.batch === null || run.sequenceLength === null
        ? null
        : step.batch * run.sequenceLength,
  )
  const total = newestOf((step) => step.total)
  const left = total === null ? null : Math.max(0, total - body.step)
  return {
    recognised: true,
    step: body.step,
    totalSteps: total,
    loss: newestOf((step) => (step.step === body.step ? step.loss : null)),
    stepMs,
    tokensPerSecond:
      perStep === null || stepMs === null || stepMs === 0 ? null : Math.round((perStep * 1_000) / stepMs),
    observedAt: newest.fact.at,
    etaMs: left === null || stepMs === null ? null : Math.round(left * stepMs),
    ...base,
  }
}
