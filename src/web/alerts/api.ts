// What the page of alerts reads. The stream tells of runs alone, so this is read again every few seconds while somebody looks.
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import type { WireOf } from '../../contract/wire.ts'
import type { AlertsDocument, DeliveriesDocument } from '../../domain/alert-documents.ts'
import { ask } from '../api/ask.ts'
import type { Finding } from '../api/operate.ts'
import { queries } from '../api/queries.ts'

export type Alerts = WireOf<AlertsDocument>
export type Alert = Alerts['alerts'][number]
export type Channel = Alerts['channels'][number]
export type Silence = Alerts['silences'][number]
export type Deliveries = WireOf<DeliveriesDocument>
export type Delivery = Deliveries['deliveries'][number]
export type Ended = { readonly findings: readonly Finding[]; readonly next: string | null }

export const ALERTS_MS = 5_000

export const alertsQuery = queryOptions({
  queryKey: ['alerts'],
  queryFn: ({ signal }) => ask<Alerts>('/alerts', {}, signal),
  refetchInterval: ALERTS_MS,
  staleTime: 0,
})

const ENDED_MAX = 200

/** By their beginning: what began long ago and is over since a moment may be beyond the page, which says so. */
export const endedFindingsQuery = queryOptions({
  queryKey: ['alerts-ended'],
  queryFn: ({ signal }) => ask<Ended>('/findings', { open: 'false', limit: ENDED_MAX }, signal),
  refetchInterval: 3 * ALERTS_MS,
  staleTime: 0,
})

const DELIVERIES_PAGE = 50

/** Each page that was loaded is read again, so that none is missing between two: the more there are, the less often. */
export const deliveriesQuery = infiniteQueryOptions({
  queryKey: ['deliveries'],
  queryFn: ({ pageParam, signal }) =>
    ask<Deliveries>('/alerts/deliveries', { limit: DELIVERIES_PAGE, after: pageParam }, signal),
  initialPageParam: null as string | null,
  getNextPageParam: ({ next }) => next,
  refetchInterval: (query) => ALERTS_MS * Math.max(1, query.state.data?.pages.length ?? 1),
  staleTime: 0,
})

const LATER_MS = 1_500

/** After something was done: at once, and again when what it set off has had time to happen. */
export async function readAgain(): Promise<void> {
  const all = () =>
    Promise.all(
      [alertsQuery, deliveriesQuery, endedFindingsQuery].map(({ queryKey }) => queries.invalidateQueries({ queryKey })),
    )
  setTimeout(() => void all(), LATER_MS)
  await all()
}
