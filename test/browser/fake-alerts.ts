// Made-up alerts for the fake server: none, one, a hundred, and those with names that break pages.
import { RULES } from '../../src/domain/finding.ts'
import type { Alert, Alerts, Channel, Deliveries, Delivery, Silence } from '../../src/web/alerts/api.ts'
import type { TableRow } from '../../src/web/api/documents.ts'
import type { Finding } from '../../src/web/api/operate.ts'
import { chance, HOUR, HTML, LONG } from './fake-world.ts'

type World = 'none' | 'one' | 'many' | 'odd'
const iso = (at: number): string => new Date(at).toISOString()
const MINUTE = 60_000

type Worker = Finding['evidence'][number]['worker']

const COUNT: Readonly<Record<World, number>> = { none: 0, one: 1, many: 100, odd: 12 }

export function alertsOf(world: World, rows: readonly TableRow[], now: number): Alerts {
  const channels = channelsOf(world, now)
  const silences = silencesOf(world, rows, now)
  const alerts = Array.from({ length: COUNT[world] }, (_, index): Alert => {
    const finding = findingAt(index, world, rows, now)
    const looked = index % 9 === 4
    return {
      ...finding,
      acknowledged: looked
        ? { finding: finding.id, at: iso(now - HOUR), by: 'user:lindqvist', note: note(world, index) }
        : null,
      silence: index % 11 === 5 ? (silences[0]?.id ?? null) : null,
      told: channels
        .slice(0, index % 4)
        .map(({ name }) => ({ channel: name, state: 'firing' as const, at: iso(now - 5 * MINUTE) })),
    }
  })
  return { alerts, channels, silences }
}

const note = (world: World, index: number): string =>
  world === 'odd' ? `${HTML} ${LONG}` : index % 2 === 0 ? 'board is ordered, HW-2291' : ''

export function endedOf(world: World, rows: readonly TableRow[], now: number): Finding[] {
  if (world === 'none' || world === 'one') return []
  return Array.from({ length: world === 'many' ? 41 : 3 }, (_, index): Finding => {
    const finding = findingAt(index * 3 + 1, world, rows, now)
    return { ...finding, id: `${finding.id}/over`, resolvedAt: iso(now - index * 20 * MINUTE) }
  })
}

const SAYS: Readonly<Record<Finding['rule'], readonly [message: string, whatToTry: string]>> = {
  'no-progress': [
    'No step for 23 min; its median step takes 4.0 s',
    'Look at the log of the worker that printed least. Stop it, or let it restart.',
  ],
  'never-progressed': ['No step since its workers started 41 min ago', 'Look at the first error of its log.'],
  'loss-not-finite': ['The loss is no number since step 31,207', 'Go back to a checkpoint before it began.'],
  'loss-diverged': ['The median loss of 16 steps is 31 % above what it was', 'Look at the learning rate.'],
  'experts-collapsed': [
    'One expert takes part in 98.4 % of the tokens of layer decoder.layers.37',
    'Raise the bias update rate of that layer.',
  ],
  'experts-dead': ['3 experts of layer 4 get nothing since step 1,902', 'Look at the router of that layer.'],
  'gpus-idle': ['Training is done since 41 min and its GPUs are still held', 'Stop the run.'],
  'attempt-failed': ['Attempt 2 failed: exit 1, ModuleNotFoundError', 'Read the lines below.'],
  'run-failed': ['It failed in attempt 3 and is not started again', 'Submit it again when its cause is mended.'],
  'node-away': ['r09-n15 is lost since 52 min', 'Look at the machine, or forget it.'],
  'budget-used': [
    '91.2 % of budget post-training@2026-11 is used: 145,920 GPU-hours of 160,000 GPU-hours',
    'It is a wall: when it is used up its runs stop at a checkpoint. Raise it: plimsoll policy apply FILE.',
  ],
  'burn-above-plan': [
    '64 % of budget vision-month@2026-11 is used in 40 % of its time: 1,280.0000 GPU-hours, where an even share would be 800.0000 GPU-hours',
    'plimsoll budgets says when it is used up. Stop what is worth least, or ask for more in time.',
  ],
  'gpu-unpriced': [
    'GPU model h20 has no price: what runs on it costs nobody knows what, and budgets of money refuse it',
    'Give h20 a price in the policy: plimsoll policy show, then plimsoll policy apply FILE.',
  ],
  'budget-forecast': ['At the rate of now routing-week is used up in 9 h', 'Ask for more, or stop what is not needed.'],
}

