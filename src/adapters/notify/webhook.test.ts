import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { CloudEvent, HTTP } from 'cloudevents'
import { Webhook } from 'standardwebhooks'
import type { Address, Notice } from '../../domain/notice.ts'
import type { Delivered } from '../../ports/notifier.ts'
import type { Received } from './fixture.ts'
import { AT, ITEM, keepingLog, NOTICE, optionsOf, PUBLIC_URL, receiver, said } from './fixture.ts'
import { createNotifier } from './notifier.ts'

const never = new AbortController().signal
const secretOf = (fill: number): string => `whsec_${Buffer.alloc(24, fill).toString('base64')}`
const [NEW, OLD] = [secretOf(7), secretOf(9)]
const webhook = (url: string, secrets: readonly string[] = [NEW]): Address => ({ kind: 'webhook', url, secrets })

/** The libraries look at their own clock, with a tolerance of five minutes. */
const nowMs = Date.now

function eventOf({ headers, body }: Received) {
  const event = HTTP.toEvent({ headers, body })
  assert.ok(!Array.isArray(event))
  // It refuses what the specification does not allow.
  return new CloudEvent<unknown>(event)
}

void test('what arrives is a CloudEvent by its official library, signed by the one of Standard Webhooks', async (context) => {
  const { url, received } = await receiver(context)
  const notifier = createNotifier(optionsOf({ nowMs }))
  const outcome = await notifier.deliver(webhook(`${url}/hook?x=1`), NOTICE, never)
  assert.equal(outcome.kind, 'delivered')
  const [one] = received
  assert.ok(one !== undefined)
  assert.equal(one.path, '/hook?x=1')
  new Webhook(NEW).verify(one.body, one.headers as Record<string, string>)

  const event = eventOf(one)
  assert.equal(event.specversion, '1.0')
  assert.equal(event.id, NOTICE.id)
  assert.equal(event.type, 'dev.plimsoll.alert.v1')
  assert.equal(event.source, PUBLIC_URL)
  assert.equal(event.time, '2026-11-26T14:30:00.000Z')
  assert.equal(event.subject, ITEM.key)
  assert.equal(event.datacontenttype, 'application/json')
  assert.equal(event.severitytext, 'critical')
  assert.equal(event.severitynumber, 18)
  assert.deepEqual(event.data, {
    id: NOTICE.id,
    kind: 'alert',
    at: '2026-11-26T14:30:00.000Z',
    title: NOTICE.title,
    text: [],
    items: [
      {
        ...ITEM,
        since: '2026-11-26T14:05:00.000Z',
        cost: { gpuMs: 192_000_000, money: { micros: 106_666_667, currency: 'EUR' } },
      },
    ],
    more: 0,
    link: NOTICE.link,
  })
  await notifier.close()
})

void test('a digest and a test have their types, and what is over is no longer severe', async (context) => {
  const { url, received } = await receiver(context)
  const notifier = createNotifier(optionsOf({ nowMs }))
  const resolved = { ...ITEM, state: 'resolved' as const, resolvedAt: AT }
  const notices: readonly Notice[] = [
    { ...NOTICE, kind: 'digest', items: [] },
    { ...NOTICE, kind: 'test', items: [] },
    { ...NOTICE, items: [resolved] },
    { ...NOTICE, items: [resolved, { ...ITEM, severity: 'warning' }] },
  ]
  for (const notice of notices) await notifier.deliver(webhook(url), notice, never)
  const events = received.map(eventOf)
  assert.deepEqual(
    events.map(({ type, subject, severitytext }) => [type, subject, severitytext]),
    [
      ['dev.plimsoll.digest.v1', undefined, 'info'],
      ['dev.plimsoll.test.v1', undefined, 'info'],
      ['dev.plimsoll.alert.v1', ITEM.key, 'info'],
      ['dev.plimsoll.alert.v1', `${ITEM.key} and 1 more`, 'warning'],
    ],
  )
  await notifier.close()
})

void test('a repeat has the same id and bytes, and a signature of its own moment', async (context) => {
  const { url, received } = await receiver(context)
  let now = Date.now()
  const notifier = createNotifier(optionsOf({ nowMs: () => now }))
  await notifier.deliver(webhook(url), NOTICE, never)
  now += 60_000
  await notifier.deliver(webhook(url), NOTICE, never)
  const [first, second] = received
  assert.equal(first?.headers['webhook-id'], NOTICE.id)
  assert.equal(second?.headers['webhook-id'], NOTICE.id)
  assert.equal(first?.body, second?.body)
  assert.notEqual(first?.headers['webhook-signature'], second?.headers['webhook-signature'])
  for (const each of received) new Webhook(NEW).verify(each.body, each.headers as Record<string, string>)
  await notifier.close()
})

