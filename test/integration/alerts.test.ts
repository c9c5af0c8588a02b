// Alerts on a real PostgreSQL, with a receiver that does what a test says: whoever is to be told is told, whatever dies in between; and nobody
// sees or touches channels of others.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { alertStore } from '../../src/adapters/postgres/alerts.ts'
import { postgresStore } from '../../src/adapters/postgres/store.ts'
import { secrets } from '../../src/adapters/system/secrets.ts'
import { sealWith } from '../../src/adapters/system/seal.ts'
import type { Control } from '../../src/control/control.ts'
import { Deliveries } from '../../src/control/deliver.ts'
import { alertsFor } from '../../src/control/requests/alerting.ts'
import { tellTurn } from '../../src/control/tell.ts'
import { measureFrame } from '../../src/core/experts/measures.ts'
import { CLUSTER } from '../../src/domain/fixture.ts'
import type { Finding } from '../../src/domain/finding.ts'
import type { ProjectName } from '../../src/domain/ids.ts'
import type { Address, Notice } from '../../src/domain/notice.ts'
import type { Principal, Role } from '../../src/domain/principal.ts'
import { DEFAULT_DURATIONS, DEFAULT_LOG_BYTES_MAX } from '../../src/domain/settings.ts'
import { DEFAULT_THRESHOLDS } from '../../src/domain/thresholds.ts'
import { durationMs, epochMs, gpuMs } from '../../src/domain/units.ts'
import type { NewChannel } from '../../src/ports/alerts.ts'
import type { Delivered } from '../../src/ports/notifier.ts'
import { SeededChance } from '../../src/sim/chance.ts'
import { auditOf, policyOf, T0 } from '../conformance/things.ts'
import { PostgresBenches, StandingClock } from '../parts/stores.ts'
import { until } from '../parts/plimsoll.ts'

let benches: PostgresBenches
let made = 0
before(async () => {
  benches = await PostgresBenches.start()
})
after(() => benches.stop())

const user = (role: Role, project: string | null): Principal => ({
  kind: 'user',
  name: 'ada',
  grants: [{ role, project: project as ProjectName | null }],
})
const ADMIN = user('admin', null)
const SECRET = 'https://hooks.test/services/T0/the-secret'

const channel = (over: Partial<NewChannel> = {}): NewChannel => ({
  name: 'oncall',
  project: null,
  address: { kind: 'webhook', url: SECRET, secrets: [] },
  severity: 'warning',
  rules: null,
  digest: false,
  ...over,
})

const finding = (over: Partial<Finding> = {}): Finding => ({
  id: 'budget-used/hours/1',
  rule: 'budget-used',
  subject: { project: 'team' as ProjectName, run: null, attempt: null, budget: null, part: 'hours' },
  severity: 'warning',
  since: epochMs(T0),
  message: 'half of it is used',
  evidence: [],
  gpus: null,
  price: null,
  whatToTry: 'look at it',
  seenAt: epochMs(T0),
  gpuMs: gpuMs(3_600_000),
  money: null,
  resolvedAt: null,
  ...over,
})

const ok = (): Delivered => ({ kind: 'delivered', tookMs: 1, said: '200 OK' })
const no = (over: Partial<Delivered & { kind: 'failed' }> = {}): Delivered => ({
  kind: 'failed',
  tookMs: 1,
  message: '503 in 0 s',
  retryable: true,
  retryAfterMs: null,
  gone: false,
  ...over,
})

