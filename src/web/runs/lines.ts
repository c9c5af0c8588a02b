// The lines of the list as one sequence: a heading for each part, then its runs. A part is read in pages, and only those that are in view.
import type { Section } from './filters.ts'

export const PAGE_ROWS = 200

export type Part = {
  readonly section: Section
  readonly total: number
  readonly first: number
  readonly headed: boolean
}

export type Line =
  | { readonly kind: 'head'; readonly part: Part }
  | { readonly kind: 'row'; readonly part: Part; readonly index: number }

/** Where each part begins among all lines. Empty parts have none. */
export function layOut(
  sections: readonly Section[],
  totals: readonly number[],
): { parts: readonly Part[]; lines: number } {
  const parts: Part[] = []
  let first = 0
  for (const [index, section] of sections.entries()) {
    const total = totals[index] ?? 0
    if (total === 0) continue
    const headed = section.title !== ''
    parts.push({ section, total, first, headed })
    first += total + (headed ? 1 : 0)
  }
  return { parts, lines: first }
}

export function lineAt(parts: readonly Part[], index: number): Line | null {
  const part = parts.findLast((each) => each.first <= index)
  if (part === undefined) return null
  const within = index - part.first
  if (part.headed && within === 0) return { kind: 'head', part }
  return { kind: 'row', part, index: within - (part.headed ? 1 : 0) }
}

/** The pages of each section that lines `from` to `to` need, the first one always: it knows the total. */
export function pagesIn(
  sections: readonly Section[],
  parts: readonly Part[],
  from: number,
  to: number,
): { readonly section: Section; readonly page: number }[] {
  return sections.flatMap((section) => {
    const pages = new Set([0])
    const part = parts.find((each) => each.section.key === section.key)
    if (part !== undefined) {
      const head = part.headed ? 1 : 0
      const first = Math.max(0, from - part.first - head)
      const last = Math.min(part.total - 1, to - part.first - head)
      if (first <= last) {
        for (let page = Math.floor(first / PAGE_ROWS); page <= Math.floor(last / PAGE_ROWS); page += 1) pages.add(page)
      }
    }
    return [...pages].map((page) => ({ section, page }))
  })
}

export type Wanted = ReturnType<typeof pagesIn>
