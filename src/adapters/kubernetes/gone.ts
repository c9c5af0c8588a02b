// Which lost nodes are proven gone: the Node was deleted, or somebody who knows has tainted it out-of-service. Then nothing of ours runs
// there any more, and a run need not wait until it must be so.
import type { Api } from './api.ts'
import type { Cache } from './cache.ts'
import { OUT_OF_SERVICE, isOutOfService } from './nodes.ts'
import type { List, Node } from './objects.ts'

export type Known = Pick<Cache, 'nodes' | 'isHeard'>

export async function goneNodes(
  api: Api,
  known: Known,
  nodes: ReadonlySet<string>,
): Promise<ReadonlyMap<string, string>> {
  const gone = new Map<string, string>()
  for (const name of nodes) {
    const how = await goneHow(api, known, name)
    if (how !== null) gone.set(name, how)
  }
  return gone
}

async function goneHow(api: Api, known: Known, name: string): Promise<string | null> {
  let isTainted = known.nodes().get(name)?.outOfService
  if (isTainted === undefined) {
    // A label that was taken off hides it from the watch as its end does. Asked by its name, of the server itself and no cache of it: a list,
    // since that is the right that we have.
    const { items } = await api.get<List<Node>>('/api/v1/nodes', { fieldSelector: `metadata.name=${name}` })
    const [node] = items
    if (node === undefined) return 'was deleted'
    isTainted = isOutOfService(node)
  }
  // Whoever is heard is not out of service, whatever was said of it when it was not.
  return isTainted && !known.isHeard(name) ? `has the taint ${OUT_OF_SERVICE}` : null
}
