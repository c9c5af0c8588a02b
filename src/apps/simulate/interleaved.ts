// One seed in which everything happens side by side: two processes whose loops interleave call by call, people who stop and suspend,
// nodes that fall silent or start anew, a store that is away for a while. Checkers look after every event that wrote something.
import type { Item } from '../../domain/item.ts'
import type { RunId } from '../../domain/ids.ts'
import type { Run } from '../../domain/run.ts'
import { livingAttempt } from '../../domain/run.ts'
import { DEFAULT_DURATIONS } from '../../domain/settings.ts'
import { epochMs } from '../../domain/units.ts'
import type { Store } from '../../ports/store.ts'
import { SeededChance } from '../../sim/chance.ts'
import {
  checkBudgets,
  checkConservation,
  checkGangs,
  checkLaunches,
  checkPostings,
  checkProcesses,
} from '../../sim/checkers/checkers.ts'
import type { Trainer } from '../../sim/cluster.ts'
import { SimulatedCluster } from '../../sim/cluster.ts'
import { simulatedStore } from '../../sim/store.ts'
import { Timeline } from '../../sim/timeline.ts'
import type { Mutation, Outcome } from './drive.ts'
import { BEGIN, CLUSTER, POLICY, submitOne } from './drive.ts'
import type { Faults } from './process.ts'
import { SimulatedProcess } from './process.ts'
import { falseBooks, falseReason, unsettled } from './truth.ts'

const MINUTE_MS = 60_000
const FAULTS_MS = 25 * MINUTE_MS
/** A lost node comes back, its fence passes, what failed runs again, cells settle. */
const QUIET_MS_MAX = 180 * MINUTE_MS

export async function simulateInterleaved(seed: number, mutate: Mutation | null = null): Promise<Outcome> {
  const chance = new SeededChance(seed)
  const timeline = new Timeline(BEGIN)
  const { store, tables } = simulatedStore(timeline, { blindAfterMs: DEFAULT_DURATIONS.blindAfterMs })
  const trainers = new Map<RunId, Trainer>()
  const shape = { nodes: chance.between(2, 6), slots: chance.pick([4, 8]) }
  const plain: Trainer = { steps: 10, stepMs: 1_000, saveEvery: 5, failure: 0 }
  const cluster = new SimulatedCluster(CLUSTER, timeline, chance.fork(), shape, (run) => trainers.get(run) ?? plain)
  const faults: Faults = {
    on: true,
    crash: chance.pick([0, 0.002, 0.01]),
    hang: chance.pick([0, 0.0005, 0.003]),
    lostAnswer: chance.pick([0, 0.002, 0.01]),
    lostRing: chance.pick([0, 0.2, 1]),
    storeDownUntil: BEGIN,
    crashes: 0,
  }
  const bugs: string[] = []
  const bug = (error: unknown): void =>
    void bugs.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  const outcome = (problem: string | null): Outcome => ({
    seed,
    problem: problem === null ? null : `${problem} (at ${timeline.now() - BEGIN} ms)`,
    runs: tables.runs.size,
    attempts: tables.attempts.size,
    crashes: faults.crashes,
    virtualMs: timeline.now() - BEGIN,
  })
  const audit = { at: BEGIN, actor: 'rule:seed', verb: 'policy.apply', target: 'policy', detail: {} }
  await store.applyPolicy(POLICY, {}, audit)
  const outside = { store, cluster, timeline, chance, faults, bug }
  for (const holder of ['one', 'two']) void new SimulatedProcess(outside, holder)
  people(store, trainers, cluster, timeline, chance)
  nature(cluster, timeline, chance, faults)
  timeline.after(FAULTS_MS, () => {
    faults.on = false
    faults.storeDownUntil = timeline.now()
    for (const node of cluster.nodeNames()) cluster.silence(node, false)
  })
  let looked = -1
  let nextTruth = BEGIN + FAULTS_MS + MINUTE_MS
  while (timeline.now() < BEGIN + FAULTS_MS + QUIET_MS_MAX) {
    timeline.step()
    await drained()
    const [first] = bugs
    if (first !== undefined) return outcome(first)
    const started = checkProcesses(tables, cluster.running())
    if (started !== null) return outcome(started)
    if (tables.writes !== looked) {
      mutate?.(tables, cluster)
      looked = tables.writes
      const problem =
        checkGangs(tables) ??
        checkBudgets(tables) ??
        checkLaunches(cluster.starts) ??
        checkConservation(tables) ??
        checkPostings(tables)
      if (problem !== null) return outcome(problem)
    }
    if (timeline.now() < nextTruth) continue
    nextTruth = epochMs(timeline.now() + MINUTE_MS)
    if (unsettled(tables) !== null) continue
    const waits = [...tables.runs.values()].some((run) => run.state.kind === 'queued')
    if (waits && (await falseReason(store, CLUSTER)) !== null) continue
    const [left] = cluster.running()
    if (left !== undefined) return outcome(`${left} runs, and its attempt has ended`)
    return outcome(await falseBooks(store, tables))
  }
  return outcome(
    `nothing moves any more: ${unsettled(tables) ?? (await falseReason(store, CLUSTER)) ?? 'and all is true'}`,
  )
}

