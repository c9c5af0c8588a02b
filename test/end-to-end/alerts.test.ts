// Alerts of a real `up` at a real receiver, with kill -9 of the control plane and of PostgreSQL all the time: each failed run is told, whatever died
// in between, and a receiver that honours `webhook-id` counts each message once.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { Home, pause, until } from '../parts/plimsoll.ts'

type Item = {
  key: string
  rule: string
  state: string
  what: string
  whatToDo: string
  link: string
  who: { run: { name: string } | null }
}
type Event = { type: string; data: { title: string; items: Item[] } }
type Got = { readonly id: string; readonly event: Event }
type Deliveries = {
  deliveries: { title: string; state: string; channel: string; tries: { ok: boolean; said: string }[] }[]
}

const home = new Home('listen: { port: 0 }\nalerts: { allowNetworks: [127.0.0.1] }\n')
const got: Got[] = []
let secret = ''
/** Answers so late that a kill falls between what was sent and what is known of it. */
let lateMs = 0
const receiver = createServer((request, response) => {
  void bodyOf(request).then(async (body) => {
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    // The official library throws where the signature is not ours.
    const event = new Webhook(secret).verify(body, headers) as Event
    got.push({ id: headers['webhook-id'] ?? '', event })
    await pause(lateMs)
    return response.writeHead(204).end()
  })
})
before(async () => {
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  await home.up()
})
after(async () => {
  receiver.closeAllConnections()
  receiver.close()
  await home.remove()
})

const failing = (name: string): string => {
  const spec = home.file(
    `${name}.yaml`,
    `name: ${name}\ncommand: [python3, -c, "import sys; sys.exit(7)"]\nresources: { nodes: 1, gpusPerNode: 1 }\nrestart: { user: 0, unknown: 0, infrastructure: 0 }\n`,
  )
  return home.document<{ id: string }>('submit', spec, '--yes').id
}

/** Every message once, as a receiver that honours the id has it. */
const counted = (): Event[] => [...new Map(got.map(({ id, event }) => [id, event])).values()]
const toldOf = (name: string): Item[] =>
  counted().flatMap(({ data }) => data.items.filter(({ who, state }) => who.run?.name === name && state === 'firing'))

test('a channel is made by the command line, tried, and says what became of it', async () => {
  const { port } = receiver.address() as AddressInfo
  const made = home.say('alerts', 'channel', 'create', 'oncall', '--webhook', `http://127.0.0.1:${port}/in?key=hidden`)
  assert.equal(made.code, 0, made.stderr)
  secret = made.stdout.trim()
  assert.match(secret, /^whsec_/)
  assert.equal(home.say('alerts', 'channel', 'test', 'oncall').code, 0)
  await until('the test has arrived', () => got.some(({ event }) => event.type === 'dev.plimsoll.test.v1'))
  const shown = home.say('alerts')
  assert.match(shown.stdout, /oncall +webhook +127\.0\.0\.1:\d+ +all +warning and worse +0 +ok/)
  await until('it is known', () => /delivered/.test(home.say('alerts', 'deliveries').stdout))
  assert.doesNotMatch(
    shown.stdout + home.say('alerts', 'deliveries', '-o', 'json').stdout + home.say('audit').stdout,
    /hidden|whsec/,
  )
  const metadata = home.say('alerts', 'channel', 'create', 'cloud', '--slack', 'http://169.254.169.254/latest')
  assert.equal(metadata.code, 2)
  assert.match(metadata.stderr, /169\.254/)
})

test('whatever is killed while runs fail, each is told once', async () => {
  lateMs = 150
  const names: string[] = []
  for (let round = 0; round < 4; round += 1) {
    for (let index = 0; index < 3; index += 1) {
      names.push(`fails-${round}-${index}`)
      failing(names.at(-1) ?? '')
    }
    await pause(600 * (1 + round))
    await home.kill(round % 2 === 1)
    await home.up()
  }
  await until('all are told', () => names.every((name) => toldOf(name).length > 0))
  for (const name of names) {
    const [item, ...more] = toldOf(name)
    assert.deepEqual(more, [], `${name} is told once`)
    assert.equal(item?.rule, 'run-failed')
    assert.match(item.what, /it failed in attempt 1 and is not started again/)
    assert.match(item.link, /^http:\/\/127\.0\.0\.1:\d+\/runs\/r/)
    assert.notEqual(item.whatToDo, '')
  }
  process.stdout.write(`${got.length} messages arrived, ${counted().length} of them different\n`)
})

test('what is silenced is not told, and whoever acknowledges a finding is named', async () => {
  assert.equal(home.say('alerts', 'silence', '--project', 'default', '--for', '1h', '--reason', 'upgrade').code, 0)
  failing('in-silence')
  const fires = (): string => home.say('alerts').stdout
  await until('it fires', () => /run-failed {2}default\/in-silence/.test(fires()))
  await pause(3_000)
  assert.deepEqual(toldOf('in-silence'), [])
  assert.match(fires(), /kept back by silence s/)
  const id = /acknowledge '(run-failed\/[^']+)'/.exec(fires())?.[1] ?? ''
  assert.equal(home.say('alerts', 'acknowledge', id, '--note', 'mine').code, 0)
  assert.match(fires(), /looks at it: mine/)
})

test('a receiver that is away is said with what it answered, and what waits is not lost', async () => {
  receiver.close()
  receiver.closeAllConnections()
  assert.equal(home.say('alerts', 'channel', 'test', 'oncall').code, 0)
  const last = () => home.document<Deliveries>('alerts', 'deliveries').deliveries[0]
  await until('a try has failed', () => last()?.tries.some(({ ok }) => !ok) === true)
  assert.equal(last()?.state, 'pending')
  assert.match(home.say('alerts').stdout, /1 failed, again/)
  process.stdout.write(`said of a receiver that is away: ${last()?.tries[0]?.said}\n`)
})

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
