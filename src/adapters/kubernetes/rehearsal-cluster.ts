// A cluster as a process knows it that only takes requests: what a run would be there, and whether it would be taken. It watches nothing
// and changes nothing; whoever leads does.
import type { KubeConfig } from '@kubernetes/client-node'
import type { Cluster } from '../../ports/cluster.ts'
import { createApi } from './api.ts'
import type { KubernetesClusterOptions } from './cluster.ts'
import { cordonsOf } from './keep-off.ts'
import { manifestOptionsOf, masterAddressOf } from './manifest.ts'
import { rehearse } from './rehearse.ts'

export type RehearsalClusterOptions = Omit<KubernetesClusterOptions, 'config'> & {
  /** Null: nobody is asked, and what the API server would say is seen when the run is launched. Our own rules hold all the same. */
  readonly config: KubeConfig | null
}

export function createRehearsalCluster(options: RehearsalClusterOptions): Cluster & { close(): Promise<void> } {
  const { name, checkpointRoot, config, grants } = options
  const api = config === null ? null : createApi({ config, renew: options.renew, ...options.requests })
  const notHere = (): Promise<never> => Promise.reject(new Error(`bug: this process only asks cluster ${name}`))
  return {
    name,
    checkpointRoot,
    cordons: cordonsOf(options),
    masterAddress: masterAddressOf,
    rehearse: (plan) => rehearse(api, plan, manifestOptionsOf(options, plan), { cluster: name, grants }),
    watch: () => () => {},
    observe: notHere,
    launch: notHere,
    deadline: notHere,
    end: notHere,
    readLog: notHere,
    forget: notHere,
    close: async () => {},
  }
}
