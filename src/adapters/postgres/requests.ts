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
  const live = new LiveRuns()
  return {
    submit: (request) => database.transaction('write', (tx) => submit(tx, live, request)),
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

const COUNT_MS = 1_000

/** How many runs live, about: counted once a second, for with many of them that is dearer than all else of a submit. */
class LiveRuns {
  #countedAt = Number.NEGATIVE_INFINITY
  #count = 0

  async count(tx: Queryable): Promise<number> {
    if (performance.now() - this.#countedAt >= COUNT_MS) {
      this.#countedAt = performance.now()
      const [row] = await tx.query<{ live: number }>({ text: 'select count(*) as live from run', values: [] })
      this.#count = row?.live ?? 0
    }
    return this.#count
  }

  add(): void {
    this.#count += 1
  }
}

type Standing = { taken: RunId | null; hash: string | null; run: RunId | null }

/** In three statements: when a thousand come at once, the number of round trips is what the last of them waits for. */
async function submit(tx: Queryable, liveRuns: LiveRuns, request: SubmitRequest): Promise<SubmitResult> {
  const { run, key } = request
  // One submit of a name, and of a key, at a time: without this, two would both see that no run of it lives.
  const locks = [`${run.project}/${run.name}`, ...(key === null ? [] : [`key ${key.caller} ${key.key}`])].map(lockOf)
  await tx.query({
    name: 'submit-lock',
    text: 'select pg_advisory_xact_lock(lock) from unnest($1::bigint[]) as wanted (lock)',
    values: [locks],
  })
  const [standing] = await tx.query<Standing>({
    name: 'submit-standing',
    text: `select (select id from run where project = $1 and name = $2) as taken, before.hash, before.run
             from (select) one left join request_key before on before.caller = $3::text and before.key = $4::text`,
    values: [run.project, run.name, key?.caller, key?.key],
  })
  const { taken = null, hash = null, run: before = null } = standing ?? {}
  if (before !== null) return hash === key?.hash ? { kind: 'repeat', run: before } : { kind: 'key-reused' }
  if (taken !== null) return { kind: 'name-taken', by: taken }
  const live = await liveRuns.count(tx)
  if (live >= LIVE_RUNS_MAX) return { kind: 'too-many', live }
  await insertRun(tx, request)
  liveRuns.add()
  return { kind: 'submitted' }
}

async function insertRun(tx: Queryable, { run, spec, audit, event, key }: SubmitRequest): Promise<void> {
  const { version: _, ...image } = run
  await tx.query({
    name: 'submit-insert',
    text: `with new_run as (
             insert into run (id, project, name, state, created_at, version, image) values ($1, $2, $3, $4, $5, 1, $6)
           ), new_spec as (
             insert into run_spec (run, spec) values ($1, $7)
           ), new_audit as (
             insert into audit (at, actor, verb, target, detail) values ($8, $9, $10, $11, $12)
           ), new_event as (
             insert into event (run, at, kind, message) values ($1, $13, $14, $15)
           )
           insert into request_key (caller, key, hash, run, created_at)
           select $16::text, $17::text, $18::text, $1, $5 where $16 is not null`,
    values: [
      run.id,
      run.project,
      run.name,
      run.state.kind,
      run.createdAt,
      JSON.stringify(image),
      JSON.stringify(spec satisfies RunSpec),
      audit.at,
      audit.actor,
      audit.verb,
      audit.target,
      JSON.stringify(audit.detail),
      event.at,
      event.kind,
      event.message,
      key?.caller,
      key?.key,
      key?.hash,
    ],
  })
}

/** An advisory lock is a number: 48 bits of a hash; two names that share one only wait for each other. */
function lockOf(text: string): number {
  return createHash('sha256').update(text).digest().readUIntBE(0, 6)
}
