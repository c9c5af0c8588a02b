import { rehearsalOf } from '../../core/launch/launch.ts'
import { dialectsFor, progressExpected } from '../../core/observe/dialects/dialect.ts'
import { runOfSpec } from '../../core/submit/submit.ts'
import type { RunDocument } from '../../domain/documents.ts'
import { runIdFrom } from '../../domain/ids.ts'
import type { Principal } from '../../domain/principal.ts'
import { actorOf } from '../../domain/principal.ts'
import type { Answer } from '../../domain/refusal.ts'
import { accepted, refused } from '../../domain/refusal.ts'
import type { Refusal } from '../../domain/refusal.ts'
import type { Run } from '../../domain/run.ts'
import type { RunSpec } from '../../domain/spec.ts'
import type { Control } from '../control.ts'
import { documentOf } from '../views/run-document.ts'
import type { RequestContext } from './context.ts'
import { mayNot } from './context.ts'

type Key = { readonly key: string; readonly hash: string } | null

export async function submit(
  context: RequestContext,
  who: Principal,
  spec: RunSpec,
  key: Key,
): Promise<Answer<{ run: RunDocument; repeated: boolean }>> {
  const refusal = mayNot(who, 'run.submit', spec.project)
  if (refusal !== null) return refusal
  const drafted = await draft(context, who, spec)
  if (!drafted.ok) return drafted
  const run = drafted.value
  const { store, doorbell } = context.control
  const actor = actorOf(who)
  const result = await store.submit({
    run,
    spec,
    key: key === null ? null : { caller: actor, key: key.key, hash: key.hash },
    event: { run: run.id, at: run.createdAt, kind: 'submitted', message: `by ${run.user}` },
    audit: {
      at: run.createdAt,
      actor,
      verb: 'run.submit',
      target: run.id,
      detail: { project: run.project, name: run.name },
    },
  })
  switch (result.kind) {
    case 'submitted':
      doorbell.ring('place')
      return accepted({ run: documentOf(run), repeated: false })
    case 'repeat': {
      const first = await store.run(result.run)
      return accepted({ run: documentOf(first ?? run), repeated: true })
    }
    case 'key-reused':
      return refused(
        'idempotency-key-reused',
        'this idempotency key was used for another request',
        'use a new key for a new request',
      )
    case 'name-taken':
      return refused(
        'name-taken',
        `run ${result.by} of the name ${run.project}/${run.name} still lives`,
        'wait for it, stop it, or choose another name',
        '/name',
      )
    case 'too-many':
      return refused('too-many-runs', `${result.live} runs live already`, 'wait until some have ended')
  }
}

/** The run that a spec would become; nothing is written. */
export async function draft(context: RequestContext, who: Principal, spec: RunSpec): Promise<Answer<Run>> {
  const { control } = context
  const { projects, budgets } = await control.store.shares()
  const { framework } = spec.training
  const drafted = runOfSpec(
    spec,
    runIdFrom(control.clock.now(), control.chance.bits30()),
    who.kind === 'user' ? who.name : '',
    control.clock.now(),
    {
      projects,
      budgets,
      clusters: new Set(control.clusters.keys()),
      defaultCluster: context.defaultCluster,
      peaks: context.peaks,
      progressExpected: progressExpected(framework) && dialectsFor(framework).length > 0,
    },
  )
  return drafted.ok ? ((await rehearse(control, drafted.value, spec)) ?? drafted) : drafted
}

/** The cluster's own no, before anybody waits for it. One that cannot be asked now is asked when the run is launched. */
async function rehearse(control: Control, run: Run, spec: RunSpec): Promise<Refusal | null> {
  const cluster = control.clusters.get(run.cluster)
  // One that did not answer a moment ago would keep whoever submits waiting for nothing.
  if (cluster?.rehearse === undefined || control.health.get(run.cluster)?.kind === 'unknown') return null
  try {
    return await cluster.rehearse(rehearsalOf(run, spec, cluster.checkpointRoot, control.settings.durations.graceMs))
  } catch (error) {
    control.log.warn({ run: run.id, error: String(error) }, 'a cluster could not be asked whether it would take a run')
    return null
  }
}
