// The runs that are in view, as the queries hold them.
import { useQueries } from '@tanstack/react-query'
import { useRef } from 'react'
import type { Table, TableRow } from '../api/documents.ts'
import { tableQuery } from '../api/queries.ts'
import { type Filters, queryOf, type Section, sectionsOf } from './filters.ts'
import { PAGE_ROWS, type Wanted } from './lines.ts'

export type Rows = {
  /** Pages that were read, by `section page`. */
  readonly pages: ReadonlyMap<string, Table>
  readonly totals: readonly number[]
  readonly counts: Readonly<Record<string, number>> | null
  readonly pending: boolean
  readonly error: Error | null
}

/** What the rest of the page needs of the rows. It stays as it is while the list scrolls over many runs, so that nothing but the list is drawn. */
export type Summary = {
  readonly counts: Rows['counts']
  readonly total: number
  readonly pending: boolean
  readonly error: Error | null
  /** Null: not every row was read, or there are too many to add up. */
  readonly sums: Sums | null
}

type Sums = {
  readonly gpus: number
  readonly heldGpuMs: number
  readonly costs: readonly { readonly micros: number; readonly currency: string }[]
}

const pageKey = (section: Section, page: number): string => `${section.key} ${page}`

export const rowOf = ({ pages }: Rows, section: Section, index: number): TableRow | undefined =>
  pages.get(pageKey(section, Math.floor(index / PAGE_ROWS)))?.rows[index % PAGE_ROWS]

/** More rows than this are not added up: they would have to be read only for that. */
const SUMMED_ROWS_MAX = 3 * PAGE_ROWS

export function summaryOf({ pages, totals, counts, pending, error }: Rows): Summary {
  const total = totals.reduce((sum, each) => sum + each, 0)
  const rows = total > SUMMED_ROWS_MAX ? [] : [...pages.values()].flatMap((table) => table.rows)
  return { counts, total, pending, error, sums: rows.length < total ? null : sumsOf(rows) }
}

export const sameSummary = (a: Summary | null, b: Summary): boolean =>
  a !== null &&
  a.counts === b.counts &&
  a.total === b.total &&
  a.pending === b.pending &&
  a.error === b.error &&
  JSON.stringify(a.sums) === JSON.stringify(b.sums)

function sumsOf(rows: readonly TableRow[]): Sums {
  const costs = new Map<string, number>()
  let gpus = 0
  let heldGpuMs = 0
  for (const row of rows) {
    heldGpuMs += row.heldGpuMs
    if (holdsGpus(row)) gpus += row.gpus
    if (row.money !== null) costs.set(row.money.currency, (costs.get(row.money.currency) ?? 0) + row.money.micros)
  }
  return { gpus, heldGpuMs, costs: [...costs].map(([currency, micros]) => ({ micros, currency })) }
}

const holdsGpus = (row: TableRow): boolean =>
  row.endedAt === null && row.startedAt !== null && row.state !== 'suspended' && row.state !== 'queued'

/** The same object as before where nothing has changed: a page that is asked for and not there yet changes nothing. */
export function useRows(filters: Filters, wanted: Wanted): Rows {
  const results = useQueries({
    queries: wanted.map(({ section, page }) => tableQuery(queryOf(filters, section), page)),
  })
  const held = useRef<{ readonly filters: Filters; readonly rows: Rows } | null>(null)
  const rows = combined(sectionsOf(filters), wanted, results)
  const before = held.current
  if (before !== null && before.filters === filters && sameRows(before.rows, rows)) return before.rows
  held.current = { filters, rows }
  return rows
}

const sameRows = (a: Rows, b: Rows): boolean =>
  a.pages.size === b.pages.size &&
  [...a.pages].every(([key, table]) => b.pages.get(key) === table) &&
  a.totals.every((total, at) => total === b.totals[at]) &&
  a.counts === b.counts &&
  a.pending === b.pending &&
  a.error === b.error

type Result = { readonly data: Table | undefined; readonly error: Error | null; readonly isPending: boolean }

function combined(sections: readonly Section[], wanted: Wanted, results: readonly Result[]): Rows {
  const pages = new Map<string, Table>()
  const totals = sections.map(() => 0)
  let counts: Rows['counts'] = null
  for (const [at, { section, page }] of wanted.entries()) {
    const table = results[at]?.data
    if (table === undefined) continue
    counts ??= table.counts
    totals[sections.findIndex((each) => each.key === section.key)] = table.total
    pages.set(pageKey(section, page), table)
  }
  const firsts = wanted.flatMap(({ page }, at) => (page === 0 ? [results[at]] : []))
  return {
    pages,
    totals,
    counts,
    pending: firsts.some((result) => result?.isPending === true),
    error: results.find((result) => result.error !== null)?.error ?? null,
  }
}
