import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { SecureContext } from 'node:tls'
import { createSecureContext } from 'node:tls'
import type { Address } from '../../domain/notice.ts'
import { selfSigned } from './certificate-fixture.ts'
import type { Lookup } from './guard.ts'
import { problemOfUrl } from './guard.ts'
import { keepingLog, NOTICE, optionsOf, receiver, said } from './fixture.ts'
import { rulingOf } from './networks.ts'
import { createNotifier } from './notifier.ts'

const never = new AbortController().signal
const slack = (url: string): Address => ({ kind: 'slack', url })

const resolvesTo = (...answers: readonly (readonly string[])[]): Lookup & { readonly asked: string[] } => {
  const asked: string[] = []
  const lookup = (name: string) => {
    const addresses = answers[asked.length] ?? answers.at(-1) ?? []
    asked.push(name)
    return Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })))
  }
  return Object.assign(lookup, { asked })
}

void test('an address that cannot be used is said to be so before it is stored', () => {
  const ruling = rulingOf([])
  const cases: readonly (readonly [string, RegExp | null])[] = [
    ['https://hooks.slack.com/services/T0/B0/X', null],
    ['http://alertmanager.monitoring:9093', null],
    ['https://plimsoll.example:8443/hook', null],
    ['https://8.8.8.8/', null],
    ['', /not an address/],
    ['hooks.slack.com', /not an address/],
    ['https://[fe80::1%25eth0]/', /not an address/],
    ['ftp://plimsoll.example/', /only https/],
    ['file:///etc/passwd', /only https/],
    ['javascript:alert(1)', /only https/],
    ['https://ann@plimsoll.example/', /user or a password/],
    ['https://ann:secret@plimsoll.example/', /user or a password/],
    ['http://plimsoll.example:25/', /port 25 belongs/],
    ['http://plimsoll.example:22/', /port 22 belongs/],
    ['https://plimsoll.example:0/', /port 0 belongs/],
    [`https://plimsoll.example/${'x'.repeat(2_048)}`, /at most 2048/],
    ['http://127.0.0.1/', /loopback/],
    ['http://127.1/', /loopback/],
    ['http://0x7f.1/', /loopback/],
    ['http://2130706433/', /loopback/],
    ['http://[::1]/', /loopback/],
    ['http://169.254.169.254/latest/meta-data/', /metadata/],
    ['http://2852039166/', /metadata/],
    ['http://0251.0376.0251.0376/', /metadata/],
    ['http://[::ffff:169.254.169.254]/', /written as IPv6/],
    ['http://[fd00:ec2::254]/', /metadata/],
    ['http://[::]/', /unspecified/],
  ]
  for (const [url, why] of cases) {
    const problem = problemOfUrl(url, ruling)
    if (why === null) assert.equal(problem, null, url)
    else assert.match(problem ?? 'nothing', why, url)
  }
})

void test('a name that leads to a closed address is refused for good, and nobody is called', async (context) => {
  const { port, received } = await receiver(context)
  for (const address of [
    '127.0.0.1',
    '::1',
    '10.0.0.8',
    '169.254.169.254',
    '::ffff:169.254.169.254',
    'fd00:ec2::254',
  ]) {
    const notifier = createNotifier(optionsOf({ allowLoopback: false, lookup: resolvesTo([address]) }))
    const outcome = await notifier.deliver(slack(`http://rebind.example:${port}/secret-path`), NOTICE, never)
    assert.ok(outcome.kind === 'failed')
    assert.equal(outcome.retryable, false)
    assert.match(outcome.message, /its name leads to/)
    assert.match(outcome.message, /alerts\.allowNetworks/)
    assert.doesNotMatch(outcome.message, /secret-path/)
    await notifier.close()
  }
  assert.equal(received.length, 0)
})

void test('of a name that has a public and a closed address none is used', async (context) => {
  const { port, received } = await receiver(context)
  const lookup = resolvesTo(['8.8.8.8', '127.0.0.1'])
  const notifier = createNotifier(optionsOf({ allowLoopback: false, lookup }))
  const outcome = await notifier.deliver(slack(`http://both.example:${port}/`), NOTICE, never)
  assert.ok(outcome.kind === 'failed' && !outcome.retryable)
  assert.equal(received.length, 0)
  await notifier.close()
})

