// What the list of runs shows, as it stands in the address: a link to a list shows the same list to whoever opens it. What is unknown or
// misspelt in an address is left out, never guessed.
import { RUN_STATES } from '../../domain/run.ts'

export const SORTS = ['created', 'name', 'state', 'gpus', 'held', 'paid', 'ended'] as const
export type Sort = (typeof SORTS)[number]
export type Order = 'asc' | 'desc'
export type State = (typeof RUN_STATES)[number]

export type Filters = {
  readonly q: string
  readonly states: readonly State[]
  readonly project: string
  readonly user: string
  readonly sort: Sort
  readonly order: Order
  readonly group: 'state' | 'flat'
  /** Columns by their keys; null: the usual ones. */
  readonly columns: readonly string[] | null
}

export const ALL: Filters = {
  q: '',
  states: [],
  project: '',
  user: '',
  sort: 'created',
  order: 'desc',
  group: 'state',
  columns: null,
}

type Search = Readonly<Record<string, string>>

const isState = (word: string): word is State => (RUN_STATES as readonly string[]).includes(word)
const isSort = (word: string): word is Sort => (SORTS as readonly string[]).includes(word)

const words = (list: string | undefined): string[] =>
  (list ?? '')
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')

export function readFilters(search: Search): Filters {
  const sort = search.sort ?? ''
  return {
    q: search.q ?? '',
    states: [...new Set(words(search.state).filter(isState))],
    project: search.project ?? '',
    user: search.user ?? '',
    sort: isSort(sort) ? sort : ALL.sort,
    order: search.order === 'asc' ? 'asc' : 'desc',
    group: search.group === 'flat' ? 'flat' : 'state',
    columns: search.columns === undefined ? null : words(search.columns),
  }
}

/** Only what differs from the usual, in one order: the same list has one address. */
export function writeFilters(filters: Filters): Record<string, string> {
  const search: Record<string, string> = {}
  if (filters.q !== '') search.q = filters.q
  if (filters.states.length > 0) search.state = filters.states.join(',')
  if (filters.project !== '') search.project = filters.project
  if (filters.user !== '') search.user = filters.user
  if (filters.sort !== ALL.sort) search.sort = filters.sort
  if (filters.order !== ALL.order) search.order = filters.order
  if (filters.group !== ALL.group) search.group = filters.group
  if (filters.columns !== null) search.columns = filters.columns.join(',')
  return search
}

/** The search field: words, and `state:a,b`, `project:x`, `user:y` among them. */
export function textOf({ q, states, project, user }: Filters): string {
  return [
    ...(states.length > 0 ? [`state:${states.join(',')}`] : []),
    ...(project === '' ? [] : [`project:${project}`]),
    ...(user === '' ? [] : [`user:${user}`]),
    ...(q === '' ? [] : [q]),
  ].join(' ')
}

export function withText(filters: Filters, text: string): Filters {
  let project = ''
  let user = ''
  const states: State[] = []
  const rest: string[] = []
  for (const word of text.split(/\s+/).filter((each) => each !== '')) {
    const value = word.slice(word.indexOf(':') + 1)
    if (word.startsWith('project:')) project = value
    else if (word.startsWith('user:')) user = value
    else if (word.startsWith('state:')) states.push(...words(value).filter(isState))
    else rest.push(word)
  }
  return { ...filters, q: rest.join(' '), states: [...new Set(states)], project, user }
}

/** Another column: its usual order; the same one: the other order. */
export function sortedBy(filters: Filters, sort: Sort): Filters {
  if (filters.sort === sort) return { ...filters, order: filters.order === 'asc' ? 'desc' : 'asc' }
  return { ...filters, sort, order: sort === 'name' || sort === 'state' ? 'asc' : 'desc' }
}

export type Section = { readonly key: string; readonly title: string; readonly states: readonly State[] }

const SECTIONS: readonly Section[] = [
  { key: 'hold', title: 'Hold GPUs', states: ['admitted', 'starting', 'running', 'stopping'] },
  { key: 'wait', title: 'Wait', states: ['queued', 'suspended'] },
  { key: 'ended', title: 'Ended', states: ['succeeded', 'failed', 'cancelled'] },
]

/** The parts of the list, those without an asked-for state left out. */
export function sectionsOf({ group, states }: Filters): readonly Section[] {
  if (group === 'flat') return [{ key: 'all', title: '', states }]
  if (states.length === 0) return SECTIONS
  return SECTIONS.map((section) => ({
    ...section,
    states: section.states.filter((state) => states.includes(state)),
  })).filter((section) => section.states.length > 0)
}

/** What of the filters the server needs for one section. */
export function queryOf(filters: Filters, section: Section): Record<string, string> {
  return {
    q: filters.q,
    state: section.states.join(','),
    project: filters.project,
    user: filters.user,
    sort: filters.sort,
    order: filters.order,
  }
}
