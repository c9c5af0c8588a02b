import { Fault } from '../../ports/fault.ts'
import type { Store } from '../../ports/store.ts'

/** The books of a database are about the clusters of one control plane: another one does not see them, and would call them gone. */
export async function refuseStranger(store: Pick<Store, 'claimHome'>, home: string): Promise<void> {
  const owner = await store.claimHome(home)
  if (owner === home) return
  throw new Fault('store-refused', `this database belongs to another home or deployment (its id is ${owner})`, {
    retryable: false,
    whatToDo:
      'Use that one, or another database. Where it is gone for good with all that it started, run ' +
      'update store set home = null in the database.',
  })
}
