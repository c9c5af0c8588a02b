// Looks at every cluster and writes what changed. A cluster that cannot be asked is unknown, not empty: nothing of it ends, and
// nothing is placed there.
import { decideFences, fenced } from '../core/observe/fence.ts'
import { decideLost, decideNodes, lostNodes } from '../core/observe/nodes.ts'
import type { LookAtWorkers, WorkerFact } from '../core/observe/workers.ts'
import { decideWorkers } from '../core/observe/workers.ts'
import type { Attempt } from '../domain/attempt.ts'
import type { AttemptId, WorkerId } from '../domain/ids.ts'
import { attemptOfWorker, runOfAttempt } from '../domain/ids.ts'
import type { Item } from '../domain/item.ts'
import type { ClusterHealth, World } from '../domain/world.ts'
import type { Cluster, ClusterSeen, WorkerSeen } from '../ports/cluster.ts'
import { saidOf } from '../ports/fault.ts'
import { commitAll } from './commit.ts'
import type { Control } from './control.ts'
import { EFFECT_MS, epochNow, leaseOutlasts } from './control.ts'
import { classifierOf, withoutLogs } from './failures.ts'
import { launchTrouble } from './launch.ts'

export async function observeTurn(control: Control): Promise<void> {
  for (const cluster of control.clusters.values()) {
    const epoch = epochNow(control)
    if (epoch === null) return
    const seen = await look(control, cluster)
    if (seen === null) continue
    const world = await control.store.world(control.health)
    const stray = unclaimed(world, seen)
    const left = await leftovers(control, world, stray)
    const { items, health } = await decide(control, cluster, world, withoutThem(seen, left, stray))
    tells(control, cluster, health)
    const committed = await commitAll(control, epoch, items)
    if (committed.deposed) return
    await endThem(control, cluster, left, seen)
    if (committed.applied > 0) for (const loop of ['place', 'launch', 'account'] as const) control.doorbell.ring(loop)
    if (committed.stale > 0) control.doorbell.ring('observe')
    if (moreWait(control, cluster, seen, world)) control.doorbell.ring('launch')
  }
}

/** Gangs of which all waited to be let go at the last look of this process. */
const waited = new WeakMap<Control, Map<string, ReadonlySet<AttemptId>>>()

/**
 * Whether a gang is there whole and waits that did not before. Launch is rung for once, so that the two do not ring for each other for ever,
 * and not for each pod of a gang that comes pod by pod.
 */
function moreWait(control: Control, cluster: Cluster, seen: ClusterSeen, world: World): boolean {
  const before = waited.get(control) ?? new Map<string, ReadonlySet<AttemptId>>()
  waited.set(control, before)
  const there = new Map<AttemptId, number>()
  const waits = new Set<AttemptId>()
  for (const { worker, phase } of seen.workers) {
    const attempt = attemptOfWorker(worker)
    there.set(attempt, (there.get(attempt) ?? 0) + 1)
    if (phase === 'waiting') waits.add(attempt)
  }
  const now = new Set(
    [...waits].filter((id) => (world.attempts.get(id)?.placement.workers.length ?? Infinity) <= (there.get(id) ?? 0)),
  )
  const known = before.get(cluster.name)
  before.set(cluster.name, now)
  return [...now].some((id) => known?.has(id) !== true)
}

async function look(control: Control, cluster: Cluster): Promise<ClusterSeen | null> {
  try {
    return await cluster.observe()
  } catch (error) {
    const message = saidOf(error)
    if (control.health.get(cluster.name)?.kind !== 'unknown')
      control.log.warn({ cluster: cluster.name, error: message }, 'a cluster cannot be asked')
    control.health.set(cluster.name, { kind: 'unknown', message })
    return null
  }
}

/** Once the look is understood, and not before: a cluster that is blind never looks healthy in between to whoever places. */
function tells(control: Control, { name }: Cluster, health: ClusterHealth): void {
  const before = control.health.get(name)
  control.health.set(name, health)
  if (health.kind === 'reachable' && before?.kind !== 'reachable') control.doorbell.ring('place')
}

