// The other world, on one core. An event is one entry taken off the heap of virtual time (sim/timeline.ts), with everything that it sets
// free: a call through a port on its way or arrived, a step of a trainer, a timer of a loop, a batch of a reporter. After each of them
// every checker looks. What a checker, a read or a commit does inside is not counted as more than that one event.
import { simulateInterleaved } from '../src/apps/simulate/interleaved.ts'
import type { Result } from './run.ts'

const SEEDS = 60
const TOGETHER = 10

export async function simulate(): Promise<Result> {
  // What is compiled on the way belongs to neither.
  await eventsPerSecond(SEEDS + 1, true)
  await eventsPerSecond(SEEDS + 1, false)
  const samples: number[] = []
  const unwatched: number[] = []
  for (let from = 1; from <= SEEDS; from += TOGETHER) {
    samples.push(await eventsPerSecond(from, true))
    unwatched.push(await eventsPerSecond(from, false))
  }
  const ours = median(samples)
  return {
    work: `${SEEDS} seeds call by call with all faults, reporters and checkers; an event is an entry of the heap of virtual time`,
    unit: 'events/s',
    samples,
    ours,
    baseline: median(unwatched),
    baselineIs: 'the same seeds without a checker',
    rssMiB: process.memoryUsage.rss() / 2 ** 20,
    figures: [{ name: 'simulated events a second of CPU', ours, unit: 'events/s', limit: 20_000, atLeast: true }],
  }
}

/** Of CPU time: what else runs on the machine does not count. */
async function eventsPerSecond(from: number, watched: boolean): Promise<number> {
  const begin = process.cpuUsage()
  let events = 0
  for (let seed = from; seed < from + TOGETHER; seed += 1) {
    const outcome = await simulateInterleaved(seed, { watched })
    if (outcome.problem !== null) throw new Error(`seed ${seed}: ${outcome.problem}`)
    events += outcome.events
  }
  const { user, system } = process.cpuUsage(begin)
  return events / ((user + system) / 1_000_000)
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
