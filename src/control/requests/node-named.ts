// The node that an operator means.
import type { Node } from '../../domain/node.ts'
import type { Answer } from '../../domain/refusal.ts'
import { accepted, refused } from '../../domain/refusal.ts'
import type { World } from '../../domain/world.ts'

/** By its id, or by its name where one cluster alone has such a node: another cluster's would be taken out of service unseen. */
export function nodeNamed({ nodes }: Pick<World, 'nodes'>, name: string): Answer<Node> {
  const live = [...nodes.values()].filter(({ deletedAt }) => deletedAt === null)
  const byId = live.find(({ id }) => id === name)
  if (byId !== undefined) return accepted(byId)
  const [node, ...others] = live.filter((each) => each.name === name)
  if (node === undefined) return refused('not-found', `there is no node ${name}`, 'plimsoll nodes lists them')
  if (others.length === 0) return accepted(node)
  const ids = [node, ...others].map(({ id }) => id).toSorted()
  return refused('invalid', `${ids.length} clusters have a node ${name}`, `name it in full: ${ids.join(', ')}`)
}
