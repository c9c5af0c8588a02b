// What changed, in the order in which it was committed. It says "look", with the image for whoever wants to keep a picture; a reader that
// missed something is told so and reads everything afresh.
import type { RunId } from '../domain/ids.ts'

/** `<feed id>.<transaction>.<sequence>`; opaque to whoever keeps it. */
export type FeedPosition = string

export const FEED_KINDS = ['run', 'attempt', 'claim', 'node', 'project', 'budget', 'queue', 'facts', 'finding'] as const
export type FeedKind = (typeof FEED_KINDS)[number]

export type FeedChange = {
  /** A kind that this program does not know comes as it is: whoever keeps a picture throws it away. */
  readonly kind: FeedKind | (string & {})
  readonly id: string
  /** Whose pages it changes; null where no run is concerned. */
  readonly run: RunId | null
  /** Of two images of one item the higher is the newer, whatever the order in which they come. */
  readonly version: number
  /** The whole row; null: it is gone, or was not asked for. */
  readonly image: unknown
}

export type FeedRead = {
  readonly changes: readonly FeedChange[]
  readonly position: FeedPosition
  /** More is there already. */
  readonly more: boolean
  /** How long what is committed has been waiting behind a transaction that is still open; 0: nothing waits. */
  readonly lagMs: number
}

export interface Feed {
  /** Where the feed stands: all that is committed later comes after it, and some of what was committed before may come again. */
  feedPosition(): Promise<FeedPosition>
  /** Changes after a position. Null: the position is unknown or too old, and everything must be read afresh. */
  feedAfter(position: FeedPosition, limit: number, images: boolean): Promise<FeedRead | null>
}