/** Attempts of processes that live and hold no slot in the books: their node was silent when the others were asked to end. */
async function leftovers(control: Control, world: World, stray: ReadonlySet<WorkerId>): Promise<readonly Attempt[]> {
  const ids = new Set([...stray].map(attemptOfWorker))
  const found: Attempt[] = []
  for (const id of ids) {
    // One that is ending still: what of it was on a lost node gave its slots up before the rest.
    const ending = world.attempts.get(id)
    if (ending !== undefined) {
      found.push(ending)
      continue
    }
    const { attempts } = await control.store.attemptsOf(runOfAttempt(id))
    // What the books do not know is a stranger's, and never ended by us.
    found.push(...attempts.filter((attempt) => attempt.id === id && attempt.state.kind === 'ended'))
  }
  return found
}

function unclaimed(world: World, seen: ClusterSeen): ReadonlySet<WorkerId> {
  const holders = new Set<string>(world.claims.map((claim) => claim.holder))
  const living = seen.workers.filter((worker) => worker.phase !== 'exited' && worker.phase !== 'gone')
  return new Set(living.map((worker) => worker.worker).filter((worker) => !holders.has(worker)))
}

/** A node is not in service while processes that hold nothing are left on it. */
function withoutThem(seen: ClusterSeen, left: readonly Attempt[], stray: ReadonlySet<WorkerId>): ClusterSeen {
  const nodes = new Map<string, string>()
  for (const { id, placement } of left) {
    for (const worker of placement.workers)
      if (stray.has(worker.id))
        nodes.set(worker.nodeName, `${id}, which has given up its slots, are left on it and are being ended`)
  }
  // After a restore from a backup: they compute on, hold what nobody booked, and are not ours to end.
  const known = new Set<string>(left.map(({ id }) => id))
  for (const { worker, node } of seen.workers)
    if (node !== undefined && stray.has(worker) && !known.has(attemptOfWorker(worker)))
      nodes.set(
        node,
        `${attemptOfWorker(worker)}, which is not in the books, are on it: see whether anybody needs them, and end them by hand`,
      )
  return {
    ...seen,
    nodes: seen.nodes.map((node) => {
      const what = nodes.get(node.name)
      if (what === undefined || node.condition.kind !== 'ready') return node
      const message = `processes of attempt ${what}`
      return { ...node, condition: { kind: 'not-ready', reason: 'nodes-not-ready', message, unhealthy: true } }
    }),
  }
}

async function endThem(control: Control, cluster: Cluster, left: readonly Attempt[], seen: ClusterSeen): Promise<void> {
  // One that is ending is asked by launch.
  const ended = left.filter(({ state }) => state.kind === 'ended')
  if (ended.length === 0) return
  const mayHaveRun = new Set(
    seen.workers.filter(({ phase }) => phase !== 'waiting').map(({ worker }) => attemptOfWorker(worker)),
  )
  // The look may be an old one: what is not started in it may have run to its end since, and its log is to be read.
  for (const { attempt } of await control.store.logCursors()) mayHaveRun.add(attempt)
  for (const attempt of ended) {
    if (!leaseOutlasts(control, EFFECT_MS)) return
    const request = { attempt: attempt.id, graceMs: control.settings.durations.graceMs, askedAt: seen.observedAt }
    // What came after its end and never started, a launch of a dead leader, goes whole: nobody would forget it later.
    const ending = mayHaveRun.has(attempt.id) ? cluster.end(request) : cluster.forget(attempt.id)
    await ending.catch((error: unknown) => {
      const fields = { attempt: attempt.id, error: String(error) }
      control.log.warn(fields, 'what is left of an attempt could not be ended yet')
    })
  }
}

type Decided = { readonly items: Item[]; readonly health: ClusterHealth }

