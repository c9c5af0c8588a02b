// Made-up books, findings and budgets for the fake server. They add up as real ones do: the rows of a window are its capacity.
import type { TableRow } from '../../src/web/api/documents.ts'
import type { Budget, Extension, Finding, Ledger, LedgerLine, MachineNode } from '../../src/web/api/operate.ts'
import { slotsOf } from '../../src/web/nodes/nodes.ts'
import { chance, HOUR, HTML, LONG, statementOf } from './fake-world.ts'

type World = 'none' | 'one' | 'many' | 'odd'
const iso = (at: number): string => new Date(at).toISOString()
const DAY = 24 * HOUR

type Grain = {
  readonly row: TableRow | null
  readonly gpu: string
  readonly account: string
  readonly gpuMs: number
}

const GOALS = ['v4', 'routing', null] as const
const RUNS_MAX = 400

export function ledgerOf(
  rows: readonly TableRow[],
  nodes: readonly MachineNode[],
  query: URLSearchParams,
  now: number,
): Omit<Ledger, 'schema'> {
  const to = Math.min(now, Date.parse(query.get('to') ?? iso(now)))
  const from = Math.floor(Date.parse(query.get('from') ?? iso(now - 30 * DAY)) / 300_000) * 300_000
  const grains = to - from < HOUR ? grainsNow(rows, nodes, to - from) : grainsSince(rows, nodes, from, to)
  const by = (query.get('by') ?? 'account').split(',')
  const groups = new Map<string, { -readonly [Key in keyof LedgerLine]: LedgerLine[Key] }>()
  for (const { row, gpu, account, gpuMs } of grains) {
    const line: LedgerLine = {
      account: (by.includes('account') ? account : null) as LedgerLine['account'],
      ...(by.includes('project') ? { project: row?.project ?? null } : {}),
      ...(by.includes('user') ? { user: row?.user ?? null } : {}),
      ...(by.includes('run') ? { run: row?.id ?? null, runName: row?.name ?? null } : {}),
      ...(by.includes('gpu') ? { gpu } : {}),
      ...(by.some((key) => key.startsWith('label:')) ? { label: row === null ? null : goalOf(row) } : {}),
      gpuMs: 0,
      money: null,
    }
    const key = JSON.stringify(line)
    const group = groups.get(key) ?? line
    const micros = (group.money?.micros ?? 0) + Math.round((gpuMs / HOUR) * 2e6)
    groups.set(key, {
      ...group,
      gpuMs: group.gpuMs + gpuMs,
      money: row === null || row.money === null ? group.money : { micros, currency: 'USD' },
    })
  }
  const lines = [...groups.values()].filter(({ gpuMs }) => gpuMs > 0).toSorted((a, b) => b.gpuMs - a.gpuMs)
  return { from: iso(from), to: iso(to), capacityGpuMs: lines.reduce((sum, { gpuMs }) => sum + gpuMs, 0), rows: lines }
}

const goalOf = (row: TableRow): string | null => GOALS[row.name.length % GOALS.length] ?? null

/** Slots are held by runs as the machines say; a stalled and an idle one are among them. */
function grainsNow(rows: readonly TableRow[], nodes: readonly MachineNode[], ms: number): Grain[] {
  const byId = new Map(rows.map((row) => [row.id, row]))
  return nodes.flatMap((node, index): Grain[] => {
    const slots = slotsOf(node)
    const count = (holder: string): number => slots.filter((each) => each === holder).length
    const held = node.holders.map(({ run, gpus }): Grain => {
      const account =
        index % 41 === 9 ? 'stalled' : index % 53 === 11 ? 'restore' : index % 67 === 2 ? 'idle' : 'productive'
      return { row: byId.get(run) ?? null, gpu: node.gpuModel, account, gpuMs: gpus * ms }
    })
    const pools = ['free', 'maintenance', 'unhealthy', 'foreign', 'unknown'].map((pool): Grain => {
      return { row: null, gpu: node.gpuModel, account: pool, gpuMs: count(pool) * ms }
    })
    return [...held, ...pools]
  })
}

