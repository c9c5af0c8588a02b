// What people ask about alerts: channels, tests, silences, acknowledgements. Each is in the audit log with what it does.
import { keyOf } from '../../domain/finding.ts'
import type { Channel, KeptChannel, Silence } from '../../domain/alert.ts'
import type { AcknowledgementDocument, ChannelDocument, SilenceDocument } from '../../domain/alert-documents.ts'
import { visibleProjects } from '../../core/authorise/authorise.ts'
import type { AuditEntry } from '../../domain/event.ts'
import type { Finding } from '../../domain/finding.ts'
import type { ProjectName } from '../../domain/ids.ts'
import { CHANNELS_MAX, OUTBOX_MAX, SILENCE_MS_MAX, SILENCES_MAX } from '../../domain/limits.ts'
import type { Address } from '../../domain/notice.ts'
import type { Principal, Verb } from '../../domain/principal.ts'
import { actorOf } from '../../domain/principal.ts'
import type { Answer, Refusal } from '../../domain/refusal.ts'
import { accepted, refused } from '../../domain/refusal.ts'
import { plusMs } from '../../domain/units.ts'
import type { NewChannel, NewSilence } from '../../ports/alerts.ts'
import type { Alerting } from '../control.ts'
import { noticeId } from '../tell.ts'
import type { RequestContext } from './context.ts'
import { findVisible, isRefusal, mayNot } from './context.ts'

const NOBODY = refused('not-found', 'nobody is told of anything here', 'this process has no alerts')

export const alertingOf = ({ control }: RequestContext): Alerting | Refusal => control.alerting ?? NOBODY
export const isNo = (value: object): value is Refusal => 'ok' in value

/** A verb in a project; about every project where it is null, which a grant for one does not allow. */
function mayNotIn(who: Principal, verb: Verb, project: string | null): Refusal | null {
  if (project !== null) return mayNot(who, verb, project)
  if (visibleProjects(who, verb) === 'all') return null
  return refused(
    'not-allowed',
    `this is about every project, and ${actorOf(who)} may not ${verb} in all of them`,
    'name a project',
  )
}

export async function createChannel(
  context: RequestContext,
  who: Principal,
  asked: NewChannel,
): Promise<Answer<{ channel: ChannelDocument; secret: string | null }>> {
  const alerting = alertingOf(context)
  if (isNo(alerting)) return alerting
  const refusal = mayNotIn(who, 'channel.write', asked.project) ?? (await unknownProject(context, asked.project))
  if (refusal !== null) return refusal
  const secret =
    asked.address.kind === 'webhook' && asked.address.secrets.length === 0 ? context.secrets.signing() : null
  const address: Address =
    asked.address.kind === 'webhook' && secret !== null ? { ...asked.address, secrets: [secret] } : asked.address
  const wrong = alerting.notifier.check(address)
  if (wrong !== null) return refused('invalid', wrong, null, '/address')
  if ((await alerting.store.channels()).length >= CHANNELS_MAX)
    return refused('too-many', `there are ${CHANNELS_MAX} channels already`, 'remove one that nobody needs')
  const { control } = context
  const channel: Channel = {
    id: `c${noticeId(control.chance).slice(1, 13)}`,
    name: asked.name,
    project: asked.project as ProjectName | null,
    kind: address.kind,
    sealed: alerting.seal.seal(JSON.stringify(address)),
    shown: shownOf(address),
    severity: asked.severity,
    rules: asked.rules,
    digest: asked.digest,
    createdAt: control.clock.now(),
    createdBy: actorOf(who),
  }
  const { project, kind, shown } = channel
  const added = await alerting.store.addChannel(
    channel,
    auditOf(context, who, 'channel.create', channel.name, { project, kind, shown }),
  )
  if (added === null)
    return refused('name-taken', `there is a channel ${asked.name} already`, 'choose another name', '/name')
  return accepted({ channel: channelDocument({ ...channel, ...NEW }), secret })
}

const NEW = { failures: 0, retryAt: null, off: null, pending: 0 } as const

