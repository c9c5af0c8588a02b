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

const pageKey = (section: Section, page: number): string => `${section.key} ${page}`

export const rowOf = ({ pages }: Rows, section: Section, index: number): TableRow | undefined =>
  pages.get(pageKey(section, Math.floor(index / PAGE_ROWS)))?.rows[index % PAGE_ROWS]

export const allRows = ({ pages }: Rows): TableRow[] => [...pages.values()].flatMap((table) => table.rows)

/** The same object as before where nothing has changed: a list that only scrolls tells nobody. */
export function useRows(filters: Filters, wanted: Wanted): Rows {
  const results = useQueries({
    queries: wanted.map(({ section, page }) => tableQuery(queryOf(filters, section), page)),
  })
  const held = useRef<{ readonly parts: readonly unknown[]; readonly rows: Rows } | null>(null)
  const places = wanted.map(({ section, page }) => pageKey(section, page))
  const parts = [filters, ...places, ...results.flatMap(({ data, error, isPending }) => [data, error, isPending])]
  const before = held.current
  if (before !== null && before.parts.length === parts.length && before.parts.every((part, at) => part === parts[at])) {
    return before.rows
  }
  const rows = combined(sectionsOf(filters), wanted, results)
  held.current = { parts, rows }
  return rows
}

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