function grainsSince(rows: readonly TableRow[], nodes: readonly MachineNode[], from: number, to: number): Grain[] {
  const share = Math.min(1, (to - from) / (30 * DAY))
  const held = rows.slice(0, RUNS_MAX).flatMap((row) =>
    Object.entries(statementOf(row).byAccount).map(([account, gpuMs]): Grain => ({
      row,
      gpu: chance(row.name.length, 31) < 0.2 ? 'a100-sxm-80gb' : 'h800-sxm',
      account: account === 'stalled' && row.name.includes('nightly') ? 'idle' : account,
      gpuMs: Math.round((gpuMs ?? 0) * share),
    })),
  )
  const gpus = nodes.reduce((sum, node) => sum + node.gpus, 0)
  const pool = (account: string, part: number): Grain => ({
    row: null,
    gpu: 'h800-sxm',
    account,
    gpuMs: Math.round(gpus * part * (to - from)),
  })
  return gpus === 0
    ? held
    : [...held, pool('free', 0.02), pool('maintenance', 0.002), pool('unhealthy', 0.003), pool('unknown', 0.0004)]
}

export function findingsOf(world: World, rows: readonly TableRow[], now: number): Finding[] {
  const running = rows.filter((row) => row.state === 'running')
  const of = (index: number): TableRow | undefined => running[index]
  const base = (row: TableRow, rule: Finding['rule']): Finding => ({
    id: `${rule}/${row.id}/1`,
    rule,
    severity: 'critical',
    project: row.project,
    run: row.id,
    runName: row.name,
    attempt: 1,
    budget: null,
    since: iso(now - 23 * 60_000),
    seenAt: iso(now - 4_000),
    resolvedAt: null,
    message: 'No step for 23 min; its median step takes 4.0 s',
    evidence: [
      { what: 'last step', value: '31,207', at: iso(now - 23 * 60_000), worker: null },
      { what: 'median step time (s)', value: '4.01', at: null, worker: null },
    ],
    gpuMs: row.gpus * 23 * 60_000,
    money: { micros: Math.round((row.gpus * 23 * 60_000 * 2e6) / HOUR), currency: 'USD' },
    whatToTry: 'Look at the log of the worker that printed least. Stop it, or let it restart.',
  })
  const [a, b, c] = [of(0), of(1), of(2)]
  if (world === 'one' || a === undefined) return []
  if (world === 'odd')
    return [
      {
        ...base(a, 'loss-diverged'),
        message: `${HTML} ${LONG}`,
        evidence: [],
        whatToTry: LONG,
        gpuMs: null,
        money: null,
      },
    ]
  return [
    base(a, 'no-progress'),
    ...(b === undefined
      ? []
      : [
          {
            ...base(b, 'experts-collapsed' as const),
            message: 'one expert takes part in 98.4 % of the tokens of layer decoder.layers.37',
            evidence: [{ what: 'share of layer 37 in one expert', value: '98.4 %', at: null, worker: null }],
            whatToTry: 'Raise the bias update rate of that layer, or go back to a checkpoint before it began.',
          },
        ]),
    ...(c === undefined
      ? []
      : [
          {
            ...base(c, 'gpus-idle' as const),
            severity: 'warning' as const,
            message: 'Training is done since 41 min and its GPUs are still held',
            money: null,
          },
        ]),
    {
      ...base(a, 'budget-used'),
      id: 'budget-used/post-training-november/90',
      severity: 'warning',
      run: null,
      runName: null,
      attempt: null,
      project: 'post-training',
      budget: 'post-training-november',
      message: '91.2 % of budget post-training-november is used: 145,920 GPU-hours of 160,000 GPU-hours',
      evidence: [{ what: 'reserved by what runs', value: '9,475.4 GPU-hours', at: null, worker: null }],
      gpuMs: null,
      money: null,
      whatToTry:
        'It is a wall: when it is used up its runs stop at a checkpoint. Raise it: plimsoll policy apply FILE.',
    },
  ]
}

