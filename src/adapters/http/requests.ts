// Shapes of what comes in. Keys that are not known are refused: a misspelt filter would answer another question than was asked.
import { z } from 'zod'
import { EXPERT_MEASURES } from '../../domain/expert-blocks.ts'
import type { LedgerKey } from '../../domain/documents.ts'
import { isRunId } from '../../domain/ids.ts'
import {
  IDEMPOTENCY_KEY_CHARS_MAX,
  LABEL_CHARS_MAX,
  PAGE_ROWS_DEFAULT,
  PAGE_ROWS_MAX,
  EXPERT_SETS_MAX,
  EXPERTS_PER_LAYER_MAX,
  FRAME_LAYERS_MAX,
  LOG_CHUNK_BYTES_MAX,
  POINTS_DEFAULT,
  POINTS_MAX,
  TABLE_ROWS_MAX,
  TOKEN_MS_MAX,
} from '../../domain/limits.ts'
import { ROLES } from '../../domain/principal.ts'
import { RUN_STATES } from '../../domain/run.ts'
import { epochMs } from '../../domain/units.ts'
import { RUN_SORTS } from '../../ports/store.ts'

/** An id of a run, or `project/name` with the slash encoded as %2F. */
export const runParams = z.strictObject({ run: z.string().min(1).max(200) })
export const nodeParams = z.strictObject({ node: z.string().min(1).max(300) })
/** Of the policy, or a period of it such as `lab@2026-11`. */
export const budgetParams = z.strictObject({ budget: z.string().min(1).max(100) })
export const extensionParams = z.strictObject({ id: z.string().min(1).max(64) })
export const extensionBody = z.strictObject({
  amount: z.int().min(1).meta({ description: 'GPU-milliseconds or micros, as the budget counts' }),
  reason: z.string().trim().min(1).max(500),
})
export const answerBody = z.strictObject({ answer: z.string().trim().max(500).default('') }).nullish()
export const tokenParams = z.strictObject({ id: z.string().min(1).max(64) })

const limit = z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(PAGE_ROWS_DEFAULT)
const AFTER = 'must be what next of another page says'
export const pageQuery = z.strictObject({
  limit,
  after: z
    .string()
    .regex(/^\d{1,15}$/, AFTER)
    .optional(),
})
export const extensionsQuery = z.strictObject({ limit })
export const findingsQuery = z.strictObject({
  run: z.string().max(200).optional(),
  open: z.enum(['true', 'false']).optional().meta({ description: 'those that are not over, or those that are' }),
  limit,
  after: z
    .string()
    .max(1_000)
    .regex(/^\d{1,15}~./, 'must be the `next` of an earlier page')
    .optional(),
})
export const noticesQuery = z.strictObject({
  limit,
  after: z
    .string()
    .max(100)
    .regex(/^\d{1,15}~./, 'must be the `next` of an earlier page')
    .optional(),
})
export const runsQuery = z.strictObject({
  project: z.string().max(63).optional(),
  state: z.enum(RUN_STATES).optional(),
  limit,
  after: z.string().refine(isRunId, AFTER).optional(),
})
export const logsQuery = z.strictObject({
  worker: z.coerce.number().int().min(0).default(0),
  attempt: z.coerce.number().int().min(1).optional(),
  offset: z.coerce
    .number()
    .int()
    .min(-LOG_CHUNK_BYTES_MAX)
    .default(0)
    .meta({ description: 'of a byte; a negative one counts from the end of what there is' }),
})

const attempt = z.coerce.number().int().min(1).optional()
const points = z.coerce.number().int().min(2).max(POINTS_MAX).default(POINTS_DEFAULT)
const step = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const set = z.coerce
  .number()
  .int()
  .min(1)
  .max(EXPERT_SETS_MAX)
  .optional()
  .meta({ description: 'one of the sets of layers that are reported together, from 1; the widest by default' })
const zoom = { attempt, set, from: step.optional(), to: step.optional(), points }
type Stretch = { readonly from?: number | undefined; readonly to?: number | undefined }
const inOrder = ({ from, to }: Stretch): boolean => from === undefined || to === undefined || from <= to
const ORDER = { path: ['from'], message: 'must not be after to' }

