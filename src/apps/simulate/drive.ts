// One seed of the other world: the production loops under virtual time, with two controllers, crashes between any two calls, silent
// nodes and lost rings; then the faults stop and everything must come to an end.
import { accountTurn } from '../../control/account.ts'
import type { Control } from '../../control/control.ts'
import { launchTurn } from '../../control/launch.ts'
import { keepLead } from '../../control/lead.ts'
import { followLogs } from '../../control/logs.ts'
import { observeTurn } from '../../control/observe.ts'
import { placeTurn } from '../../control/place.ts'
import type { BudgetId, ClusterName, ProjectName, RunId } from '../../domain/ids.ts'
import { runIdFrom } from '../../domain/ids.ts'
import type { Policy } from '../../domain/policy.ts'
import type { Run } from '../../domain/run.ts'
import { isEnded } from '../../domain/run.ts'
import { DEFAULT_DURATIONS } from '../../domain/settings.ts'
import type { RunSpec } from '../../domain/spec.ts'
import { durationMs, epochMs, gpuMs, micros } from '../../domain/units.ts'
import type { Store } from '../../ports/store.ts'
import { SeededChance } from '../../sim/chance.ts'
import { checkConservation, checkGangs, checkLaunches, checkPostings } from '../../sim/checkers/checkers.ts'
import type { Trainer } from '../../sim/cluster.ts'
import { SimulatedCluster } from '../../sim/cluster.ts'
import type { Tables } from '../../sim/store.ts'
import { simulatedStore } from '../../sim/store.ts'
import { Timeline } from '../../sim/timeline.ts'

export const BEGIN = epochMs(1_800_000_000_000)
export const CLUSTER = 'simulated' as ClusterName
const TICK_MS = 1_000
const FAULTS_MS = 20 * 60_000
const LIVENESS_MS = 120 * 60_000

export type Outcome = {
  readonly seed: number
  readonly problem: string | null
  readonly runs: number
  readonly attempts: number
  readonly crashes: number
  readonly virtualMs: number
}

/** A mutation breaks something on purpose after a tick, so that a checker is seen to catch it. */
export type Mutation = (tables: Tables, cluster: SimulatedCluster) => void

class Crash extends Error {}

export async function simulateSeed(seed: number, mutate: Mutation | null = null): Promise<Outcome> {
  const chance = new SeededChance(seed)
  const timeline = new Timeline(BEGIN)
  const { store, tables } = simulatedStore(timeline, { blindAfterMs: DEFAULT_DURATIONS.blindAfterMs })
  const trainers = new Map<RunId, Trainer>()
  const cluster = new SimulatedCluster(
    CLUSTER,
    timeline,
    chance.fork(),
    { nodes: chance.between(2, 6), slots: chance.pick([4, 8]) },
    (run) => trainers.get(run) ?? { steps: 10, stepMs: 1_000, saveEvery: 5, failure: 0 },
  )
  const faults = { crash: 0.01, on: true, crashes: 0 }
  const make = (): Control => controlOf(faulty(store, chance, faults), cluster, timeline, chance)
  const controls = [make(), make()]
  await store.applyPolicy(
    POLICY,
    {},
    { at: BEGIN, actor: 'rule:seed', verb: 'policy.apply', target: 'policy', detail: {} },
  )
  const wanted = chance.between(4, 12)
  const outcome = (problem: string | null): Outcome => ({
    seed,
    problem,
    runs: tables.runs.size,
    attempts: tables.attempts.size,
    crashes: faults.crashes,
    virtualMs: timeline.now() - BEGIN,
  })
  let submitted = 0
  while (timeline.now() < BEGIN + LIVENESS_MS) {
    faults.on = timeline.now() < BEGIN + FAULTS_MS
    advance(timeline, TICK_MS)
    if (submitted < wanted && chance.happens(0.05))
      submitted += Number(await submitOne(store, trainers, chance, timeline, submitted, cluster.nodeNames().length))
    if (faults.on && chance.happens(0.01)) cluster.silence(chance.pick(cluster.nodeNames()), true)
    if (!faults.on || chance.happens(0.05)) for (const node of cluster.nodeNames()) cluster.silence(node, false)
    for (const [index, control] of controls.entries()) {
      // A paused process: its lease runs out, and the other one takes over.
      if (faults.on && chance.happens(0.1)) continue
      if (!(await tick(control, chance, faults))) controls[index] = make()
    }
    mutate?.(tables, cluster)
    const problem =
      checkConservation(tables) ?? checkGangs(tables) ?? checkPostings(tables) ?? checkLaunches(cluster.starts)
    if (problem !== null) return outcome(problem)
    if (submitted === wanted && !faults.on && settled(tables)) return outcome(null)
  }
  const stuck = [...tables.runs.values()]
    .filter((run) => !isEnded(run.state))
    .map((run) => `${run.id} is ${run.state.kind}`)
  return outcome(`not everything ended: ${stuck.join(', ') || 'books are open'}`)
}

/** Runs what is due within the next `ms`. */
function advance(timeline: Timeline, ms: number): void {
  const until = timeline.now() + ms
  timeline.after(ms, () => {})
  for (let next = timeline.nextAt(); next !== null && next <= until; next = timeline.nextAt()) timeline.step()
}

