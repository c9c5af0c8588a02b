// What the server answers, as types. Documents that the command line reads too are those of `domain/documents`; the others exist for
// these pages alone. Moments are ISO 8601 in UTC; null means not known, never zero.
import type { WireOf } from '../../contract/wire.ts'
import type {
  EventDocument,
  LogDocument,
  RunDocument,
  ShowDocument,
  StatementDocument,
  WhyDocument,
} from '../../domain/documents.ts'

export type Money = { readonly micros: number; readonly currency: string }
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

export type TableRow = WireOf<RunDocument> & {
  readonly position: number | null
  readonly step: number | null
  readonly totalSteps: number | null
  readonly loss: number | null
  readonly tokensPerSecond: number | null
  readonly etaMs: number | null
  readonly observedAt: string | null
  readonly heldGpuMs: number
  readonly paidGpuMs: number
  readonly money: Money | null
  readonly restarts: number
}

export type Table = {
  readonly rows: readonly TableRow[]
  readonly total: number
  readonly offset: number
  readonly counts: Readonly<Record<string, number>>
  readonly observedAt: string
}

export type SeriesAttempt = {
  readonly number: number
  readonly step: readonly number[]
  readonly at: readonly string[]
  readonly loss: readonly (number | null)[]
  readonly stepMs: readonly (number | null)[]
}

export type Series = {
  readonly run: string
  readonly attempts: readonly SeriesAttempt[]
  readonly marks: readonly {
    readonly kind: 'saved' | 'resumed'
    readonly attempt: number
    readonly step: number
    readonly at: string
  }[]
  readonly thinned: boolean
}

export type LogHit = {
  readonly attempt: number
  readonly worker: number
  readonly offset: number
  readonly at: string
  readonly stream: string
  readonly text: string
}

export type LogSearch = {
  readonly hits: readonly LogHit[]
  readonly firstError: LogHit | null
  readonly searchedBytes: number
  readonly more: boolean
}

type Matrix = readonly (readonly number[])[]

export type Experts = {
  readonly run: string
  readonly attempt: number
  readonly layers: readonly string[]
  readonly experts: number
  readonly topK: number
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
  readonly topK: number
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