const OF_NO_RUN: ReadonlySet<string> = new Set(['node-away', 'budget-used', 'budget-forecast', 'gpu-unpriced'])

function findingAt(index: number, world: World, rows: readonly TableRow[], now: number): Finding {
  const rule = world === 'one' ? 'no-progress' : (RULES[index % RULES.length] ?? 'run-failed')
  const [message, whatToTry] = SAYS[rule]
  const row = OF_NO_RUN.has(rule) ? undefined : rows[(index * 7) % Math.max(1, rows.length)]
  const since = now - MINUTE * Math.ceil(3 + 900 * chance(index, 51))
  const gpuMs = row === undefined || index % 5 === 3 ? null : Math.round(row.gpus * (now - since) * 0.4)
  const odd = world === 'odd'
  return {
    id: `${rule}/${row?.id ?? 'none'}/${index}`,
    rule,
    severity: index % 3 === 0 ? 'critical' : 'warning',
    project: rule === 'node-away' || rule === 'gpu-unpriced' ? null : (row?.project ?? 'post-training'),
    run: row?.id ?? null,
    runName: row?.name ?? null,
    attempt: row === undefined ? null : 1,
    budget: rule.startsWith('budget') ? 'post-training@2026-11' : null,
    since: iso(since),
    seenAt: iso(now - 2_000),
    resolvedAt: null,
    message: odd && index % 2 === 0 ? `${HTML} ${LONG}` : message,
    evidence: [
      { what: 'last step', value: '31,207', at: iso(since), worker: null },
      { what: 'median step time (s)', value: '4.01', at: null, worker: null },
      ...(odd || index % 4 === 0
        ? [
            {
              what: 'first error',
              value: odd ? `${HTML} ${LONG}` : 'CUDA error: unspecified launch failure',
              at: null,
            },
            { what: 'exit', value: '1', at: iso(since) },
          ].map((each) => ({ ...each, worker: 'r-1-3' as unknown as Worker }))
        : []),
    ],
    gpuMs,
    money: gpuMs === null || odd ? null : { micros: Math.round((gpuMs * 2e6) / HOUR), currency: 'USD' },
    whatToTry: odd ? `${whatToTry} ${LONG}` : whatToTry,
  }
}

function channelsOf(world: World, now: number): Channel[] {
  if (world === 'none') return []
  const well: Channel = {
    id: 'c1',
    name: 'oncall',
    project: null,
    kind: 'webhook',
    shown: 'hooks.lab.org',
    severity: 'warning',
    rules: null,
    digest: false,
    createdAt: iso(now - 40 * 24 * HOUR),
    createdBy: 'user:lin',
    failures: 0,
    retryAt: null,
    off: null,
    pending: 0,
  }
  if (world === 'one') return [well]
  const odd = world === 'odd'
  const longName = 'a-channel-of-the-longest-name-that-there-may-be-in-all-of-it-63'
  return [
    { ...well, severity: 'critical' },
    {
      ...well,
      id: 'c2',
      name: odd ? longName : 'pretraining',
      project: odd ? 'deep/'.repeat(12) : 'pretraining',
      kind: 'slack',
      shown: 'hooks.slack.com',
    },
    {
      ...well,
      id: 'c3',
      name: 'owners',
      kind: 'email',
      shown: Array.from({ length: odd ? 20 : 2 }, (_, index) => `someone-${index}@lab.org`).join(', '),
      rules: ['run-failed', 'attempt-failed', 'gpus-idle'],
      digest: true,
    },
    { ...well, id: 'c4', name: 'alertmanager', kind: 'alertmanager', shown: 'alertmanager.monitoring.svc:9093' },
    {
      ...well,
      id: 'c5',
      name: 'finance',
      shown: 'finance.lab.org',
      failures: 3,
      retryAt: iso(now + 80_000),
      pending: 4,
      rules: ['budget-used', 'budget-forecast'],
    },
    {
      ...well,
      id: 'c6',
      name: 'old-pager',
      shown: 'pager.test',
      off: odd ? `${HTML} ${LONG}` : 'pager.test answered 410',
      failures: 1,
      pending: 12,
    },
  ]
}

