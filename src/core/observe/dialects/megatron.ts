// Megatron-LM's `training_log` and its checkpoint lines. The iteration line is printed by the last rank, the checkpoint lines by
// rank 0: on several workers they lie in different logs. Every field but the last two may be missing; a loss that is NaN or
// negative is left out, so a missing loss is null here and never zero.
import type { FactBody } from '../../../domain/fact.ts'
import type { Dialect } from './dialect.ts'

const ITERATION = /iteration\s+(\d+)\/\s*(\d+)\s*\|/
const SAMPLES = /consumed samples:\s*(\d+)/
const ELAPSED = /elapsed time per iteration \((ms|s)\):\s*([\d.]+)/
const BATCH = /global batch size:\s*(\d+)/
const LOSS = /lm loss:\s*([-+\d.eE]+)/
const SAVING = /saving checkpoint at iteration\s+(\d+)/
const SAVED = /successfully saved checkpoint (?:from|at) iteration\s+(\d+)/
const LOADED = /successfully loaded checkpoint from .* at iteration\s+(\d+)/
const DONE = /\[after training is done\] datetime:/

export const megatron: Dialect = { framework: 'megatron', read }

function read(line: string): readonly FactBody[] {
  const iteration = ITERATION.exec(line)
  if (iteration !== null) return withStep(iteration[1], (step) => [stepOf(line, iteration, step)])
  const saved = SAVED.exec(line)
  if (saved !== null)
    return withStep(saved[1], (step) => [
      { kind: 'end', phase: 'checkpoint' },
      { kind: 'saved', step },
    ])
  if (SAVING.test(line)) return [{ kind: 'begin', phase: 'checkpoint' }]
  const loaded = LOADED.exec(line)
  if (loaded !== null) return withStep(loaded[1], (step) => [{ kind: 'resumed', step }])
  return DONE.test(line) ? [{ kind: 'done' }] : []
}

/** A line whose step is no safe integer is not one of Megatron's. */
function withStep(text: string | undefined, facts: (step: number) => readonly FactBody[]): readonly FactBody[] {
  const step = count(text)
  return step === null ? [] : facts(step)
}

function stepOf(line: string, iteration: RegExpExecArray, step: number): FactBody {
  const elapsed = ELAPSED.exec(line)
  const unit = elapsed?.[1] === 's' ? 1_000 : 1
  return {
    kind: 'step',
    step,
    // The line does not say how many iterations it averages over: the distance to the line before tells.
    steps: null,
    durationMs: elapsed === null ? null : finite(Number(elapsed[2]) * unit),
    samples: count(SAMPLES.exec(line)?.[1]),
    batch: count(BATCH.exec(line)?.[1]),
    total: count(iteration[2]),
    loss: finite(Number(LOSS.exec(line)?.[1] ?? Number.NaN)),
    tokens: null,
  }
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)

function count(text: string | undefined): number | null {
  const value = text === undefined ? Number.NaN : Number(text)
  return Number.isSafeInteger(value) ? value : null
}
