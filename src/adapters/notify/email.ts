// E-mail by the operator's SMTP server: one message for all recipients of a channel, each with its own result. Whoever had it is not
// written to again when it is tried for the rest; after a restart the Message-ID, the same at each try, still says that it is the same.
import { createTransport } from 'nodemailer'
import type { Address, Notice, NoticeText } from '../../domain/notice.ts'
import type { Outcome } from './answer.ts'
import { failure, shown } from './answer.ts'
import { wordsOf } from './codes.ts'
import { stopped } from './post.ts'

export type Smtp = {
  readonly host: string
  readonly port: number
  /** `tls`: from the first byte; `starttls`: refused where the server cannot; `none`: in the clear, for a relay beside us. */
  readonly security: 'tls' | 'starttls' | 'none'
  readonly user: string | null
  readonly password: string | null
  /** The sender, an address alone. */
  readonly from: string
  /** Certificates (PEM) to trust instead of the system's. */
  readonly ca?: string
}

type Email = Extract<Address, { kind: 'email' }>

const RECIPIENTS_MAX = 50
/** Printable ASCII without what has a meaning in a header; longer ones exist on paper only. */
const MAILBOX = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}$/
const MAILBOX_CHARS_MAX = 254
/** Each step of the conversation; the whole has the limit of a try. */
const STEP_MS_MAX = 10_000
/** Notices of which some recipients had theirs. */
const NOTICES_MAX = 1_000

export function problemOfEmail({ to }: Email, smtp: Smtp | null): string | null {
  if (smtp === null) return 'no SMTP server is configured (alerts.smtp)'
  if (to.length === 0 || to.length > RECIPIENTS_MAX) return `an e-mail has 1 to ${RECIPIENTS_MAX} recipients`
  const unfit = to.find((each) => each.length > MAILBOX_CHARS_MAX || !MAILBOX.test(each))
  return unfit === undefined ? null : `${JSON.stringify(unfit.slice(0, 80))} is not an address of the form name@host`
}

