// Documents that the command line prints without a server.
import { z } from 'zod'
import { WAIT_REASONS } from '../domain/reasons.ts'
import { amount, document, moment, money } from './document-parts.ts'
import { budget, comparison } from './operate-documents.ts'
import { WASTE } from '../domain/waste.ts'

export const login = document('login', 'Login', { url: z.string(), file: z.string() })
export const completion = document('completion', 'Completion', { shell: z.enum(['bash', 'zsh']), script: z.string() })
export const policyDiff = document('policy-diff', 'PolicyDiff', {
  changes: z.array(z.looseObject({ pointer: z.string(), before: z.unknown(), after: z.unknown() })),
})

export const doctor = document('doctor', 'Doctor', {
  checks: z.array(
    z.looseObject({
      name: z.string(),
      state: z.enum(['good', 'missing', 'wrong', 'note']),
      detail: z.string(),
      whatToDo: z.string().nullable(),
    }),
  ),
})
export const report = document('report', 'Report', {
  project: z.string().nullable().meta({ description: 'null: all that may be seen' }),
  month: z.string(),
  from: moment,
  to: moment,
  heldGpuMs: amount,
  wasteGpuMs: amount,
  money: money.nullable().meta({ description: 'null: a part has no price' }),
  accounts: z.array(z.looseObject({ account: z.string(), gpuMs: amount, money: money.nullable() })),
  causes: z
    .array(
      z.looseObject({
        run: z.string(),
        runName: z.string().nullable(),
        project: z.string().nullable(),
        user: z.string().nullable(),
        account: z.enum(WASTE),
        gpuMs: amount,
        money: money.nullable(),
        whatWouldStopIt: z.string(),
      }),
    )
    .meta({ description: 'of waste, the five dearest' }),
  budgets: z.array(budget),
  comparison: z.looseObject(comparison.shape).exactOptional().meta({ description: 'with --compare' }),
})
export const simulate = document('simulate', 'Simulate', {
  from: z.int(),
  seeds: z.int(),
  runs: z.int(),
  attempts: z.int(),
  crashes: z.int(),
  virtualMs: z.int(),
  failures: z.array(z.looseObject({ seed: z.int(), problem: z.string(), repeat: z.string() })),
})

const seconds = z.number().meta({ description: 'seconds of virtual time' })
const spreadOf = z.looseObject({ mean: seconds, p50: seconds, p90: seconds, p99: seconds, max: seconds })
const decision = z.looseObject({ p50: z.number(), p99: z.number(), max: z.number() })

export const traceReplay = document('trace-replay', 'TraceReplay', {
  jobs: z.int().meta({ description: 'that were read; each finished or was refused' }),
  finished: z.int(),
  refused: z.int().meta({ description: 'that no empty cluster of this shape could start' }),
  refusedJobs: z
    .array(z.looseObject({ id: z.string(), reason: z.enum(WAIT_REASONS), message: z.string() }))
    .meta({ description: 'the first of them' }),
  makespanS: seconds.meta({ description: 'from the first submit to the last end' }),
  jctS: spreadOf.meta({ description: 'from the submit of a job to its end' }),
  waitS: spreadOf.meta({ description: 'from the submit of a job to the start of its last worker' }),
  allocatedRatio: z.number().meta({ description: 'GPU-time that gangs held, of all GPUs over the makespan' }),
  preemptions: z.int(),
  lostGpuS: z.number().meta({ description: 'GPU-seconds that were computed and had to be computed again' }),
  spread: z
    .looseObject({ used: z.number(), minimum: z.number() })
    .meta({ description: 'racks of a job of more than one node, mean by GPU-time, and the fewest that would hold it' }),
  violations: z.int().meta({ description: 'broken promises that the checkers saw' }),
  decideMs: decision.meta({ description: 'real time of one decision of admit and place' }),
  wallMs: z.number(),
  seed: z.int(),
  policy: z.string(),
  nodes: z.int(),
  gpus: z.int(),
  racks: z.int(),
  skippedLines: z.int().meta({ description: 'broken ones, with --skip-broken' }),
  leftOutLines: z.int().meta({ description: 'that are no job with GPUs which ended, such as steps' }),
})
