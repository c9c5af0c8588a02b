// Fakes for the tests of the API and of the command line: fixed answers, and a memory of what was asked. No real thing is behind them.
import { parsePolicyValue } from '../../contract/policy.ts'
import { parseRunSpecValue } from '../../contract/run-spec.ts'
import type {
  AttemptDocument,
  NodeDocument,
  PlanDocument,
  RunDocument,
  ShowDocument,
  StatementDocument,
  TokenDocument,
} from '../../domain/documents.ts'
import type { Say } from './fakes-alerts.fixture.ts'
import { alertFakes, finding } from './fakes-alerts.fixture.ts'
import { budgetFakes } from './fakes-budgets.fixture.ts'
import { efficiency, pageFakes } from './fakes-pages.fixture.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Answer } from '../../domain/refusal.ts'
import { accepted, refused } from '../../domain/refusal.ts'
import { epochMs, micros } from '../../domain/units.ts'
import type { Alerts } from '../../ports/alerts.ts'
import type { Requests } from '../../ports/requests.ts'
import type { Views } from '../../ports/views.ts'
import type { ServerOptions } from './server.ts'

export const T0 = Date.UTC(2026, 0, 2, 3, 4, 5)
export const at = (minutes: number): ReturnType<typeof epochMs> => epochMs(T0 + minutes * 60_000)
export const eur = (amount: number): { micros: ReturnType<typeof micros>; currency: string } => ({
  micros: micros(amount * 1_000_000),
  currency: 'EUR',
})

export const SECRET = 'fake-secret-for-tests'
export const BOSS: Principal = { kind: 'user', name: 'ada', grants: [{ role: 'admin', project: null }] }

export const run: RunDocument = {
  id: 'r0123456789abcdef',
  project: 'demo',
  name: 'moe',
  user: 'ada',
  cluster: 'local',
  priority: 'normal',
  state: 'running',
  reason: null,
  message: null,
  gpus: 4,
  nodes: 2,
  gpusPerNode: 2,
  labels: { team: 'llm' },
  attempt: 'r0123456789abcdef-1',
  createdAt: at(0),
  startedAt: at(1),
  endedAt: null,
}

const queued: RunDocument = {
  ...run,
  id: 'r0123456789abcdeg',
  name: 'next',
  state: 'queued',
  reason: 'capacity',
  message: 'needs 4 GPUs, 2 are free',
  attempt: null,
  startedAt: null,
}

const attempt: AttemptDocument = {
  id: 'r0123456789abcdef-1',
  number: 1,
  state: 'running',
  outcome: null,
  failure: null,
  message: null,
  verdict: null,
  plannedAt: at(0.5),
  startedAt: at(1),
  endedAt: null,
  deadlineAt: at(61),
  resumedFromStep: null,
  lastStep: 120,
  workers: [0, 1].map((index) => ({
    id: `r0123456789abcdef-1-${index}`,
    node: `node-${index}`,
    knownAs: null,
    slots: [0, 1],
    state: 'running',
    startedAt: at(1),
    endedAt: null,
    exit: null,
  })),
}

export const show: ShowDocument = {
  ...run,
  attempts: [attempt],
  progress: {
    recognised: true,
    step: 120,
    totalSteps: 600,
    loss: 4.1234,
    stepMs: 250,
    tokensPerSecond: 4_096,
    observedAt: at(2),
    etaMs: 3_840_000,
    heldGpuMs: 14_400_000,
    paidGpuMs: 14_400_000,
    money: eur(10),
  },
  findings: [
    {
      kind: 'experts-unconserved',
      attempt: 1,
      severity: 'warning',
      since: null,
      text: 'layer 1 counted 16',
      whatToDo: 'look at the script',
      gpuMs: null,
      money: null,
    },
  ],
  spec: { name: 'moe' },
}

export const statement: StatementDocument = {
  run: run.id,
  project: 'demo',
  name: 'moe',
  state: 'succeeded',
  attempts: [
    {
      id: attempt.id,
      outcome: 'succeeded',
      heldGpuMs: 14_400_000,
      byAccount: { startup: 1_400_000, productive: 13_000_000 },
    },
  ],
  heldGpuMs: 14_400_000,
  paidGpuMs: 14_000_000,
  byAccount: { startup: 1_400_000, productive: 13_000_000 },
  provisionalGpuMs: 0,
  money: eur(9.72),
  goodput: 0.903,
  ettr: null,
  tokens: 614_400,
  tokensPerGpuHour: 153_600,
  efficiency,
  experts: { layers: 2, experts: 4, maxVio: 0.25, dead: 1 },
  alerts: { sent: 0, failed: 0 },
}

export const { budget, extension } = budgetFakes(at)
const { tableRow, hit, experts, expertTile, expertFrame, comparison } = pageFakes(run, at, eur)