export function createEmail(smtp: Smtp, publicUrl: () => string) {
  if (!MAILBOX.test(smtp.from)) throw new Error('alerts.smtp.from is not an address of the form name@host')
  const transport = createTransport({
    host: smtp.host,
    port: smtp.port,
    secure: smtp.security === 'tls',
    requireTLS: smtp.security === 'starttls',
    ignoreTLS: smtp.security === 'none',
    ...(smtp.user === null ? {} : { auth: { user: smtp.user, pass: smtp.password ?? '' } }),
    ...(smtp.ca === undefined ? {} : { tls: { ca: smtp.ca } }),
    connectionTimeout: STEP_MS_MAX,
    greetingTimeout: STEP_MS_MAX,
    socketTimeout: STEP_MS_MAX,
    dnsTimeout: STEP_MS_MAX,
    // Nothing of a message is a path or an address that is fetched.
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  const server = `${smtp.host}:${smtp.port}`
  // As it goes over the wire: a server may say that back.
  const secrets =
    smtp.password === null
      ? []
      : [smtp.password, base64(smtp.password), base64(`\u0000${smtp.user ?? ''}\u0000${smtp.password}`)]
  const arrived = new Map<string, Set<string>>()

  async function send({ to }: Email, notice: Notice, text: NoticeText, signal: AbortSignal): Promise<Outcome> {
    const had = arrived.get(notice.id) ?? new Set<string>()
    const open = to.filter((each) => !had.has(mailboxOf(each)))
    if (open.length === 0)
      return { kind: 'delivered', said: `${server} accepted it for all recipients at earlier tries` }
    try {
      const info = await transport.sendMail({
        ...messageOf(smtp, publicUrl(), to, notice, text),
        envelope: { from: smtp.from, to: open },
        signal,
      })
      const refused = (info.rejectedErrors ?? []).map((error) => refusalOf(error, secrets))
      const outcome = resultOf(server, to.length, refused)
      if (outcome.kind === 'failed') remember(notice.id, info.accepted)
      else arrived.delete(notice.id)
      return outcome
    } catch (error) {
      if (signal.aborted) return failure(`${server}: ${stopped(signal, 'the message was not accepted')}`, true)
      return failed(server, error, secrets)
    }
  }

  function remember(id: string, accepted: readonly string[]): void {
    const had = new Set([...(arrived.get(id) ?? []), ...accepted.map(mailboxOf)])
    arrived.delete(id)
    arrived.set(id, had)
    for (const oldest of arrived.keys()) {
      if (arrived.size <= NOTICES_MAX) break
      arrived.delete(oldest)
    }
  }

  return { send, close: () => transport.close() }
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** The case of a host has no meaning. */
const mailboxOf = (address: string): string => address.replace(/@.*$/, (host) => host.toLowerCase())

type Refusal = { readonly recipient: string; readonly said: string; readonly retryable: boolean }

/** Some had it: what is refused for good does not hold it up, what is refused for now is tried again. */
function resultOf(server: string, recipients: number, refused: readonly Refusal[]): Outcome {
  if (refused.length === 0)
    return { kind: 'delivered', said: `${server} accepted it for ${recipients} of ${recipients}` }
  const words = `${server} accepted it for ${recipients - refused.length} of ${recipients}, not for ${listed(refused)}`
  return refused.some(({ retryable }) => retryable) ? failure(words, true) : { kind: 'delivered', said: words }
}

const listed = (refused: readonly Refusal[]): string =>
  refused.map(({ recipient, said }) => `${recipient} (${said})`).join(', ')

function messageOf({ from }: Smtp, publicUrl: string, to: readonly string[], notice: Notice, text: NoticeText) {
  return {
    from: { name: 'Plimsoll', address: from },
    to: to.map((address) => ({ name: '', address })),
    subject: text.title,
    messageId: `<${notice.id.replace(/[^A-Za-z0-9._-]/g, '-')}@${new URL(publicUrl).hostname.replace(/[^A-Za-z0-9.-]/g, '')}>`,
    date: new Date(notice.at),
    text: text.plain,
    // Holiday notices need not answer (RFC 3834).
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
  }
}

type SmtpError = {
  readonly message: string
  readonly code?: string | undefined
  /** Of a connection: what Node said. */
  readonly originalCode?: unknown
  readonly responseCode?: number | undefined
  readonly response?: string | undefined
  readonly recipient?: string | undefined
  readonly rejectedErrors?: readonly SmtpError[] | undefined
}

/** `550 no such user here`: 5xx says never, 4xx says later (RFC 5321). */
function refusalOf(error: SmtpError, secrets: readonly string[]): Refusal {
  const said = shown(error.response ?? error.message, secrets)
  return { recipient: error.recipient ?? 'a recipient', said, retryable: !isForGood(error) }
}

const isForGood = ({ responseCode = 0 }: SmtpError): boolean => responseCode >= 500 && responseCode < 600

function failed(server: string, thrown: unknown, secrets: readonly string[]): Outcome {
  const error: SmtpError = thrown instanceof Error ? thrown : new Error(String(thrown))
  const said = shown(error.response ?? error.message, secrets)
  const why = `: ${said}`
  if (error.code === 'EENVELOPE' || error.code === 'EMESSAGE') {
    // Of the message: what is refused for good is refused again.
    const refusals = error.rejectedErrors ?? []
    if (refusals.length === 0) return failure(`${server} refused the message${why}`, !isForGood(error))
    const each = listed(refusals.map((refusal) => refusalOf(refusal, secrets)))
    return failure(`${server} refused the message: ${each}`, !refusals.every(isForGood))
  }
  // Of the settings and of the network: when that is mended, it goes out.
  if (typeof error.originalCode === 'string') return failure(`${server}: ${wordsOf(error.originalCode)}`, true)
  const what = FAULTS.find(([code]) => code === error.code)?.[1] ?? 'cannot be reached or broke off'
  return failure(`${server} ${what}${why}`, true)
}

const FAULTS: readonly (readonly [string, string])[] = [
  ['EAUTH', 'does not take our user and password (alerts.smtp)'],
  ['ENOAUTH', 'wants a user and a password (alerts.smtp)'],
  ['ETLS', 'does not encrypt, which is asked of it (alerts.smtp.security)'],
  ['EDNS', 'has a name that cannot be resolved'],
  ['ETIMEDOUT', 'does not answer'],
]
