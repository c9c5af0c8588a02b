// Whether a cluster would take a run, before it is submitted: what we know ourselves, then the API server's word on the Job and on one
// pod of it. A Job alone meets no ResourceQuota, LimitRange or Pod Security.
import type { AttemptPlan } from '../../domain/plan.ts'
import type { PodGrant } from '../../domain/pod-options.ts'
import { grantsNeeded, NO_POD_OPTIONS } from '../../domain/pod-options.ts'
import type { Refusal } from '../../domain/refusal.ts'
import { refused } from '../../domain/refusal.ts'
import type { Api } from './api.ts'
import { ApiError, faultOf } from './api-error.ts'
import type { ManifestOptions } from './manifest.ts'
import { jobOf, samplePod } from './manifest.ts'
import { epochMs } from '../../domain/units.ts'

/** Where a grant is asked for in a spec. */
const PLACES: Readonly<Record<PodGrant, string>> = {
  hostPath: '/kubernetes/volumes',
  nfs: '/kubernetes/volumes',
  hostNetwork: '/kubernetes/hostNetwork',
  capabilities: '/kubernetes/security/addCapabilities',
  privileged: '/kubernetes/security/privileged',
  tolerations: '/kubernetes/tolerations',
  nodeSelector: '/kubernetes/nodeSelector',
  annotations: '/kubernetes/annotations',
  resources: '/kubernetes/resources',
}

type Rules = { readonly cluster: string; readonly grants: readonly PodGrant[] }

/** Our own rules, for which nobody has to be asked: at submit, and again at launch, since a cluster may have been out of reach before. */
export function refusalOfRules(
  plan: AttemptPlan,
  manifest: ManifestOptions,
  { cluster, grants }: Rules,
): Refusal | null {
  if (plan.image === null && manifest.image === null)
    return refused(
      'invalid',
      `cluster ${cluster} runs containers, and the spec names no image`,
      'name one with image',
      '/image',
    )
  const missing = grantsNeeded(plan.kubernetes ?? NO_POD_OPTIONS).find((grant) => !grants.includes(grant))
  if (missing !== undefined)
    return refused(
      'cluster-refuses',
      `cluster ${cluster} does not let specs ask for ${missing}`,
      `leave it out, or ask the operator to put ${missing} into grants of the cluster`,
      PLACES[missing],
    )
  return null
}

export async function rehearse(
  api: Api | null,
  plan: AttemptPlan,
  manifest: ManifestOptions,
  rules: Rules,
): Promise<Refusal | null> {
  const refusal = refusalOfRules(plan, manifest, rules)
  if (refusal !== null || api === null) return refusal
  const dry = { dryRun: 'All' }
  const { namespace } = manifest
  try {
    await api.create(`/apis/batch/v1/namespaces/${namespace}/jobs`, jobOf(plan, manifest, null, epochMs(0)), dry)
    await api.create(`/api/v1/namespaces/${namespace}/pods`, samplePod(plan, manifest), dry)
    return null
  } catch (error) {
    return refusalOf(error, rules.cluster, namespace)
  }
}

function refusalOf(error: unknown, cluster: string, namespace: string): Refusal | null {
  if (!(error instanceof ApiError)) throw error
  const { status, detail } = error
  // Pods of a stopped run may still be there; quota that frees itself is worth waiting for, and says so again when it is launched.
  if (status === 403 && /exceeded quota/.test(detail))
    return refused(
      'cluster-refuses',
      `cluster ${cluster}: ${detail}`,
      `wait until others have ended, or ask for more quota in the namespace ${namespace}`,
    )
  if (status === 403 && /being terminated/.test(detail))
    return refused(
      'cluster-refuses',
      `cluster ${cluster}: ${detail}`,
      `make the namespace ${namespace} anew once it is gone, or give the project another one`,
    )
  // Our own right to make pods is none that a run needs: then only the Job was tried.
  if (status === 403 && /cannot create resource "pods"/.test(detail)) return null
  if (status === 404)
    return refused('cluster-refuses', `cluster ${cluster}: ${detail}`, `see that the namespace ${namespace} exists`)
  if (status === 400 || status === 403 || status === 422)
    return refused(
      'cluster-refuses',
      `cluster ${cluster}: ${detail}`,
      'mend what it names in the spec, or ask who runs the cluster',
    )
  throw faultOf(error, cluster, 'the run could not be rehearsed')
}
