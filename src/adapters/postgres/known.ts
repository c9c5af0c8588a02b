// What was read before and cannot have changed since is not read again: an image belongs to its version, and a spec to its run. The world is read
// several times a second, and of thousands of runs a few have changed.
import type { RunId } from '../../domain/ids.ts'
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
