// A server with the same objects in two projects that know nothing of each other, for tests of who sees what. Names tell whose they are.
import assert from 'node:assert/strict'
import { parsePolicyValue } from '../../src/contract/policy.ts'
import type { Finding } from '../../src/domain/finding.ts'
import { nodeId, nodeOf, runOf, T0 } from '../../src/domain/fixture.ts'
import type { BudgetId, ProjectName, RunId } from '../../src/domain/ids.ts'
import type { Write } from '../../src/domain/item.ts'
import type { Principal } from '../../src/domain/principal.ts'
import type { Run } from '../../src/domain/run.ts'
import { durationMs, epochMs, gpuMs } from '../../src/domain/units.ts'
import { appendOf, auditOf, itemOf, NEVER_PAID, placing, register, submissionOf } from '../conformance/things.ts'
import type { Served } from './served.ts'

export const ALPHA = 'alpha' as ProjectName
export const BETA = 'beta' as ProjectName
export const PROJECTS = [ALPHA, BETA] as const
export const NOW = T0 + 3_600_000

export const ADMIN: Principal = { kind: 'user', name: 'root', grants: [{ role: 'admin', project: null }] }
const NOTHING_YET = { kind: 'queued', reason: 'capacity', message: '', notBefore: null } as const

export const POLICY = {
  defaultCluster: 'local',
  currency: 'EUR',
  projects: { lab: {}, alpha: { parent: 'lab' }, beta: { parent: 'lab' } },
  budgets: {
    'alpha-hours': { project: 'alpha', gpuHours: 100 },
    'alpha-money': { project: 'alpha', money: 100, hard: false },
    'beta-hours': { project: 'beta', gpuHours: 100 },
    'lab-hours': { project: 'lab', gpuHours: 1_000 },
  },
  prices: { h100: 2 },
}

/** What the failed run of a project printed last. */
export const lineOf = (project: string): string => `${project}-line: swordfish`
export const ownerOf = (project: string): string => `${project}-ada`

export type Things = {
  readonly failed: RunId
  readonly waiting: RunId
  readonly running: RunId
  readonly finding: string
  readonly channel: string
  readonly silence: string
  readonly token: string
}

/** Everything of one project, and a node that both may see. */
export async function twoProjects(served: Served): Promise<Readonly<Record<'alpha' | 'beta', Things>>> {
  const { store } = served.control
  const policy = parsePolicyValue(POLICY)
  assert.ok(policy.ok)
  await store.applyPolicy(policy.policy, policy.document, auditOf('policy.apply'))
  await store.commit(null, [register(nodeOf('n1', { version: 0, lastObserved: epochMs(NOW) }))])
  const made = { alpha: await fill(served, ALPHA, 1), beta: await fill(served, BETA, 101) }
  // What is left on a node is told by the ids of whose it is, and everybody sees the nodes.
  const left = nodeOf('n2', {
    lastObserved: epochMs(NOW),
    version: 0,
    condition: {
      kind: 'not-ready',
      reason: 'nodes-not-ready',
      message: `processes of attempt ${made.beta.failed}-1, which has given up its slots, are left on it; and of ${made.alpha.failed}-1`,
      unhealthy: true,
    },
  })
  await store.commit(null, [register(left)])
  return made
}

export const runIn = (project: ProjectName, number: number, over: Partial<Run> = {}): Run =>
  runOf(number, {
    project,
    name: `${project}-run-${number}`,
    user: ownerOf(project),
    budgets: [`${project}-hours` as BudgetId, 'lab-hours' as BudgetId],
    state: NOTHING_YET,
    ...over,
  })

async function fill({ control, alerts, token }: Served, project: ProjectName, first: number): Promise<Things> {
  const { store } = control
  const [failed, waiting, running] = [first, first + 1, first + 2].map((number) => runIn(project, number)) as [
    Run,
    Run,
    Run,
  ]
  for (const run of [failed, waiting, running]) await store.submit(submissionOf(run))
  await fails(store, failed)
  const after = `after worker x: exit code 1; network: ${lineOf(project)}; 2 restarts left`
  await write(store, waiting, (run) => ({
    ...run,
    state: { kind: 'queued', reason: 'restarting', message: after, notBefore: epochMs(NOW + 60_000) },
  }))
  const finding = findingOf(project, failed.id)
  await store.commit(control.lead.epoch, [itemOf('finding', [{ kind: 'finding', finding }])])
  const channel = await alerts.createChannel(ADMIN, {
    name: `${project}-oncall`,
    project,
    address: { kind: 'webhook', url: `https://${project}.hooks.test/x`, secrets: [] },
    severity: 'warning',
    rules: null,
    digest: false,
  })
  assert.ok(channel.ok)
  // Two messages, so that there is a page after the first.
  for (let sent = 0; sent < 2; sent += 1) assert.ok((await alerts.testChannel(ADMIN, `${project}-oncall`)).ok)
  const silence = await alerts.silence(ADMIN, {
    project,
    rule: 'loss-diverged',
    run: null,
    forMs: durationMs(600_000),
    reason: `${project}-reason`,
  })
  assert.ok(silence.ok)
  await token({ role: 'viewer', project, subject: `${project}-eve` })
  const listed = (await store.tokens()).find(({ subject }) => subject === `${project}-eve`)
  return {
    failed: failed.id,
    waiting: waiting.id,
    running: running.id,
    finding: finding.id,
    channel: channel.value.channel.id,
    silence: silence.value.id,
    token: listed?.id ?? '',
  }
}

