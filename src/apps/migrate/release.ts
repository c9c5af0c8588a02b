// `plimsoll release`: what the chart runs before it is uninstalled. It needs the clusters alone, not the database.
import { setTimeout as pause } from 'node:timers/promises'
import { createApi } from '../../adapters/kubernetes/api.ts'
import { readKubeconfig } from '../../adapters/kubernetes/kubeconfig.ts'
import { releaseJobs, stopDeployment } from '../../adapters/kubernetes/release.ts'
import { readClusterSettings } from '../parts/deployment.ts'
import { namespacesOf } from '../parts/kubernetes.ts'
import { Exit, exitCodeOf, say } from '../parts/say.ts'

export type ReleaseOptions = {
  readonly config: string | null
  /** `namespace/name` of the controllers' Deployment, in the cluster that this process runs in. */
  readonly stop: string | null
}

export const runRelease = (options: ReleaseOptions): Promise<number> => exitCodeOf(() => release(options))

const STOP_MS_MAX = 120_000
/** A controller that is ending may make one more Job: looked at again until none was found twice. */
const QUIET_MS = 2_000

async function release({ config, stop }: ReleaseOptions): Promise<number> {
  const { id, clusters } = readClusterSettings(config)
  if (stop !== null) {
    const [namespace = '', name = '', more] = stop.split('/')
    if (namespace === '' || name === '' || more !== undefined)
      throw new Exit(2, `--stop-deployment ${stop}: write namespace/name of a Deployment`)
    const api = createApi({ config: readKubeconfig(null, null), timeoutMs: 10_000, perSecond: 20, burst: 20 })
    await stopDeployment(api, { namespace, name, withinMs: STOP_MS_MAX })
    say(`${stop} is scaled to nothing`)
  }
  for (const { config: cluster } of clusters) {
    const api = createApi({ config: readKubeconfig(cluster.kubeconfig, cluster.context), ...cluster.requests })
    const what = { cluster: cluster.name, namespaces: namespacesOf(cluster), controlPlane: id }
    let all = 0
    for (let found = await releaseJobs(api, what), quiet = 0; quiet < 2; found = await releaseJobs(api, what)) {
      all += found
      quiet = found === 0 ? quiet + 1 : 0
      if (quiet < 2) await pause(QUIET_MS)
    }
    say(`cluster ${cluster.name}: ${all} Jobs are released; what runs goes on, up to its deadline`)
  }
  return 0
}
