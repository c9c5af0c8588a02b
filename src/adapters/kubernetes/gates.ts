// A pod of a gang is held by a gate until all are there; to let it go tells it its node.
import { GATE } from './names.ts'
import type { OurPod, PodRecord } from './pods.ts'

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
