import assert from 'node:assert/strict'
import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { SMTPServerOptions } from 'smtp-server'
import { SMTPServer } from 'smtp-server'
import type { Address, Notice } from '../../domain/notice.ts'
import { selfSigned } from './certificate-fixture.ts'
import type { Smtp } from './email.ts'
import { ITEM, keepingLog, NOTICE, optionsOf, receiver } from './fixture.ts'
import { createNotifier } from './notifier.ts'

const never = new AbortController().signal
const to = (...addresses: readonly string[]): Address => ({ kind: 'email', to: addresses })

type Mail = { readonly from: string; readonly to: readonly string[]; readonly source: string; readonly secure: boolean }
type Answers = {
  readonly recipient?: (address: string) => string | null
  readonly data?: string
  readonly password?: string
}

/** A real server; what it is asked to refuse it refuses with these words. */
async function smtpServer(context: TestContext, answers: Answers = {}, options: SMTPServerOptions = {}) {
  const mails: Mail[] = []
  const refusal = (said: string): Error =>
    Object.assign(new Error(said.slice(4)), { responseCode: Number(said.slice(0, 3)) })
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    authOptional: answers.password === undefined,
    allowInsecureAuth: true,
    onAuth: ({ username, password }, _session, done) => {
      const known = username === 'plimsoll' && password === answers.password
      // A server that says too much.
      done(
        known ? null : new Error(`no ${String(username)} with ${String(password)}`),
        known ? { user: username } : undefined,
      )
    },
    onRcptTo: ({ address }, _session, done) => {
      const said = answers.recipient?.(address) ?? null
      done(said === null ? null : refusal(said))
    },
    onData: (stream, { envelope, secure }, done) => {
      const chunks: Uint8Array[] = []
      stream.on('data', (chunk: Uint8Array) => chunks.push(chunk))
      stream.on('end', () => {
        if (answers.data !== undefined) {
          done(refusal(answers.data))
          return
        }
        const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address
        const source = Buffer.concat(chunks).toString('utf8')
        mails.push({ from, to: envelope.rcptTo.map(({ address }) => address), source, secure })
        done()
      })
    },
    ...options,
  })
  server.on('error', () => {})
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  context.after(() => new Promise<void>((closed) => server.close(() => closed())))
  return { port: (server.server.address() as AddressInfo).port, mails }
}

const settings = (port: number, more: Partial<Smtp> = {}): Smtp => ({
  host: '127.0.0.1',
  port,
  security: 'none',
  user: null,
  password: null,
  from: 'alerts@plimsoll.example',
  ...more,
})

function notifierOf(context: TestContext, smtp: Smtp, limitMs = 5_000) {
  const log = keepingLog()
  const notifier = createNotifier(optionsOf({ smtp, log, limitMs }))
  context.after(() => notifier.close())
  return { ...notifier, log }
}

const headersOf = ({ source }: Mail): string => source.slice(0, source.indexOf('\r\n\r\n'))

void test('a message is plain text with the five parts, the same Message-ID at each try', async (context) => {
  const { port, mails } = await smtpServer(context)
  const notifier = notifierOf(context, settings(port))
  const address = to('ann@lab.example', 'bob@lab.example')
  for (const _ of [1, 2]) {
    const outcome = await notifier.deliver(address, NOTICE, never)
    assert.equal(outcome.kind === 'delivered' && outcome.said, `127.0.0.1:${port} accepted it for 2 of 2`)
  }
  assert.equal(mails.length, 2, 'a message for all recipients')
  for (const mail of mails) {
    assert.equal(mail.from, 'alerts@plimsoll.example')
    assert.deepEqual(mail.to, ['ann@lab.example', 'bob@lab.example'])
    const headers = headersOf(mail)
    assert.match(headers, /^Message-ID: <n0abcdefghjkmnpqr@plimsoll\.example>$/m)
    assert.match(headers, /^Subject: moe-16b makes no progress$/m)
    assert.match(headers, /^From: Plimsoll <alerts@plimsoll\.example>$/m)
    assert.match(headers, /^To: ann@lab\.example, bob@lab\.example$/m)
    assert.match(headers, /^Date: Thu, 26 Nov 2026 14:30:00 \+0000$/m)
    assert.match(headers, /^Auto-Submitted: auto-generated$/m)
    assert.match(headers, /^Content-Type: text\/plain; charset=utf-8$/m)
    for (const part of ['What: ', 'How much: ', 'Since when: ', 'Who: ', 'What to do: ', NOTICE.link])
      assert.ok(mail.source.includes(part), part)
  }
})