/** Of an address nothing but where it leads: the rest of it is often the secret. */
function shownOf(address: Address): string {
  if (address.kind === 'email') return address.to.join(', ')
  return URL.canParse(address.url) ? new URL(address.url).host : ''
}

export async function removeChannel(
  context: RequestContext,
  who: Principal,
  name: string,
): Promise<Answer<ChannelDocument>> {
  return ofChannel(context, who, name, async (alerting, channel) => {
    await alerting.store.removeChannel(
      channel.id,
      context.control.clock.now(),
      auditOf(context, who, 'channel.remove', channel.name, { pending: channel.pending }),
    )
    return accepted(channelDocument(channel))
  })
}

export async function wakeChannel(
  context: RequestContext,
  who: Principal,
  name: string,
): Promise<Answer<ChannelDocument>> {
  return ofChannel(context, who, name, async (alerting, channel) => {
    await alerting.store.wakeChannel(channel.id, auditOf(context, who, 'channel.wake', channel.name, {}))
    return accepted(channelDocument({ ...channel, failures: 0, retryAt: null, off: null }))
  })
}

export async function testChannel(
  context: RequestContext,
  who: Principal,
  name: string,
): Promise<Answer<{ notice: string }>> {
  return ofChannel(context, who, name, async (alerting, channel) => {
    if (channel.off !== null)
      return refused(
        'wrong-state',
        `the receiver turned it off: ${channel.off}`,
        `plimsoll alerts channel wake ${channel.name}`,
      )
    if (channel.pending >= OUTBOX_MAX)
      return refused('too-many', `${channel.pending} messages wait for it`, 'see why they are not delivered')
    const { control } = context
    const id = noticeId(control.chance)
    const notice = {
      id,
      kind: 'test',
      at: control.clock.now(),
      title: `test of channel ${channel.name}`,
      text: [`${actorOf(who)} asked for it: whoever reads this is told of alerts by Plimsoll. Nothing is to be done.`],
      items: [],
      more: 0,
      link: `${alerting.pages()}/alerts`,
    } as const
    await alerting.store.send(
      { channel: channel.id, notice, runs: [] },
      auditOf(context, who, 'channel.test', channel.name, {}),
    )
    return accepted({ notice: id })
  })
}

async function ofChannel<Value>(
  context: RequestContext,
  who: Principal,
  name: string,
  then: (alerting: Alerting, channel: KeptChannel) => Promise<Answer<Value>>,
): Promise<Answer<Value>> {
  const alerting = alertingOf(context)
  if (isNo(alerting)) return alerting
  const channel = (await alerting.store.channels()).find((each) => each.id === name || each.name === name)
  const missing = refused('not-found', `there is no channel ${name}`, 'plimsoll alerts lists them')
  if (channel === undefined || !seesChannel(who, channel)) return missing
  return mayNotIn(who, 'channel.write', channel.project) ?? then(alerting, channel)
}

/** One of every project shows what is going on in all of them. */
export function seesChannel(who: Principal, { project }: Pick<Channel, 'project'>): boolean {
  const visible = visibleProjects(who, 'alert.read')
  return visible === 'all' || (project !== null && visible.has(project))
}

export async function silence(
  context: RequestContext,
  who: Principal,
  asked: NewSilence,
): Promise<Answer<SilenceDocument>> {
  const alerting = alertingOf(context)
  if (isNo(alerting)) return alerting
  const found = asked.run === null ? null : await findVisible(context, who, asked.run, 'run.read')
  if (found !== null && isRefusal(found)) return found
  const project = found?.project ?? asked.project
  const refusal = mayNotIn(who, 'alert.handle', project) ?? (await unknownProject(context, project))
  if (refusal !== null) return refusal
  if (asked.forMs <= 0 || asked.forMs > SILENCE_MS_MAX)
    return refused('invalid', 'a silence lasts from 1 s to 31 days', 'make it anew when it ends', '/for')
  const now = context.control.clock.now()
  if ((await alerting.store.silences(now)).length >= SILENCES_MAX)
    return refused('too-many', `there are ${SILENCES_MAX} silences already`, 'end one that nobody needs')
  const made: Silence = {
    id: `s${noticeId(context.control.chance).slice(1, 13)}`,
    project: project as ProjectName | null,
    rule: asked.rule,
    run: found?.id ?? null,
    startsAt: now,
    endsAt: plusMs(now, asked.forMs),
    reason: asked.reason,
    by: actorOf(who),
  }
  const { rule, run, endsAt, reason } = made
  await alerting.store.addSilence(
    made,
    auditOf(context, who, 'alert.silence', made.id, {
      project,
      rule,
      run,
      endsAt: new Date(endsAt).toISOString(),
      reason,
    }),
  )
  return accepted(made)
}