export const expertsQuery = z.strictObject(zoom).refine(inOrder, ORDER)
export const expertTileQuery = z
  .strictObject({ ...zoom, measure: z.enum(EXPERT_MEASURES).default('maxVio') })
  .refine(inOrder, ORDER)
export const expertFrameQuery = z.strictObject({ attempt, set, step: step.optional() })
export const expertHistoryQuery = z
  .strictObject({
    ...zoom,
    layer: z.coerce.number().int().min(0).max(FRAME_LAYERS_MAX),
    expert: z.coerce.number().int().min(0).max(EXPERTS_PER_LAYER_MAX),
  })
  .refine(inOrder, ORDER)

export const tableQuery = z.strictObject({
  q: z.string().max(200).optional(),
  state: z
    .string()
    .max(200)
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(RUN_STATES)))
    .optional(),
  project: z.string().max(63).optional(),
  user: z.string().max(100).optional(),
  sort: z
    .enum(RUN_SORTS)
    .or(z.literal('paid').transform(() => 'held' as const))
    .default('created'),
  order: z.enum(['asc', 'desc']).default('desc'),
  offset: z.coerce.number().int().min(0).max(10_000_000).default(0),
  limit: z.coerce.number().int().min(1).max(TABLE_ROWS_MAX).default(PAGE_ROWS_DEFAULT),
})
export const seriesQuery = z.strictObject({ points })
export const searchQuery = z.strictObject({
  q: z.string().max(200).optional(),
  attempt,
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(200),
})

export const submitHeaders = z.looseObject({
  'idempotency-key': z.string().min(1).max(IDEMPOTENCY_KEY_CHARS_MAX).optional(),
})
/** One strong ETag, as GET gave it. */
export const ifMatchHeader = z.looseObject({
  'if-match': z
    .string()
    .regex(/^"\d{1,15}"$/, 'must be the ETag of the policy that was read, such as "7"')
    .transform((text) => Number(text.slice(1, -1)))
    .optional(),
})
export const stopBody = z.strictObject({ now: z.boolean().default(false) }).nullish()
export const reasonBody = z.strictObject({ reason: z.string().max(500).default('') }).nullish()

const moment = z.iso
  .datetime({ offset: true, error: 'must be a time of ISO 8601 with its zone, such as 2026-01-02T03:04:05Z' })
  .transform((text) => epochMs(Date.parse(text)))
const KEYS = /^(?:project|user|run|account|gpu|payer|label:.+)$/
const by = z
  .string()
  .max(500)
  .default('account')
  .transform((text) => text.split(','))
  .pipe(
    z
      .array(
        z
          .string()
          .max('label:'.length + LABEL_CHARS_MAX)
          .regex(KEYS, 'must be project, user, run, account, gpu, payer or label:KEY'),
      )
      .max(16)
      .refine((keys) => new Set(keys).size === keys.length, 'names a key twice')
      // Rows carry one label: a second would overwrite it.
      .refine((keys) => keys.filter((key) => key.startsWith('label:')).length <= 1, 'can have one label'),
  )
  .transform((keys) => keys as readonly LedgerKey[])
const window = { from: moment.optional(), to: moment.optional() }
const books = { ...window, by }
const BOOKS_ORDER = { path: ['from'], error: 'must be before to' }
const windowIsOne = ({ from, to }: Stretch): boolean => from === undefined || to === undefined || from < to
export const ledgerQuery = z
  .strictObject({
    ...books,
    project: z.string().min(1).max(63).optional().meta({ description: 'of this project and those below it alone' }),
  })
  .refine(windowIsOne, BOOKS_ORDER)
export const windowQuery = z.strictObject(window).refine(windowIsOne, BOOKS_ORDER)
export const ledgerFileQuery = z
  .strictObject({ ...books, format: z.enum(['csv', 'parquet', 'focus']) })
  .refine(windowIsOne, BOOKS_ORDER)

export const tokenBody = z.strictObject({
  name: z.string().min(1).max(100),
  subject: z.string().min(1).max(100),
  role: z.enum(ROLES),
  project: z.string().min(1).max(63).nullable().default(null),
  ttlMs: z.int().min(1_000).max(TOKEN_MS_MAX).nullable().default(null),
})
