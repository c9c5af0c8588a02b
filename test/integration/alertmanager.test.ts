// Alerts in a real Alertmanager, as its own API shows them.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ITEM, NOTICE, optionsOf } from '../../src/adapters/notify/fixture.ts'
import { createNotifier } from '../../src/adapters/notify/notifier.ts'
import type { Address, Notice, NoticeItem } from '../../src/domain/notice.ts'
import { epochMs } from '../../src/domain/units.ts'
import { alertmanagerLacks, startAlertmanager } from '../parts/alertmanager.ts'

type Alert = {
  readonly fingerprint: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly status: { readonly state: string }
  readonly startsAt: string
  readonly endsAt: string
  readonly generatorURL: string
}

const never = new AbortController().signal
const lacks = alertmanagerLacks()
const options = lacks === null ? {} : { skip: lacks }
const notifier = createNotifier(optionsOf({ nowMs: Date.now }))
let started: Awaited<ReturnType<typeof startAlertmanager>> | null = null

before(async () => {
  if (lacks === null) started = await startAlertmanager('/am')
})
after(async () => {
  await notifier.close()
  await started?.stop()
})

const address = (): Address => ({ kind: 'alertmanager', url: started?.url ?? '', bearer: null })

async function alerts(key: string): Promise<Alert[]> {
  const filter = encodeURIComponent(`plimsoll_key="${key}"`)
  const response = await fetch(`${started?.url}/api/v2/alerts?filter=${filter}`)
  assert.equal(response.status, 200)
  return (await response.json()) as Alert[]
}

const now = Date.now()
const since = epochMs(now - 1_500_000)
const firing = (more: Partial<NoticeItem> = {}): NoticeItem => ({ ...ITEM, since, ...more })
const noticeOf = (id: string, items: readonly NoticeItem[]): Notice => ({ ...NOTICE, id, at: epochMs(now), items })

async function arrives(notice: Notice): Promise<void> {
  const outcome = await notifier.deliver(address(), notice, never)
  assert.equal(outcome.kind, 'delivered', JSON.stringify(outcome))
}

void test('a repeat is the same alert, and what is over is no longer there', options, async () => {
  await arrives(noticeOf('n1', [firing()]))
  const [first, ...none] = await alerts(ITEM.key)
  assert.ok(first !== undefined)
  assert.deepEqual(none, [])
  assert.equal(first.labels.alertname, 'PlimsollNoProgress')
  assert.equal(first.annotations.summary, ITEM.what)
  assert.equal(first.status.state, 'active')
  assert.equal(Date.parse(first.startsAt), since)
  // It would end after five minutes if no end were told.
  assert.ok(Date.parse(first.endsAt) > now + 23 * 3_600_000)
  assert.equal(first.generatorURL, ITEM.link)

  // The same notice once more (nobody knew whether it had arrived), and a later one about the same.
  await arrives(noticeOf('n1', [firing()]))
  await arrives(noticeOf('n2', [firing({ what: 'no step for 2 h', evidence: [] })]))
  const [again, ...others] = await alerts(ITEM.key)
  assert.deepEqual(others, [])
  assert.equal(again?.fingerprint, first.fingerprint)
  assert.equal(again?.annotations.summary, 'no step for 2 h')

  await arrives(noticeOf('n3', [firing({ state: 'resolved', resolvedAt: epochMs(Date.now() - 1) })]))
  assert.deepEqual(await alerts(ITEM.key), [])

  // It comes back: the same key, from another moment on.
  await arrives(noticeOf('n4', [firing({ since: epochMs(Date.now()) })]))
  assert.deepEqual(
    (await alerts(ITEM.key)).map(({ fingerprint }) => fingerprint),
    [first.fingerprint],
  )
})

void test('an alert that becomes worse is one alert: the milder one ends in the same notice', options, async () => {
  await arrives(noticeOf('n8', [firing({ key: 'worse', severity: 'warning' })]))
  const over = firing({ key: 'worse', severity: 'warning', state: 'resolved', resolvedAt: epochMs(Date.now()) })
  await arrives(noticeOf('n9', [firing({ key: 'worse', severity: 'critical' }), over]))
  assert.deepEqual(
    (await alerts('worse')).map(({ labels }) => labels.severity),
    ['critical'],
  )
})

void test('several items are several alerts, and a strange one does not take the others with it', options, async () => {
  const strange: NoticeItem = {
    key: 'strange',
    rule: 'budget-used',
    severity: 'warning',
    state: 'resolved',
    what: `\u0000\ud800${'x'.repeat(9_000)}`,
    cost: null,
    since: epochMs(now),
    resolvedAt: epochMs(now - 1_000),
    who: { project: null, run: null },
    whatToDo: '',
    evidence: ['', '{{ .Labels }}'],
    link: `${NOTICE.link}?a=<b>`,
  }
  await arrives(noticeOf('n5', [strange, firing({ key: 'one' }), firing({ key: 'two', severity: 'warning' })]))
  assert.equal((await alerts('one')).length, 1)
  assert.equal((await alerts('two'))[0]?.labels.severity, 'warning')
})

void test('a test is seen', options, async () => {
  await arrives({ ...noticeOf('n6', []), kind: 'test' })
  assert.deepEqual(
    (await alerts('test')).map(({ labels }) => labels.alertname),
    ['PlimsollTest'],
  )
})

void test('an address beside the API says so', options, async () => {
  const outcome = await notifier.deliver(
    { kind: 'alertmanager', url: `${started?.url}/nowhere`, bearer: null },
    noticeOf('n7', [firing()]),
    never,
  )
  assert.ok(outcome.kind === 'failed' && !outcome.retryable)
  assert.match(outcome.message, /answered 404/)
})
