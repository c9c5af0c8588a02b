// What Plimsoll may have to do on a cluster, and what is lost where it may not: what doctor asks for, right by right. The chart gives each of
// its accounts the part that it uses.

export type Right = {
  readonly verb: string
  /** `group/resource`, with an empty group for the core. */
  readonly group: string
  readonly resource: string
  readonly subresource?: string
  /** Where: a namespace of runs, that of the nodes' leases, or the whole cluster. */
  readonly scope: 'runs' | 'leases' | 'cluster'
  /** Without it nothing works; else what is lost. */
  readonly lost: string | null
}

const right = (
  scope: Right['scope'],
  group: string,
  resource: string,
  verbs: readonly string[],
  lost: string | null = null,
): Right[] => {
  const [name = '', subresource] = resource.split('/')
  return verbs.map((verb) => ({
    scope,
    group,
    resource: name,
    verb,
    lost,
    ...(subresource === undefined ? {} : { subresource }),
  }))
}

export const RIGHTS: readonly Right[] = [
  ...right('runs', 'batch', 'jobs', ['create', 'get', 'list', 'watch', 'patch', 'delete']),
  ...right('runs', '', 'pods', ['list', 'watch', 'patch', 'deletecollection']),
  ...right(
    'runs',
    '',
    'pods',
    ['create'],
    'submit cannot rehearse a pod: quotas and Pod Security are met at the launch only',
  ),
  ...right(
    'runs',
    '',
    'pods',
    ['get', 'delete'],
    'doctor cannot look at the pod that it tries names and ingest from, or leaves it behind; nothing else needs it',
  ),
  ...right('runs', '', 'pods/log', ['get'], 'no logs: no progress, no checkpoints, no class of a failure'),
  ...right('runs', '', 'services', ['create'], 'gangs of more than one worker: rank 0 has no address'),
  ...right('runs', '', 'secrets', ['create'], 'no reports: the token of an attempt cannot be given to its pods'),
  ...right('runs', '', 'events', ['list', 'watch'], 'why a pod is not made or not mounted cannot be said'),
  ...right('runs', '', 'namespaces', ['get'], 'a namespace that is missing is noticed at the launch only'),
  ...right('leases', 'coordination.k8s.io', 'leases', ['list']),
  ...right('cluster', '', 'nodes', ['list', 'watch']),
  ...right(
    'cluster',
    '',
    'pods',
    ['list', 'watch'],
    'GPUs of others are unknown: nothing is placed unless the cluster is dedicated',
  ),
  ...right(
    'cluster',
    '',
    'nodes',
    ['patch'],
    'nodes cordon holds inside Plimsoll only, and no node is tainted: others may place work on nodes that are out of service',
  ),
]
