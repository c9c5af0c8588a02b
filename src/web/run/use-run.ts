// The run whose page this is.
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import type { Show } from '../api/documents.ts'
import { showQuery } from '../api/queries.ts'

export const useRunId = (): string => useParams({ strict: false }).run ?? ''

/** Tabs are drawn inside the page of the run, which waits for its document. */
export function useShow(): Show {
  const show = useQuery(showQuery(useRunId()))
  if (show.data === undefined) throw new Error('bug: a tab without its run')
  return show.data
}

const ENDED: readonly string[] = ['succeeded', 'failed', 'cancelled']
export const isAlive = (show: Show): boolean => !ENDED.includes(show.state)

/** A detector says so, by the run's own pace. */
export const standsStill = ({ state, findings }: Pick<Show, 'state' | 'findings'>): boolean =>
  state === 'running' && findings.some(({ kind }) => kind === 'no-progress' || kind === 'never-progressed')
