// Documents about one run, or a list of them.
import { z } from 'zod'
import { INTERVAL_UNKNOWN, MFU_UNKNOWN } from '../domain/efficiency.ts'
import { FINDING_KINDS } from '../domain/event.ts'
import { FAILURE_DECISIONS, FAILURE_KINDS } from '../domain/failure.ts'
import { RULES, SEVERITIES } from '../domain/finding.ts'
import { FAILURE_CLASSES, OUTCOMES, WAIT_REASONS } from '../domain/reasons.ts'
import { amount, byAccount, document, expectedStart, moment, money, runFields } from './document-parts.ts'
import { budget } from './operate-documents.ts'

/** `repeated` stands in the answer to a submit only: the same Idempotency-Key came before. */
export const run = document('run', 'Run', { ...runFields, repeated: z.boolean().exactOptional() })

export const runs = document('runs', 'Runs', {
  runs: z.array(z.looseObject(runFields).meta({ id: 'RunRow' })),
  next: z.string().nullable().meta({ description: 'give it as after; null: there is no more' }),
})

const verdict = z
  .looseObject({
    kind: z.enum(FAILURE_KINDS),
    decision: z.enum(FAILURE_DECISIONS),
    meaning: z.string(),
    whatToTry: z.string(),
    worker: z.string().nullable(),
    node: z.string().nullable(),
    evidence: z.array(z.looseObject({ worker: z.string(), printedAt: moment.nullable(), text: z.string() })),
  })
  .meta({
    id: 'Verdict',
    description: 'what made an attempt fail; worker and node are the culprit, null: nobody is accused',
  })

