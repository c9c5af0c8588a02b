import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Gauges } from '../../domain/documents.ts'
import { createMetrics } from './metrics.ts'

const none: Gauges = {
  runs: [],
  waiting: [],
  nodes: [],
  gpus: [],
  budgets: [],
  findings: [],
  bookedBehindMs: 0,
  queuePaused: false,
  clusters: [],
  leads: false,
  messages: [],
  oldestMessageMs: null,
  channels: [],
}

test('gauges say what is now, and nothing of what was', async () => {
  const metrics = createMetrics()
  const now: Gauges = {
    ...none,
    runs: [{ labels: { state: 'running' }, count: 3 }],
    waiting: [{ labels: { reason: 'capacity' }, count: 2 }],
    gpus: [{ labels: { cluster: 'local', gpu: 'h100', holder: 'run' }, count: 8 }],
    budgets: [
      {
        id: 'demo/1',
        project: 'demo',
        user: null,
        label: null,
        run: null,
        unit: 'gpu-ms',
        currency: null,
        hard: true,
        limit: 7_200_000,
        used: 500,
        reserved: 0,
        over: 0,
        left: 7_199_500,
        period: null,
        extended: 0,
        forecast: null,
      },
    ],
    findings: [{ labels: { rule: 'no-progress', severity: 'critical' }, count: 4 }],
    bookedBehindMs: 1500,
    queuePaused: true,
    clusters: [
      { cluster: 'local', reachable: true },
      { cluster: 'hamina', reachable: false },
    ],
    leads: true,
    messages: [{ labels: { kind: 'slack' }, count: 3 }],
    oldestMessageMs: 2500,
    channels: [{ labels: { kind: 'slack', state: 'failing' }, count: 1 }],
  }
  const first = await metrics.text(now, 250)
  for (const line of [
    'plimsoll_runs{state="running"} 3',
    'plimsoll_runs_waiting{reason="capacity"} 2',
    'plimsoll_gpus{cluster="local",gpu_model="h100",holder="run"} 8',
    'plimsoll_budget_gpu_seconds{budget="demo/1",kind="limit"} 7200',
    'plimsoll_budget_gpu_seconds{budget="demo/1",kind="used"} 0.5',
    'plimsoll_books_behind_seconds 1.5',
    'plimsoll_findings{rule="no-progress",severity="critical"} 4',
    'plimsoll_queue_paused 1',
    'plimsoll_cluster_reachable{cluster="local"} 1',
    'plimsoll_cluster_reachable{cluster="hamina"} 0',
    'plimsoll_leader 1',
    'plimsoll_alert_messages_pending{kind="slack"} 3',
    'plimsoll_alert_oldest_pending_seconds 2.5',
    'plimsoll_alert_channels{kind="slack",state="failing"} 1',
    'plimsoll_feed_lag_seconds 0.25',
  ])
    assert.ok(first.split('\n').includes(line), line)
  const second = await metrics.text(none, 0)
  assert.doesNotMatch(second, /state="running"|budget="demo|hamina|slack/)
  assert.match(second, /^plimsoll_alert_oldest_pending_seconds 0$/m)
  assert.match(second, /^process_resident_memory_bytes \d+/m)
})

test('turns are timed, and one that fails is counted and fails', async () => {
  const metrics = createMetrics()
  assert.equal(await metrics.turn('place', async () => 7), 7)
  await assert.rejects(
    metrics.turn('place', () => Promise.reject(new Error('x'))),
    /x/,
  )
  const text = await metrics.text(none, 0)
  assert.match(text, /plimsoll_turn_duration_seconds_count\{step="place"\} 2/)
  assert.match(text, /plimsoll_turn_failures_total\{step="place"\} 1/)
  const at = Number(/plimsoll_turn_last_success_timestamp_seconds\{step="place"\} (\S+)/.exec(text)?.[1])
  assert.ok(Math.abs(at - Date.now() / 1_000) < 60)
  await assert.rejects(metrics.turn('launch', () => Promise.reject(new Error('x'))))
  assert.doesNotMatch(await metrics.text(none, 0), /last_success_timestamp_seconds\{step="launch"\}/)
})

test('tries of messages are counted by the kind of their channel', async () => {
  const metrics = createMetrics()
  for (const outcome of ['delivered', 'failed', 'delivered'] as const) metrics.tried('email', outcome)
  const text = await metrics.text(none, 0)
  assert.match(text, /plimsoll_alert_deliveries_total\{kind="email",outcome="delivered"\} 2/)
  assert.match(text, /plimsoll_alert_deliveries_total\{kind="email",outcome="failed"\} 1/)
})

test('sign-ins are counted by what came of them', async () => {
  const metrics = createMetrics()
  for (const outcome of ['signed-in', 'sign-in-no-group', 'signed-in'] as const) metrics.signedIn(outcome)
  const text = await metrics.text(none, 0)
  assert.match(text, /plimsoll_sign_ins_total\{outcome="signed-in"\} 2/)
  assert.match(text, /plimsoll_sign_ins_total\{outcome="sign-in-no-group"\} 1/)
})

test('every metric stands in docs/metrics.md, and nothing else does', async () => {
  const text = await createMetrics().text(none, 0)
  const told = [...text.matchAll(/^# TYPE (plimsoll_\w+)/gm)].map(([, name = '']) => name)
  const page = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8')
  const documented = [...page.matchAll(/^\| `(plimsoll_\w+)`/gm)].map(([, name = '']) => name)
  assert.deepEqual(new Set(documented), new Set(told))
})
