// What is kept of budgets beside what commits do to them.
import type { AuditEntry } from '../domain/event.ts'
import type { Extension } from '../domain/extension.ts'
import type { BudgetId } from '../domain/ids.ts'
import type { EpochMs } from '../domain/units.ts'

export interface BudgetStore {
  /** What was posted to each budget of the policy, by day of UTC, from a moment on. */
  spentByDay(
    since: EpochMs,
  ): Promise<readonly { readonly budget: BudgetId; readonly day: EpochMs; readonly amount: number }[]>
  /** Of some budgets of the policy: those that wait first, then the newest. */
  extensions(budgets: readonly BudgetId[], limit: number): Promise<readonly Extension[]>
  findExtension(id: string): Promise<Extension | null>
  askExtension(extension: Extension, audit: AuditEntry): Promise<void>
  /**
   * Decides one that waits, and raises the limit of the row that counts its moment where it is granted, in one transaction with its audit
   * row. False where it was decided meanwhile or its budget is gone.
   */
  decideExtension(id: string, decision: NonNullable<Extension['decision']>, audit: AuditEntry): Promise<boolean>
}
