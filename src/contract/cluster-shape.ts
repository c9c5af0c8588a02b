// The shape of a cluster that a simulation runs on: a file of config/clusters, or `nodes=128,gpusPerNode=8,racks=16` on the command line.
import { z } from 'zod'
import { CLUSTER_NODES_MAX, GPUS_PER_NODE_MAX } from '../domain/limits.ts'
import type { TraceCluster } from '../domain/trace.ts'
import { gpuName, name, refuse, strict } from './fields.ts'
import { faultsOf, PARSE } from './issues.ts'
import { toPlain } from './plain.ts'
import type { Locate, Problem } from './problems.ts'
import { excerpt, fault, nowhere, placed, shown } from './problems.ts'
import { parseYaml } from './yaml.ts'

const schema = strict({
  name: name.default('simulated'),
  gpu: gpuName.default('simulated'),
  gpusPerNode: z.int().min(1).max(GPUS_PER_NODE_MAX).default(8),
  nodes: z.int().min(1).max(CLUSTER_NODES_MAX),
  /** How many of nearly one size, or how many nodes each has. */
  racks: z.union([z.int().min(1), z.array(z.int().min(1)).min(1).max(CLUSTER_NODES_MAX)]).default(1),
}).superRefine(({ nodes, racks }, context) => {
  const sum = typeof racks === 'number' ? null : racks.reduce((all, rack) => all + rack, 0)
  if (typeof racks === 'number' && nodes >= 1 && racks > nodes)
    refuse(context, `must be at most ${nodes}, the number of nodes`, null, ['racks'])
  if (sum !== null && sum !== nodes) refuse(context, `must add up to ${nodes} nodes, and have ${sum}`, null, ['racks'])
})

export type ClusterShapeResult =
  | { readonly ok: true; readonly cluster: TraceCluster }
  | { readonly ok: false; readonly problems: readonly Problem[] }

export function parseClusterShape(text: string): ClusterShapeResult {
  const parsed = parseYaml(text)
  return parsed.ok ? resolve(parsed.value, parsed.locate) : parsed
}

/** `key=value` with commas; whatever is no number stays text and is refused by its field. */
export function parseClusterWords(words: string): ClusterShapeResult {
  const value: Record<string, unknown> = {}
  for (const pair of words.split(',')) {
    const [, key, given] = /^\s*([A-Za-z]{1,32})\s*=\s*(\S{1,64})\s*$/.exec(pair) ?? []
    if (key === undefined || given === undefined || Object.hasOwn(value, key)) {
      const why =
        key !== undefined && Object.hasOwn(value, key)
          ? `${key} was given before`
          : `${excerpt(pair, 40)} is no key=value`
      return { ok: false, problems: placed([fault('', why, 'write nodes=128,gpusPerNode=8,racks=16')], nowhere) }
    }
    value[key] = /^\d{1,15}(\.\d{1,15})?$/.test(given) ? Number(given) : given
  }
  return resolve(value, nowhere)
}

function resolve(value: unknown, locate: Locate): ClusterShapeResult {
  const plain = toPlain(value)
  const parsed = schema.safeParse(plain.value, PARSE)
  const faults = [...plain.faults, ...(parsed.success ? [] : faultsOf(parsed.error.issues))]
  if (faults.length > 0 || !parsed.success) return { ok: false, problems: shown(placed(faults, locate)) }
  const { racks, nodes, gpu, ...rest } = parsed.data
  return {
    ok: true,
    cluster: {
      name: rest.name,
      gpuModel: gpu,
      gpusPerNode: rest.gpusPerNode,
      racks: typeof racks === 'number' ? evenly(nodes, racks) : racks,
    },
  }
}

/** The first ones are larger by one where it does not come out even. */
const evenly = (nodes: number, racks: number): number[] =>
  Array.from({ length: racks }, (_, rack) => Math.floor(nodes / racks) + (rack < nodes % racks ? 1 : 0))