/** A process of the control plane with its own view of the same database, and what its receiver got. */
async function world() {
  made += 1
  const database = benches.database(await benches.fresh())
  const clock = new StandingClock(T0)
  const got: { readonly address: Address; readonly notice: Notice }[] = []
  let answer: (notice: Notice, signal: AbortSignal) => Promise<Delivered> | Delivered = ok
  const silent = (): void => {}
  const process = async (): Promise<Control> => {
    const store = postgresStore(database, clock, { blindAfterMs: 60_000, measure: measureFrame })
    const epoch = await store.takeLead(`p${(made += 1)}`, 10 ** 9, false)
    return {
      store,
      clock,
      clusters: new Map(),
      doorbell: { ring: silent },
      chance: new SeededChance(made),
      log: { info: silent, warn: silent, error: silent },
      settings: { durations: DEFAULT_DURATIONS, logBytesMax: DEFAULT_LOG_BYTES_MAX, thresholds: DEFAULT_THRESHOLDS },
      health: new Map(),
      lead: { epoch, until: epochMs(10 ** 15) },
      ingest: null,
      readSpool: () => null,
      alerting: {
        store: alertStore(database),
        seal: sealWith([new Uint8Array(32)]),
        pages: () => 'http://pages.test',
        notifier: {
          check: (address) => (JSON.stringify(address).includes('169.254') ? 'that is no place for a channel' : null),
          deliver: async (address, notice, signal) => {
            got.push({ address, notice })
            return answer(notice, signal)
          },
          close: async () => {},
        },
      },
    }
  }
  const control = await process()
  await control.store.applyPolicy(policyOf(10 ** 9), {}, auditOf('policy.apply'))
  const context = { control, defaultCluster: CLUSTER, peaks: new Map(), secrets }
  const find = (some: Finding): Promise<unknown> =>
    control.store.commit(control.lead.epoch, [
      { about: 'finding', expects: [], writes: [{ kind: 'finding', finding: some }] },
    ])
  const deliver = async (by: Control = control): Promise<void> => {
    const deliveries = new Deliveries()
    await deliveries.look(by)
    await deliveries.idle()
  }
  return {
    control,
    process,
    alerts: alertsFor(context),
    clock,
    got,
    find,
    deliver,
    answers: (by: typeof answer) => {
      answer = by
    },
    close: () => database.end(),
  }
}

const check = (what: string, body: (w: Awaited<ReturnType<typeof world>>) => Promise<void>): void =>
  void test(what, async () => {
    const w = await world()
    try {
      await body(w)
    } finally {
      await w.close()
    }
  })

check('what is found is told once, and its end is; the page shows who was told and what he answered', async (w) => {
  const created = await w.alerts.createChannel(ADMIN, channel())
  assert.ok(created.ok && created.value.secret?.startsWith('whsec_') === true)
  await w.find(finding())
  for (let turn = 0; turn < 3; turn += 1) await tellTurn(w.control)
  await w.deliver()
  assert.equal(w.got.length, 1)
  const [first] = w.got
  assert.deepEqual(first?.address, { kind: 'webhook', url: SECRET, secrets: [created.value.secret] })
  assert.equal(first.notice.title, 'warning: team: half of it is used')
  const shown = await w.alerts.alerts(ADMIN)
  assert.ok(shown.ok)
  assert.deepEqual(shown.value.alerts[0]?.told, [{ channel: 'oncall', state: 'firing', at: T0 }])
  await w.find(finding({ resolvedAt: epochMs(T0 + 1_000) }))
  w.clock.set(T0 + 2_000)
  await tellTurn(w.control)
  await w.deliver()
  assert.deepEqual(
    w.got.map(({ notice }) => notice.items.map(({ state }) => state)),
    [['firing'], ['resolved']],
  )
  const sent = await w.alerts.deliveries(ADMIN, { limit: 1, after: null })
  assert.ok(sent.ok)
  assert.deepEqual(
    sent.value.deliveries.map(({ channel: name, state, tries }) => [name, state, tries.map(({ said }) => said)]),
    [['oncall', 'delivered', ['200 OK']]],
  )
  assert.ok((await w.alerts.removeChannel(ADMIN, 'oncall')).ok)
  const kept = await w.alerts.deliveries(ADMIN, { limit: 1, after: null })
  assert.deepEqual(kept, sent, 'what was sent to a channel that is gone was sent')
  const stranger = await w.alerts.deliveries(user('lead', 'team'), { limit: 1, after: null })
  assert.deepEqual(stranger.ok && stranger.value.deliveries, [])
  const older = await w.alerts.deliveries(ADMIN, { limit: 5, after: sent.value.next })
  assert.deepEqual(older.ok && older.value.deliveries.length, 1)
  assert.doesNotMatch(JSON.stringify([shown, sent, await w.control.store.audit(10, null)]), /the-secret|whsec_/)
})

