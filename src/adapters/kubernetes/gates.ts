// A pod of a gang is held by a gate until all are there; to let it go tells it its node.
import type { JobRecord } from './jobs.ts'
import { hasIndex } from './jobs.ts'
import { GATE } from './names.ts'
import type { OurPod, PodRecord } from './pods.ts'

/**
 * The pods that are to be let go: once every index has its pod, those that are still held. One that has ended was there too: whoever let it go
 * may have died before the others, and must not leave them waiting.
 */
export function toLetGo(
  { workers, completedIndexes }: Pick<JobRecord, 'workers' | 'completedIndexes'>,
  pods: readonly PodRecord[],
): PodRecord[] {
  const there = new Set<number>()
  for (const { ours, over } of pods) if (ours !== null && (over || ours.deletedAt === null)) there.add(ours.index)
  for (let index = 0; index < workers; index += 1)
    if (!there.has(index) && !hasIndex(completedIndexes, index)) return []
  return pods.filter(({ ours, over }) => !over && ours?.deletedAt === null && ours.gates.includes(GATE))
}

/** The patch that adds the node to every term of its affinity, since one that has none allows any node, and lifts our gate alone. */
export function letGo({ resourceVersion, uid }: PodRecord, { terms, gates }: OurPod, node: string): object {
  const here = { key: 'metadata.name', operator: 'In', values: [node] }
  const nodeSelectorTerms = (terms.length === 0 ? [{}] : terms).map((term) => {
    return { ...term, matchFields: [...(term.matchFields ?? []), here] }
  })
  return {
    // Another writer's change is looked at before ours is made.
    metadata: { resourceVersion, uid },
    spec: {
      schedulingGates: gates.filter((gate) => gate !== GATE).map((name) => ({ name })),
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
    },
  }
}