void test('a name that is bound anew after it was looked at leads nowhere else', async (context) => {
  // One machine has two addresses: the allowed one, and the one that the name would lead to at a second question.
  const open = await receiver(context, undefined, { host: '127.0.0.2' })
  const closed = await receiver(context, undefined, { host: '127.0.0.1', port: open.port })
  const lookup = resolvesTo(['127.0.0.2'], ['127.0.0.1'])
  const notifier = createNotifier(optionsOf({ allowLoopback: false, allowNetworks: ['127.0.0.2'], lookup }))
  const address: Address = { kind: 'alertmanager', url: `http://rebind.example:${open.port}/`, bearer: null }

  assert.equal((await notifier.deliver(address, NOTICE, never)).kind, 'delivered')
  assert.deepEqual(lookup.asked, ['rebind.example'], 'the name was asked for once')
  assert.equal(open.received.length, 1)
  // Whom it calls stays the name.
  assert.equal(open.received[0]?.headers.host, `rebind.example:${open.port}`)

  const again = await notifier.deliver(address, NOTICE, never)
  assert.ok(again.kind === 'failed' && !again.retryable, 'the second try looks at the second answer')
  assert.equal(closed.received.length, 0)
  await notifier.close()
})

void test('a redirect is not followed, to itself or to the metadata service', async (context) => {
  for (const location of [
    '/again',
    'http://169.254.169.254/latest/meta-data/',
    'https://hooks.example/s3cret-elsewhere',
  ]) {
    const { url, received } = await receiver(context, (socket) =>
      said(socket, '302 Found', '', [`location: ${location}`]),
    )
    const notifier = createNotifier(optionsOf())
    const outcome = await notifier.deliver(slack(`${url}/first`), NOTICE, never)
    assert.ok(outcome.kind === 'failed')
    assert.match(outcome.message, /redirects are not followed/)
    assert.doesNotMatch(outcome.message, /s3cret|meta-data|first/)
    assert.equal(received.length, 1)
    await notifier.close()
  }
})

void test('a name that cannot be resolved, or not in time, may be resolved later', async () => {
  const refused = createNotifier(
    optionsOf({ lookup: () => Promise.reject(Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' })) }),
  )
  const unknown = await refused.deliver(slack('https://nowhere.example/s3cret'), NOTICE, never)
  assert.ok(unknown.kind === 'failed' && unknown.retryable)
  assert.equal(unknown.message, 'nowhere.example: its name cannot be resolved (ENOTFOUND)')

  const hangs = createNotifier(optionsOf({ limitMs: 50, lookup: () => Promise.withResolvers<never>().promise }))
  const late = await hangs.deliver(slack('https://nowhere.example/s3cret'), NOTICE, never)
  assert.ok(late.kind === 'failed' && late.retryable)
  assert.equal(late.message, 'nowhere.example: its name was not resolved in time')
  await Promise.all([refused.close(), hangs.close()])
})

void test('a network that is none stops the start', () => {
  assert.throws(() => createNotifier(optionsOf({ allowNetworks: ['lab'] })), /"lab" is not a network/)
})

void test('loopback is closed unless it is opened', async (context) => {
  const { url, received } = await receiver(context)
  const log = keepingLog()
  const notifier = createNotifier(optionsOf({ allowLoopback: false, log }))
  assert.match(notifier.check(slack(url)) ?? '', /127\.0\.0\.1 is a loopback address/)
  assert.equal((await notifier.deliver(slack(url), NOTICE, never)).kind, 'failed')
  assert.equal(received.length, 0)
  assert.match(log.words(), /a notice did not arrive/)
  await notifier.close()
})

void test('of TLS the name stays the one that was asked for, and whoever is not trusted for it gets nothing', async (context) => {
  const names: string[] = []
  let requests = 0
  const own = selfSigned()
  const SNICallback = (name: string, done: (error: null, context: SecureContext) => void): void => {
    names.push(name)
    done(null, createSecureContext(own))
  }
  const server = createServer({ ...own, SNICallback }, () => (requests += 1))
  server.on('tlsClientError', () => {})
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  context.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const notifier = createNotifier(optionsOf({ lookup: resolvesTo(['127.0.0.1']) }))
  const outcome = await notifier.deliver(slack(`https://hooks.example:${port}/s3cret`), NOTICE, never)
  assert.ok(outcome.kind === 'failed' && outcome.retryable)
  assert.equal(
    outcome.message,
    `hooks.example:${port}: its certificate is signed by nobody whom we trust (DEPTH_ZERO_SELF_SIGNED_CERT)`,
  )
  assert.deepEqual([names, requests], [['hooks.example'], 0])
  await notifier.close()
})

void test("a name is resolved by this machine's resolver, and any of its addresses that answers will do", async (context) => {
  const { port, received } = await receiver(context)
  const address = slack(`http://localhost:${port}/`)
  const open = createNotifier(optionsOf())
  assert.equal((await open.deliver(address, NOTICE, never)).kind, 'delivered')
  const closed = createNotifier(optionsOf({ allowLoopback: false }))
  assert.equal(closed.check(address), null, 'of a name nothing can be said without asking')
  const outcome = await closed.deliver(address, NOTICE, never)
  assert.ok(outcome.kind === 'failed' && !outcome.retryable)
  assert.match(outcome.message, /its name leads to (?:127\.0\.0\.1|::1), which is a loopback address/)
  assert.equal(received.length, 1)
  await Promise.all([open.close(), closed.close()])
})