/** Twenty days ago: most of a month of days has gone by. */
const monthOf = (now: number): number => (Math.floor(now / DAY) - 20) * DAY

export function budgetsOf(world: World, now: number): Budget[] {
  if (world === 'none' || world === 'one') return []
  const hours = (
    id: string,
    project: string,
    hard: boolean,
    limit: number,
    used: number,
    reserved: number,
  ): Budget => ({
    id,
    project,
    user: null,
    label: null,
    run: null,
    unit: 'gpu-ms',
    currency: null,
    hard,
    limit: limit * HOUR,
    used: used * HOUR,
    reserved: reserved * HOUR,
    over: 0,
    left: (limit - used - reserved) * HOUR,
    period: null,
    extended: 0,
    forecast: null,
  })
  const month = { every: 'month', from: iso(monthOf(now)), to: iso(monthOf(now) + 30 * DAY) } as const
  const foreseen = (budget: Budget, expected: number): Budget => {
    const spent = Array.from({ length: 28 }, (_, index) => ({
      at: iso((Math.floor(now / DAY) - 27 + index) * DAY),
      amount: Math.round((budget.used / 28) * (0.6 + 0.8 * chance(index, budget.limit % 1_000))),
    }))
    const wide = Math.round((expected - budget.used) * 0.4)
    const isAbove = expected > budget.limit
    return {
      ...budget,
      period: month,
      forecast: {
        basis: 'trend',
        expected,
        low: Math.max(budget.used, expected - wide),
        high: expected + wide,
        perDay: Math.round(budget.used / 28),
        exhaustedAt: isAbove ? iso(now + 2 * DAY) : null,
        exhaustedFrom: isAbove ? iso(now + DAY) : null,
        spent,
      },
    }
  }
  const money = (id: string, project: string, limit: number, used: number, reserved: number): Budget => ({
    ...hours(id, project, true, 0, 0, 0),
    unit: 'micros',
    currency: 'USD',
    limit: limit * 1e6,
    used: used * 1e6,
    reserved: reserved * 1e6,
    over: 12_500_000,
    left: (limit - used - reserved) * 1e6,
  })
  const some = [
    foreseen(hours('post-training@2026-11', 'post-training', true, 160_000, 145_920, 9_475.4), 198_400 * HOUR),
    foreseen(money('pretraining@2026-11', 'pretraining', 2_100_000, 1_288_211, 120_000), 1_874_000 * 1e6),
    hours('routing-week', 'research/routing', false, 9_000, 9_120, 300),
    hours('evaluation', 'evaluation', true, 24_000, 9_000, 0),
  ]
  if (world === 'odd') return some.slice(0, 2).map((each) => ({ ...each, id: `${each.id}-${LONG}`, project: LONG }))
  return [
    ...some,
    ...Array.from({ length: 40 }, (_, index) =>
      hours(`team-${index}-november`, `multimodal`, index % 3 === 0, 1_000 + index, 400 + index, 20),
    ),
  ]
}

export function extensionsOf(world: World, now: number): Extension[] {
  if (world === 'none' || world === 'one') return []
  const extension = (index: number, state: Extension['state']): Extension => ({
    id: `x${index}`,
    budget: 'post-training@2026-11',
    project: 'post-training',
    unit: 'gpu-ms',
    currency: null,
    period: null,
    amount: (4_000 + index) * HOUR,
    reason: world === 'odd' ? `${HTML} ${LONG}` : 'the last two ablations of the paper',
    askedBy: 'user:lin',
    askedAt: iso(now - (index + 1) * HOUR),
    state,
    decidedBy: state === 'waiting' ? null : 'user:noor',
    decidedAt: state === 'waiting' ? null : iso(now - index * HOUR),
    answer: state === 'waiting' ? null : 'once',
  })
  return [extension(0, 'waiting'), extension(1, 'granted'), extension(30, 'refused')]
}
