// Small things for tests: each is whole and plain, and a test says only what it is about.
import type { Attempt } from './attempt.ts'
import type { Budget } from './budget.ts'
import type { Claim, Holder } from './claim.ts'
import type { AttemptId, BudgetId, ClusterName, NodeId, ProjectName, RunId } from './ids.ts'
import { attemptIdOf, nodeIdOf, runOfAttempt, workerIdOf } from './ids.ts'
import type { Node } from './node.ts'
import type { Project } from './project.ts'
import type { Run } from './run.ts'
import type { RunSpec } from './spec.ts'
import { epochMs, gpuMs } from './units.ts'
import type { World } from './world.ts'

export const CLUSTER = 'local' as ClusterName
export const PROJECT = 'default' as ProjectName
/** A cell border: moments of tests are written as distances from it. */
export const T0 = 1_800_000_000_000
export const t = (distance: number) => epochMs(T0 + distance)

/** `r` and sixteen characters, ordered by number. */
export const runId = (number: number): RunId => `r${String(number).padStart(16, '0')}` as RunId
export const nodeId = (name: string): NodeId => nodeIdOf(CLUSTER, name, 1)

export function nodeOf(name: string, over: Partial<Node> = {}): Node {
  return {
    id: nodeId(name),
    cluster: CLUSTER,
    name,
    incarnation: 1,
    gpuModel: 'h100',
    declared: false,
    inventory: 8,
    condition: { kind: 'ready' },
    cordon: null,
    foreign: 0,
    lastObserved: t(0),
    bookedTo: t(0),
    registeredAt: t(0),
    deletedAt: null,
    version: 1,
    ...over,
  }
}

export function claimOf(node: NodeId, holder: Holder, slots: readonly number[], over: Partial<Claim> = {}): Claim {
  const isHold = holder.startsWith('restart:')
  const attempt = holder.slice(0, holder.lastIndexOf('-')) as AttemptId
  return {
    holder,
    node,
    run: isHold ? (holder.slice('restart:'.length) as RunId) : runOfAttempt(attempt),
    attempt: isHold ? null : attempt,
    slots,
    price: null,
    placedAt: t(0),
    boundAt: null,
    startedAt: null,
    endedAt: null,
    exit: null,
    releasedAt: null,
    paidUntil: null,
    until: null,
    ...over,
  }
}

export function runOf(number: number, over: Partial<Run> = {}): Run {
  return {
    id: runId(number),
    project: PROJECT,
    name: `run-${number}`,
    user: 'ada',
    cluster: CLUSTER,
    priority: 'normal',
    labels: {},
    resources: { nodes: 1, gpusPerNode: 1, gpu: [], topology: null, parallelism: {} },
    state: { kind: 'queued', reason: 'capacity', message: 'not looked at yet', notBefore: null },
    wish: 'run',
    attempts: 0,
    restartsLeft: { infrastructure: 20, unknown: 3, user: 0 },
    failuresInRow: 0,
    estimateP80: null,
    limits: { timeMs: null, gpuMs: null },
    sequenceLength: null,
    progressExpected: false,
    paidGpuMs: gpuMs(0),
    budgets: [],
    createdAt: t(number),
    startedAt: null,
    endedAt: null,
    version: 1,
    ...over,
  }
}

export type Seat = { readonly node: string; readonly slots: readonly number[] }

/** An attempt with its claims, one worker for each seat. */
export function attemptOf(
  run: Run,
  number: number,
  seats: readonly Seat[],
  over: Partial<Attempt> = {},
): { readonly attempt: Attempt; readonly claims: readonly Claim[] } {
  const id = attemptIdOf(run.id, number)
  const workers = seats.map(({ node, slots }, index) => ({
    id: workerIdOf(id, index),
    index,
    node: nodeId(node),
    nodeName: node,
    slots,
  }))
  return {
    attempt: {
      id,
      run: run.id,
      number,
      cluster: run.cluster,
      placement: { workers, masterAddress: '127.0.0.1', masterPort: 20_000 },
      state: { kind: 'planned' },
      plannedAt: t(0),
      startedAt: null,
      failureAt: null,
      endedAt: null,
      deadlineAt: null,
      ...over,
    },
    claims: workers.map((worker) => claimOf(worker.node, worker.id, worker.slots)),
  }
}

export function budgetOf(id: string, over: Partial<Budget> = {}): Budget {
  return {
    id: id as BudgetId,
    project: PROJECT,
    user: null,
    label: null,
    run: null,
    unit: { kind: 'gpu-ms' },
    hard: true,
    limit: 1_000,
    used: 0,
    reserved: 0,
    over: 0,
    period: null,
    extended: 0,
    version: 1,
    ...over,
  }
}

export function projectOf(name: string, over: Partial<Project> = {}): Project {
  return { name: name as ProjectName, parent: null, quotaGpus: null, maxPriority: 'high', version: 1, ...over }
}

type Parts = {
  readonly nodes?: readonly Node[]
  readonly claims?: readonly Claim[]
  readonly runs?: readonly Run[]
  readonly attempts?: readonly Attempt[]
  readonly projects?: readonly Project[]
  readonly budgets?: readonly Budget[]
}

export function worldOf(
  { nodes = [], claims = [], runs = [], attempts = [], projects = [projectOf('default')], budgets = [] }: Parts,
  over: Partial<World> = {},
): World {
  return {
    now: t(0),
    newestBookedTo: t(0),
    queue: { paused: false, reason: '' },
    clusters: new Map([[CLUSTER, { kind: 'reachable' }]]),
    nodes: new Map(nodes.map((node) => [node.id, node])),
    claims,
    runs: new Map(runs.map((run) => [run.id, run])),
    attempts: new Map(attempts.map((attempt) => [attempt.id, attempt])),
    projects: new Map(projects.map((project) => [project.name, project])),
    budgets: new Map(budgets.map((budget) => [budget.id, budget])),
    reserves: [],
    prices: new Map(),
    reports: new Map(),
    ...over,
  }
}

/** What a spec of nothing but a name and a command resolves to. */
export function specOf(over: Partial<RunSpec> = {}): RunSpec {
  return {
    version: 1,
    name: 'run-1',
    project: PROJECT,
    priority: 'normal',
    cluster: null,
    workdir: null,
    labels: {},
    image: null,
    command: ['python', 'train.py'],
    env: {},
    secrets: [],
    resources: { nodes: 1, gpusPerNode: 1, gpu: [], topology: null, parallelism: {} },
    training: { framework: 'auto', tokens: null, sequenceLength: null, model: null },
    checkpoints: { path: null, everySteps: null },
    limits: { timeMs: null, gpuMs: null },
    restart: { infrastructure: 20, unknown: 3, user: 0 },
    watch: { stall: 'auto', loss: 'auto', experts: 'auto' },
    notify: [],
    source: null,
    ...over,
  }
}
