// Saved views: names for addresses. The built-in ones are for everyone, the others are kept in this browser.
import { ALL, type Filters, writeFilters } from './filters.ts'

export type View = { readonly name: string; readonly search: Readonly<Record<string, string>> }

const VIEWS_MAX = 20
const KEY = 'plimsoll.views'

export function builtIn(user: string): readonly View[] {
  const view = (name: string, filters: Partial<Filters>): View => ({
    name,
    search: writeFilters({ ...ALL, ...filters }),
  })
  return [
    view('All', {}),
    view('Mine', { user }),
    view('Hold GPUs', { states: ['admitted', 'starting', 'running', 'stopping'], sort: 'gpus' }),
    view('Waiting', { states: ['queued', 'suspended'], order: 'asc' }),
    view('Failed', { states: ['failed'], sort: 'ended' }),
  ]
}

export const sameView = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean =>
  Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([key, value]) => b[key] === value)

/** What is kept may be older than this page, or written by a hand: what is not a view is left out. */
export function readViews(text: string | null): readonly View[] {
  try {
    const value: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(value) ? value.filter(isView).slice(0, VIEWS_MAX) : []
  } catch {
    return []
  }
}

function isView(value: unknown): value is View {
  if (typeof value !== 'object' || value === null) return false
  const { name, search } = value as { name?: unknown; search?: unknown }
  return (
    typeof name === 'string' &&
    typeof search === 'object' &&
    search !== null &&
    Object.values(search).every((each) => typeof each === 'string')
  )
}

/** A name that exists already gets the new address. */
export const withView = (views: readonly View[], view: View): readonly View[] =>
  [...views.filter((each) => each.name !== view.name), view].slice(-VIEWS_MAX)

export const keptViews = (): readonly View[] => readViews(localStorage.getItem(KEY))
export const keepViews = (views: readonly View[]): void => localStorage.setItem(KEY, JSON.stringify(views))
