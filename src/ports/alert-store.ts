// Where channels, silences and the outbox are kept. What a look decides is written in one transaction: whoever dies before it has told nobody,
// whoever dies after it has told all.
import type {
  Acknowledgement,
  Channel,
  ChannelState,
  Delivery,
  KeptChannel,
  NoticeState,
  Outgoing,
  Silence,
  Told,
} from '../domain/alert.ts'
import type { AuditEntry } from '../domain/event.ts'
import type { Finding } from '../domain/finding.ts'
import type { RunId } from '../domain/ids.ts'
import type { Notice } from '../domain/notice.ts'
import type { EpochMs } from '../domain/units.ts'
import type { Epoch } from './store.ts'

export type AlertRead = {
  readonly channels: readonly KeptChannel[]
  readonly silences: readonly Silence[]
  readonly acknowledged: ReadonlyMap<string, Acknowledgement>
  readonly told: readonly Told[]
  readonly open: readonly Finding[]
  readonly ended: ReadonlyMap<string, Finding>
  readonly recent: ReadonlyMap<string, { readonly count: number; readonly newestAt: EpochMs }>
}

export interface AlertStore {
  /** One snapshot. `recentMs`: how far back messages of a channel are counted. */
  readAlerts(now: EpochMs, recentMs: number): Promise<AlertRead>
  /** False: somebody else leads, and nothing was written. */
  tell(epoch: Epoch, outgoing: readonly Outgoing[], told: readonly Told[]): Promise<boolean>
  /** A message that no finding asks for: a test. Written by a request, without a leader. */
  send(outgoing: Outgoing, audit: AuditEntry): Promise<void>
  /** Channels with something to be delivered now. */
  channelsDue(now: EpochMs): Promise<readonly (Channel & ChannelState)[]>
  /** The oldest message that waits for a channel, with the number of its next try. */
  nextNotice(channel: string): Promise<{ readonly notice: Notice; readonly try: number } | null>
  /** What became of a try. False: somebody else leads. */
  tried(epoch: Epoch, channel: string, delivery: Delivery, then: AfterTry): Promise<boolean>

  /** Null: the name is another's. */
  addChannel(channel: Channel, audit: AuditEntry): Promise<Channel | null>
  /** What waits for it goes with it. */
  removeChannel(id: string, at: EpochMs, audit: AuditEntry): Promise<boolean>
  /** Tried again at once, also where it was turned off. */
  wakeChannel(id: string, audit: AuditEntry): Promise<boolean>
  channels(): Promise<readonly KeptChannel[]>
  /** Those that were removed too: what was sent to them was sent. */
  channelsEver(): Promise<readonly Pick<Channel, 'id' | 'name' | 'project'>[]>
  addSilence(silence: Silence, audit: AuditEntry): Promise<void>
  endSilence(id: string, at: EpochMs, audit: AuditEntry): Promise<boolean>
  /** When the oldest message that waits was made, whatever its channel; null: none waits. */
  oldestPendingAt(): Promise<EpochMs | null>
  /** Those that are not over, the last to end last. */
  silences(now: EpochMs): Promise<readonly Silence[]>
  acknowledge(acknowledgement: Acknowledgement, audit: AuditEntry): Promise<void>
  /** Takes it back. */
  letGo(finding: string, audit: AuditEntry): Promise<boolean>
  /** What every channel was told last of every key. */
  told(): Promise<readonly Told[]>
  acknowledged(findings: readonly string[]): Promise<ReadonlyMap<string, Acknowledgement>>
  finding(id: string): Promise<Finding | null>

  /** The newest first; of these channels. */
  notices(
    channels: readonly string[],
    limit: number,
    before: { readonly at: EpochMs; readonly id: string } | null,
  ): Promise<readonly KeptNotice[]>
  /** Messages about a run that arrived, and that never will. */
  alertsOf(run: RunId): Promise<{ readonly sent: number; readonly failed: number; readonly pending: number }>
}

export type AfterTry = {
  readonly state: NoticeState
  readonly failures: number
  readonly retryAt: EpochMs | null
  readonly off: string | null
}

export type KeptNotice = {
  readonly channel: string
  readonly notice: Notice
  readonly state: NoticeState
  readonly endedAt: EpochMs | null
  readonly deliveries: readonly Delivery[]
}
