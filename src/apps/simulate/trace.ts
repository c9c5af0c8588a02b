// `plimsoll simulate --trace FILE`: a trace is read whole, replayed on a cluster of the given shape, and told as a document, in words, and
// as a page.
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Trace } from '../../contract/trace/trace.ts'
import type { TraceCluster } from '../../domain/trace.ts'
import { figuresOf, finishedRuns, spreadOf } from '../../sim/replay/measure.ts'
import { pageOf } from '../../sim/replay/report/page.ts'
import { projectRoot } from '../parts/files.ts'
import { Progress } from './progress.ts'
import type { ReplayDocument } from './replay-document.ts'
import { documentOfReplay, wordsOfReplay } from './replay-document.ts'
import type { Replayed } from './replay.ts'
import { replay } from './replay.ts'

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
export async function runTrace({ trace, name, cluster, seed, json, report }: TraceOptions): Promise<number> {
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
  if (report !== null) writeFileSync(report, pageOfReplay(replayed, document, basename(name)))
  return world.violations.length > 0 ? 1 : 0
}

function pageOfReplay(
  { world, wallMs }: Replayed,
  { seed, policy, skippedLines }: ReplayDocument,
  name: string,
): string {
  const finished = finishedRuns(world.tables, world.begin)
  return pageOf({
    name,
    cluster: world.shape,
    figures: figuresOf(world.tables, finished, world.shape),
    finished,
    jobOf: world.jobOf,
    refused: world.refused,
    queue: world.queue,
    violations: world.violations,
    decideMs: spreadOf(world.decideMs),
    wallMs,
    seed,
    policy,
    skippedLines,
    style: style(),
  })
}

/** The tokens of the pages without their fonts, which lie beside them: the report is one file. */
function style(): string {
  const tokens = readFileSync(join(projectRoot, 'src/web/style/tokens.css'), 'utf8').replaceAll(
    /@font-face \{[^}]*\}/g,
    '',
  )
  return tokens + readFileSync(join(import.meta.dirname, 'report.css'), 'utf8')
}

const VIOLATIONS_SHOWN_MAX = 20
