// Clusters of Kubernetes beside this machine. Their adapter, and the client that it stands on, are loaded only where one is configured.
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { KubernetesClusterOptions } from '../../adapters/kubernetes/cluster.ts'
import type { KubernetesClusterConfig } from '../../contract/kubernetes-cluster.ts'
import { parseKubernetesCluster } from '../../contract/kubernetes-cluster.ts'
import { formatProblems } from '../../contract/problems.ts'
import type { ProjectName } from '../../domain/ids.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Cluster } from '../../ports/cluster.ts'
import { Fault } from '../../ports/fault.ts'
import { Exit } from './say.ts'

export type ClusterFile = { readonly file: string; readonly config: KubernetesClusterConfig }

/** All of them, or an exit that names every problem with its place. */
export function readClusters(files: readonly string[]): ClusterFile[] {
  const read = files.map(readCluster)
  const names = new Set<string>()
  for (const { file, config } of read) {
    if (names.has(config.name)) throw new Exit(2, `${file}: another cluster is called ${config.name} too`)
    names.add(config.name)
  }
  return read
}

export function readCluster(file: string): ClusterFile {
  if (!existsSync(file))
    throw new Exit(2, `there is no file ${file} for a cluster: config/clusters/kubernetes.yaml is an example`)
  const parsed = parseKubernetesCluster(readFileSync(file, 'utf8'))
  if (!parsed.ok) throw new Exit(2, formatProblems(file, parsed.problems))
  const { kubeconfig } = parsed.cluster
  if (kubeconfig === null) return { file, config: parsed.cluster }
  const path = kubeconfig.startsWith('~/') ? join(homedir(), kubeconfig.slice(2)) : resolve(dirname(file), kubeconfig)
  if (!existsSync(path)) throw new Exit(2, `${file}: there is no kubeconfig ${path} (at /kubeconfig)`)
  return { file, config: { ...parsed.cluster, kubeconfig: path } }
}

/** All that runs of a cluster may be in. */
export const namespacesOf = (config: KubernetesClusterConfig): string[] => [
  ...new Set([config.namespace, ...config.projects.values()]),
]

/** What of ours is on a node that we taint, or starts there, is ours to end. */
function tolerating({ pods, taint }: KubernetesClusterConfig): KubernetesClusterConfig['pods'] {
  if (taint === null) return pods
  const own = { ...taint.taint, operator: 'Equal' as const, value: taint.taint.value ?? '' }
  return { ...pods, tolerations: [...pods.tolerations, own] }
}

type Seen = ClusterFile & { readonly server: string }

/**
 * What is wrong where two names are of one cluster: its nodes would be booked twice, and each would take the other's Jobs for strangers. It is
 * said and not refused: one API server may be reached by two addresses, so that a refusal would only catch some.
 */
function sharedWith(seen: readonly Seen[], next: Seen): string | null {
  for (const other of seen) {
    if (other.server.replace(/\/+$/, '') !== next.server.replace(/\/+$/, '')) continue
    const shared = namespacesOf(other.config).find((namespace) => namespacesOf(next.config).includes(namespace))
    const selectors = [other.config.nodes.selector, next.config.nodes.selector]
    if (shared === undefined && selectors[0] !== null && selectors[1] !== null && selectors[0] !== selectors[1])
      continue
    const what = shared === undefined ? 'nodes that both book' : `namespace ${shared} in both`
    return `it is the API server of cluster ${other.config.name} too, with ${what}: give each namespaces of its own and a nodes.selector that the other does not match`
  }
  return null
}

export async function kubernetesClusters(options: {
  readonly clusters: readonly ClusterFile[]
  /** Which control plane we are: the id of our home. */
  readonly controlPlane: string
  readonly clock: Clock
  readonly log: KubernetesClusterOptions['log']
  /** What this process does with them: everything; ask whether they would take a run; or nothing, so that nobody is asked. */
  readonly use?: 'run' | 'ask' | 'know'
}): Promise<(Cluster & { close(): Promise<void> })[]> {
  if (options.clusters.length === 0) return []
  const { use = 'run' } = options
  const { createKubernetesCluster } = await import('../../adapters/kubernetes/cluster.ts')
  const { createRehearsalCluster } = await import('../../adapters/kubernetes/rehearsal-cluster.ts')
  const { readKubeconfig } = await import('../../adapters/kubernetes/kubeconfig.ts')
  const seen: Seen[] = []
  return options.clusters.map(({ file, config }) => {
    try {
      const settings = {
        ...config,
        controlPlane: options.controlPlane,
        clock: options.clock,
        log: (level: 'info' | 'warn' | 'error', fields: object, message: string) =>
          options.log(level, { cluster: config.name, ...fields }, message),
        namespaces: namespacesOf(config),
        namespaceOf: (project: ProjectName) => config.projects.get(project) ?? config.namespace,
        nodes: { ...config.nodes, tolerations: config.pods.tolerations },
        nodeSelector: config.nodes.selector,
        checkpointRoot: config.checkpoints,
        pods: tolerating(config),
        renew: () => readKubeconfig(config.kubeconfig, config.context),
      } satisfies Omit<KubernetesClusterOptions, 'config'>
      const kubeconfig = use === 'know' ? null : readKubeconfig(config.kubeconfig, config.context)
      if (kubeconfig !== null) {
        const next = { file, config, server: kubeconfig.getCurrentCluster()?.server ?? '' }
        const shared = sharedWith(seen, next)
        if (shared !== null) options.log('warn', { cluster: config.name }, shared)
        seen.push(next)
      }
      return use === 'run' && kubeconfig !== null
        ? createKubernetesCluster({ ...settings, config: kubeconfig })
        : createRehearsalCluster({ ...settings, config: kubeconfig })
    } catch (error) {
      if (error instanceof Fault) throw new Exit(2, `${file}: ${error.message}\n  ${error.whatToDo ?? ''}`)
      throw error
    }
  })
}
