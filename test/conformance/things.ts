// What the conformance suite puts into a store: whole nouns, so that a test says only what it is about.
import type { AttemptBooks, Balance, CellSummary, Revision } from '../../src/domain/books.ts'
import type { Claim } from '../../src/domain/claim.ts'
import type { Fact, FactBody } from '../../src/domain/fact.ts'
import { logSource } from '../../src/domain/fact.ts'
import { attemptOf, claimOf, nodeOf, runOf, t } from '../../src/domain/fixture.ts'
import type { Attempt } from '../../src/domain/attempt.ts'
import type { AttemptId, BudgetId, ProjectName, WorkerId } from '../../src/domain/ids.ts'
import type { Item, Write } from '../../src/domain/item.ts'
import type { Node } from '../../src/domain/node.ts'
import type { Policy } from '../../src/domain/policy.ts'
import type { Run } from '../../src/domain/run.ts'
import type { RunSpec } from '../../src/domain/spec.ts'
import type { Cell } from '../../src/domain/units.ts'
import { CELL_MS, cellOf, epochMs, micros } from '../../src/domain/units.ts'
import type { LogAppend, Store, SubmitRequest } from '../../src/ports/store.ts'

/** A cell border. */
export const T0 = 1_800_000_000_000
export const CELL0 = T0 as Cell
export const NEVER_PAID = epochMs(Number.MAX_SAFE_INTEGER)
export const BUDGET = 'hours' as BudgetId
export const PRICE = { microsPerGpuHour: micros(3_600_000), currency: 'EUR' }

export function policyOf(limit: number): Policy {
  return {
    defaultCluster: nodeOf('n1').cluster,
    projects: [
      { name: 'team' as ProjectName, parent: 'default' as ProjectName, quotaGpus: 4, maxPriority: 'normal' },
      { name: 'default' as ProjectName, parent: null, quotaGpus: null, maxPriority: 'high' },
    ],
    budgets: [
      {
        id: BUDGET,
        project: 'default' as ProjectName,
        user: null,
        label: null,
        run: null,
        unit: { kind: 'gpu-ms' },
        hard: true,
        limit,
        period: null,
      },
    ],
    prices: [{ gpuModel: 'h100', since: epochMs(0), price: PRICE }],
  }
}

export const auditOf = (verb: string) => ({ at: epochMs(T0), actor: 'user:ada', verb, target: 'x', detail: { verb } })

export function specOf(run: Run): RunSpec {
  return {
    version: 1,
    name: run.name,
    project: run.project,
    priority: run.priority,
    cluster: null,
    workdir: null,
    labels: {},
    image: null,
    command: ['true'],
    env: {},
    secrets: [],
    resources: run.resources,
    training: { framework: 'megatron', tokens: null, sequenceLength: null, model: null },
    checkpoints: { path: null, everySteps: null },
    limits: run.limits,
    restart: run.restartsLeft,
    watch: { stall: 'auto', loss: 'auto', experts: 'auto' },
    notify: [],
    source: null,
  }
}

export function submissionOf(run: Run, key: SubmitRequest['key'] = null): SubmitRequest {
  return {
    run,
    spec: specOf(run),
    key,
    audit: auditOf('run.submit'),
    event: { run: run.id, at: run.createdAt, kind: 'submitted', message: 'by ada' },
  }
}

export const itemOf = (about: string, writes: readonly Write[], expects: Item['expects'] = []): Item => ({
  about,
  expects,
  writes,
})

export const register = (node: Node): Item => itemOf(`register ${node.id}`, [{ kind: 'node', node, heartbeat: false }])

/** A store with policy, nodes of 8 slots and runs. */
export async function filled(
  store: Store,
  options: { readonly nodes: readonly string[]; readonly runs: readonly Run[]; readonly limit?: number },
): Promise<void> {
  await store.applyPolicy(policyOf(options.limit ?? 10 ** 12), {}, auditOf('policy.apply'))
  await store.commit(
    null,
    options.nodes.map((name) => register(nodeOf(name, { version: 0 }))),
  )
  for (const run of options.runs) await store.submit(submissionOf(run))
}

export type Placed = { readonly attempt: Attempt; readonly claims: readonly Claim[]; readonly item: Item }

