// ingest/v1 (docs/ingest-v1.md): a batch as it comes. One fact that cannot be read is refused alone; the rest of its batch is taken.
import { z } from 'zod'
import type { FactBody } from '../domain/fact.ts'
import { PHASES } from '../domain/fact.ts'
import {
  EXPERTS_PER_LAYER_MAX,
  FRAME_COUNTS_MAX,
  FRAME_LAYERS_MAX,
  REPORT_FACTS_MAX,
  STEPS_PER_MARK_MAX,
} from '../domain/limits.ts'
import type { RefusedFact, ReportBatch, ReportFact, ReportFrame } from '../domain/report.ts'
import type { EpochMs } from '../domain/units.ts'
import { faultsOf } from './issues.ts'
import type { Problem } from './problems.ts'
import { nowhere, placed, shown } from './problems.ts'

const whole = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const time = whole.transform((value) => value as EpochMs)
// oxlint-disable-next-line no-control-regex
const textOf = (chars: number) =>
  z
    .string()
    .max(chars)
    .regex(/^[^\0]*$/, 'has a NUL character')
    // Half of a pair is no text: PostgreSQL refuses a document that has one.
    .refine((value) => value.isWellFormed(), 'has half of a surrogate pair')
const missing = <Schema extends z.ZodType>(schema: Schema) => schema.nullish().transform((value) => value ?? null)

/** Keys that are not known are let be: reporters of all ages speak this, and newer ones say more. */
const batch = z.object({
  version: z.literal(1),
  source: z.string().regex(/^[0-9a-f]{16}$/, 'must be 16 characters of 0-9a-f'),
  startedAt: time,
  sentAt: time,
  rank: z.int().min(0).max(1_048_575),
  reporter: missing(textOf(64)).transform((value) => value ?? ''),
  obeys: missing(z.array(textOf(64)).max(16)).transform((value) => value ?? []),
  facts: z.array(z.unknown()).max(REPORT_FACTS_MAX),
})

const head = z.object({ seq: whole.min(1), at: time, kind: z.string() })

const bodies = {
  step: z.object({
    step: whole,
    steps: missing(z.int().min(1).max(STEPS_PER_MARK_MAX)),
    durationMs: missing(z.number().min(0).max(1e12)),
    loss: missing(z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])])),
    tokens: missing(whole),
    samples: missing(whole),
  }),
  phase: z.object({ phase: z.enum(PHASES), edge: z.enum(['begin', 'end']) }),
  checkpoint: z.object({ step: whole, state: z.enum(['saved', 'durable']), path: missing(textOf(1_024)) }),
  resumed: z.object({ step: whole }),
  done: z.object({}),
  directive: z.object({
    id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
    version: whole,
    outcome: textOf(32),
    step: missing(whole),
  }),
  gap: z.object({ of: textOf(32), from: whole, to: whole, facts: whole, why: textOf(32) }),
} as const

const frame = z.object({
  step: whole,
  layers: z
    .array(textOf(200).min(1))
    .min(1)
    .max(FRAME_LAYERS_MAX)
    .refine((layers) => new Set(layers).size === layers.length, 'names a layer twice'),
  experts: z.int().min(1).max(EXPERTS_PER_LAYER_MAX),
  counts: z.string(),
  tokens: missing(whole),
  topK: missing(z.int().min(1).max(EXPERTS_PER_LAYER_MAX)),
  flags: missing(z.array(z.string().regex(/^[a-z0-9-]{1,32}$/)).max(16)).transform((value) => value ?? []),
})

export type ParsedReport =
  | { readonly ok: true; readonly batch: ReportBatch }
  | { readonly ok: false; readonly problems: readonly Problem[] }

