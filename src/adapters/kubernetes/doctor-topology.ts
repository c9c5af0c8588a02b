// Whether placement knows where nodes stand. The cluster file names the labels that say it; where it names none, those of clouds and of
// NVIDIA's Topograph are looked for, so that a label which is there is not left unused.
import type { Check } from './check.ts'
import { check } from './check.ts'
import type { NodeOptions } from './nodes.ts'

type Labels = Readonly<Record<string, string>>
type Level = 'rack' | 'block'

/** Who sets them: by hand; Google, Amazon and Oracle; CoreWeave; Topograph, and before its version 1. */
const KNOWN: Readonly<Record<Level, readonly string[]>> = {
  rack: [
    'topology.kubernetes.io/rack',
    'cloud.google.com/gce-topology-subblock',
    'topology.k8s.aws/network-node-layer-3',
    'oci.oraclecloud.com/rdma.local_block_id',
    'backend.coreweave.cloud/leafgroup',
    'fabric.topograph.run/tier-0',
    'network.topology.nvidia.com/leaf',
  ],
  block: [
    'topology.kubernetes.io/block',
    'cloud.google.com/gce-topology-block',
    'topology.k8s.aws/network-node-layer-2',
    'oci.oraclecloud.com/rdma.network_block_id',
    'backend.coreweave.cloud/superpod',
    'fabric.topograph.run/tier-1',
    'network.topology.nvidia.com/spine',
  ],
}

const lost = (what: string): string =>
  `gangs of several nodes are not kept together, and a spec that requires one ${what} waits for ever`

/** `nodes`: the labels of each node that has GPUs. */
export function topologyOf(nodes: readonly Labels[], options: Pick<NodeOptions, 'rackLabel' | 'blockLabel'>): Check[] {
  const named = { rack: options.rackLabel, block: options.blockLabel }
  const checks = (['rack', 'block'] as const).flatMap((level) => levelOf(nodes, level, named[level]) ?? [])
  if (checks.length > 0) return checks
  const said = `no label says in which rack or block the ${nodes.length} nodes stand: ${lost('rack or block')}`
  return [
    check('topology', 'note', said, 'label the nodes, and set nodes.rackLabel and nodes.blockLabel to the labels'),
  ]
}

/** Null: the file names none for it, and no node has one that is known. */
function levelOf(nodes: readonly Labels[], level: Level, named: string | null): Check | null {
  const having = (label: string): string[] => nodes.flatMap((labels) => labels[label] ?? [])
  const setting = `nodes.${level}Label`
  if (named === null) {
    const [best] = KNOWN[level].toSorted((a, b) => having(b).length - having(a).length)
    const found = best === undefined ? 0 : having(best).length
    if (found === 0) return null
    const said = `${found} of ${nodes.length} nodes have the label ${best}, and the cluster file names none for the ${level}: ${lost(level)}`
    return check('topology', 'note', said, `set ${setting} to ${best}`)
  }
  const values = having(named)
  const said = `${values.length} of ${nodes.length} nodes have the ${level} label ${named}`
  if (values.length === nodes.length) {
    const places = new Set(values).size
    return check('topology', 'good', `${said}: ${places} ${level}${places === 1 ? '' : 's'}`)
  }
  const rest =
    values.length === 0
      ? lost(level)
      : `the others are in no ${level}: they are taken last, and never where a spec requires one`
  return check(
    'topology',
    'wrong',
    `${said}; ${rest}`,
    `label the other nodes, or set ${setting} to the label that they have`,
  )
}
