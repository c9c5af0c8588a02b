// Documents about the cluster, the books, the policy and who may ask.
import { z } from 'zod'
import { RULES, SEVERITIES } from '../domain/finding.ts'
import { EVERY } from '../domain/period.ts'
import { ATTEMPT_ACCOUNTS, POOLS } from '../domain/reasons.ts'
import { amount, document, moment, money, runFields } from './document-parts.ts'

const period = z.looseObject({ every: z.enum(EVERY).nullable(), from: moment, to: moment }).meta({ id: 'Period' })

const forecast = z
  .looseObject({
    basis: z.enum(['trend', 'rate', 'none']),
    expected: z.int().nullable(),
    low: z.int().nullable(),
    high: z.int().nullable(),
    perDay: z.int().nullable(),
    exhaustedAt: moment.nullable(),
    exhaustedFrom: moment.nullable(),
    spent: z.array(z.looseObject({ at: moment, amount: z.int() })),
  })
  .meta({
    id: 'BudgetForecast',
    description:
      'what is used at the end of the period, and when the limit is reached; low and high hold four times of five, from the trend of whole days (basis trend); with basis rate what runs now spend goes on, without an interval',
  })

export const budget = z
  .looseObject({
    id: z.string(),
    project: z.string().nullable(),
    user: z.string().nullable(),
    label: z.looseObject({ key: z.string(), value: z.string() }).nullable(),
    run: z.string().nullable(),
    unit: z.enum(['gpu-ms', 'micros']),
    currency: z.string().nullable(),
    hard: z.boolean(),
    limit: z.int(),
    used: z.int(),
    reserved: z.int(),
    over: z.int(),
    left: z.int(),
    period: period.nullable().meta({ description: 'the window that counts now; null: for all time' }),
    extended: z.int().meta({ description: 'what extensions have added to the limit' }),
    forecast: forecast.nullable().meta({ description: 'null where it was not asked for' }),
  })
  .meta({
    id: 'Budget',
    description:
      'amounts are in the unit of the budget; it covers the runs for which all of project, user, label and run that is not null is so',
  })

export const budgets = document('budgets', 'Budgets', { budgets: z.array(budget) })

const extensionFields = {
  id: z.string(),
  budget: z.string(),
  project: z.string().nullable(),
  unit: z.enum(['gpu-ms', 'micros']),
  currency: z.string().nullable(),
  period: period.nullable(),
  amount: z.int(),
  reason: z.string(),
  askedBy: z.string(),
  askedAt: moment,
  state: z.enum(['waiting', 'granted', 'refused']),
  decidedBy: z.string().nullable(),
  decidedAt: moment.nullable(),
  answer: z.string().nullable(),
}
export const extension = document('extension', 'Extension', extensionFields)
export const extensions = document('extensions', 'Extensions', {
  extensions: z.array(z.looseObject(extensionFields).meta({ id: 'ExtensionRow' })),
})

export const nodes = document('nodes', 'Nodes', {
  clusters: z.array(
    z
      .looseObject({ name: z.string(), health: z.enum(['reachable', 'unknown']), message: z.string().nullable() })
      .meta({ id: 'Cluster' }),
  ),
  nodes: z.array(
    z
      .looseObject({
        id: z.string(),
        cluster: z.string(),
        name: z.string(),
        state: z.string(),
        reason: z.string().nullable(),
        message: z.string().nullable(),
        since: moment.nullable(),
        cordonedBy: z.string().nullable(),
        unhealthy: z.boolean(),
        taint: z.string().nullable(),
        rack: z.string().nullable(),
        block: z.string().nullable(),
        gpuModel: z.string(),
        declared: z.boolean(),
        gpus: z.int(),
        held: z.int(),
        foreign: z.int(),
        holders: z.array(z.looseObject({ run: z.string(), project: z.string(), name: z.string(), gpus: z.int() })),
        observedAt: moment,
      })
      .meta({ id: 'Node' }),
  ),
})

export const nodeSteered = document('node-steered', 'NodeSteered', { node: z.string(), note: z.string().nullable() })

export const queue = document('queue', 'Queue', {
  paused: z.boolean(),
  reason: z.string().nullable(),
  waiting: z.array(z.looseObject({ ...runFields, position: z.int() }).meta({ id: 'Waiting' })),
})

export const counts = document('counts', 'Counts', {
  holding: z.int().meta({ description: 'runs that hold GPUs' }),
  waiting: z.int().meta({ description: 'runs that wait in the queue' }),
  nodesAway: z.int().nullable().meta({ description: 'machines that are not ready; null: not yours to see' }),
  findings: z.int().meta({ description: 'that are not over' }),
})

