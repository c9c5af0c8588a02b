// `plimsoll simulate`: many seeds of the other world, one after the other. A seed that fails is named with the command that repeats it,
// event by event.
import type { Wire } from '../../contract/documents.ts'
import { simulateSeed } from './drive.ts'
import { simulateInterleaved } from './interleaved.ts'
import type { Outcome } from './world.ts'

export type SimulateOptions = {
  /** How many seeds are tried. */
  readonly seeds: number
  /** The first of them. */
  readonly from: number
  /** Tells what happens, step by step, instead of counting. */
  readonly story: boolean
  readonly json: boolean
}

/** Returns the exit code: 1 when a seed failed. */
export async function runSimulate(options: SimulateOptions): Promise<number> {
  const begin = process.cpuUsage()
  const outcomes: Outcome[] = []
  for (let seed = options.from; seed < options.from + options.seeds; seed += 1) {
    const outcome = await outcomeOf(seed, options.story && !options.json)
    outcomes.push(outcome)
    if (outcome.problem !== null && !options.json) write(`seed ${seed}: ${outcome.problem}\n  ${repeat(seed)}`)
  }
  const failed = outcomes.filter((outcome) => outcome.problem !== null)
  const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((total, outcome) => total + of(outcome), 0)
  const totals = {
    runs: sum((outcome) => outcome.runs),
    attempts: sum((outcome) => outcome.attempts),
    crashes: sum((outcome) => outcome.crashes),
    virtualMs: sum((outcome) => outcome.virtualMs),
  }
  const events = sum((outcome) => outcome.events)
  const { user, system } = process.cpuUsage(begin)
  const cpuS = (user + system) / 1_000_000
  if (options.json) {
    const failures = failed.map(({ seed, problem }) => ({ seed, problem: problem ?? '', repeat: repeat(seed) }))
    const document = {
      schema: 'plimsoll.simulate/v1' as const,
      from: options.from,
      seeds: options.seeds,
      ...totals,
      failures,
    }
    write(JSON.stringify(document satisfies Wire<'simulate'>))
  } else {
    const hours = (totals.virtualMs / 3_600_000).toFixed(1)
    write(
      `${outcomes.length - failed.length} of ${outcomes.length} seeds held: ${totals.runs} runs in ${totals.attempts} attempts, ` +
        `${totals.crashes} crashes of the control plane, ${hours} h of virtual time; ` +
        `${events} events in ${cpuS.toFixed(1)} s of CPU`,
    )
  }
  return failed.length > 0 ? 1 : 0
}

/** Each seed twice: turn by turn, then with everything side by side. Whatever it throws is its failure too: the seeds after it are still tried. */
async function outcomeOf(seed: number, story: boolean): Promise<Outcome> {
  const told = story ? { tell: write } : {}
  try {
    if (story) write(`seed ${seed}, turn by turn\n`)
    const turns = await simulateSeed(seed, told)
    if (turns.problem !== null) return turns
    if (story) write(`\nseed ${seed}, call by call\n`)
    const calls = await simulateInterleaved(seed, told)
    return {
      ...calls,
      runs: turns.runs + calls.runs,
      attempts: turns.attempts + calls.attempts,
      crashes: turns.crashes + calls.crashes,
      events: turns.events + calls.events,
      virtualMs: turns.virtualMs + calls.virtualMs,
    }
  } catch (error) {
    const problem = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { seed, problem, runs: 0, attempts: 0, crashes: 0, events: 0, virtualMs: 0 }
  }
}

const repeat = (seed: number): string => `plimsoll simulate --seed ${seed} --story`
const write = (text: string): void => void process.stdout.write(`${text}\n`)
