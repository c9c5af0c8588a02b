// Taints by policy: each put and each take-off stands in the audit log once, whoever crashed between the decision and the deed; and at
// rest the nodes that are out of service have the taint, in the books and in reality, and no other.
import type { NodeId } from '../../domain/ids.ts'
import type { Tables } from '../store/tables.ts'

export class TaintRows {
  readonly #tables: Tables
  /** As the audit log tells it. */
  readonly #tainted = new Set<NodeId>()
  #seen = 0

  constructor(tables: Tables) {
    this.#tables = tables
  }

  look(): string | null {
    const { rows } = this.#tables.audit
    for (; this.#seen < rows.length; this.#seen += 1) {
      const { verb = '', target = '' } = rows[this.#seen] ?? {}
      if (verb !== 'node.taint' && verb !== 'node.untaint') continue
      const node = target as NodeId
      if (this.#tainted.has(node) === (verb === 'node.taint')) return `${verb} of ${node} stands in the audit log twice`
      if (verb === 'node.taint') this.#tainted.add(node)
      else this.#tainted.delete(node)
    }
    for (const { id, taint } of this.#tables.nodes.values())
      if ((taint !== undefined) !== this.#tainted.has(id)) return `the taint of node ${id} changed without an audit row`
    return null
  }
}

/** At rest. `real`: the names of the nodes that have it. */
export function checkTaints(tables: Tables, real: ReadonlySet<string>): string | null {
  for (const { name, deletedAt, cordon, condition, taint } of tables.nodes.values()) {
    if (deletedAt !== null) continue
    const out = cordon !== null || condition.kind === 'lost' || (condition.kind === 'not-ready' && condition.unhealthy)
    if ((out === true) !== (taint !== undefined))
      return `node ${name} is ${out ? 'out of' : 'in'} service, and its books of the taint differ`
    if (real.has(name) !== (taint !== undefined))
      return `node ${name} ${real.has(name) ? 'has' : 'lacks'} the taint, and its books differ`
  }
  return null
}
