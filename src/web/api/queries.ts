// What the pages read, by name. The stream keeps the lists and an open run fresh; the rest is read again while the run lives.
import { keepPreviousData, QueryCache, QueryClient, queryOptions } from '@tanstack/react-query'
import { ask, Refused } from './ask.ts'
import { noteServerTime } from './clock.ts'
import type {
  Events,
  ExpertHistory,
  Experts,
  LogSearch,
  Series,
  Session,
  Show,
  SignInWays,
  Statement,
  Table,
  Why,
} from './documents.ts'
import { PAGE_ROWS } from '../runs/lines.ts'
import { Live } from './live.ts'

/** How often what the stream does not carry is read again while a run lives. */
const REREAD_MS = 15_000

export const queries: QueryClient = new QueryClient({
  // A session may end while a page is open: then the next answer says so, and the sign-in page comes.
  queryCache: new QueryCache({
    onError: (error, query) => {
      if (error instanceof Refused && error.status === 401 && query.queryKey[0] !== 'session') {
        void queries.invalidateQueries({ queryKey: ['session'] })
      }
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 60_000,
      refetchOnWindowFocus: false,
      // A refusal is an answer: asking again gives the same one.
      retry: (count, error) => count < 2 && !(error instanceof Refused && error.status >= 400 && error.status < 500),
    },
  },
})

export const live = new Live(queries)

const path = (run: string): string => `/runs/${encodeURIComponent(run)}`
const again = (alive: boolean) => (alive ? REREAD_MS : (false as const))

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: ({ signal }) => ask<Session>('/session', {}, signal),
  staleTime: 300_000,
  retry: false,
})

export const signInQuery = queryOptions({
  queryKey: ['sign-in'],
  queryFn: ({ signal }) => ask<SignInWays>('/sign-in', {}, signal),
  staleTime: Infinity,
  retry: false,
})

export const tableQuery = (search: Readonly<Record<string, string>>, page: number) =>
  queryOptions({
    queryKey: ['table', search, page],
    queryFn: async ({ signal }) => {
      const table = await ask<Table>('/table', { ...search, offset: page * PAGE_ROWS, limit: PAGE_ROWS }, signal)
      noteServerTime(table.observedAt)
      return table
    },
  })

export const showQuery = (run: string) =>
  queryOptions({ queryKey: ['show', run], queryFn: ({ signal }) => ask<Show>(path(run), {}, signal) })

export const whyQuery = (run: string, state: string) =>
  queryOptions({
    queryKey: ['why', run, state],
    queryFn: ({ signal }) => ask<Why>(`${path(run)}/why`, {}, signal),
    refetchInterval: again(state === 'queued'),
    enabled: state === 'queued' || state === 'suspended' || state === 'admitted',
  })

export const statementQuery = (run: string, alive: boolean) =>
  queryOptions({
    queryKey: ['statement', run],
    queryFn: ({ signal }) => ask<Statement>(`${path(run)}/statement`, {}, signal),
    refetchInterval: again(alive),
  })

export const seriesQuery = (run: string, alive: boolean) =>
  queryOptions({
    queryKey: ['series', run],
    queryFn: ({ signal }) => ask<Series>(`${path(run)}/series`, { points: 2000 }, signal),
    refetchInterval: again(alive),
  })

export const eventsQuery = (run: string, alive: boolean) =>
  queryOptions({
    queryKey: ['events', run],
    queryFn: ({ signal }) => allEvents(run, signal),
    refetchInterval: again(alive),
  })

const EVENT_PAGES_MAX = 20

async function allEvents(run: string, signal: AbortSignal): Promise<Events> {
  const events: Events['events'][number][] = []
  let after: string | null = null
  for (let page = 0; page < EVENT_PAGES_MAX; page += 1) {
    const answer: Events = await ask<Events>(`${path(run)}/events`, { after, limit: 500 }, signal)
    events.push(...answer.events)
    after = answer.next
    if (after === null) break
  }
  return { events, next: after }
}

export const logSearchQuery = (run: string, q: string, attempt: number | null) =>
  queryOptions({
    queryKey: ['log-search', run, q, attempt],
    queryFn: ({ signal }) => ask<LogSearch>(`${path(run)}/logs/search`, { q, attempt, limit: 200 }, signal),
  })

/** The drawing of all steps is about so many pixels wide, and a line through each second one looks the same. */
const EXPERT_POINTS = 500

export const expertsQuery = (run: string, attempt: number | null, set: number | null, alive: boolean) =>
  queryOptions({
    queryKey: ['experts', run, attempt, set],
    queryFn: ({ signal }) => ask<Experts>(`${path(run)}/experts`, { attempt, set, points: EXPERT_POINTS }, signal),
    refetchInterval: again(alive),
  })

export const expertHistoryQuery = (run: string, attempt: number, set: number, layer: number, expert: number) =>
  queryOptions({
    queryKey: ['expert-history', run, attempt, set, layer, expert],
    queryFn: ({ signal }) =>
      ask<ExpertHistory>(`${path(run)}/experts/history`, { attempt, set, layer, expert, points: 500 }, signal),
    placeholderData: keepPreviousData,
  })
