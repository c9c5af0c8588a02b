// `plimsoll simulate --trace FILE`: a trace is read whole, replayed on a cluster of the given shape, and told as a document, in words, and
// as a page.
import type { Trace } from '../../contract/trace/trace.ts'
import type { TraceCluster } from '../../domain/trace.ts'
import { documentOfReplay, wordsOfReplay } from './replay-document.ts'
import { replay } from './replay.ts'
import { Progress } from './progress.ts'

export type TraceOptions = {
  readonly trace: Trace
  /** How the file is called, for people. */
  readonly name: string
  readonly cluster: TraceCluster
  readonly seed: number
  readonly json: boolean
  /** Where the page goes; null for none. */
  readonly report: string | null
}

/** Returns the exit code: 1 when a checker saw a broken promise. */
export async function runTrace({ trace, cluster, seed, json }: TraceOptions): Promise<number> {
  const { stderr, stdout } = process
  const to = { isTTY: stderr.isTTY, columns: stderr.columns ?? 80, write: (text: string) => void stderr.write(text) }
  const progress = new Progress(to, trace.jobs.length, json, () => performance.now())
  const told = (done: number, virtualMs: number): void => progress.tell(done, virtualMs)
  const replayed = await replay({ jobs: trace.jobs, cluster, seed, progress: told }).finally(() => progress.end())
  const { world } = replayed
  const document = documentOfReplay(replayed, {
    seed,
    skippedLines: trace.brokenLines,
    leftOutLines: trace.leftOutLines,
  })
  for (const violation of world.violations.slice(0, VIOLATIONS_SHOWN_MAX))
    stderr.write(`a checker says: ${violation}\n`)
  const refusedBy = new Map<string, number>()
  for (const { reason } of world.refused) refusedBy.set(reason, (refusedBy.get(reason) ?? 0) + 1)
  stdout.write(`${json ? JSON.stringify(document) : wordsOfReplay(document, refusedBy)}\n`)
  return world.violations.length > 0 ? 1 : 0
}

const VIOLATIONS_SHOWN_MAX = 20
