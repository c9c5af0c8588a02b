// Alerts for people: what fires and who knows, and what was sent.
import { isAcknowledged, isSilenced } from '../../core/alert/decide.ts'
import { visibleProjects } from '../../core/authorise/authorise.ts'
import type { AlertRow, AlertsDocument, DeliveriesDocument } from '../../domain/alert-documents.ts'
import { keyOf } from '../../domain/finding.ts'
import { PAGE_ROWS_MAX } from '../../domain/limits.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Answer } from '../../domain/refusal.ts'
import { accepted } from '../../domain/refusal.ts'
import { epochMs } from '../../domain/units.ts'
import type { Page } from '../../ports/views.ts'
import { alertingOf, channelDocument, isNo, seesChannel } from '../requests/alerts.ts'
import type { RequestContext } from '../requests/context.ts'
import { rowOf } from './findings.ts'

export async function alertsOf(context: RequestContext, who: Principal): Promise<Answer<AlertsDocument>> {
  const alerting = alertingOf(context)
  if (isNo(alerting)) return alerting
  const { store, clock } = context.control
  const now = clock.now()
  const visible = visibleProjects(who, 'alert.read')
  const findings = (await store.openFindings()).filter(
    ({ subject }) => visible === 'all' || (subject.project !== null && visible.has(subject.project)),
  )
  const runs = new Map(
    (await store.runsOf([...new Set(findings.flatMap(({ subject }) => subject.run ?? []))])).map((run) => [
      run.id,
      run,
    ]),
  )
  const { projects } = await store.shares()
  const silences = await alerting.store.silences(now)
  const channels = (await alerting.store.channels()).filter((channel) => seesChannel(who, channel))
  const names = new Map(channels.map(({ id, name }) => [id, name]))
  const told = Map.groupBy(await alerting.store.told(), ({ key }) => key)
  const acknowledged = await alerting.store.acknowledged(findings.map(({ id }) => id))
  const alerts = findings.map((finding): AlertRow => {
    const by = silences.find((silence) => isSilenced({ silences: [silence], projects, now }, finding))
    const known = acknowledged.get(finding.id)
    return {
      ...rowOf(finding, runs),
      acknowledged:
        known !== undefined && isAcknowledged({ acknowledged, now }, finding)
          ? { finding: known.finding, at: known.at, by: known.by, note: known.note }
          : null,
      silence: by?.id ?? null,
      told: (told.get(keyOf(finding)) ?? []).flatMap(({ channel, finding: id, state, at }) => {
        const name = names.get(channel)
        return name === undefined || id !== finding.id ? [] : [{ channel: name, state, at }]
      }),
    }
  })
  const seen = silences.filter((silence) => seesChannel(who, silence))
  return accepted({ alerts, channels: channels.map(channelDocument), silences: seen })
}

export async function deliveriesOf(
  context: RequestContext,
  who: Principal,
  { limit: asked, after }: Page,
): Promise<Answer<DeliveriesDocument>> {
  const alerting = alertingOf(context)
  if (isNo(alerting)) return alerting
  const names = new Map(
    (await alerting.store.channelsEver())
      .filter((channel) => seesChannel(who, channel))
      .map(({ id, name }) => [id, name]),
  )
  const limit = Math.min(asked, PAGE_ROWS_MAX)
  const found = await alerting.store.notices([...names.keys()], limit + 1, cursorFrom(after))
  const shown = found.slice(0, limit)
  const last = shown.at(-1)?.notice
  return accepted({
    deliveries: shown.map(({ channel, notice, state, endedAt, deliveries }) => ({
      notice: notice.id,
      channel: names.get(channel) ?? channel,
      kind: notice.kind,
      title: notice.title,
      items: notice.items.length,
      at: notice.at,
      state,
      endedAt,
      tries: deliveries.map(({ try: number, at, tookMs, ok, said }) => ({ try: number, at, tookMs, ok, said })),
    })),
    next: found.length > limit && last !== undefined ? `${last.at}~${last.id}` : null,
  })
}

function cursorFrom(after: string | null) {
  if (after === null) return null
  const at = after.indexOf('~')
  return { at: epochMs(Number(after.slice(0, at))), id: after.slice(at + 1) }
}
