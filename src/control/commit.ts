// Commits items in bites that keep a transaction short, and says what became of them in words.
import type { Item, ItemResult } from '../domain/item.ts'
import { ITEMS_PER_COMMIT_MAX } from '../domain/limits.ts'
import type { Control } from './control.ts'
import type { Epoch } from '../ports/store.ts'

export type Committed = {
  readonly applied: number
  readonly stale: number
  readonly results: readonly ItemResult[]
  /** We do not lead any more: nothing further of this turn is worth doing. */
  readonly deposed: boolean
}

export async function commitAll(control: Control, epoch: Epoch, items: readonly Item[]): Promise<Committed> {
  const results: ItemResult[] = []
  for (let from = 0; from < items.length; from += ITEMS_PER_COMMIT_MAX) {
    const bite = items.slice(from, from + ITEMS_PER_COMMIT_MAX)
    const committed = await control.store.commit(epoch, bite)
    if (committed.kind === 'deposed') {
      control.log.warn({ epoch }, 'a commit was refused: another process leads')
      control.lead.epoch = null
      return { ...count(results), deposed: true }
    }
    results.push(...committed.results)
    for (const [index, result] of committed.results.entries()) {
      if (result.kind === 'applied') continue
      const why = result.kind === 'stale' ? result.what : `budget ${result.budget} is ${result.short} short`
      control.log.info({ item: bite[index]?.about, why }, 'an item was refused and will be decided again')
    }
  }
  return { ...count(results), deposed: false }
}

function count(results: readonly ItemResult[]): Omit<Committed, 'deposed'> {
  const applied = results.filter((result) => result.kind === 'applied').length
  return { applied, stale: results.length - applied, results }
}