/** The item that places attempt 1 of a run with two slots on each of the nodes. */
export function placing(run: Run, nodes: readonly Node[], reserve: number, slots: readonly number[] = [0, 1]): Placed {
  const seats = nodes.map((node) => ({ node: node.name, slots }))
  const { attempt, claims } = attemptOf(run, 1, seats, { state: { kind: 'planned' }, startedAt: null })
  const planned = claims.map((claim) => claimOf(claim.node, claim.holder, claim.slots, { price: PRICE }))
  const writes: Write[] = planned.map((claim) => ({ kind: 'claim', claim }))
  if (reserve > 0) writes.unshift({ kind: 'reserve', run: run.id, budget: BUDGET, at: t(0), amount: reserve })
  writes.push({ kind: 'attempt', attempt })
  writes.push({ kind: 'run', run: { ...run, state: { kind: 'admitted', attempt: attempt.id }, attempts: 1 } })
  const expects: Item['expects'] = [
    { kind: 'run', id: run.id, version: run.version },
    ...nodes.map((node) => ({ kind: 'node', id: node.id, version: node.version }) as const),
  ]
  return { attempt, claims: planned, item: itemOf(`place ${attempt.id}`, writes, expects) }
}

export const withBudget = (number: number): Run => runOf(number, { budgets: [BUDGET] })

export const EMPTY_SUMMARY: CellSummary = {
  accounts: {},
  marks: [],
  carry: {
    marks: 0,
    lastMarkAt: null,
    lastSamples: null,
    lastSequence: null,
    lastSource: null,
    lastSentAt: null,
    distances: [],
    uncovered: 0,
    phases: [],
    done: false,
    resumed: null,
    durable: null,
    segments: [],
  },
}

export const withStep = (step: number): CellSummary => ({
  ...EMPTY_SUMMARY,
  marks: [{ segment: 0, step, steps: 1, gpuMs: 1, tokens: null }],
})

export const revisionOf = (
  attempt: AttemptId,
  cell: number,
  revision: number,
  lines: Balance,
  summary: CellSummary = EMPTY_SUMMARY,
): Revision => ({ attempt, cell: cell as Cell, revision, lines, summary })

export function factOf(worker: WorkerId, attempt: AttemptId, sequence: number, at: number, body: FactBody): Fact {
  return { source: logSource(worker), sequence, attempt, at: epochMs(at), sentAt: epochMs(at), body }
}

export const stepAt = (step: number): FactBody => ({
  kind: 'step',
  step,
  steps: null,
  durationMs: null,
  samples: null,
  batch: null,
  total: null,
  loss: null,
  tokens: null,
})

export function appendOf(
  worker: WorkerId,
  attempt: AttemptId,
  from: number,
  text: string,
  facts: readonly Fact[],
): LogAppend {
  const bytes = new TextEncoder().encode(text)
  return {
    worker,
    attempt,
    fromOffset: from,
    nextOffset: from + bytes.length,
    mark: `${from + bytes.length}`,
    spool: null,
    readAt: epochMs(T0 + 1_000),
    bytes,
    lastLineAt: facts.at(-1)?.at ?? null,
    observedTo: facts.at(-1)?.at ?? null,
    complete: false,
    facts,
  }
}

/** Everything of the books of an attempt from its first cell on. */
export async function booksOf(store: Store, attempt: AttemptId) {
  const [read] = await store.readBooks([attempt], ({ placedAt }) => cellOf(placedAt))
  if (read === undefined) throw new Error(`bug: no books of ${attempt}`)
  return read
}

export const postedTo = (books: AttemptBooks, cell: number): AttemptBooks => ({ ...books, postedTo: cell as Cell })

/** Layer 1 by holder over `[T0, T0 + 100 cells)`. */
export async function heldBy(store: Store): Promise<Record<string, number>> {
  const read = await store.ledgerRead(epochMs(T0), epochMs(T0 + 100 * CELL_MS), ({ placedAt }) => cellOf(placedAt))
  const sums: Record<string, number> = {}
  for (const row of read.held) sums[row.holder] = (sums[row.holder] ?? 0) + row.gpuMs
  return sums
}