void test('no header can be put in by what strangers wrote, and no file or page is fetched', async (context) => {
  const { port, mails } = await smtpServer(context)
  const notifier = notifierOf(context, settings(port))
  const evil = 'done\r\nBcc: eve@evil.example\r\nX-Evil: 1\n\r\n.\r\nMAIL FROM:<eve@evil.example>\r\n'
  const notice: Notice = {
    ...NOTICE,
    id: `n1>\r\nX-Evil: 1`,
    title: evil,
    items: [{ ...ITEM, what: evil, evidence: [evil, '{"path":"/etc/passwd"}'] }],
  }
  assert.equal((await notifier.deliver(to('ann@lab.example'), notice, never)).kind, 'delivered')
  assert.equal(mails.length, 1)
  const [mail] = mails
  assert.ok(mail !== undefined)
  assert.deepEqual(mail.to, ['ann@lab.example'])
  assert.doesNotMatch(headersOf(mail), /^(?:Bcc|X-Evil)/im)
  assert.match(headersOf(mail), /^Message-ID: <n1---X-Evil--1@plimsoll\.example>$/m)
})

void test('a recipient who is no address is refused before anything is sent', (context) => {
  const notifier = notifierOf(context, settings(1))
  const unfit = [
    '',
    'ann',
    'ann@',
    '@lab.example',
    'ann@lab.example\r\nBcc: x@y',
    'Ann <ann@lab.example>',
    'a@b, c@d',
    'a b@c',
    'a@b>',
    `${'x'.repeat(65)}@y`,
    'ü@lab.example',
    'a@-.\u0000',
  ]
  for (const address of unfit) assert.match(notifier.check(to(address)) ?? 'nothing', /is not an address/, address)
  assert.match(notifier.check(to()) ?? '', /1 to 50 recipients/)
  for (const address of ['ann@lab.example', 'a.b+c@lab.example', 'root@localhost'])
    assert.equal(notifier.check(to(address)), null)
})

void test('a recipient who is refused for good does not hold up the others, and is named', async (context) => {
  const { port, mails } = await smtpServer(context, {
    recipient: (each) => (each.startsWith('bob') ? '550 no such user' : null),
  })
  const outcome = await notifierOf(context, settings(port)).deliver(
    to('ann@lab.example', 'bob@lab.example'),
    NOTICE,
    never,
  )
  assert.equal(
    outcome.kind === 'delivered' && outcome.said,
    `127.0.0.1:${port} accepted it for 1 of 2, not for bob@lab.example (550 no such user)`,
  )
  assert.equal(mails.length, 1)
})

void test('a recipient who is refused for now is tried again alone', async (context) => {
  let full = true
  const { port, mails } = await smtpServer(context, {
    recipient: (each) => (full && each.startsWith('bob') ? '452 mailbox full' : null),
  })
  const notifier = notifierOf(context, settings(port))
  const address = to('ann@lab.example', 'Cy@LAB.example', 'bob@lab.example')
  const first = await notifier.deliver(address, NOTICE, never)
  assert.ok(first.kind === 'failed' && first.retryable)
  assert.match(first.message, /accepted it for 2 of 3, not for bob@lab\.example \(452 mailbox full\)/)
  full = false
  assert.equal((await notifier.deliver(address, NOTICE, never)).kind, 'delivered')
  assert.deepEqual(
    mails.map((mail) => mail.to),
    [['ann@lab.example', 'Cy@lab.example'], ['bob@lab.example']],
  )
})

void test('when all are refused 5xx says never and 4xx says later', async (context) => {
  const cases: readonly (readonly [Answers, boolean, RegExp])[] = [
    [{ recipient: () => '550 no such user' }, false, /refused the message: ann@lab\.example \(550 no such user\)$/],
    [{ recipient: () => '451 greylisted' }, true, /refused the message: ann@lab\.example \(451 greylisted\)$/],
    [{ data: '554 spam' }, false, /refused the message: 554 spam$/],
    [{ data: '452 disk full' }, true, /refused the message: 452 disk full$/],
  ]
  for (const [answers, retryable, message] of cases) {
    const { port } = await smtpServer(context, answers)
    const outcome = await notifierOf(context, settings(port)).deliver(to('ann@lab.example'), NOTICE, never)
    assert.ok(outcome.kind === 'failed', String(message))
    assert.match(outcome.message, message)
    assert.equal(outcome.retryable, retryable, outcome.message)
  }
})

