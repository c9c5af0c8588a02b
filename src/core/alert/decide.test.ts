import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KeptChannel, Silence, Told } from '../../domain/alert.ts'
import type { Finding } from '../../domain/finding.ts'
import { keyOf } from '../../domain/finding.ts'
import { runId, t } from '../../domain/fixture.ts'
import type { ProjectName } from '../../domain/ids.ts'
import { attemptIdOf } from '../../domain/ids.ts'
import { NOTICE_ITEMS_MAX, OUTBOX_MAX } from '../../domain/limits.ts'
import type { Project } from '../../domain/project.ts'
import { gpuMs } from '../../domain/units.ts'
import type { AlertLook } from './decide.ts'
import { ACKNOWLEDGED_MS, ALERTMANAGER_REPEAT_MS, BURST, decideAlerts, FLAP_MS, REPEAT_MS } from './decide.ts'

const project = (name: string, parent: string | null): [ProjectName, Project] => [
  name as ProjectName,
  { name: name as ProjectName, parent: parent as ProjectName | null, quotaGpus: null, maxPriority: 'high', version: 1 },
]
const PROJECTS = new Map([project('lab', null), project('vision', 'lab'), project('speech', 'lab')])

const channelOf = (over: Partial<KeptChannel> = {}): KeptChannel => ({
  id: 'c1',
  name: 'oncall',
  project: null,
  kind: 'webhook',
  sealed: '',
  shown: 'hooks.test',
  severity: 'warning',
  rules: null,
  digest: false,
  createdAt: t(0),
  createdBy: 'user:ada',
  failures: 0,
  retryAt: null,
  off: null,
  pending: 0,
  ...over,
})

function findingOf(number: number, over: Partial<Finding> = {}): Finding {
  const run = runId(number)
  return {
    id: `no-progress/${run}-1/${t(0)}`,
    rule: 'no-progress',
    subject: { project: 'vision' as ProjectName, run, attempt: attemptIdOf(run, 1), budget: null, part: '' },
    severity: 'warning',
    since: t(0),
    message: 'no step for 5 min',
    evidence: [{ what: 'last step', value: '600', at: null, worker: null }],
    gpus: 8,
    price: null,
    whatToTry: 'read its log',
    seenAt: t(0),
    gpuMs: gpuMs(480_000),
    money: null,
    resolvedAt: null,
    ...over,
  }
}

const lookOf = (over: Partial<AlertLook>): AlertLook => ({
  now: t(60_000),
  channels: [channelOf()],
  silences: [],
  acknowledged: new Map(),
  told: [],
  open: [],
  ended: new Map(),
  recent: new Map(),
  runs: new Map([[runId(1), { id: runId(1), name: 'moe', user: 'ada' }]]),
  notify: new Map(),
  projects: PROJECTS,
  pages: 'http://pages.test',
  ...over,
})

/** What is said to whom: `channel: state rule, …` for each message. */
function said(look: Partial<AlertLook>): string[] {
  let ids = 0
  return decideAlerts(lookOf(look), () => `n${(ids += 1)}`).outgoing.map(
    ({ channel, notice }) => `${channel}: ${notice.items.map(({ state, rule }) => `${state} ${rule}`).join(', ')}`,
  )
}
const toldOf = (finding: Finding, over: Partial<Told> = {}): Told => ({
  channel: 'c1',
  key: keyOf(finding),
  finding: finding.id,
  state: 'firing',
  severity: finding.severity,
  at: t(0),
  ...over,
})

void test('what fires is told once, with its five parts and where to look, and its end is told to whoever was told', () => {
  const finding = findingOf(1)
  const { outgoing, told } = decideAlerts(lookOf({ open: [finding] }), () => 'n1')
  assert.deepEqual(told, [toldOf(finding, { at: t(60_000) })])
  assert.deepEqual(outgoing[0]?.runs, [runId(1)])
  assert.equal(outgoing[0]?.notice.title, 'warning: vision/moe: no step for 5 min')
  const [item] = outgoing[0]?.notice.items ?? []
  assert.deepEqual(
    [item?.what, item?.cost?.gpuMs, item?.since, item?.who.run?.owner, item?.whatToDo, item?.evidence, item?.link],
    [
      'no step for 5 min',
      480_000,
      t(0),
      'ada',
      'read its log',
      ['last step: 600'],
      `http://pages.test/runs/${runId(1)}`,
    ],
  )
  assert.deepEqual(said({ open: [finding], told }), [])
  const over = { ...finding, resolvedAt: t(50_000) }
  assert.deepEqual(said({ told, ended: new Map([[finding.id, over]]) }), ['c1: resolved no-progress'])
  assert.deepEqual(said({ told: [], ended: new Map([[finding.id, over]]) }), [])
})

void test('a channel takes what is of its project or below it, so severe and of such rules; a spec names one for its run', () => {
  const open = [findingOf(1), findingOf(2, { severity: 'critical', rule: 'loss-diverged', id: 'loss-diverged/2' })]
  const takes = (over: Partial<KeptChannel>, more: Partial<AlertLook> = {}): string[] =>
    said({ channels: [channelOf(over)], open, ...more })
  assert.deepEqual(takes({ project: 'lab' as ProjectName }), ['c1: firing loss-diverged, firing no-progress'])
  assert.deepEqual(takes({ project: 'speech' as ProjectName }), [])
  assert.deepEqual(takes({ severity: 'critical' }), ['c1: firing loss-diverged'])
  assert.deepEqual(takes({ rules: ['no-progress'] }), ['c1: firing no-progress'])
  const notify = new Map([[runId(1), ['webhook:oncall']]])
  assert.deepEqual(takes({ severity: 'critical' }, { notify }), ['c1: firing loss-diverged, firing no-progress'])
  assert.deepEqual(takes({ project: 'speech' as ProjectName }, { notify }), [], 'a run reaches no channel of others')
})

