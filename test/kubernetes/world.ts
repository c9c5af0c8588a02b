// A cluster of the adapter on a real control plane, and plans for it: what the tests of the adapter stand on.
import { KubeConfig } from '@kubernetes/client-node'
import { BootClock, bootMs } from '../../src/adapters/system/clock.ts'
import type { KubernetesCluster, KubernetesClusterOptions } from '../../src/adapters/kubernetes/cluster.ts'
import { createKubernetesCluster } from '../../src/adapters/kubernetes/cluster.ts'
import type { ClusterName, ProjectName } from '../../src/domain/ids.ts'
import { attemptIdOf, nodeIdOf, runIdFrom, workerIdOf } from '../../src/domain/ids.ts'
import type { AttemptPlan } from '../../src/domain/plan.ts'
import { NO_POD_OPTIONS } from '../../src/domain/pod-options.ts'
import { durationMs, epochMs } from '../../src/domain/units.ts'
import type { ControlPlane } from './control-plane.ts'
import { PREFIX } from './kwok-stages.ts'
import type { Setting } from './kwok-stages.ts'

export const CLUSTER = 'kwok' as ClusterName
const PROJECT = 'default' as ProjectName

export const clock = new BootClock()
clock.setBase(epochMs(Date.now()), bootMs())

export const clusterOf = (plane: ControlPlane, over: Partial<KubernetesClusterOptions> = {}): KubernetesCluster =>
  createKubernetesCluster(clusterOptions(plane, over))

export function clusterOptions(
  plane: ControlPlane,
  over: Partial<KubernetesClusterOptions> = {},
): KubernetesClusterOptions {
  const config = new KubeConfig()
  config.loadFromFile(plane.kubeconfig)
  return {
    name: CLUSTER,
    controlPlane: 'tests',
    config,
    clock,
    namespaces: ['runs'],
    namespaceOf: () => 'runs',
    nodes: {
      gpuResource: 'nvidia.com/gpu',
      gpuLabel: 'nvidia.com/gpu.product',
      rackLabel: 'topology.kubernetes.io/rack',
      blockLabel: 'topology.kubernetes.io/block',
      declaredSlots: null,
      badConditions: ['XidCriticalError'],
      tolerations: [],
    },
    nodeSelector: null,
    dedicated: false,
    cordon: false,
    taint: null,
    pods: NO_POD_OPTIONS,
    grants: ['annotations'],
    image: null,
    priorityClass: null,
    checkpointRoot: '/checkpoints',
    ingestUrl: null,
    requests: { timeoutMs: 5_000, perSecond: 500, burst: 1_000 },
    relistMs: 60_000,
    log: () => {},
    ...over,
  }
}

/** What a pod of kwok is to do, by its annotations. */
export type Settings = Partial<Record<Setting | `${Setting}.${number}`, string>>

export function planOf(
  nodes: readonly string[],
  settings: Settings = {},
  over: Partial<AttemptPlan> = {},
): AttemptPlan {
  const run = runIdFrom(clock.now(), Math.floor(Math.random() * 2 ** 30))
  const attempt = attemptIdOf(run, 1)
  const annotations = Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [`${PREFIX}/${name}`, value ?? '']),
  )
  return {
    attempt,
    run,
    project: PROJECT,
    name: 'a-run',
    cluster: CLUSTER,
    image: 'registry.test/none:1',
    kubernetes: { ...NO_POD_OPTIONS, annotations },
    command: ['train', '--rank=$PLIMSOLL_NODE_RANK', '$$HOME'],
    env: {},
    secrets: [],
    workdir: null,
    folder: null,
    checkpointDir: `/checkpoints/${run}`,
    masterAddress: `${attempt}-0.${attempt}`,
    masterPort: 29_500,
    gpusPerNode: 8,
    workers: nodes.map((nodeName, index) => ({
      id: workerIdOf(attempt, index),
      index,
      node: nodeIdOf(CLUSTER, nodeName, 1),
      nodeName,
      slots: [0, 1, 2, 3, 4, 5, 6, 7],
    })),
    graceMs: durationMs(30_000),
    ...over,
  }
}