/** All loops of one process, in an order of chance; false when it crashed on the way. */
async function tick(
  control: Control,
  chance: SeededChance,
  faults: { on: boolean; crashes: number },
): Promise<boolean> {
  const turns = [observeTurn, followLogs, placeTurn, launchTurn, accountTurn]
  try {
    await keepLead(control, { holder: 'simulated', force: false, rebase: () => 0 })
    while (turns.length > 0) {
      const [turn] = turns.splice(chance.below(turns.length), 1)
      if (!faults.on || chance.happens(0.9)) await turn?.(control)
    }
    return true
  } catch (error) {
    if (!(error instanceof Crash)) throw error
    faults.crashes += 1
    return false
  }
}

/** Any call may be the last one of its process, before it had its effect or after. */
function faulty(store: Store, chance: SeededChance, faults: { readonly crash: number; readonly on: boolean }): Store {
  return new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return async (...args: unknown[]) => {
        if (faults.on && chance.happens(faults.crash / 2)) throw new Crash(`before ${String(name)}`)
        const result: unknown = await Reflect.apply(method, target, args)
        if (faults.on && chance.happens(faults.crash / 2)) throw new Crash(`after ${String(name)}`)
        return result
      }
    },
  })
}

function controlOf(store: Store, cluster: SimulatedCluster, timeline: Timeline, chance: SeededChance): Control {
  const silent = (): void => {}
  return {
    store,
    clusters: new Map([[cluster.name, cluster]]),
    clock: timeline,
    // Every ring is lost: timers alone must move everything.
    doorbell: { ring: silent },
    chance,
    log: { info: silent, warn: silent, error: silent },
    settings: { durations: DEFAULT_DURATIONS, checkpointRoot: '/ckpt' },
    health: new Map(),
    lead: { epoch: null, until: epochMs(0) },
  }
}

const BUDGET = 'hours' as BudgetId
const PROJECT = 'default' as ProjectName
export const POLICY: Policy = {
  defaultCluster: CLUSTER,
  projects: [{ name: PROJECT, parent: null, quotaGpus: null, maxPriority: 'critical' }],
  budgets: [{ id: BUDGET, project: PROJECT, unit: { kind: 'gpu-ms' }, hard: true, limit: 10 ** 12 }],
  prices: [{ gpuModel: 'simulated', price: { microsPerGpuHour: micros(1_000_000), currency: 'EUR' } }],
}

export async function submitOne(
  store: Store,
  trainers: Map<RunId, Trainer>,
  chance: SeededChance,
  timeline: Timeline,
  index: number,
  nodes: number,
): Promise<boolean> {
  const id = runIdFrom(timeline.now(), chance.bits30())
  trainers.set(id, {
    steps: chance.between(5, 120),
    stepMs: chance.between(200, 4_000),
    saveEvery: chance.between(3, 20),
    failure: chance.pick([0, 0.3, 0.8]),
  })
  const resources = {
    nodes: chance.between(1, Math.min(3, nodes)),
    gpusPerNode: chance.between(1, 4),
    gpu: [],
    topology: null,
    parallelism: {},
  }
  const restart = { infrastructure: 50, unknown: 50, user: 0 }
  const run: Run = {
    id,
    project: PROJECT,
    name: `run-${index}`,
    user: 'ada',
    cluster: CLUSTER,
    priority: chance.pick(['low', 'normal', 'high']),
    labels: {},
    resources,
    state: { kind: 'queued', reason: 'capacity', message: '', notBefore: null },
    wish: 'run',
    attempts: 0,
    restartsLeft: restart,
    failuresInRow: 0,
    estimateP80: null,
    limits: { timeMs: durationMs(90 * 60_000), gpuMs: null },
    sequenceLength: 128,
    progressExpected: true,
    paidGpuMs: gpuMs(0),
    budgets: [BUDGET],
    createdAt: timeline.now(),
    startedAt: null,
    endedAt: null,
    version: 1,
  }
  const spec: RunSpec = {
    version: 1,
    name: run.name,
    project: PROJECT,
    priority: run.priority,
    cluster: null,
    workdir: null,
    labels: {},
    image: null,
    command: ['train'],
    env: {},
    secrets: [],
    resources,
    training: { framework: 'megatron', tokens: null, sequenceLength: 128, model: null },
    checkpoints: { path: '/ckpt', everySteps: null },
    limits: run.limits,
    restart,
    watch: { stall: 'auto', loss: 'auto', experts: 'auto' },
    notify: [],
    source: null,
  }
  const at = timeline.now()
  const result = await store.submit({
    run,
    spec,
    key: null,
    audit: { at, actor: 'user:ada', verb: 'run.submit', target: id, detail: {} },
    event: { run: id, at, kind: 'submitted', message: 'by ada' },
  })
  return result.kind === 'submitted'
}

/** Every run has ended, every slot is free and every cell is posted. */
function settled(tables: Tables): boolean {
  return (
    [...tables.runs.values()].every((run) => isEnded(run.state)) &&
    tables.claims.every((claim) => claim.releasedAt !== null) &&
    [...tables.books.values()].every((books) => books.closed && books.dirtyFrom === null)
  )
}