/** A server that takes a connection and does with it what it likes. */
async function listener(context: TestContext, greet: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    greet(socket)
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  context.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

void test('a server that hangs, is absent, breaks off or speaks otherwise is told for what it is, and tried again', async (context) => {
  const cases: readonly (readonly [string, number, RegExp])[] = [
    ['hangs', await listener(context, () => {}), /the message was not accepted within the time for one try$/],
    [
      'hangs after its greeting',
      await listener(context, (socket) => void socket.write('220 hi\r\n')),
      /not accepted within the time/,
    ],
    ['is absent', 1_024, /^127\.0\.0\.1:1024: nobody listens there \(ECONNREFUSED\)$/],
    ['breaks off', await listener(context, (socket) => void socket.end()), /cannot be reached or broke off/],
    [
      'speaks otherwise',
      await listener(context, (socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')),
      /cannot be reached or broke off: .*HTTP/,
    ],
  ]
  for (const [name, port, message] of cases) {
    await context.test(name, async (inner) => {
      const outcome = await notifierOf(inner, settings(port), 1_000).deliver(to('ann@lab.example'), NOTICE, never)
      assert.ok(outcome.kind === 'failed' && outcome.retryable)
      assert.match(outcome.message, message)
    })
  }
})

void test('TLS that is asked for and absent, or of somebody unknown, stops the message before it is sent', async (context) => {
  const { key, cert } = selfSigned()
  const without = await smtpServer(context)
  const withTls = await smtpServer(context, {}, { disabledCommands: [], key, cert })
  const cases: readonly (readonly [number, Partial<Smtp>, RegExp])[] = [
    [without.port, { security: 'starttls' }, /does not encrypt, which is asked of it \(alerts\.smtp\.security\)/],
    [without.port, { security: 'tls' }, /its TLS cannot be trusted or is none \(ERR_SSL_WRONG_VERSION_NUMBER\)/],
    [withTls.port, { security: 'starttls' }, /signed by nobody whom we trust \(DEPTH_ZERO_SELF_SIGNED_CERT\)/],
  ]
  for (const [port, more, message] of cases) {
    const outcome = await notifierOf(context, settings(port, more)).deliver(to('ann@lab.example'), NOTICE, never)
    assert.ok(outcome.kind === 'failed' && outcome.retryable)
    assert.match(outcome.message, message)
  }
  assert.equal(without.mails.length + withTls.mails.length, 0)

  const trusted = settings(withTls.port, { security: 'starttls', ca: cert })
  assert.equal((await notifierOf(context, trusted).deliver(to('ann@lab.example'), NOTICE, never)).kind, 'delivered')
  const relay = await smtpServer(context, {}, { disabledCommands: [], key, cert })
  // A relay beside us may offer what nobody asked for.
  assert.equal(
    (await notifierOf(context, settings(relay.port)).deliver(to('ann@lab.example'), NOTICE, never)).kind,
    'delivered',
  )
  assert.equal(relay.mails[0]?.secure, false)
  const implicit = await smtpServer(context, {}, { secure: true, key, cert })
  const fromFirst = settings(implicit.port, { security: 'tls', ca: cert })
  assert.equal((await notifierOf(context, fromFirst).deliver(to('ann@lab.example'), NOTICE, never)).kind, 'delivered')
  assert.deepEqual(
    [...withTls.mails, ...implicit.mails].map(({ secure }) => secure),
    [true, true],
  )
})

void test('a password is taken; one that is not is told without it, and mending the settings is worth a wait', async (context) => {
  const { port, mails } = await smtpServer(context, { password: 'r1ght-Pa55word' })
  const right = notifierOf(context, settings(port, { user: 'plimsoll', password: 'r1ght-Pa55word' }))
  assert.equal((await right.deliver(to('ann@lab.example'), NOTICE, never)).kind, 'delivered')
  assert.equal(mails.length, 1)

  const wrong = notifierOf(context, settings(port, { user: 'plimsoll', password: 'wr0ng-Pa55word' }))
  const outcome = await wrong.deliver(to('ann@lab.example'), NOTICE, never)
  assert.ok(outcome.kind === 'failed' && outcome.retryable)
  assert.match(outcome.message, /does not take our user and password \(alerts\.smtp\): 535/)
  assert.doesNotMatch(`${outcome.message} ${wrong.log.words()}`, /wr0ng-Pa55word/)
})

void test('without a server there is no e-mail, and the alert waits for one', async (context) => {
  const notifier = createNotifier(optionsOf())
  context.after(() => notifier.close())
  assert.match(notifier.check(to('ann@lab.example')) ?? '', /no SMTP server is configured/)
  const outcome = await notifier.deliver(to('ann@lab.example'), NOTICE, never)
  assert.ok(outcome.kind === 'failed' && outcome.retryable)
  assert.throws(
    () => createNotifier(optionsOf({ smtp: settings(25, { from: 'Plimsoll <a@b>' }) })),
    /alerts\.smtp\.from/,
  )
})

void test('an e-mail goes to the SMTP server alone', async (context) => {
  const { url, received } = await receiver(context)
  const { port } = await smtpServer(context)
  const notice = { ...NOTICE, text: [url], link: url, items: [{ ...ITEM, link: `${url}/run` }] }
  await notifierOf(context, settings(port)).deliver(to('ann@lab.example'), notice, never)
  assert.equal(received.length, 0)
})