async function decide(control: Control, cluster: Cluster, world: World, seen: ClusterSeen): Promise<Decided> {
  const { durations } = control.settings
  const nodes = new Set(seen.nodes.map((node) => node.name))
  const items = decideNodes(world, cluster.name, seen.nodes, seen.observedAt, durations)
  const lost = lostNodes(world, cluster.name, nodes, seen.observedAt, durations)
  const health: ClusterHealth =
    lost.kind === 'blind'
      ? { kind: 'unknown', message: `${lost.silent} of ${lost.of} nodes are silent at once` }
      : { kind: 'reachable' }
  if (lost.kind === 'lost') items.push(...decideLost(world, lost.nodes, seen.observedAt, withoutLogs, durations))
  const alsoLost = new Set(lost.kind === 'lost' ? lost.nodes.map((node) => node.id) : [])
  const looked: LookAtWorkers = {
    observedAt: seen.observedAt,
    nodes,
    workers: new Map(seen.workers.map((worker) => [worker.worker, factOf(worker)])),
  }
  for (const attempt of world.attempts.values()) {
    if (attempt.cluster !== cluster.name) continue
    // What was just decided for an attempt on a lost node stands; the rest of it is looked at in the next turn.
    if (attempt.placement.workers.some((worker) => alsoLost.has(worker.node))) continue
    const byLogs = await classifierOf(control, cluster, world, attempt, looked)
    const item = decideWorkers(
      world,
      attempt,
      { ...looked, trouble: launchTrouble(control, attempt.id) },
      byLogs,
      durations,
    )
    if (item !== null) items.push(item)
  }
  const ended = new Set([...looked.workers.values()].flatMap(({ worker, end }) => (end === null ? [] : [worker])))
  const proofs = { ended, nodes: await goneNodes(control, cluster, world) }
  items.push(...decideFences(world, cluster.name, proofs, seen.observedAt))
  return { items, health }
}

/**
 * Of the nodes that hold runs back; what cannot be asked proves nothing. A worker that never started there starts when a node of that name
 * comes: its attempt is asked to end before.
 */
async function goneNodes(control: Control, cluster: Cluster, world: World): Promise<ReadonlyMap<string, string>> {
  const workers = fenced(world, cluster.name)
  if (workers.length === 0 || cluster.goneNodes === undefined) return new Map()
  const askedAt = control.clock.now()
  try {
    for (const attempt of new Set(workers.map(({ worker }) => attemptOfWorker(worker)))) {
      if (!leaseOutlasts(control, EFFECT_MS)) return new Map()
      await cluster.end({ attempt, graceMs: control.settings.durations.graceMs, askedAt })
    }
    return await cluster.goneNodes(new Set(workers.map(({ nodeName }) => nodeName)))
  } catch (error) {
    control.log.warn({ cluster: cluster.name, error: String(error) }, 'whether lost nodes are gone could not be asked')
    return new Map()
  }
}

function factOf(seen: WorkerSeen): WorkerFact {
  const named = seen.name === undefined ? {} : { name: seen.name }
  const base = { worker: seen.worker, bound: true, startedAt: null, end: null, waits: null, ...named }
  switch (seen.phase) {
    case 'waiting':
      return { ...base, bound: false, waits: seen.message ?? null }
    case 'claimed':
      return { ...base, waits: seen.message ?? null, preparing: seen.preparing === true }
    case 'running':
      return { ...base, startedAt: seen.startedAt }
    case 'gone':
      return {
        ...base,
        end: {
          at: null,
          exit: {
            kind: 'gone',
            code: 0,
            signal: null,
            cause: 'unknown',
            message: 'nothing is left of it, and nobody saw how it ended',
          },
        },
      }
    case 'exited':
      return {
        ...base,
        startedAt: seen.startedAt,
        end: {
          at: seen.endedAt,
          exit: {
            kind: seen.exit.kind,
            code: seen.exit.kind === 'code' ? seen.exit.code : 0,
            signal: seen.exit.kind === 'signal' ? seen.exit.signal : null,
            cause: seen.cause,
            message: seen.message,
          },
        },
      }
  }
}