void test('while a secret is exchanged both sign, the newest first; another does not fit', async (context) => {
  const { url, received } = await receiver(context)
  const notifier = createNotifier(optionsOf({ nowMs }))
  await notifier.deliver(webhook(url, [NEW, OLD]), NOTICE, never)
  const [one] = received
  assert.ok(one !== undefined)
  const headers = one.headers as Record<string, string>
  for (const secret of [NEW, OLD]) new Webhook(secret).verify(one.body, headers)
  assert.throws(() => new Webhook(secretOf(1)).verify(one.body, headers))
  assert.throws(() => new Webhook(NEW).verify(`${one.body} `, headers))
  const signed = `${NOTICE.id}.${headers['webhook-timestamp']}.${one.body}`
  const byNewest = createHmac('sha256', Buffer.alloc(24, 7)).update(signed).digest('base64')
  assert.equal(headers['webhook-signature']?.split(' ')[0], `v1,${byNewest}`)
  await notifier.close()
})

void test('a webhook without a fit secret is refused', () => {
  const notifier = createNotifier(optionsOf())
  const unfit = [
    [],
    ['secret'],
    ['whsec_'],
    ['whsec_AAAA'],
    [`whsec_${Buffer.alloc(65).toString('base64')}`],
    ['whsec_%%%'],
  ]
  for (const secrets of unfit) assert.match(notifier.check(webhook('https://x.example/', secrets)) ?? '', /secret/)
  assert.equal(notifier.check(webhook('https://x.example/', [NEW, OLD])), null)
})

type Hostile = {
  readonly name: string
  readonly answer: Parameters<typeof receiver>[1]
  readonly expected: (outcome: Delivered) => void
}

const fails =
  (message: RegExp, retryable = true) =>
  (outcome: Delivered) => {
    assert.ok(outcome.kind === 'failed', JSON.stringify(outcome))
    assert.match(outcome.message, message)
    assert.equal(outcome.retryable, retryable)
  }
const arrives = (outcome: Delivered) => assert.equal(outcome.kind, 'delivered', JSON.stringify(outcome))

const drip =
  (text: string): Parameters<typeof receiver>[1] =>
  (socket) => {
    let at = 0
    const timer = setInterval(() => {
      if (socket.destroyed || at >= text.length) clearInterval(timer)
      else socket.write(text.charAt(at++))
    }, 20)
    socket.on('close', () => clearInterval(timer))
  }

