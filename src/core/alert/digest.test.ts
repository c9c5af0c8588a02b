import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KeptChannel, Told } from '../../domain/alert.ts'
import { epochMs, micros } from '../../domain/units.ts'
import { digestLines, digestsDue, weekToTell } from './digest.ts'

const at = (text: string) => epochMs(Date.parse(text))
const H = 3_600_000

void test('a week is told on Monday at eight, UTC: the one that ended then', () => {
  const week = { from: at('2026-11-16T00:00:00Z'), to: at('2026-11-23T00:00:00Z') }
  assert.deepEqual(weekToTell(at('2026-11-23T08:00:00Z')), week)
  assert.deepEqual(weekToTell(at('2026-11-30T07:59:59Z')), week)
  assert.deepEqual(weekToTell(at('2026-11-30T08:00:00Z')).from, week.to)
})

void test('each channel that wants it gets it once; one that was made later waits for the next', () => {
  const week = weekToTell(at('2026-11-24T00:00:00Z'))
  const channel = (over: Partial<KeptChannel>) =>
    ({ id: 'c1', digest: true, off: null, createdAt: at('2026-11-01T00:00:00Z'), ...over }) as KeptChannel
  const due = (over: Partial<KeptChannel>, told: readonly Told[] = []): boolean =>
    digestsDue([channel(over)], told, week).length === 1
  assert.ok(due({}))
  assert.ok(!due({ digest: false }))
  assert.ok(!due({ off: '410 Gone' }))
  assert.ok(!due({ createdAt: at('2026-11-23T08:00:00Z') }))
  const told = (to: number): Told => ({
    channel: 'c1',
    key: 'digest',
    finding: String(to),
    state: 'resolved',
    severity: 'warning',
    at: week.to,
  })
  assert.ok(!due({}, [told(week.to)]))
  assert.ok(due({}, [told(week.from)]))
})

void test('it says what was held, wasted and on what, by project, and never takes a missing price for nothing', () => {
  const row = (
    project: string | null,
    account: 'productive' | 'stalled' | 'lost' | 'free',
    hours: number,
    eur: number | null,
  ) => ({
    project,
    account,
    gpuMs: hours * H,
    money: eur === null ? null : { micros: micros(eur * 1_000_000), currency: 'EUR' },
  })
  const rows = [
    row('vision', 'productive', 900, 1_800),
    row('vision', 'stalled', 80, 160),
    row('vision', 'lost', 20, 40),
    row('speech', 'productive', 200, 400),
    row(null, 'free', 5_000, null),
    { ...row('speech', 'productive', 0, null), gpuMs: 1, payer: 'platform' as const },
  ]
  const before = [row('vision', 'productive', 1_000, 2_000)]
  assert.deepEqual(digestLines(rows, before, { open: 3, critical: 1 }), [
    'Runs held 1,200.0 GPU-h (20 % more than the week before), 2,400.00 EUR.',
    '1,100.0 GPU-h of it trained, 100.0 GPU-h was wasted, most on stalled (80.0 GPU-h), lost (20.0 GPU-h).',
    'vision: 1,000.0 GPU-h, 2,000.00 EUR, 10 % wasted',
    'speech: 200.0 GPU-h, 400.00 EUR, 0 % wasted',
    '3 findings fire now, 1 of them critical.',
  ])
  const unpriced = digestLines([row('vision', 'productive', 1, null)], [], { open: 0, critical: 0 })
  assert.match(unpriced[0] ?? '', /nothing the week before\), of which some has no price/)
  assert.deepEqual(digestLines([], [], { open: 0, critical: 0 }), [
    'Runs held 0.0 GPU-h (nothing the week before).',
    'Nothing was wasted.',
    'Nothing fires now.',
  ])
})