/** Until whatever the event set free has run: a macrotask comes after every microtask. */
const drained = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

function people(
  store: Store,
  trainers: Map<RunId, Trainer>,
  cluster: SimulatedCluster,
  timeline: Timeline,
  chance: SeededChance,
): void {
  const wanted = chance.between(4, 10)
  for (let index = 0; index < wanted; index += 1) {
    timeline.after(chance.between(0, FAULTS_MS / 2), () => {
      void submitOne(store, trainers, chance, timeline, index, cluster.nodeNames().length)
      // Some last long enough to lose a node under them.
      for (const [run, trainer] of trainers) {
        if (trainer.steps <= 120 && chance.happens(0.1)) trainers.set(run, { ...trainer, steps: trainer.steps * 10 })
      }
    })
  }
  for (let asked = chance.below(4); asked > 0; asked -= 1) {
    timeline.after(chance.between(MINUTE_MS, FAULTS_MS), () => void steer(store, chance, timeline))
  }
}

/** Writes a wish to a run that lives, as a request does. */
async function steer(store: Store, chance: SeededChance, timeline: Timeline): Promise<void> {
  const world = await store.world(new Map())
  const running = [...world.runs.values()].filter((run) => livingAttempt(run.state) !== null && run.wish === 'run')
  if (running.length === 0) return
  const run = chance.pick(running)
  const next: Run = { ...run, wish: chance.pick(['stop', 'stop-now', 'suspend'] as const) }
  const item: Item = {
    about: `${next.wish} ${run.id}`,
    expects: [{ kind: 'run', id: run.id, version: run.version }],
    writes: [
      { kind: 'run', run: next },
      { kind: 'event', event: { run: run.id, at: timeline.now(), kind: next.wish, message: 'asked' } },
    ],
  }
  await store.commit(null, [item])
}

/** Silence from seconds to longer than a node may be silent, with its workers or without them afterwards; a store that is away. */
function nature(cluster: SimulatedCluster, timeline: Timeline, chance: SeededChance, faults: Faults): void {
  for (let losses = chance.below(4); losses > 0; losses -= 1) {
    timeline.after(chance.between(MINUTE_MS, FAULTS_MS - MINUTE_MS), () => {
      const node = chance.pick(cluster.nodeNames())
      cluster.silence(node, true)
      const reboots = chance.happens(0.5)
      timeline.after(chance.pick([20_000, 90_000, 8 * MINUTE_MS]), () => {
        if (reboots) cluster.reboot(node)
        cluster.silence(node, false)
      })
    })
  }
  for (let outages = chance.below(3); outages > 0; outages -= 1) {
    timeline.after(chance.between(MINUTE_MS, FAULTS_MS - MINUTE_MS), () => {
      faults.storeDownUntil = epochMs(timeline.now() + chance.between(1_000, 90_000))
    })
  }
}
