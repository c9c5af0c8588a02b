// The order in which a source said things. A fact that is reported is dated by the moment at which its batch came less what the source's own
// clock says; a batch that a slow server took late is dated late as a whole, and then what was said before stands after what was said next.
import type { Fact } from '../../domain/fact.ts'
import { byTime } from '../../domain/fact.ts'
import { cellOf, epochMs } from '../../domain/units.ts'

/**
 * Facts by time, those of one source also in its own order: delays only add, so what was said before was at most as late as what was said
 * next. Looked at within each cell, so that a cell is the same with whatever others it is read.
 */
export function asSaid(facts: readonly Fact[]): Fact[] {
  const sorted = facts.toSorted(byTime)
  return isInOrder(sorted) ? sorted : pulled(sorted).toSorted(byTime)
}

function isInOrder(sorted: readonly Fact[]): boolean {
  const last = new Map<string, number>()
  return sorted.every(({ source, sequence }) => {
    const before = last.get(source) ?? -1
    last.set(source, sequence)
    return sequence >= before
  })
}

function pulled(facts: readonly Fact[]): Fact[] {
  const groups = Map.groupBy(facts, ({ at, source }) => `${cellOf(at)} ${source}`)
  return [...groups.values()].flatMap((group) => {
    let earliest = Infinity
    return group
      .toSorted((a, b) => b.sequence - a.sequence || b.at - a.at)
      .map((fact) => {
        earliest = Math.min(earliest, fact.at)
        return earliest === fact.at ? fact : { ...fact, at: epochMs(earliest) }
      })
  })
}