const plan: PlanDocument = {
  gpus: 4,
  cluster: 'local',
  flops: { total: 2.4e15, method: '6 x active parameters x tokens' },
  gpuMs: { p10: 3_600_000, p50: 7_200_000, p90: 14_400_000 },
  money: { p10: eur(2.5), p50: eur(5), p90: eur(10) },
  reserveGpuMs: 14_400_000,
  budgets: [budget],
  wouldStart: false,
  reason: 'capacity',
  message: 'needs 4 GPUs, 2 are free',
  expectedStart: { p50: at(30), p90: at(90) },
  notes: ['no peak is known for this GPU: the estimate is wide'],
}

const node: NodeDocument = {
  id: 'local/node-0/1',
  cluster: 'local',
  name: 'node-0',
  state: 'ready',
  reason: null,
  message: null,
  since: null,
  cordonedBy: null,
  unhealthy: false,
  taint: null,
  rack: 'r01',
  block: null,
  gpuModel: 'h100',
  declared: false,
  gpus: 8,
  held: 4,
  foreign: 1,
  holders: [{ run: run.id, project: 'demo', name: 'moe', gpus: 4 }],
  observedAt: at(2),
}

const token: TokenDocument = {
  id: 't01',
  name: 'ci',
  subject: 'ada',
  role: 'member',
  project: 'demo',
  grants: [{ role: 'member', project: 'demo' }],
  createdAt: at(0),
  expiresAt: at(43_200),
  lastUsedAt: null,
  revokedAt: null,
}

const TEXT = ['iteration 1/600', 'iteration 2/600', 'done \u001b[31mred']
export type Asked = { readonly what: string; readonly with: readonly unknown[] }
const catalogue = { presets: new Map(), gpus: new Set(['h100-sxm']) }

export type Fakes = ServerOptions & { readonly asked: Asked[]; answer: (what: string) => Promise<Answer<never>> | null }

