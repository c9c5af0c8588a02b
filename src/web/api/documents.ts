// What the server answers, as types. Documents that the command line reads too are those of `domain/documents`; the others exist for
// these pages alone. Moments are ISO 8601 in UTC; null means not known, never zero.
import type { WireOf } from '../../contract/wire.ts'
import type {
  EventDocument,
  LogDocument,
  LogSearchDocument,
  SeriesDocument,
  ShowDocument,
  StatementDocument,
  TableDocument,
  WhyDocument,
} from '../../domain/documents.ts'

export type Show = WireOf<ShowDocument>
export type Attempt = Show['attempts'][number]
export type Statement = WireOf<StatementDocument>
export type Why = WireOf<WhyDocument>
export type Logs = WireOf<LogDocument>
export type Event = WireOf<EventDocument>
export type Events = { readonly events: readonly Event[]; readonly next: string | null }

export type Session = {
  readonly user: string
  readonly grants: readonly { readonly role: string; readonly project: string | null }[]
  readonly expiresAt: string | null
  readonly version: string
  readonly cluster: string
}

/** What somebody without a session may know: the ways in, and why he was not let in by one. */
export type SignInWays = {
  readonly takes: 'link' | 'token'
  readonly provider: { readonly name: string; readonly url: string } | null
  readonly refusal: { readonly message: string; readonly whatToDo: string } | null
}

export type Table = WireOf<TableDocument>
export type TableRow = Table['rows'][number]
export type Series = WireOf<SeriesDocument>
export type SeriesAttempt = Series['attempts'][number]
export type LogSearch = WireOf<LogSearchDocument>
export type LogHit = LogSearch['hits'][number]

type Matrix = readonly (readonly number[])[]

export type Experts = {
  readonly run: string
  readonly attempt: number
  readonly set: number
  readonly sets: readonly {
    readonly layers: number
    readonly first: string
    readonly last: string
    readonly experts: number
    readonly unconserved: number
  }[]
  readonly layers: readonly string[]
  readonly experts: number
  readonly topK: number | null
  readonly firstStep: number
  readonly lastStep: number
  readonly frames: number
  readonly buckets: readonly { readonly from: number; readonly to: number; readonly frames: number }[]
  readonly maxVio: { readonly min: Matrix; readonly mean: Matrix; readonly max: Matrix }
  readonly cv: Matrix
  readonly entropy: Matrix
  readonly dead: Matrix
  readonly hot: Matrix
  readonly gaps: readonly { readonly from: number; readonly to: number }[]
  readonly apart: { readonly from: number; readonly to: number; readonly frames: number } | null
  readonly finding: {
    readonly steps: number
    readonly text: string
    readonly whatToDo: string
  } | null
}

export type ExpertFrame = {
  readonly step: number
  readonly layers: readonly string[]
  readonly experts: number
  readonly topK: number | null
  readonly tokens: number | null
  /** base64 of unsigned 32-bit little-endian integers, layer by layer, expert by expert. */
  readonly counts: string
  readonly maxVio: readonly number[]
  readonly cv: readonly number[]
  readonly entropy: readonly number[]
  readonly dead: readonly (readonly number[])[]
  readonly hot: readonly (readonly number[])[]
  readonly observedAt: string
}

export type ExpertHistory = {
  readonly layer: number
  readonly expert: number
  readonly buckets: readonly { readonly from: number; readonly to: number }[]
  readonly min: readonly number[]
  readonly mean: readonly number[]
  readonly max: readonly number[]
  readonly p99: readonly number[]
}