type Store = Served['control']['store']

/** Writes a newer image of a run. */
export async function write(store: Store, { id }: Run, change: (run: Run) => Run): Promise<void> {
  const run = await store.run(id)
  assert.ok(run !== null)
  const item = itemOf('change', [{ kind: 'run', run: change(run) }], [{ kind: 'run', id, version: run.version }])
  const done = await store.commit(null, [item])
  assert.ok(done.kind === 'committed' && done.results[0]?.kind === 'applied')
}

/** An attempt that was placed, printed something, and ended with a verdict. */
async function fails(store: Store, { id, project }: Run): Promise<void> {
  const line = lineOf(project)
  const before = await store.world(new Map())
  const [run, node] = [before.runs.get(id), before.nodes.get(nodeId('n1'))]
  assert.ok(run !== undefined && node !== undefined)
  const { attempt, claims, item } = placing(run, [node], 0)
  await store.commit(null, [item])
  const worker = attempt.placement.workers[0]?.id
  assert.ok(worker !== undefined)
  const printed = new Date(T0).toISOString()
  await store.appendLogs([appendOf(worker, attempt.id, 0, `${printed} stderr F ${line}\n`, [])], 10 ** 9)
  const frame = { step: 1, at: epochMs(T0), layers: ['moe'], experts: 2, counts: new Uint32Array([1, 3]) }
  await store.saveReport({
    attempt: attempt.id,
    rank: 0,
    process: 'p',
    startedAt: epochMs(T0),
    reporter: 'test',
    obeys: [],
    receivedAt: epochMs(T0),
    facts: [],
    frames: [{ ...frame, tokens: null, topK: null, flags: [] }],
  })
  const verdict = {
    kind: 'cuda-oom',
    culprit: { worker, node: node.id, nodeName: 'n1' },
    evidence: [{ worker, at: epochMs(T0), text: line }],
  } as const
  const exit = { kind: 'code', code: 1, signal: null, cause: 'itself', message: line } as const
  const at = epochMs(T0 + 60_000)
  const writes: Write[] = claims.flatMap((claim): Write[] => [
    { kind: 'claim', claim: { ...claim, boundAt: at, startedAt: at, endedAt: at, exit } },
    { kind: 'release', node: claim.node, holder: claim.holder, paidUntil: NEVER_PAID },
  ])
  const event = (kind: string, message: string): Write => ({ kind: 'event', event: { run: id, at, kind, message } })
  writes.push(
    {
      kind: 'attempt',
      attempt: {
        ...attempt,
        state: { kind: 'ended', outcome: 'failed', failure: 'user', message: `cuda-oom: ${line}`, verdict },
        endedAt: at,
      },
    },
    event('worker-exited', `${worker} exited with code 1: ${line}`),
    event('attempt-ended', `attempt 1 ended: failed (user), worker ${worker}: exit code 1, ${line}`),
    event('failure', `cuda-oom: ${line}; what to try: less`),
    event('failed', `worker ${worker}: exit code 1, ${line}; not restarted after cuda-oom`),
  )
  await store.commit(null, [itemOf('ends', writes)])
  await write(store, run, (now) => ({ ...now, state: { kind: 'failed', message: `worker: ${line}` }, endedAt: at }))
}

const findingOf = (project: ProjectName, run: RunId): Finding => ({
  id: `run-failed/${run}/1`,
  rule: 'run-failed',
  subject: { project, run, attempt: null, budget: null, part: '' },
  severity: 'critical',
  since: epochMs(T0),
  message: 'it failed in attempt 1',
  evidence: [],
  gpus: null,
  price: null,
  whatToTry: 'look at it',
  seenAt: epochMs(NOW),
  gpuMs: gpuMs(3_600_000),
  money: null,
  resolvedAt: null,
})