export async function endSilence(
  context: RequestContext,
  who: Principal,
  id: string,
): Promise<Answer<SilenceDocument>> {
  const alerting = alertingOf(context)
  if (isNo(alerting)) return alerting
  const now = context.control.clock.now()
  const found = (await alerting.store.silences(now)).find((each) => each.id === id)
  const missing = refused('not-found', `there is no silence ${id}`, 'plimsoll alerts lists them')
  if (found === undefined || !seesChannel(who, found)) return missing
  const refusal = mayNotIn(who, 'alert.handle', found.project)
  if (refusal !== null) return refusal
  const ended = await alerting.store.endSilence(id, now, auditOf(context, who, 'alert.unsilence', id, {}))
  return ended ? accepted({ ...found, endsAt: now }) : missing
}

export async function acknowledge(
  context: RequestContext,
  who: Principal,
  id: string,
  note: string,
): Promise<Answer<AcknowledgementDocument>> {
  return ofFinding(context, who, id, async (alerting, finding) => {
    if (finding.resolvedAt !== null)
      return refused('wrong-state', 'it is over already', 'plimsoll findings shows what is not')
    const made = { finding: finding.id, at: context.control.clock.now(), by: actorOf(who), note }
    await alerting.store.acknowledge(
      { ...made, severity: finding.severity },
      auditOf(context, who, 'alert.acknowledge', finding.id, { note }),
    )
    return accepted(made)
  })
}

export async function letGo(
  context: RequestContext,
  who: Principal,
  id: string,
): Promise<Answer<AcknowledgementDocument>> {
  return ofFinding(context, who, id, async (alerting, finding) => {
    const known = (await alerting.store.acknowledged([finding.id])).get(finding.id)
    if (known === undefined) return refused('wrong-state', 'nobody has acknowledged it')
    await alerting.store.letGo(finding.id, auditOf(context, who, 'alert.let-go', finding.id, {}))
    const { severity: _, ...document } = known
    return accepted(document)
  })
}

async function ofFinding<Value>(
  context: RequestContext,
  who: Principal,
  name: string,
  then: (alerting: Alerting, finding: Finding) => Promise<Answer<Value>>,
): Promise<Answer<Value>> {
  const alerting = alertingOf(context)
  if (isNo(alerting)) return alerting
  // By its id, or by the key of the one that is open.
  const finding =
    (await alerting.store.finding(name)) ??
    (await context.control.store.openFindings()).find((each) => keyOf(each) === name) ??
    null
  const missing = refused('not-found', `there is no finding ${name}`, 'plimsoll findings lists them')
  if (finding === null || !seesChannel(who, { project: finding.subject.project })) return missing
  return mayNotIn(who, 'alert.handle', finding.subject.project) ?? then(alerting, finding)
}

async function unknownProject({ control }: RequestContext, project: string | null): Promise<Refusal | null> {
  if (project === null) return null
  const { projects } = await control.store.shares()
  return projects.has(project as ProjectName)
    ? null
    : refused(
        'unknown-project',
        `there is no project ${project}`,
        `use one of ${[...projects.keys()].join(', ')}`,
        '/project',
      )
}

/** Its address is not in it, also not sealed. */
export function channelDocument(channel: KeptChannel): ChannelDocument {
  const { sealed: _, ...shown } = channel
  return shown
}

const auditOf = (
  { control }: RequestContext,
  who: Principal,
  verb: string,
  target: string,
  detail: AuditEntry['detail'],
): AuditEntry => ({ at: control.clock.now(), actor: actorOf(who), verb, target, detail })
