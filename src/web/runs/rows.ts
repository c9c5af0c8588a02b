// The runs that are in view, as the queries hold them.
import { useQueries, type UseQueryResult } from '@tanstack/react-query'
import type { Table, TableRow } from '../api/documents.ts'
import { tableQuery } from '../api/queries.ts'
import { type Filters, queryOf, type Section, sectionsOf } from './filters.ts'
import { PAGE_ROWS, type Wanted } from './lines.ts'

export type Rows = {
  readonly rows: ReadonlyMap<string, TableRow>
  readonly totals: readonly number[]
  readonly counts: Readonly<Record<string, number>> | null
  readonly pending: boolean
  readonly error: Error | null
}

const rowKey = (section: Section, index: number): string => `${section.key} ${index}`

export const rowOf = ({ rows }: Rows, section: Section, index: number): TableRow | undefined =>
  rows.get(rowKey(section, index))

export function useRows(filters: Filters, wanted: Wanted): Rows {
  const sections = sectionsOf(filters)
  return useQueries({
    queries: wanted.map(({ section, page }) => tableQuery(queryOf(filters, section), page)),
    combine: (results: UseQueryResult<Table>[]) => combined(sections, wanted, results),
  })
}

function combined(sections: readonly Section[], wanted: Wanted, results: readonly UseQueryResult<Table>[]): Rows {
  const rows = new Map<string, TableRow>()
  const totals = sections.map(() => 0)
  let counts: Rows['counts'] = null
  for (const [at, { section, page }] of wanted.entries()) {
    const table = results[at]?.data
    if (table === undefined) continue
    counts ??= table.counts
    totals[sections.findIndex((each) => each.key === section.key)] = table.total
    for (const [index, row] of table.rows.entries()) rows.set(rowKey(section, page * PAGE_ROWS + index), row)
  }
  const firsts = wanted.flatMap(({ page }, at) => (page === 0 ? [results[at]] : []))
  return {
    rows,
    totals,
    counts,
    pending: firsts.some((result) => result?.isPending === true),
    error: results.find((result) => result.error !== null)?.error ?? null,
  }
}
