// What people read about alerts.
import type { Acknowledgement, Channel, ChannelState, Delivery, NoticeState, Silence } from './alert.ts'
import type { FindingRow } from './documents.ts'
import type { Notice } from './notice.ts'
import type { EpochMs } from './units.ts'

export type ChannelDocument = Pick<
  Channel,
  'id' | 'name' | 'kind' | 'shown' | 'severity' | 'rules' | 'digest' | 'createdAt' | 'createdBy'
> &
  ChannelState & {
    readonly project: string | null
    /** Messages that wait. */
    readonly pending: number
  }

export type SilenceDocument = Omit<Silence, 'project' | 'run'> & {
  readonly project: string | null
  readonly run: string | null
}

export type AcknowledgementDocument = Omit<Acknowledgement, 'severity'>

export type AlertRow = FindingRow & {
  readonly acknowledged: AcknowledgementDocument | null
  /** The silence that keeps its messages back; null: none does. */
  readonly silence: string | null
  /** The channels that were told, by name. */
  readonly told: readonly { readonly channel: string; readonly state: 'firing' | 'resolved'; readonly at: EpochMs }[]
}

export type AlertsDocument = {
  readonly alerts: readonly AlertRow[]
  readonly channels: readonly ChannelDocument[]
  readonly silences: readonly SilenceDocument[]
}

export type DeliveriesDocument = {
  readonly deliveries: readonly {
    readonly notice: string
    readonly channel: string
    readonly kind: Notice['kind']
    readonly title: string
    readonly items: number
    readonly at: EpochMs
    readonly state: NoticeState
    readonly endedAt: EpochMs | null
    readonly tries: readonly Pick<Delivery, 'try' | 'at' | 'tookMs' | 'ok' | 'said'>[]
  }[]
  readonly next: string | null
}