const HOSTILE: readonly Hostile[] = [
  {
    name: 'never answers',
    answer: () => {},
    expected: fails(/: it took the message and did not answer within the time for one try$/),
  },
  {
    name: 'drips its headers',
    answer: drip(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(900)}`),
    expected: fails(/did not answer within/),
  },
  {
    name: 'drips headers without end',
    answer: (socket) => void socket.write(`HTTP/1.1 200 OK\r\n${'x-a: b\r\n'.repeat(9_000)}`),
    expected: fails(/headers of its answer are too long \(HPE_HEADER_OVERFLOW\)/),
  },
  {
    name: 'answers and stalls',
    answer: (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf'),
    expected: arrives,
  },
  {
    name: 'fails and stalls',
    answer: (socket) => void socket.write('HTTP/1.1 500 Oh\r\ncontent-length: 99\r\n\r\nhalf'),
    expected: fails(/answered 500: half$/),
  },
  {
    name: 'closes before an answer',
    answer: (socket) => void socket.destroy(),
    expected: fails(/closed the connection before it answered \(ECONNRESET\)/),
  },
  {
    name: 'closes in the midst of its answer',
    answer: (socket) => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf'),
    expected: arrives,
  },
  {
    name: 'closes in the midst of its headers',
    answer: (socket) => void socket.end('HTTP/1.1 200 OK\r\ncont'),
    expected: fails(/closed the connection|not HTTP/),
  },
  {
    name: 'speaks something else',
    answer: (socket) => void socket.end('220 mail.example ESMTP\r\n'),
    expected: fails(/not HTTP \(HPE_INVALID_CONSTANT\)/),
  },
  { name: 'says OK with garbage', answer: (socket) => said(socket, '200 OK', '\u0000\u001b[2J<b>'), expected: arrives },
  {
    name: 'sends to itself',
    answer: (socket) => said(socket, '308 Moved', '', ['location: /']),
    expected: fails(/redirects are not followed/, false),
  },
  {
    name: 'wants nothing any more',
    answer: (socket) => said(socket, '410 Gone', 'bye'),
    expected: (outcome) => {
      fails(/answered 410: it wants nothing from here any more: bye$/, false)(outcome)
      assert.ok(outcome.kind === 'failed' && outcome.gone)
    },
  },
  {
    name: 'is busy',
    answer: (socket) => said(socket, '429 Too Many', '', ['retry-after: 30']),
    expected: (outcome) => {
      fails(/answered 429$/)(outcome)
      assert.ok(outcome.kind === 'failed' && outcome.retryAfterMs === 30_000)
    },
  },
  {
    name: 'does not like it',
    answer: (socket) => said(socket, '400 Bad', 'no such field'),
    expected: fails(/answered 400: no such field$/, false),
  },
]

void test('a receiver that is dead, slow, lying or closing is told for what it is, in time', async (context) => {
  for (const { name, answer, expected } of HOSTILE) {
    await context.test(name, async (inner) => {
      const { url } = await receiver(inner, answer)
      const notifier = createNotifier(optionsOf({ limitMs: 1_000 }))
      const began = performance.now()
      expected(await notifier.deliver(webhook(url), NOTICE, never))
      assert.ok(performance.now() - began < 5_000)
      await notifier.close()
    })
  }
})

void test('an answer without end is read at its beginning, and dropped', async (context) => {
  const sent = Promise.withResolvers<number>()
  const { url } = await receiver(context, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
    const flood = (): void => {
      while (!socket.destroyed && socket.write(`10000\r\n${'x'.repeat(65_536)}\r\n`));
    }
    socket.on('drain', flood)
    socket.on('close', () => sent.resolve(socket.bytesWritten))
    flood()
  })
  const notifier = createNotifier(optionsOf())
  const outcome = await notifier.deliver(webhook(url), NOTICE, never)
  arrives(outcome)
  assert.ok(JSON.stringify(outcome).length < 500)
  // What was under way in the buffers of both ends, and no more.
  const bytes = await sent.promise
  assert.ok(bytes < 64 * 1024 * 1024, `${bytes} bytes`)
  await notifier.close()
})

void test('the rest of an answer is not awaited until the time is over', async (context) => {
  const { url } = await receiver(
    context,
    (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf'),
  )
  const notifier = createNotifier(optionsOf())
  const outcome = await notifier.deliver(webhook(url), NOTICE, never)
  arrives(outcome)
  assert.ok(outcome.tookMs < 5_000, `${outcome.tookMs} ms`)
  await notifier.close()
})

void test('nobody listens, and something that is not TLS', async (context) => {
  const gone = await receiver(context)
  const notifier = createNotifier(optionsOf())
  fails(/its TLS cannot be trusted or is none/)(
    await notifier.deliver(webhook(gone.url.replace('http:', 'https:')), NOTICE, never),
  )
  fails(/^127\.0\.0\.1:1024: nobody listens there \(ECONNREFUSED\)$/)(
    await notifier.deliver(webhook('http://127.0.0.1:1024/'), NOTICE, never),
  )
  await notifier.close()
})

void test('whoever closes ends what is under way, and it is not lost', async (context) => {
  const asked = Promise.withResolvers<void>()
  const { url } = await receiver(context, () => asked.resolve())
  const notifier = createNotifier(optionsOf())
  const sending = notifier.deliver(webhook(url), NOTICE, never)
  await asked.promise
  await notifier.close()
  fails(/did not answer before we were told to stop$/)(await sending)
})

void test('no part of an address and no secret is in any message or word of a log', async (context) => {
  const log = keepingLog()
  const notifier = createNotifier(optionsOf({ log }))
  const words: string[] = []
  const path = '/hooks/S3cretPath99?token=S3cretQuery99'
  const answers = ['500 Oh', '404 Not Found', '302 Found', '410 Gone', '200 OK', '429 Slow']
  for (const status of answers) {
    const { url } = await receiver(context, (socket, { path: asked, headers }) =>
      said(socket, status, `cannot POST ${asked} ${NEW} ${String(headers['webhook-signature'])}`, [
        `location: ${asked}`,
      ]),
    )
    words.push(JSON.stringify(await notifier.deliver(webhook(`${url}${path}`), NOTICE, never)))
  }
  const dead = [
    `http://127.0.0.1:1024${path}`,
    `https://127.0.0.1:1024${path}`,
    `http://10.0.0.1${path}`,
    `http://a:b@x.example${path}`,
  ]
  for (const url of [...dead, `nothing${path}`, `http://127.0.0.1:25${path}`]) {
    words.push(
      JSON.stringify(await notifier.deliver(webhook(url), NOTICE, never)),
      String(notifier.check(webhook(url))),
    )
  }
  words.push(log.words())
  assert.ok(log.words().split('\n').length >= 10)
  for (const each of words) assert.doesNotMatch(each, /S3cret|whsec_|a:b/, each)
  assert.doesNotMatch(words.join(), new RegExp(NEW.slice(6, 20)))
  await notifier.close()
})