void test('what gets worse is told again, what comes back at once is not, and what lasts is told every four hours', () => {
  const finding = findingOf(1)
  const worse = findingOf(1, { severity: 'critical' })
  assert.deepEqual(said({ open: [worse], told: [toldOf(finding)] }), ['c1: firing no-progress'])
  const over = [toldOf(finding, { state: 'resolved', at: t(0) })]
  assert.deepEqual(said({ open: [finding], told: over, now: t(FLAP_MS - 1) }), [])
  assert.deepEqual(said({ open: [finding], told: over, now: t(FLAP_MS) }), ['c1: firing no-progress'])
  assert.deepEqual(said({ open: [worse], told: over, now: t(FLAP_MS - 1) }), ['c1: firing no-progress'])
  const told = [toldOf(finding)]
  assert.deepEqual(said({ open: [finding], told, now: t(REPEAT_MS - 1) }), [])
  assert.deepEqual(said({ open: [finding], told, now: t(REPEAT_MS) }), ['c1: firing no-progress'])
  // Alertmanager takes for over what is not repeated.
  const channels = [channelOf({ kind: 'alertmanager' })]
  assert.deepEqual(said({ channels, open: [finding], told, now: t(ALERTMANAGER_REPEAT_MS) }), [
    'c1: firing no-progress',
  ])
  assert.deepEqual(said({ channels, open: [worse], told }), ['c1: firing no-progress, resolved no-progress'])
})

void test('an acknowledgement ends the repeats for a day while it gets no worse; a silence holds back what it matches, and then it is told', () => {
  const finding = findingOf(1)
  const acknowledged = new Map([
    [finding.id, { finding: finding.id, severity: 'warning' as const, at: t(0), by: 'user:ada', note: '' }],
  ])
  const told = [toldOf(finding)]
  assert.deepEqual(said({ open: [finding], told, acknowledged, now: t(ACKNOWLEDGED_MS - 1) }), [])
  assert.deepEqual(said({ open: [finding], told, acknowledged, now: t(ACKNOWLEDGED_MS) }), ['c1: firing no-progress'])
  const worse = findingOf(1, { severity: 'critical' })
  assert.deepEqual(said({ open: [worse], told, acknowledged }), ['c1: firing no-progress'])

  const silence = (over: Partial<Silence>): Silence => ({
    id: 's1',
    project: null,
    rule: null,
    run: null,
    startsAt: t(0),
    endsAt: t(120_000),
    reason: 'known',
    by: 'user:ada',
    ...over,
  })
  const silent = (over: Partial<Silence>, now = t(60_000)): boolean =>
    said({ open: [finding], silences: [silence(over)], now }).length === 0
  assert.ok(silent({}))
  assert.ok(silent({ project: 'lab' as ProjectName, rule: 'no-progress', run: runId(1) }))
  assert.ok(!silent({ project: 'speech' as ProjectName }))
  assert.ok(!silent({ rule: 'loss-diverged' }))
  assert.ok(!silent({ run: runId(2) }))
  assert.ok(!silent({}, t(120_000)), 'it is over')
  assert.ok(!silent({ startsAt: t(60_001) }), 'it has not begun')
})

void test('many at once are put together, the worst first, in messages of a bounded length; a storm waits for company', () => {
  const open = Array.from({ length: NOTICE_ITEMS_MAX + 1 }, (_, index) =>
    findingOf(index + 1, index === NOTICE_ITEMS_MAX ? { severity: 'critical' } : {}),
  )
  const { outgoing } = decideAlerts(lookOf({ open }), () => 'n')
  assert.deepEqual(
    outgoing.map(({ notice }) => notice.items.length),
    [NOTICE_ITEMS_MAX, 1],
  )
  assert.equal(outgoing[0]?.notice.items[0]?.severity, 'critical')
  assert.match(outgoing[0]?.notice.title ?? '', /^20 alerts, first /)
  const recent = (count: number, newestAt: number): AlertLook['recent'] =>
    new Map([['c1', { count, newestAt: t(newestAt) }]])
  assert.equal(said({ open, recent: recent(BURST - 1, 59_999) }).length, 2)
  assert.equal(said({ open, recent: recent(BURST, 59_999) }).length, 2, 'what is critical does not wait')
  const mild = open.slice(0, 3)
  assert.equal(said({ open: mild, recent: recent(BURST, 59_999) }).length, 0)
  assert.equal(said({ open: mild, recent: recent(BURST, 30_000) }).length, 1)
})

void test('a full outbox, or a receiver that wants nothing, loses nothing: it is told when there is room', () => {
  const open = [findingOf(1)]
  for (const over of [{ pending: OUTBOX_MAX }, { off: '410 Gone' }] as const) {
    const { outgoing, told } = decideAlerts(lookOf({ open, channels: [channelOf(over)] }), () => 'n')
    assert.deepEqual([outgoing, told], [[], []])
  }
})