check('who dies between sending and writing it down has sent it under the same id as the next one', async (w) => {
  await w.alerts.createChannel(ADMIN, channel())
  await w.find(finding())
  await tellTurn(w.control)
  // The first process is gone while its message is under way.
  const dying = new Deliveries()
  w.answers((_, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(no()))))
  await dying.look(w.control)
  await until('it is under way', async () => w.got.length === 1, 5_000)
  await dying.stop()
  w.answers(ok)
  await w.deliver()
  assert.equal(w.got.length, 2)
  assert.equal(w.got[0]?.notice.id, w.got[1]?.notice.id)
})

check('two processes tell nothing twice: who does not lead any more writes nothing', async (w) => {
  await w.alerts.createChannel(ADMIN, channel())
  await w.find(finding())
  const old = w.control.lead.epoch
  const other = await w.process()
  // Its lease is over, and it does not know yet.
  await w.control.store.giveUpLead(old ?? 0)
  other.lead.epoch = await w.control.store.takeLead('other', 10 ** 9, false)
  assert.notEqual(other.lead.epoch, null)
  assert.equal(await tellTurn(w.control), false)
  assert.equal(w.control.lead.epoch, null)
  await tellTurn(other)
  await w.deliver(other)
  assert.equal(w.got.length, 1)
})

check(
  'a receiver that is away is tried later and later, in order; others do not wait, and one that wants no more is let alone',
  async (w) => {
    await w.alerts.createChannel(ADMIN, channel())
    await w.alerts.createChannel(ADMIN, channel({ name: 'other', address: { kind: 'slack', url: SECRET } }))
    w.answers((notice) => (w.got.at(-1)?.address.kind === 'slack' ? ok() : no({ message: `503 for ${notice.kind}` })))
    await w.find(finding())
    await tellTurn(w.control)
    await w.deliver()
    await w.find(finding({ resolvedAt: epochMs(T0 + 1_000) }))
    w.clock.set(T0 + 1_000)
    await tellTurn(w.control)
    await w.deliver()
    const state = async () => {
      const shown = await w.alerts.alerts(ADMIN)
      assert.ok(shown.ok)
      return shown.value.channels.map(({ name, pending, failures, off }) => [name, pending, failures, off])
    }
    assert.deepEqual(await state(), [
      ['oncall', 2, 1, null],
      ['other', 0, 0, null],
    ])
    w.clock.set(T0 + 7_000)
    w.answers(ok)
    await w.deliver()
    const ofOncall = w.got.filter(({ address }) => address.kind === 'webhook').map(({ notice }) => notice)
    assert.deepEqual(
      ofOncall.map(({ items }) => items[0]?.state),
      ['firing', 'firing', 'resolved'],
    )
    assert.equal(ofOncall[0]?.id, ofOncall[1]?.id)
    w.answers(() => no({ retryable: false, gone: true, message: '410 Gone' }))
    assert.ok((await w.alerts.testChannel(ADMIN, 'oncall')).ok)
    await w.deliver()
    assert.deepEqual((await state())[0], ['oncall', 0, 1, '410 Gone'])
    const again = await w.alerts.testChannel(ADMIN, 'oncall')
    assert.ok(!again.ok && again.code === 'wrong-state' && again.whatToDo === 'plimsoll alerts channel wake oncall')
    assert.ok((await w.alerts.wakeChannel(ADMIN, 'oncall')).ok)
    assert.deepEqual((await state())[0], ['oncall', 0, 0, null])
  },
)

