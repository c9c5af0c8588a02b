// What a caller may ask about alerts: who is told of what, and what people did about it.
import type {
  AcknowledgementDocument,
  AlertsDocument,
  ChannelDocument,
  DeliveriesDocument,
  SilenceDocument,
} from '../domain/alert-documents.ts'
import type { Rule, Severity } from '../domain/finding.ts'
import type { Address } from '../domain/notice.ts'
import type { Principal } from '../domain/principal.ts'
import type { Answer } from '../domain/refusal.ts'
import type { DurationMs } from '../domain/units.ts'
import type { Page } from './views.ts'

export type NewChannel = {
  readonly name: string
  /** Null: of every project. */
  readonly project: string | null
  /** A webhook without secrets gets one, which the answer shows once. */
  readonly address: Address
  readonly severity: Severity
  readonly rules: readonly Rule[] | null
  readonly digest: boolean
}

export type NewSilence = {
  readonly project: string | null
  readonly rule: Rule | null
  readonly run: string | null
  readonly forMs: DurationMs
  readonly reason: string
}

export interface Alerts {
  /** What fires, with who was told and who looks at it; channels and silences of the projects that may be seen. */
  alerts(who: Principal): Promise<Answer<AlertsDocument>>
  /** Messages and their tries, the newest first. */
  deliveries(who: Principal, page: Page): Promise<Answer<DeliveriesDocument>>
  createChannel(
    who: Principal,
    channel: NewChannel,
  ): Promise<Answer<{ readonly channel: ChannelDocument; readonly secret: string | null }>>
  /** By id or name, as all that follow. */
  removeChannel(who: Principal, channel: string): Promise<Answer<ChannelDocument>>
  /** Puts a message into its outbox that says that it is a test. */
  testChannel(who: Principal, channel: string): Promise<Answer<{ readonly notice: string }>>
  /** Tries at once what waits, and turns on what a receiver turned off. */
  wakeChannel(who: Principal, channel: string): Promise<Answer<ChannelDocument>>
  silence(who: Principal, silence: NewSilence): Promise<Answer<SilenceDocument>>
  endSilence(who: Principal, id: string): Promise<Answer<SilenceDocument>>
  /** Says that somebody looks at a finding: nobody is told again while it gets no worse, for a day. */
  acknowledge(who: Principal, finding: string, note: string): Promise<Answer<AcknowledgementDocument>>
  letGo(who: Principal, finding: string): Promise<Answer<AcknowledgementDocument>>
}
