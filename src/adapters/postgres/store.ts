// The real store, put together. Each part is a file of its own.
import type { Clock } from '../../ports/clock.ts'
import type { MeasureFrame, Store } from '../../ports/store.ts'
import { Together } from '../../ports/together.ts'
import { booksStore, isRevisionTaken } from './books.ts'
import { commitItems } from './commit.ts'
import { budgetStore } from './extensions.ts'
import { detectStore } from './findings.ts'
import { leaderStore } from './lead.ts'
import { ingestStore } from './logs.ts'
import { policyStore } from './policy.ts'
import type { Database } from './pool.ts'
import { reportStore } from './reports.ts'
import { requestStore } from './requests.ts'
import { tokenStore } from './tokens.ts'
import { viewStore } from './views.ts'
import { KnownRuns, KnownSpecs } from './known.ts'
import { readShares, readWorld } from './world.ts'

export type StoreSettings = { readonly blindAfterMs: number; readonly measure: MeasureFrame }

export function postgresStore(database: Database, clock: Clock, settings: StoreSettings): Store {
  const books = booksStore(database, clock)
  const runs = new KnownRuns()
  const specs = new KnownSpecs()
  const shares = new Together<Awaited<ReturnType<typeof readShares>>>()
  return {
    ...leaderStore(database),
    ...ingestStore(database, clock),
    ...reportStore(database, settings.measure),
    ...requestStore(database),
    ...viewStore(database),
    ...detectStore(database),
    ...policyStore(database),
    ...budgetStore(database),
    ...tokenStore(database),
    booksDue: (now, after) => books.booksDue(now, after),
    readBooks: (attempts, firstCell) => books.readBooks(attempts, firstCell),
    async writeBooks(epoch, write) {
      try {
        return await books.writeBooks(epoch, write)
      } catch (error) {
        if (isRevisionTaken(error)) return false
        throw error
      }
    },
    // Every submit asks for them.
    shares: () => shares.ask('', () => readShares(database)),
    world: (health) => readWorld(database, clock, health, runs),
    commit: (epoch, items) => commitItems(database, clock, settings.blindAfterMs, epoch, items),
    specs: (asked) => specs.of(database, asked),
  }
}