function silencesOf(world: World, rows: readonly TableRow[], now: number): Silence[] {
  if (world === 'none' || world === 'one') return []
  const odd = world === 'odd'
  const made = {
    startsAt: iso(now - HOUR),
    reason: odd ? `${HTML} ${LONG}` : 'routed around since warm-up; removed in v5',
    by: 'user:lin',
  }
  const all = [
    { ...made, id: 's1', project: null, rule: null, run: null, endsAt: iso(now + 8 * HOUR) },
    {
      ...made,
      id: 's2',
      project: 'research/routing',
      rule: 'loss-diverged',
      run: rows[0]?.id ?? null,
      endsAt: iso(now + 20 * 24 * HOUR),
    },
    {
      ...made,
      id: 's3',
      project: odd ? 'deep/'.repeat(12) : 'multimodal',
      rule: 'budget-forecast',
      run: null,
      endsAt: iso(now + 20 * MINUTE),
    },
  ]
  return all as Silence[]
}

const PER_PAGE = 50
const TITLES = [
  'critical: pretraining/moe-671b: no step for 23 min',
  'resolved: research/routing/bias-sweep-d',
  'warning: 3 alerts, the worst: gpus-idle',
]

export function deliveriesOf(world: World, query: URLSearchParams, now: number): Deliveries {
  if (world === 'none' || world === 'one') return { deliveries: [], next: null }
  const channels = channelsOf(world, now)
  const from = Number(query.get('after')?.split('~')[1] ?? 0)
  const total = world === 'many' ? 130 : 6
  const deliveries = Array.from({ length: Math.min(PER_PAGE, total - from) }, (_, place): Delivery => {
    const index = from + place
    const at = now - 4 * MINUTE * (index + 1)
    const channel = channels[index % channels.length]
    const host = channel?.kind === 'email' ? 'mail.lab.org' : channel?.shown
    const stuck = (channel?.failures ?? 0) > 0
    const tries = Array.from({ length: stuck ? 14 : 1 + (index % 2) }, (__, nth) => {
      const ok = !stuck && nth === index % 2
      const said = ok
        ? `${host} answered 204`
        : `${host} answered 503: ${world === 'odd' ? `${HTML} ${LONG}` : 'upstream is away'}`
      return { try: nth + 1, at: iso(at + nth * 5_000), tookMs: ok ? 210 : 15_000, ok, said }
    })
    return {
      notice: `n${index}`,
      channel: channel?.name ?? 'oncall',
      kind: index % 17 === 3 ? 'digest' : index % 13 === 2 ? 'test' : 'alert',
      title: world === 'odd' ? `${HTML} ${LONG}` : (TITLES[index % TITLES.length] ?? ''),
      items: 1 + (index % 5),
      at: iso(at),
      state: index === 0 ? 'pending' : stuck ? (index % 2 === 0 ? 'pending' : 'failed') : 'delivered',
      endedAt: stuck ? null : iso(at + 1_000),
      tries: index === 0 ? [] : tries,
    }
  })
  return { deliveries, next: from + PER_PAGE < total ? `${now}~${from + PER_PAGE}` : null }
}