const attempt = z
  .looseObject({
    id: z.string(),
    number: z.int(),
    state: z.string(),
    outcome: z.enum(OUTCOMES).nullable(),
    failure: z.enum(FAILURE_CLASSES).nullable(),
    message: z.string().nullable(),
    verdict: verdict.nullable(),
    plannedAt: moment,
    startedAt: moment.nullable(),
    endedAt: moment.nullable(),
    deadlineAt: moment.nullable(),
    resumedFromStep: z.int().nullable(),
    lastStep: z.int().nullable(),
    workers: z.array(
      z.looseObject({
        id: z.string(),
        node: z.string(),
        knownAs: z.string().nullable(),
        slots: z.array(z.int()),
        state: z.enum(['placed', 'bound', 'running', 'ended']),
        startedAt: moment.nullable(),
        endedAt: moment.nullable(),
        exit: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'Attempt' })

const progress = z
  .looseObject({
    recognised: z.boolean(),
    step: z.int().nullable(),
    totalSteps: z.int().nullable(),
    loss: z.number().nullable(),
    stepMs: z.number().nullable(),
    tokensPerSecond: z.number().nullable(),
    observedAt: moment.nullable(),
    etaMs: z.number().nullable(),
    heldGpuMs: amount,
    paidGpuMs: amount,
    money: money.nullable(),
  })
  .meta({ id: 'Progress', description: 'null means not known, never zero' })

export const show = document('show', 'Show', {
  ...runFields,
  attempts: z.array(attempt),
  progress,
  findings: z.array(
    z
      .looseObject({
        kind: z.enum([...FINDING_KINDS, ...RULES]),
        attempt: z.int(),
        severity: z.enum(SEVERITIES),
        since: moment.nullable(),
        text: z.string(),
        whatToDo: z.string(),
        gpuMs: amount.nullable(),
        money: money.nullable(),
      })
      .meta({ id: 'Finding', description: 'something that a person should look at, and what it has cost so far' }),
  ),
  spec: z.unknown(),
})

const durationMs = z.int().nonnegative()
const ratio = z.number().nonnegative()

const efficiency = z
  .looseObject({
    mfuProductive: ratio.nullable(),
    mfuHeld: ratio.nullable(),
    mfuUnknown: z.enum(MFU_UNKNOWN).nullable(),
    checkpoints: z.looseObject({
      saves: z.int().nonnegative(),
      saveMs: durationMs.nullable(),
      intervalMs: durationMs.nullable(),
      intervalSteps: z.int().nullable(),
      failures: z.int().nonnegative(),
      restartMs: durationMs.nullable(),
      meanToFailureMs: durationMs,
      best: z
        .looseObject({
          intervalMs: durationMs,
          intervalSteps: z.int().positive(),
          ettrNow: ratio,
          ettrBest: ratio,
          savedGpuMs: amount,
        })
        .nullable(),
      bestUnknown: z.enum(INTERVAL_UNKNOWN).nullable(),
    }),
  })
  .meta({
    id: 'Efficiency',
    description:
      'MFU over the time that was productive and kept, and over all that was held; how often it saves, and how often would be best. Null: not known, and a word says why',
  })

export const statement = document('statement', 'Statement', {
  run: z.string(),
  project: z.string(),
  name: z.string(),
  state: z.string(),
  attempts: z.array(
    z.looseObject({ id: z.string(), outcome: z.enum(OUTCOMES).nullable(), heldGpuMs: amount, byAccount }),
  ),
  heldGpuMs: amount,
  paidGpuMs: amount,
  byAccount,
  provisionalGpuMs: amount,
  money: money.nullable(),
  goodput: z.number().nullable(),
  ettr: z.number().nullable(),
  tokens: z.int().nullable(),
  tokensPerGpuHour: z.number().nullable(),
  efficiency,
  experts: z
    .looseObject({ layers: z.int(), experts: z.int(), maxVio: z.number().nullable(), dead: z.int() })
    .nullable(),
  alerts: z.looseObject({ sent: z.int(), failed: z.int() }),
})

export const why = document('why', 'Why', {
  run: z.string(),
  state: z.string(),
  reason: z.enum(WAIT_REASONS).nullable(),
  message: z.string(),
  position: z.int().nullable(),
  counterfactual: z.string().nullable(),
  expectedStart: expectedStart.nullable(),
})

export const plan = document('plan', 'Plan', {
  gpus: z.int(),
  cluster: z.string(),
  flops: z.looseObject({ total: z.number(), method: z.string() }).nullable(),
  gpuMs: z.looseObject({ p10: amount, p50: amount, p90: amount }).nullable(),
  money: z.looseObject({ p10: money, p50: money, p90: money }).nullable(),
  reserveGpuMs: amount,
  budgets: z.array(budget),
  wouldStart: z.boolean(),
  reason: z.enum(WAIT_REASONS).nullable(),
  message: z.string(),
  expectedStart: expectedStart.nullable(),
  notes: z.array(z.string()),
})

export const events = document('events', 'Events', {
  events: z.array(z.looseObject({ at: moment, kind: z.string(), message: z.string() }).meta({ id: 'Event' })),
  next: z.string().nullable(),
})

export const logs = document('logs', 'Logs', {
  worker: z.string(),
  lines: z.array(
    z
      .looseObject({
        offset: z.int(),
        at: moment,
        stream: z.string(),
        text: z.string(),
        partial: z.boolean().meta({ description: 'the line goes on in the next one' }),
      })
      .meta({ id: 'LogLine' }),
  ),
  nextOffset: z.int(),
  complete: z.boolean().meta({ description: 'nothing will follow' }),
  cut: z.boolean().meta({
    description: 'what was printed after the last line is not stored: the run is at its limit of stored logs',
  }),
})

const perLayer = z.array(z.number().nullable())
const perBucket = z.array(perLayer).meta({ description: 'buckets by layers; null: no token reached the layer' })
const bucket = z.looseObject({ from: z.int(), to: z.int(), frames: z.int() }).meta({ description: 'steps' })

const expertFinding = z
  .looseObject({
    attempt: z.int(),
    steps: z.int(),
    step: z.int(),
    layer: z.string(),
    layers: z.int(),
    counted: z.int(),
    expected: z.int(),
    text: z.string(),
    whatToDo: z.string(),
  })
  .meta({ id: 'ExpertFinding', description: 'the counts of a layer are not tokens x top-k' })

export const experts = document('experts', 'Experts', {
  run: z.string(),
  attempt: z.int(),
  set: z.int().meta({ description: 'which of `sets` this is, from 1' }),
  sets: z
    .array(
      z.looseObject({
        layers: z.int(),
        first: z.string(),
        last: z.string(),
        experts: z.int(),
        frames: z.int(),
        unconserved: z.int(),
      }),
    )
    .meta({ description: 'layers that are reported together, the widest set first; ask for another with `set`' }),
  layers: z.array(z.string()),
  experts: z.int(),
  topK: z.int().nullable(),
  firstStep: z.int(),
  lastStep: z.int(),
  frames: z.int(),
  buckets: z.array(bucket),
  maxVio: z.looseObject({ min: perBucket, mean: perBucket, max: perBucket, p99: perBucket }),
  cv: perBucket,
  entropy: perBucket,
  dead: perBucket,
  hot: perBucket,
  gaps: z.array(z.looseObject({ from: z.int(), to: z.int() })),
  apart: bucket.nullable(),
  unconserved: z.int(),
  finding: expertFinding.nullable(),
  observedAt: moment.nullable(),
})

export const expertTile = document('expert-tile', 'ExpertTile', {
  run: z.string(),
  attempt: z.int(),
  measure: z.string(),
  layers: z.array(z.string()),
  firstStep: z.int(),
  lastStep: z.int(),
  buckets: z.array(bucket),
  min: perBucket,
  mean: perBucket,
  max: perBucket,
  p99: perBucket.meta({ description: 'exact up to 64 steps and of 256; else the highest of its parts' }),
})

export const expertFrame = document('expert-frame', 'ExpertFrame', {
  run: z.string(),
  attempt: z.int(),
  step: z.int(),
  layers: z.array(z.string()),
  experts: z.int(),
  topK: z.int().nullable(),
  tokens: z.int().nullable(),
  flags: z.array(z.string()),
  counts: z.string().meta({ description: 'base64 of little-endian unsigned 32-bit integers, layer by expert' }),
  maxVio: perLayer,
  cv: perLayer,
  entropy: perLayer,
  dead: z.array(z.array(z.int())),
  hot: z.array(z.array(z.int())),
  observedAt: moment,
})

export const expertHistory = document('expert-history', 'ExpertHistory', {
  run: z.string(),
  attempt: z.int(),
  layer: z.string(),
  expert: z.int(),
  buckets: z.array(bucket),
  min: z.array(z.number()),
  mean: z.array(z.number()),
  max: z.array(z.number()),
  p99: z.array(z.number()),
  stride: z.int(),
})

export const table = document('table', 'Table', {
  rows: z.array(
    z
      .looseObject({
        ...runFields,
        position: z.int().nullable(),
        step: z.int().nullable(),
        totalSteps: z.int().nullable(),
        loss: z.number().nullable(),
        tokensPerSecond: z.number().nullable(),
        etaMs: z.number().nullable(),
        observedAt: moment.nullable(),
        heldGpuMs: amount,
        paidGpuMs: amount,
        money: money.nullable(),
        restarts: z.int(),
        finding: z
          .looseObject({ kind: z.enum(RULES), severity: z.enum(SEVERITIES), text: z.string() })
          .nullable()
          .meta({ description: 'the worst that is open of it' }),
      })
      .meta({ id: 'TableRow' }),
  ),
  total: z.int(),
  offset: z.int(),
  counts: z.record(z.string(), z.int()).meta({
    description: 'by state, of the runs that match in all but the states that were asked for',
  }),
  observedAt: moment,
})

export const series = document('series', 'Series', {
  run: z.string(),
  attempts: z.array(
    z.looseObject({
      number: z.int(),
      step: z.array(z.int()),
      at: z.array(moment),
      loss: z.array(z.number().nullable()),
      stepMs: z.array(z.number().nullable()),
    }),
  ),
  marks: z.array(z.looseObject({ kind: z.enum(['saved', 'resumed']), attempt: z.int(), step: z.int(), at: moment })),
  thinned: z.boolean(),
})

const hit = z.looseObject({
  attempt: z.int(),
  worker: z.int(),
  offset: z.int(),
  at: moment,
  stream: z.string(),
  text: z.string(),
})

export const logSearch = document('log-search', 'LogSearch', {
  hits: z.array(hit),
  firstError: hit.nullable(),
  searchedBytes: z.int(),
  more: z.boolean(),
})
