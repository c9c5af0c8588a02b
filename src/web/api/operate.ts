// What the pages about the whole installation read. The stream tells of runs alone, so these are read again while somebody looks; each page
// says of when its numbers are, and since when they are stale.
import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import type { WireOf } from '../../contract/wire.ts'
import type { NodeDocument } from '../../domain/documents.ts'
import { ask } from './ask.ts'

export type MachineNode = WireOf<NodeDocument>

/** How often a page that somebody looks at is read again. */
export const OPERATE_MS = 10_000

const live = { refetchInterval: OPERATE_MS, staleTime: OPERATE_MS / 2, placeholderData: keepPreviousData } as const

export const nodesQuery = queryOptions({
  queryKey: ['nodes'],
  queryFn: async ({ signal }) => (await ask<{ readonly nodes: readonly MachineNode[] }>('/nodes', {}, signal)).nodes,
  ...live,
})