/** `answer` may put another answer, or a throw, in the place of the fixed one. */
export function fakes(): Fakes {
  const asked: Asked[] = []
  const known = new Set([run.id, 'demo/moe', queued.id])
  const self: Fakes = {
    asked,
    answer: () => null,
    requests: {} as Requests,
    views: {} as Views,
    alerts: {} as Alerts,
    feed: {
      feedPosition: async () => 'here',
      feedAfter: async (position) => ({ changes: [], position, more: false, lagMs: 0 }),
    },
    authenticate: async (secret) => (secret === SECRET ? BOSS : null),
    metrics: { contentType: 'text/plain; version=0.0.4; charset=utf-8', text: async () => 'plimsoll_runs 0\n' },
    readiness: async () => ({ ready: true, checks: { store: 'ok', lead: 'leading' } }),
    parseSpec: (value) => parseRunSpecValue(value, { catalogue }),
    parsePolicy: parsePolicyValue,
    hosts: () => null,
    pages: null,
    signIn: null,
    provider: null,
    cluster: 'local',
    log: null,
    version: '1',
  }
  const say: Say = async <Value>(what: string, args: readonly unknown[], value: Value): Promise<Answer<Value>> => {
    asked.push({ what, with: args })
    return (await self.answer(what)) ?? accepted(value)
  }
  const of = async <Value>(what: string, id: string, args: readonly unknown[], value: Value): Promise<Answer<Value>> =>
    known.has(id)
      ? say(what, [id, ...args], value)
      : refused('not-found', `there is no run ${id}`, 'plimsoll runs lists them')
  const requests: Requests = {
    submit: (_who, spec, key) => say('submit', [spec, key], { run: queued, repeated: key?.key === 'again' }),
    plan: (_who, spec) => say('plan', [spec], plan),
    stop: (_who, id, now) => of('stop', id, [now], { ...run, state: 'stopping' }),
    suspend: (_who, id) => of('suspend', id, [], { ...run, state: 'suspending' }),
    resume: (_who, id) => of('resume', id, [], queued),
    report: (_who, batch) => say('report', [batch], { accepted: batch.sent, refused: batch.refused, directives: [] }),
    pauseQueue: (_who, paused, reason) => say('pauseQueue', [paused, reason], { paused }),
    cordon: (_who, id, cordoned, reason) => say('cordon', [id, cordoned, reason], { node: id, note: null }),
    forgetNode: (_who, id, reason) => say('forgetNode', [id, reason], { node: id, note: null }),
    applyPolicy: (_who, policy, _document, ifVersion) => say('applyPolicy', [policy, ifVersion], { version: 4 }),
    askExtension: (_who, of_, amount, reason) => say('askExtension', [of_, amount, reason], extension),
    decideExtension: (_who, id, granted, answer) => say('decideExtension', [id, granted, answer], extension),
    createToken: (_who, asked_) => say('createToken', [asked_], { token, secret: 'shown-once' }),
    revokeToken: (_who, id) => say('revokeToken', [id], { ...token, revokedAt: at(3) }),
  }
  const views: Views = {
    runs: (_who, filter, page) => say('runs', [filter, page], { runs: [queued, run], next: run.id }),
    show: (_who, id) => of('show', id, [], show),
    statement: (_who, id) => of('statement', id, [], statement),
    why: (_who, id) =>
      of('why', id, [], {
        run: queued.id,
        state: 'queued',
        reason: 'capacity' as const,
        message: 'needs 4 GPUs, 2 are free',
        position: 1,
        counterfactual: 'would start now with 2 GPUs',
        expectedStart: { p50: at(30), p90: at(90) },
      }),
    events: (_who, id, page) =>
      of('events', id, [page], { events: [{ at: at(0), kind: 'submitted', message: 'by ada' }], next: null }),
    logs: (_who, id, worker, offset) =>
      of('logs', id, [worker, offset], {
        worker: `${run.id}-1-${worker.index}`,
        lines: TEXT.map((text, index) => ({
          offset: index * 20,
          at: at(1),
          stream: 'out',
          text,
          partial: false,
        })).slice(Math.ceil(offset / 20)),
        nextOffset: 60,
        complete: true,
        cut: false,
      }),
    rows: async (_who, ids) => ids.map((id) => ({ ...tableRow, id })),
    table: (_who, query) =>
      say('table', [query], {
        rows: [tableRow],
        total: 1,
        offset: 0,
        counts: { running: 1 },
        observedAt: at(2),
      }),
    series: (_who, id, points) =>
      of('series', id, [points], {
        run: run.id,
        attempts: [{ number: 1, step: [1, 2], at: [at(1), at(2)], loss: [5.5, null], stepMs: [120, 118.5] }],
        marks: [{ kind: 'saved', attempt: 1, step: 2, at: at(2) }],
        thinned: false,
      }),
    searchLogs: (_who, id, asked_) =>
      of('searchLogs', id, [asked_], { hits: [hit], firstError: hit, searchedBytes: 4_096, more: false }),
    experts: (_who, id, asked_) => of('experts', id, [asked_], experts),
    expertTile: (_who, id, asked_) => of('expertTile', id, [asked_], expertTile),
    expertFrame: (_who, id, asked_) => of('expertFrame', id, [asked_], expertFrame),
    expertHistory: (_who, id, asked_) =>
      of('expertHistory', id, [asked_], {
        run: run.id,
        attempt: 1,
        layer: 'layers.0.mlp',
        expert: 3,
        buckets: [{ from: 0, to: 63, frames: 60 }],
        min: [0],
        mean: [0.01],
        max: [0.2],
        p99: [0.19],
        stride: 1,
      }),
    counts: () => say('counts', [], { holding: 1, waiting: 1, nodesAway: 0, findings: 1 }),
    queue: () => say('queue', [], { paused: true, reason: 'upgrade', waiting: [{ ...queued, position: 1 }] }),
    nodes: () => say('nodes', [], { clusters: [{ name: 'local', health: 'reachable', message: null }], nodes: [node] }),
    budgets: () => say('budgets', [], { budgets: [budget] }),
    extensions: (_who, limit) => say('extensions', [limit], { extensions: [extension] }),
    ledger: (_who, window, by) =>
      say('ledger', [window, by], {
        from: at(0),
        to: at(60),
        capacityGpuMs: 28_800_000,
        rows: [
          { account: 'productive' as const, gpuMs: 13_000_000, money: eur(9) },
          { account: 'free' as const, gpuMs: 15_800_000, money: null },
        ],
      }),
    comparison: (_who, window) => say('comparison', [window], comparison),
    findings: (_who, filter, page) =>
      say('findings', [filter, page], {
        findings: [finding],
        next: null,
      }),
    audit: (_who, page) =>
      say('audit', [page], {
        entries: [{ id: 1, at: at(0), actor: 'user:ada', verb: 'run.submit', target: run.id, detail: {} }],
        next: null,
      }),
    gauges: () =>
      say('gauges', [], {
        runs: [],
        waiting: [],
        nodes: [],
        gpus: [],
        budgets: [],
        findings: [],
        bookedBehindMs: 0,
        queuePaused: false,
        clusters: [],
        leads: true,
        messages: [],
        oldestMessageMs: null,
        channels: [],
      }),
    policy: () => say('policy', [], { version: 3, document: POLICY }),
    tokens: () => say('tokens', [], { tokens: [token] }),
  }
  return Object.assign(self, { requests, views, alerts: alertFakes(say) })
}

export const POLICY = {
  defaultCluster: 'local',
  currency: 'EUR',
  projects: { default: {}, demo: { maxPriority: 'high' } },
  budgets: { 'demo-hours': { project: 'demo', gpuHours: 100, hard: true } },
  prices: { h100: 2.5 },
}
