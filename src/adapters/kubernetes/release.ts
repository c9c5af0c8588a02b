// Before the control plane is uninstalled: nobody is left who would take our finalizer off the Jobs, and a namespace with one of them could
// not be deleted. What runs goes on, up to its deadline.
import { setTimeout as pause } from 'node:timers/promises'
import { Fault } from '../../ports/fault.ts'
import type { Api } from './api.ts'
import { faultOf, isGone } from './api-error.ts'
import { dropFinalizer } from './finalizer.ts'
import { CONTROL_PLANE, FINALIZER, MANAGED_BY, PLIMSOLL } from './names.ts'
import type { Job, List } from './objects.ts'

const PAGE = 500
const LOOK_MS = 1_000

/** Takes our finalizer off every Job of this control plane, and leaves those of others. Returns how many had it. */
export async function releaseJobs(
  api: Api,
  { cluster, namespaces, controlPlane }: { cluster: string; namespaces: readonly string[]; controlPlane: string },
): Promise<number> {
  let released = 0
  for (const namespace of namespaces) {
    const path = `/apis/batch/v1/namespaces/${namespace}/jobs`
    let token: string | undefined
    try {
      do {
        const query = { labelSelector: `${MANAGED_BY}=${PLIMSOLL},${CONTROL_PLANE}=${controlPlane}`, limit: PAGE }
        const page: List<Job> = await api.get(path, { ...query, continue: token })
        for (const { metadata } of page.items) {
          if (metadata.finalizers?.includes(FINALIZER) !== true) continue
          await dropFinalizer(api, `${path}/${metadata.name}`, metadata).catch((error: unknown) => {
            if (!isGone(error)) throw error
          })
          released += 1
        }
        token = page.metadata.continue === '' ? undefined : page.metadata.continue
      } while (token !== undefined)
    } catch (error) {
      if (isGone(error)) continue
      throw faultOf(error, cluster, `the Jobs in ${namespace} could not be released`)
    }
  }
  return released
}

type Deployment = { readonly status?: { readonly replicas?: number } }

/** Scales a Deployment to nothing and waits until no pod of it is counted, so that nobody makes what is released next. */
export async function stopDeployment(
  api: Api,
  { namespace, name, withinMs }: { namespace: string; name: string; withinMs: number },
): Promise<void> {
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`
  try {
    await api.patch(`${path}/scale`, { spec: { replicas: 0 } })
    const until = performance.now() + withinMs
    for (;;) {
      const { status } = await api.get<Deployment>(path)
      if ((status?.replicas ?? 0) === 0) return
      if (performance.now() > until)
        throw new Fault('cluster-refused', `pods of ${namespace}/${name} are there after ${withinMs / 1000} s`, {
          retryable: false,
          whatToDo: 'See why they do not end: kubectl describe pods.',
        })
      await pause(LOOK_MS)
    }
  } catch (error) {
    if (isGone(error)) return
    throw faultOf(error, 'of this control plane', `${namespace}/${name} could not be stopped`)
  }
}