export const queueSteered = document('queue-steered', 'QueueSteered', { paused: z.boolean() })

export const ledger = document('ledger', 'Ledger', {
  from: moment,
  to: moment,
  capacityGpuMs: amount,
  rows: z.array(
    z
      .looseObject({
        project: z.string().nullable().exactOptional(),
        user: z.string().nullable().exactOptional(),
        run: z.string().nullable().exactOptional(),
        runName: z.string().nullable().exactOptional(),
        gpu: z.string().exactOptional(),
        payer: z.enum(['run', 'platform']).exactOptional(),
        label: z.string().nullable().exactOptional(),
        account: z.enum([...ATTEMPT_ACCOUNTS, ...POOLS]).nullable(),
        gpuMs: amount,
        money: money.nullable(),
      })
      .meta({
        id: 'LedgerRow',
        description:
          'the keys that were asked for; over all accounts rows sum to capacityGpuMs. money is what runs pay of it: null where none does, or a price is missing',
      }),
  ),
})

const comparedFields = {
  name: z.string(),
  gpuModels: z.array(z.string()),
  activeParameters: z.number(),
  tokens: z.number(),
  heldGpuMs: amount,
  tokensPerGpuHour: z.int(),
  gpuHoursPerBillionTokens: z.number(),
  tflopsPerGpu: z
    .number()
    .meta({ description: '6 x active parameters x tokens, for each second of a GPU that was held' }),
  ofPeak: z.number().nullable().meta({ description: 'of the dense BF16 peak; null: not known' }),
}

export const comparison = document('comparison', 'Comparison', {
  from: moment,
  to: moment,
  runs: z.array(
    z.looseObject({ ...comparedFields, run: z.string(), project: z.string(), state: z.string() }).meta({
      id: 'ComparedRun',
      description: 'all that it held since it began, waste included, and its kept tokens',
    }),
  ),
  published: z.array(
    z
      .looseObject({
        ...comparedFields,
        precision: z.string(),
        hoursAre: z.string(),
        source: z.string(),
        month: z.string(),
      })
      .meta({ id: 'ComparedPublished', description: 'as whoever trained it published it' }),
  ),
  leftOut: z
    .looseObject({ withoutModel: z.int(), withoutTokens: z.int(), heldLess: z.int() })
    .meta({ description: 'runs of the window that are not compared, and why' }),
})

export const findingFields = {
  id: z.string(),
  rule: z.enum(RULES),
  severity: z.enum(SEVERITIES),
  project: z.string().nullable(),
  run: z.string().nullable(),
  runName: z.string().nullable(),
  attempt: z.int().nullable(),
  budget: z.string().nullable(),
  since: moment,
  seenAt: moment,
  resolvedAt: moment.nullable(),
  message: z.string(),
  evidence: z.array(
    z.looseObject({ what: z.string(), value: z.string(), at: moment.nullable(), worker: z.string().nullable() }),
  ),
  gpuMs: amount.nullable(),
  money: money.nullable(),
  whatToTry: z.string(),
}

export const findings = document('findings', 'Findings', {
  findings: z.array(
    z
      .looseObject(findingFields)
      .meta({ id: 'FindingRow', description: 'what a detector found; resolvedAt null: it is not over' }),
  ),
  next: z.string().nullable(),
})

export const audit = document('audit', 'Audit', {
  entries: z.array(
    z
      .looseObject({
        id: z.int(),
        at: moment,
        actor: z.string(),
        verb: z.string(),
        target: z.string(),
        detail: z.unknown(),
      })
      .meta({ id: 'AuditEntry' }),
  ),
  next: z.string().nullable(),
})

export const policy = document('policy', 'Policy', { version: z.int(), document: z.unknown() })
export const policyApplied = document('policy-applied', 'PolicyApplied', { version: z.int() })

const tokenFields = {
  id: z.string(),
  name: z.string(),
  subject: z.string(),
  role: z.string(),
  project: z.string().nullable(),
  grants: z
    .array(z.looseObject({ role: z.string(), project: z.string().nullable() }))
    .meta({ description: 'what it may; role and project are the first of them' }),
  createdAt: moment,
  expiresAt: moment.nullable(),
  lastUsedAt: moment.nullable(),
  revokedAt: moment.nullable(),
}
export const token = document('token', 'Token', tokenFields)
export const tokenCreated = document('token-created', 'TokenCreated', {
  ...tokenFields,
  secret: z.string().meta({ description: 'shown once: it is stored as a hash' }),
})
export const tokens = document('tokens', 'Tokens', {
  tokens: z.array(z.looseObject(tokenFields).meta({ id: 'TokenRow' })),
})
