// The books: as a document, and as files for other programs.
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Wire } from '../../contract/documents.ts'
import { toWire } from '../../contract/wire.ts'
import type { LedgerKey } from '../../domain/documents.ts'
import { EXPORT_MONTHS_MAX, EXPORT_ROWS_MAX } from '../../domain/limits.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Answer } from '../../domain/refusal.ts'
import type { EpochMs } from '../../domain/units.ts'
import { epochMs } from '../../domain/units.ts'
import type { Views } from '../../ports/views.ts'
import { FOCUS_KEYS, ledgerFocus, monthsOf } from './focus.ts'
import { ledgerCsv, ledgerParquet } from './ledger-files.ts'
import { answers, problem, send, sendProblem, sendRefusal, sendText } from './problem.ts'
import { ledgerFileQuery, ledgerQuery, windowQuery } from './requests.ts'
import type { ServerOptions } from './server.ts'
import { asked, type Shared, textOf } from './shared.ts'

type Ledger = Wire<'ledger'>
type Window = { readonly from: EpochMs | null; readonly to: EpochMs | null }

const TYPES = {
  csv: { type: 'text/csv; charset=utf-8', ending: 'csv' },
  parquet: { type: 'application/vnd.apache.parquet', ending: 'parquet' },
  focus: { type: 'text/csv; charset=utf-8', ending: 'focus.csv' },
} as const

const file = {
  description: 'a file',
  content: {
    'text/csv': { schema: z.string() },
    'application/vnd.apache.parquet': { schema: z.unknown().meta({ description: 'bytes' }) },
  },
}

/** Books have cells of five minutes: a window is widened to them. */
const CELL_MS = 300_000
/** A month of books is the dearest answer of all, and what is in it moves slowly. */
const LEDGER_FRESH_MS = 10_000
/** A window that begins later than this may begin in the future of the store's clock. */
const BEGAN_MS = 30_000

export function ledgerRoutes(scope: FastifyInstance, { views }: ServerOptions, shared: Shared): void {
  const app = scope.withTypeProvider<ZodTypeProvider>()
  const tags = ['operate']
  app.get(
    '/ledger',
    {
      schema: {
        tags,
        summary: 'where every GPU-millisecond went; the last 30 days by default',
        querystring: ledgerQuery,
        response: answers('ledger'),
      },
    },
    async (request, reply) => {
      const { from = null, to = null, by, project } = request.query
      const of = project === undefined ? {} : { project }
      if (to !== null || (from !== null && from > Date.now() - BEGAN_MS))
        return send(reply, 'ledger', await views.ledger(request.principal, { from, to, ...of }, by))
      // Up to now: pages that were opened at other moments ask for the same.
      const begin = from === null ? null : epochMs(Math.floor(from / CELL_MS) * CELL_MS)
      const make = () => textOf('ledger', views.ledger(request.principal, { from: begin, to, ...of }, by))
      return sendText(reply, await asked(shared, request, ['ledger', begin, by, project], make, LEDGER_FRESH_MS))
    },
  )
  app.get(
    '/comparison',
    {
      schema: {
        tags,
        summary: 'what runs of a time made of their GPU-hours, beside published runs; the last 30 days by default',
        querystring: windowQuery,
        response: answers('comparison'),
      },
    },
    async ({ principal, query: { from = null, to = null } }, reply) =>
      send(reply, 'comparison', await views.comparison(principal, { from, to })),
  )
  app.get(
    '/ledger/export',
    {
      schema: {
        tags,
        summary: 'the same as a file; focus has keys of its own, and the label of `by` as its tag',
        querystring: ledgerFileQuery,
        response: { ...answers('ledger'), 200: file },
      },
    },
    async ({ principal, query: { from = null, to = null, by, format } }, reply) => {
      const read =
        format === 'focus' ? monthly(views, principal, { from, to }, by) : whole(views, principal, { from, to }, by)
      const ledgers = await read
      if (!ledgers.ok) return sendRefusal(reply, ledgers)
      const rows = ledgers.value.reduce((sum, each) => sum + each.rows.length, 0)
      const [first] = ledgers.value
      const last = ledgers.value.at(-1)
      if (rows > EXPORT_ROWS_MAX || first === undefined || last === undefined)
        return sendProblem(
          reply,
          problem('invalid', `${rows} rows are more than a file may have (${EXPORT_ROWS_MAX})`, {
            whatToDo: 'ask for a shorter time, or fewer keys',
          }),
        )
      const { type, ending } = TYPES[format]
      const name = `plimsoll-ledger-${first.from.slice(0, 10)}-to-${last.to.slice(0, 10)}.${ending}`
      return reply
        .type(type)
        .header('content-disposition', `attachment; filename="${name}"`)
        .send(format === 'focus' ? `${ledgerFocus(ledgers.value, labelOf(by))}\n` : fileOf(format, first, by))
    },
  )
}

function fileOf(format: 'csv' | 'parquet', ledger: Ledger, by: readonly LedgerKey[]): string | Buffer {
  // Whoever may see some projects only is told of each row whose it is.
  const keys = ledger.rows.some((row) => row.project !== undefined) && !by.includes('project') ? [...by, 'project'] : by
  return format === 'csv' ? `${ledgerCsv(ledger, keys)}\n` : Buffer.from(ledgerParquet(ledger, keys))
}

const labelOf = (by: readonly LedgerKey[]): string | null =>
  by.find((key) => key.startsWith('label:'))?.slice('label:'.length) ?? null

async function whole(
  views: Views,
  who: Principal,
  window: Window,
  by: readonly LedgerKey[],
): Promise<Answer<Ledger[]>> {
  const answer = await views.ledger(who, window, by)
  return answer.ok ? { ok: true, value: [wired(answer.value)] } : answer
}

/** Month by month, since a charge lies in one billing period. */
async function monthly(
  views: Views,
  who: Principal,
  window: Window,
  by: readonly LedgerKey[],
): Promise<Answer<Ledger[]>> {
  const keys: readonly LedgerKey[] = [...FOCUS_KEYS, ...by.filter((key) => key.startsWith('label:'))]
  const first = await whole(views, who, window, keys)
  if (!first.ok) return first
  const [all] = first.value
  const months = all === undefined ? [] : monthsOf(all.from, all.to)
  if (months.length <= 1) return first
  const ledgers: Ledger[] = []
  for (const month of months.slice(-EXPORT_MONTHS_MAX)) {
    const of = { from: epochMs(Date.parse(month.from)), to: epochMs(Date.parse(month.to)) }
    const answer = await whole(views, who, of, keys)
    if (!answer.ok) return answer
    ledgers.push(...answer.value)
  }
  return { ok: true, value: ledgers }
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- documents.test.ts holds both to one shape
const wired = (ledger: object): Ledger => toWire('ledger', ledger) as unknown as Ledger
