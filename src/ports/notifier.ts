// Brings a notice to a channel: one try, bounded in time. What becomes of it is a value; it never throws for anything outside.
import type { Address, Notice } from '../domain/notice.ts'

export type Delivered =
  | { readonly kind: 'delivered'; readonly tookMs: number; readonly said: string }
  | {
      readonly kind: 'failed'
      readonly tookMs: number
      /** What went wrong, without any secret: of an address its host at most. */
      readonly message: string
      /** False: it will fail again as it is (an address that is refused, 410 Gone, a malformed answer that says never). */
      readonly retryable: boolean
      /** What the receiver asked for (Retry-After). */
      readonly retryAfterMs: number | null
      /** The receiver wants nothing any more (410): the channel is turned off. */
      readonly gone: boolean
    }

export type Notifier = {
  /** Why an address cannot be used, as far as it can be said without asking it; null: nothing speaks against it. */
  check(address: Address): string | null
  deliver(address: Address, notice: Notice, signal: AbortSignal): Promise<Delivered>
  close(): Promise<void>
}
