// What a request writes: a run with its spec, its audit row and its key in one transaction.
import { createHash } from 'node:crypto'
import type { RunId } from '../../domain/ids.ts'
import { isRunId } from '../../domain/ids.ts'
import { LIVE_RUNS_MAX } from '../../domain/limits.ts'
import type { Run } from '../../domain/run.ts'
import type { RunSpec } from '../../domain/spec.ts'
import type { RequestStore, SubmitRequest, SubmitResult } from '../../ports/store.ts'
import type { Database, Queryable } from './pool.ts'
import type { RunRow } from './rows.ts'
import { runOf } from './rows.ts'

export function requestStore(database: Database): RequestStore {
  return {
    submit: (request) => database.transaction('write', (tx) => submit(tx, request)),
    async findRun(reference) {
      if (isRunId(reference)) return findById(database, reference)
      const slash = reference.indexOf('/')
      const project = slash < 0 ? null : reference.slice(0, slash)
      const name = slash < 0 ? reference : reference.slice(slash + 1)
      const rows = await database.query<RunRow>({
        text: `select image, version from (
                 select id, image, version from run where ($1::text is null or project = $1) and name = $2
                 union all
                 select id, image, version from run_ended where ($1::text is null or project = $1) and name = $2
               ) both_tables order by id desc limit 1`,
        values: [project, name],
      })
      return rows[0] === undefined ? null : runOf(rows[0])
    },
    run: (id) => findById(database, id),
  }
}

async function findById(database: Database, id: RunId): Promise<Run | null> {
  const rows = await database.query<RunRow>({
    text: 'select image, version from run where id = $1 union all select image, version from run_ended where id = $1',
    values: [id],
  })
  return rows[0] === undefined ? null : runOf(rows[0])
}

async function submit(tx: Queryable, request: SubmitRequest): Promise<SubmitResult> {
  const { run, key } = request
  // One submit of a name at a time: without this, two would both see that no run of it lives.
  await tx.query({ text: 'select pg_advisory_xact_lock($1::bigint)', values: [lockOf(`${run.project}/${run.name}`)] })
  if (key !== null) {
    await tx.query({
      text: 'select pg_advisory_xact_lock($1::bigint)',
      values: [lockOf(`key ${key.caller} ${key.key}`)],
    })
    const [before] = await tx.query<{ hash: string; run: RunId }>({
      text: 'select hash, run from request_key where caller = $1 and key = $2',
      values: [key.caller, key.key],
    })
    if (before !== undefined)
      return before.hash === key.hash ? { kind: 'repeat', run: before.run } : { kind: 'key-reused' }
  }
  const [taken] = await tx.query<{ id: RunId }>({
    text: 'select id from run where project = $1 and name = $2',
    values: [run.project, run.name],
  })
  if (taken !== undefined) return { kind: 'name-taken', by: taken.id }
  const [live] = await tx.query<{ live: number }>({ text: 'select count(*) as live from run', values: [] })
  if ((live?.live ?? 0) >= LIVE_RUNS_MAX) return { kind: 'too-many', live: live?.live ?? 0 }
  await insertRun(tx, request)
  return { kind: 'submitted' }
}

async function insertRun(tx: Queryable, { run, spec, audit, event, key }: SubmitRequest): Promise<void> {
  const { version: _, ...image } = run
  await tx.query({
    text: `insert into run (id, project, name, state, created_at, version, image) values ($1, $2, $3, $4, $5, 1, $6)`,
    values: [run.id, run.project, run.name, run.state.kind, run.createdAt, JSON.stringify(image)],
  })
  await tx.query({
    text: 'insert into run_spec (run, spec) values ($1, $2)',
    values: [run.id, JSON.stringify(spec satisfies RunSpec)],
  })
  await tx.query({
    text: 'insert into audit (at, actor, verb, target, detail) values ($1, $2, $3, $4, $5)',
    values: [audit.at, audit.actor, audit.verb, audit.target, JSON.stringify(audit.detail)],
  })
  await tx.query({
    text: 'insert into event (run, at, kind, message) values ($1, $2, $3, $4)',
    values: [event.run, event.at, event.kind, event.message],
  })
  if (key === null) return
  await tx.query({
    text: 'insert into request_key (caller, key, hash, run, created_at) values ($1, $2, $3, $4, $5)',
    values: [key.caller, key.key, key.hash, run.id, run.createdAt],
  })
}

/** An advisory lock is a number: 48 bits of a hash; two names that share one only wait for each other. */
function lockOf(text: string): number {
  return createHash('sha256').update(text).digest().readUIntBE(0, 6)
}
