// The store of a replay before the first job: a project for each that the trace names, without quota and without budget, since no trace
// says what somebody might have used.
import type { ProjectName } from '../../domain/ids.ts'
import type { TraceJob } from '../../domain/trace.ts'
import type { Tables } from '../store.ts'
import { emptyTables } from '../store.ts'
import { DEFAULT_PROJECT } from './gang.ts'

export function replayTables(jobs: readonly TraceJob[]): Tables {
  const tables = emptyTables()
  for (const project of new Set([DEFAULT_PROJECT, ...jobs.flatMap((job) => job.project ?? [])])) {
    const name = project as ProjectName
    tables.projects.set(name, { name, parent: null, quotaGpus: null, maxPriority: 'critical', version: 1 })
  }
  return tables
}
