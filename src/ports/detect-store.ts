// What detectors read beside the world, and where findings are kept.
import type { Attempt } from '../domain/attempt.ts'
import type { Fact } from '../domain/fact.ts'
import type { Finding } from '../domain/finding.ts'
import type { AttemptId, RunId } from '../domain/ids.ts'
import type { Run } from '../domain/run.ts'
import type { EpochMs } from '../domain/units.ts'
import type { LayerSet, StoredMeasures } from './store.ts'

export interface DetectStore {
  /** Of each attempt: who tells its progress, and up to when that one, or where there is none anybody of it, was heard. */
  hearing(attempts: readonly AttemptId[]): Promise<ReadonlyMap<AttemptId, Hearing>>
  /** Facts of a source with a higher sequence than `after`, the oldest first; the newest `limit` of them. */
  factsAfter(
    wanted: readonly { readonly source: string; readonly after: number }[],
    limit: number,
  ): Promise<ReadonlyMap<string, readonly Fact[]>>
  /** Begins and ends of phases after a moment, whoever of an attempt said them, in no order; at most `limit` for each. */
  phasesAfter(
    wanted: readonly { readonly attempt: AttemptId; readonly after: EpochMs }[],
    limit: number,
  ): Promise<ReadonlyMap<AttemptId, readonly Fact[]>>
  /** The newest measures of each set of layers of these attempts, the oldest step first. */
  newestMeasures(attempts: readonly AttemptId[], steps: number): Promise<readonly NewestMeasures[]>
  /** Of each run the newest attempt that has ended. */
  newestEnded(runs: readonly RunId[]): Promise<ReadonlyMap<RunId, Attempt>>
  /** Runs that failed for good after a moment and of whose name no newer one is there, the newest first; at most `limit`. */
  failedSince(at: EpochMs, limit: number): Promise<readonly Run[]>
  openFindings(): Promise<readonly Finding[]>
  /** A page, the newest first. `projects` null: all. */
  findings(query: FindingsQuery): Promise<readonly Finding[]>
}

export type Hearing = {
  /** The elected source of steps, or the one that would be elected: a process of a rank, or the log of a worker. Null: nobody said one. */
  readonly source: string | null
  /** Up to here its silence is silence. */
  readonly heardTo: EpochMs | null
}

export type NewestMeasures = Pick<LayerSet, 'names' | 'experts' | 'topK'> & {
  readonly attempt: AttemptId
  readonly steps: readonly StoredMeasures[]
}

export type FindingsQuery = {
  readonly projects: readonly string[] | null
  readonly run: RunId | null
  readonly open: boolean | null
  readonly before: { readonly since: EpochMs; readonly id: string } | null
  readonly limit: number
}
