// Our finalizer on a Job: while it is there the Job is, whoever deletes it.
import type { Api } from './api.ts'
import { isStatus } from './api-error.ts'
import { FINALIZER } from './names.ts'
import type { Job } from './objects.ts'

const TRIES_MAX = 5

/**
 * Takes our finalizer off a Job, as it was last seen. By its version, so that a finalizer that somebody else adds meanwhile is not lost: a
 * Job that has changed since (its controller counts its pods) is read and asked again. Throws what the server says: 404 too, where there
 * is none of this name any more.
 */
export async function dropFinalizer(
  api: Api,
  path: string,
  seen: { readonly uid: string; readonly resourceVersion: string; readonly finalizers?: readonly string[] },
): Promise<void> {
  let job = seen
  for (let tries = 1; job.uid === seen.uid; tries += 1) {
    const { uid, resourceVersion, finalizers = [] } = job
    const rest = finalizers.filter((each) => each !== FINALIZER)
    if (rest.length === finalizers.length) return
    try {
      await api.patch(path, { metadata: { uid, resourceVersion, finalizers: rest } })
      return
    } catch (error) {
      if (!isStatus(error, 409) || tries === TRIES_MAX) throw error
    }
    job = (await api.get<Job>(path)).metadata
  }
}
