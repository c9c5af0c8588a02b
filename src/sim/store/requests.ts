// What a request writes, in memory: a run with its spec, its audit row and its key, or nothing.
import type { RunId } from '../../domain/ids.ts'
import { isRunId } from '../../domain/ids.ts'
import { LIVE_RUNS_MAX } from '../../domain/limits.ts'
import type { Run } from '../../domain/run.ts'
import type { RequestStore, SubmitRequest, SubmitResult } from '../../ports/store.ts'
import type { Tables } from './tables.ts'
import { nameKey, putRun, writeAudit, writeEvent } from './tables.ts'

export function requestStore(tables: Tables): RequestStore {
  return {
    submit: async (request) => submit(tables, request),
    findRun: async (reference) =>
      isRunId(reference) ? (tables.runs.get(reference) ?? null) : byName(tables, reference),
    run: async (id: RunId) => tables.runs.get(id) ?? null,
  }
}

/** The newest of the name. */
function byName(tables: Tables, reference: string): Run | null {
  const slash = reference.indexOf('/')
  const project = slash < 0 ? null : reference.slice(0, slash)
  const name = slash < 0 ? reference : reference.slice(slash + 1)
  const runs = [...tables.runs.values()].filter(
    (run) => run.name === name && (project === null || run.project === project),
  )
  return runs.toSorted((a, b) => (a.id < b.id ? 1 : -1))[0] ?? null
}

function submit(tables: Tables, request: SubmitRequest): SubmitResult {
  const { run, spec, key } = request
  const keyName = key === null ? null : `${key.caller} ${key.key}`
  const before = keyName === null ? undefined : tables.keys.get(keyName)
  if (before !== undefined) {
    return before.hash === key?.hash ? { kind: 'repeat', run: before.run } : { kind: 'key-reused' }
  }
  const taken = tables.liveNames.get(nameKey(run))
  if (taken !== undefined) return { kind: 'name-taken', by: taken }
  if (tables.live.size >= LIVE_RUNS_MAX) return { kind: 'too-many', live: tables.live.size }
  if (tables.runs.has(run.id)) throw new Error(`run ${run.id} is there already`)
  if (!tables.projects.has(run.project)) throw new Error(`there is no project ${run.project}`)
  tables.writes += 1
  putRun(tables, { ...run, version: 1 })
  tables.specs.set(run.id, spec)
  writeAudit(tables, request.audit)
  writeEvent(tables, request.event)
  if (key !== null && keyName !== null) tables.keys.set(keyName, { hash: key.hash, run: run.id })
  return { kind: 'submitted' }
}