export function parseReport(value: unknown): ParsedReport {
  const parsed = batch.safeParse(value)
  if (!parsed.success) return { ok: false, problems: shown(placed(faultsOf(parsed.error.issues), nowhere)) }
  const facts: ReportFact[] = []
  const frames: ReportFrame[] = []
  const refused: RefusedFact[] = []
  for (const each of parsed.data.facts) {
    const known = head.safeParse(each)
    // Without a number of its own nobody could be told which one it was.
    if (!known.success) refused.push({ seq: seqOf(each), reason: 'invalid' })
    else if (known.data.kind === 'experts') {
      const read = frameOf(known.data, each)
      if (read === null) refused.push({ seq: known.data.seq, reason: 'invalid' })
      else frames.push(read)
    } else {
      const body = bodyOf(known.data.kind, each)
      if (typeof body === 'string') refused.push({ seq: known.data.seq, reason: body })
      else if (body !== null) facts.push({ seq: known.data.seq, at: known.data.at, body })
    }
  }
  const { source, startedAt, sentAt, rank, reporter, obeys } = parsed.data
  return {
    ok: true,
    batch: { source, startedAt, sentAt, rank, reporter, obeys, facts, frames, refused, sent: parsed.data.facts.length },
  }
}

function seqOf(fact: unknown): number {
  const seq = typeof fact === 'object' && fact !== null && 'seq' in fact ? fact.seq : null
  return Number.isSafeInteger(seq) && Number(seq) >= 0 ? Number(seq) : 0
}

/** Null for what is taken and means nothing here: a checkpoint that was only handed over. */
function bodyOf(kind: string, fact: unknown): FactBody | null | 'invalid' | 'unknown-kind' {
  switch (kind) {
    case 'step': {
      const read = bodies.step.safeParse(fact)
      if (!read.success) return 'invalid'
      const { loss, ...rest } = read.data
      // What is no number has no place in a series; the detectors will look at the fact that it is none.
      return { kind: 'step', ...rest, loss: typeof loss === 'number' ? loss : null, batch: null, total: null }
    }
    case 'phase': {
      const read = bodies.phase.safeParse(fact)
      return read.success ? { kind: read.data.edge, phase: read.data.phase } : 'invalid'
    }
    case 'checkpoint': {
      const read = bodies.checkpoint.safeParse(fact)
      if (!read.success) return 'invalid'
      return read.data.state === 'durable' ? { kind: 'saved', step: read.data.step } : null
    }
    case 'resumed': {
      const read = bodies.resumed.safeParse(fact)
      return read.success ? { kind: 'resumed', ...read.data } : 'invalid'
    }
    case 'done':
      return { kind: 'done' }
    case 'directive': {
      const read = bodies.directive.safeParse(fact)
      return read.success ? { kind: 'directive', ...read.data } : 'invalid'
    }
    case 'gap': {
      const read = bodies.gap.safeParse(fact)
      return read.success ? { kind: 'gap', ...read.data } : 'invalid'
    }
    default:
      return 'unknown-kind'
  }
}

function frameOf(known: { readonly seq: number; readonly at: EpochMs }, fact: unknown): ReportFrame | null {
  const read = frame.safeParse(fact)
  if (!read.success) return null
  const { step, layers, experts, counts, tokens, topK, flags } = read.data
  const values = layers.length * experts
  if (values > FRAME_COUNTS_MAX) return null
  const decoded = countsOf(counts, values)
  if (decoded === null) return null
  return { seq: known.seq, at: known.at, step, layers, experts, counts: decoded, tokens, topK, flags }
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Little-endian, whatever this machine is. */
function countsOf(base64: string, values: number): Uint32Array | null {
  // Its length first: what is too long is not looked at.
  if (base64.length !== 4 * Math.ceil((4 * values) / 3)) return null
  if (!BASE64.test(base64)) return null
  const bytes = atob(base64)
  if (bytes.length !== values * 4) return null
  const counts = new Uint32Array(values)
  for (let index = 0; index < values; index += 1) {
    const at = index * 4
    counts[index] =
      bytes.charCodeAt(at) |
      (bytes.charCodeAt(at + 1) << 8) |
      (bytes.charCodeAt(at + 2) << 16) |
      (bytes.charCodeAt(at + 3) << 24)
  }
  return counts
}
