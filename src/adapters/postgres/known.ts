// What was read before and cannot have changed since is not read again: an image belongs to its version, and a spec to its run. The world is read
// several times a second, and of thousands of runs a few have changed.
import type { Fact } from '../../domain/fact.ts'
import type { AttemptId, RunId } from '../../domain/ids.ts'
import type { Run } from '../../domain/run.ts'
import type { RunSpec } from '../../domain/spec.ts'
import type { Database, Queryable } from './pool.ts'
import type { RunRow } from './rows.ts'
import { runOf } from './rows.ts'

/** The living runs. Each write of a run moves its version. */
export class KnownRuns {
  #known = new Map<RunId, Run>()

  /** In no order. Two reads at once are harmless: each leaves what it has seen. */
  async all(tx: Queryable): Promise<readonly Run[]> {
    const rows = await tx.query<{ id: RunId; version: number }>({ text: 'select id, version from run', values: [] })
    const known = this.#known
    const missing = rows.filter(({ id, version }) => known.get(id)?.version !== version).map(({ id }) => id)
    const read =
      missing.length === 0
        ? []
        : await tx.query<RunRow>({ text: 'select image, version from run where id = any($1)', values: [missing] })
    const fresh = new Map(read.map(runOf).map((run) => [run.id, run]))
    const runs = rows.flatMap(({ id }) => fresh.get(id) ?? known.get(id) ?? [])
    this.#known = new Map(runs.map((run) => [run.id, run]))
    return runs
  }
}

/** More than live at once, and some megabytes. */
const SPECS_MAX = 10_000

export class KnownSpecs {
  readonly #known = new Map<RunId, RunSpec>()

  async of(database: Database, runs: readonly RunId[]): Promise<ReadonlyMap<RunId, RunSpec>> {
    const missing = runs.filter((run) => !this.#known.has(run))
    const rows =
      missing.length === 0
        ? []
        : await database.query<{ run: RunId; spec: RunSpec }>({
            text: 'select run, spec from run_spec where run = any($1)',
            values: [missing],
          })
    const found = new Map(rows.map(({ run, spec }) => [run, spec]))
    for (const run of runs) {
      const known = this.#known.get(run)
      if (known !== undefined) found.set(run, known)
    }
    if (this.#known.size + rows.length > SPECS_MAX) this.#known.clear()
    for (const { run, spec } of rows) this.#known.set(run, spec)
    return found
  }
}

/** Of so many attempts: a few pages of every list that people look at, and some megabytes. */
export const STEPS_OF_MAX = 5_000

/**
 * The newest steps of attempts. The books of an attempt count how often facts of it came in, in the transaction that brings them: what was read at
 * one count is what is there while the count stands, so that a fact that comes late, days after the end, is seen at once. A living attempt
 * moves on all the time and is read each time.
 */
export class KnownSteps {
  readonly #known = new Map<AttemptId, { readonly heard: number; readonly steps: readonly Fact[] }>()

  async of(
    database: Database,
    attempts: readonly AttemptId[],
    read: (attempts: readonly AttemptId[]) => Promise<ReadonlyMap<AttemptId, readonly Fact[]>>,
  ): Promise<Map<AttemptId, readonly Fact[]>> {
    if (attempts.length === 0) return new Map()
    // Before the facts: of a fact that comes between the two the count is the older, and it is read once more than it must.
    const rows = await database.query<{ attempt: AttemptId; heard: number; over: boolean }>({
      text: `select b.attempt, b.heard, not a.living as over from attempt_books b join attempt a on a.id = b.attempt
             where b.attempt = any($1)`,
      values: [attempts],
    })
    const heard = new Map(rows.flatMap((row) => (row.over ? [[row.attempt, row.heard] as const] : [])))
    const found = new Map<AttemptId, readonly Fact[]>()
    for (const attempt of attempts) {
      const known = this.#known.get(attempt)
      if (known === undefined || known.heard !== heard.get(attempt)) continue
      found.set(attempt, known.steps)
      // The one that nobody asked for the longest goes first.
      this.#known.delete(attempt)
      this.#known.set(attempt, known)
    }
    const missing = attempts.filter((attempt) => !found.has(attempt))
    const fresh = missing.length === 0 ? new Map<AttemptId, readonly Fact[]>() : await read(missing)
    for (const attempt of missing) {
      const steps = fresh.get(attempt) ?? []
      found.set(attempt, steps)
      const count = heard.get(attempt)
      if (count === undefined) continue
      this.#known.set(attempt, { heard: count, steps })
      const oldest = this.#known.keys().next()
      if (this.#known.size > STEPS_OF_MAX && oldest.done !== true) this.#known.delete(oldest.value)
    }
    return found
  }
}