check('a lead makes channels of his project, sees no others, and takes nothing away from them', async (w) => {
  const lead = user('lead', 'team')
  const refusals: [unknown, string][] = [
    [await w.alerts.createChannel(lead, channel()), 'not-allowed'],
    [await w.alerts.createChannel(lead, channel({ project: 'default' })), 'not-allowed'],
    [await w.alerts.createChannel(user('member', 'team'), channel({ project: 'team' })), 'not-allowed'],
    [await w.alerts.createChannel(ADMIN, channel({ project: 'nobody' })), 'unknown-project'],
    [
      await w.alerts.createChannel(ADMIN, channel({ address: { kind: 'slack', url: 'http://169.254.169.254/' } })),
      'invalid',
    ],
  ]
  for (const [answer, code] of refusals) assert.equal((answer as { code?: string }).code, code)
  assert.ok((await w.alerts.createChannel(ADMIN, channel({ name: 'all' }))).ok)
  assert.ok((await w.alerts.createChannel(lead, channel({ name: 'ours', project: 'team' }))).ok)
  const taken = await w.alerts.createChannel(lead, channel({ name: 'all', project: 'team' }))
  assert.ok(!taken.ok && taken.code === 'name-taken')
  const seen = await w.alerts.alerts(lead)
  assert.deepEqual(seen.ok && seen.value.channels.map(({ name }) => name), ['ours'])
  for (const verb of ['removeChannel', 'testChannel', 'wakeChannel'] as const) {
    const answer = await w.alerts[verb](lead, 'all')
    assert.ok(!answer.ok && answer.code === 'not-found', verb)
    const viewer = await w.alerts[verb](user('viewer', 'team'), 'ours')
    assert.ok(!viewer.ok && viewer.code === 'not-allowed', verb)
  }
  assert.ok((await w.alerts.testChannel(lead, 'ours')).ok)
  assert.ok((await w.alerts.removeChannel(lead, 'ours')).ok)
  await w.deliver()
  assert.deepEqual(w.got, [], 'what waited for it went with it')
})

check(
  'silences and acknowledgements are of the project that they are about, end, and stand in the audit log',
  async (w) => {
    await w.alerts.createChannel(ADMIN, channel())
    const lead = user('lead', 'team')
    const asked = { project: 'team', rule: null, run: null, forMs: durationMs(60_000), reason: 'known' } as const
    const stranger = await w.alerts.silence(user('lead', 'default'), asked)
    assert.ok(!stranger.ok && stranger.code === 'not-allowed')
    const everything = await w.alerts.silence(lead, { ...asked, project: null })
    assert.ok(!everything.ok && everything.code === 'not-allowed')
    const silence = await w.alerts.silence(lead, asked)
    assert.ok(silence.ok)
    await w.find(finding())
    await tellTurn(w.control)
    await w.deliver()
    assert.deepEqual(w.got, [])
    const shown = await w.alerts.alerts(lead)
    assert.deepEqual(shown.ok && shown.value.alerts[0]?.silence, silence.value.id)
    const theirs = await w.alerts.acknowledge(user('lead', 'default'), finding().id, '')
    assert.ok(!theirs.ok && theirs.code === 'not-found')
    assert.ok((await w.alerts.acknowledge(lead, finding().id, 'mine')).ok)
    assert.ok((await w.alerts.endSilence(lead, silence.value.id)).ok)
    await tellTurn(w.control)
    await w.deliver()
    assert.deepEqual(w.got, [], 'somebody looks at it')
    assert.ok((await w.alerts.letGo(lead, finding().id)).ok)
    await tellTurn(w.control)
    await w.deliver()
    assert.equal(w.got.length, 1)
    const verbs = (await w.control.store.audit(20, null)).map(({ verb }) => verb)
    for (const verb of ['channel.create', 'alert.silence', 'alert.unsilence', 'alert.acknowledge', 'alert.let-go'])
      assert.ok(verbs.includes(verb), verb)
  },
)

check('a channel that wants it is told on Monday what the week has cost, once', async (w) => {
  await w.alerts.createChannel(ADMIN, channel({ digest: true }))
  await w.alerts.createChannel(ADMIN, channel({ name: 'without' }))
  const monday = Date.parse('2027-01-18T08:00:00Z')
  w.clock.set(monday - 1)
  await tellTurn(w.control)
  w.clock.set(monday)
  for (let turn = 0; turn < 2; turn += 1) await tellTurn(w.control)
  await w.deliver()
  assert.deepEqual(
    w.got.map(({ notice: { kind, title, text } }) => [kind, title, text.length > 0]),
    [['digest', 'the week of 2027-01-11', true]],
  )
})
