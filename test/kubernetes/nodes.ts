// Nodes without machines, as many as asked for: kwok answers for them. And what may happen to them.
import type { Api } from './api.ts'
import { KUBELET_LABEL, NOT_READY } from './kwok-stages.ts'
import { until } from './processes.ts'

export type NodesOptions = {
  /** Names are this and a number: `node-0`. */
  readonly prefix?: string
  readonly gpusPerNode?: number
  readonly gpuProduct?: string
  readonly nodesPerRack?: number
  readonly racksPerBlock?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly taints?: readonly { readonly key: string; readonly value?: string; readonly effect: string }[]
}

export const RACK_LABEL = 'topology.kubernetes.io/rack'
export const BLOCK_LABEL = 'topology.kubernetes.io/block'

/** So many requests at once keep the API server busy without queues in it. */
const WIDTH = 32
const READY_MS_MAX = 120_000

/** Makes so many, and resolves with their names when all are Ready and may take pods. */
export async function makeNodes(api: Api, count: number, options: NodesOptions = {}): Promise<string[]> {
  const names = Array.from({ length: count }, (_, index) => `${options.prefix ?? 'node'}-${index}`)
  const rest = [...names.entries()]
  await Promise.all(
    Array.from({ length: WIDTH }, async () => {
      for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
        await api.post('/api/v1/nodes', node(next[1], next[0], options))
      }
    }),
  )
  await untilNodes(api, names, ({ ready, taints, managed }) => managed && ready === 'True' && !taints.includes(NOT_YET))
  return names
}

const NOT_YET = 'node.kubernetes.io/not-ready'

/** What Kubernetes says about a node, and whether its kubelet has said anything yet. */
export type NodeState = {
  readonly ready: 'True' | 'False' | 'Unknown'
  readonly taints: readonly string[]
  readonly managed: boolean
}

/** Waits until each of these nodes is as asked. */
export async function untilNodes(
  api: Api,
  names: readonly string[],
  wanted: (state: NodeState) => boolean,
  msMax = READY_MS_MAX,
): Promise<void> {
  // A list of a thousand nodes is megabytes: asked for without pause it would take the time that it waits for.
  const waitMsMax = Math.max(250, names.length * 2)
  const asked = async (): Promise<true | null> => {
    const states = await nodeStates(api)
    return names.every((name) => wanted(states.get(name) ?? ABSENT)) || null
  }
  await until(`${names.length} nodes as wanted`, msMax, asked, [], waitMsMax)
}

const ABSENT: NodeState = { ready: 'Unknown', taints: [], managed: false }

type Listed = {
  readonly items: readonly {
    readonly metadata: { readonly name: string }
    readonly spec: { readonly taints?: readonly { readonly key: string }[] }
    readonly status: {
      readonly conditions?: readonly { readonly type: string; readonly status: string }[]
      readonly addresses?: readonly object[]
    }
  }[]
}

async function nodeStates(api: Api): Promise<Map<string, NodeState>> {
  const { items } = await api.get<Listed>('/api/v1/nodes?resourceVersion=0')
  return new Map(
    items.map(({ metadata, spec, status }) => {
      const ready = status.conditions?.find(({ type }) => type === 'Ready')?.status as NodeState['ready'] | undefined
      const taints = (spec.taints ?? []).map(({ key }) => key)
      return [metadata.name, { ready: ready ?? 'Unknown', taints, managed: status.addresses !== undefined }]
    }),
  )
}

/** The machine is gone: its lease is not renewed any more and its pods stay as they are, whatever is asked of them. */
export const loseNode = (api: Api, name: string): Promise<unknown> => setLabel(api, name, 'lost')
/** It is back, with the pods that it had. */
export const returnNode = (api: Api, name: string): Promise<unknown> => setLabel(api, name, 'alive')

/** Its kubelet says that it is not ready, and goes on renewing its lease; null makes it ready again. */
export const setNotReady = (api: Api, name: string, message: string | null): Promise<unknown> =>
  api.patch(`/api/v1/nodes/${name}`, { metadata: { annotations: { [NOT_READY]: message } } })

const setLabel = (api: Api, name: string, value: string): Promise<unknown> =>
  api.patch(`/api/v1/nodes/${name}`, { metadata: { labels: { [KUBELET_LABEL]: value } } })

const READY = { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' }

function node(name: string, index: number, options: NodesOptions): object {
  const gpus = options.gpusPerNode ?? 8
  const rack = Math.floor(index / (options.nodesPerRack ?? 8))
  const resources = {
    cpu: '192',
    memory: '2Ti',
    pods: '110',
    'ephemeral-storage': '10Ti',
    ...(gpus === 0 ? {} : { 'nvidia.com/gpu': `${gpus}` }),
  }
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        [KUBELET_LABEL]: 'alive',
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'amd64',
        [RACK_LABEL]: `rack-${rack}`,
        [BLOCK_LABEL]: `block-${Math.floor(rack / (options.racksPerBlock ?? 4))}`,
        ...(gpus === 0
          ? {}
          : {
              'nvidia.com/gpu.present': 'true',
              'nvidia.com/gpu.product': options.gpuProduct ?? 'NVIDIA-H100-80GB-HBM3',
              'nvidia.com/gpu.count': `${gpus}`,
            }),
        ...options.labels,
      },
    },
    spec: options.taints === undefined ? {} : { taints: options.taints },
    // kwok adds the rest, with the first lease. Were they not Ready at once, the controllers would taint each and take that back.
    status: { capacity: resources, allocatable: resources, conditions: [READY] },
  }
}
