// Intents first, effects second; what an effect leaves undone the next turn repeats.
import {
  attemptsToEnd,
  attemptsToLaunch,
  decideEndings,
  decideHolds,
  decideSignals,
  planOf,
} from '../core/launch/launch.ts'
import { decideTaints, taintsOf } from '../core/launch/taints.ts'
import type { Attempt } from '../domain/attempt.ts'
import type { AttemptId, ClusterName } from '../domain/ids.ts'
import type { EpochMs } from '../domain/units.ts'
import type { World } from '../domain/world.ts'
import { saidOf } from '../ports/fault.ts'
import { commitAll } from './commit.ts'
import type { Control } from './control.ts'
import { EFFECT_MS, epochNow, leaseOutlasts } from './control.ts'

/** Why attempts could not be launched, as the last try said: what observe shows of them. Thrown away with the process. */
const troubles = new WeakMap<Control, Map<AttemptId, string>>()

export const launchTrouble = (control: Control, attempt: AttemptId): string | null =>
  troubles.get(control)?.get(attempt) ?? null

/** Deadlines as they were last told to the clusters by this process. */
const told = new WeakMap<Control, Map<AttemptId, EpochMs | null>>()

export async function launchTurn(control: Control): Promise<void> {
  const epoch = epochNow(control)
  if (epoch === null) return
  const before = await control.store.world(control.health)
  const items = [
    ...decideEndings(before, control.settings.durations),
    ...decideSignals(before),
    ...decideHolds(before),
    ...[...control.clusters.values()].flatMap(({ name, taints }) => decideTaints(before, name, taints ?? null)),
  ]
  const committed = await commitAll(control, epoch, items)
  if (committed.deposed) return
  // The intents are read again: only what is committed is done.
  const world = items.length === 0 ? before : await control.store.world(control.health)
  await startAll(control, world)
  await endAll(control, world)
  await tellDeadlines(control, world)
  await tellWhatIsKeptOff(control, world)
  if (committed.applied > 0) control.doorbell.ring('place')
}

async function startAll(control: Control, world: World): Promise<void> {
  const attempts = attemptsToLaunch(world)
  const before = troubles.get(control) ?? new Map<AttemptId, string>()
  // What was wrong at the last try stands until this one is through: whoever looks in between would see it pass and come back.
  const trouble = new Map(attempts.flatMap(({ id }) => (before.has(id) ? [[id, before.get(id) ?? ''] as const] : [])))
  troubles.set(control, trouble)
  if (attempts.length === 0) return
  const specs = await control.store.specs(attempts.map((attempt) => attempt.run))
  for (const attempt of attempts) {
    const cluster = control.clusters.get(attempt.cluster)
    const spec = specs.get(attempt.run)
    // One that does not answer would keep the others waiting, a timeout for each attempt.
    if (cluster === undefined || spec === undefined || isUnknown(control, attempt)) continue
    if (!leaseOutlasts(control, EFFECT_MS)) return
    const plan = planOf(attempt, spec, cluster.checkpointRoot, control.settings.durations.graceMs)
    await outside(control, attempt, 'launch', async () => {
      const ingest = control.ingest?.(attempt.id) ?? null
      await cluster.launch(plan, attempt.deadlineAt, ingest).then(
        () => trouble.delete(attempt.id),
        (error: unknown) => {
          trouble.set(attempt.id, saidOf(error))
          throw error
        },
      )
    })
  }
  // What was launched is looked for; what failed as before shows nothing new.
  const failedAgain = (id: AttemptId): boolean => trouble.has(id) && before.get(id) === trouble.get(id)
  if (!attempts.every(({ id }) => failedAgain(id))) control.doorbell.ring('observe')
}

async function endAll(control: Control, world: World): Promise<void> {
  const deaf = new Set<ClusterName>()
  for (const { attempt, request } of attemptsToEnd(world)) {
    const cluster = control.clusters.get(attempt.cluster)
    if (cluster === undefined || deaf.has(attempt.cluster)) continue
    if (!leaseOutlasts(control, EFFECT_MS)) return
    const heard = await outside(control, attempt, 'end', () => cluster.end(request))
    // One that does not answer would keep the others waiting, a timeout for each attempt. One whose nodes are silent answers.
    if (!heard && isUnknown(control, attempt)) deaf.add(attempt.cluster)
  }
}

const isUnknown = (control: Control, { cluster }: Attempt): boolean => control.health.get(cluster)?.kind === 'unknown'

async function tellDeadlines(control: Control, world: World): Promise<void> {
  const known = told.get(control) ?? new Map<AttemptId, EpochMs | null>()
  told.set(control, known)
  for (const id of known.keys()) if (!world.attempts.has(id)) known.delete(id)
  for (const attempt of world.attempts.values()) {
    const cluster = control.clusters.get(attempt.cluster)
    if (cluster === undefined || attempt.state.kind !== 'running' || isUnknown(control, attempt)) continue
    if (known.has(attempt.id) && known.get(attempt.id) === attempt.deadlineAt) continue
    await outside(control, attempt, 'deadline', async () => {
      await cluster.deadline(attempt.id, attempt.deadlineAt)
      known.set(attempt.id, attempt.deadlineAt)
    })
  }
}

/** Why a cluster was not told of nodes, as it was last logged: a right that is missing is so at each turn. */
const keptOffTroubles = new WeakMap<Control, Map<ClusterName, string>>()

/** Where others place work too, a node that is out of service here is so for them. */
async function tellWhatIsKeptOff(control: Control, world: World): Promise<void> {
  const said = keptOffTroubles.get(control) ?? new Map<ClusterName, string>()
  keptOffTroubles.set(control, said)
  for (const cluster of control.clusters.values()) {
    if (cluster.keepOff === undefined || !leaseOutlasts(control, EFFECT_MS)) continue
    const nodes = [...world.nodes.values()].filter(
      (node) => node.cluster === cluster.name && node.deletedAt === null && node.cordon !== null,
    )
    const cordoned = new Set(nodes.map(({ name }) => name))
    await cluster.keepOff(cordoned, taintsOf(world, cluster.name)).then(
      () => said.delete(cluster.name),
      (error: unknown) => {
        const fields = { cluster: cluster.name, error: String(error) }
        if (said.get(cluster.name) === fields.error) return
        said.set(cluster.name, fields.error)
        control.log.warn(fields, 'cordons and taints of nodes could not be told and will be again')
      },
    )
  }
}

/** One attempt that cannot be reached must not keep the others from being started or ended. */
async function outside(
  control: Control,
  attempt: Attempt,
  what: string,
  effect: () => Promise<void>,
): Promise<boolean> {
  try {
    await effect()
    return true
  } catch (error) {
    control.log.warn({ attempt: attempt.id, what, error: String(error) }, 'an effect failed and will be repeated')
    return false
  }
}
