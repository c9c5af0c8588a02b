// What made a gang fail: one verdict from its outcome, the exits of its workers and the ends of their logs. The first decisive source wins:
// a lost node, evidence of broken hardware, what the cluster says of a pod, exit codes with a meaning, then the earliest line or exit after
// the last step that can begin a failure, over all workers. It never goes by the last line, and says so when it does not know.
import type { EndedWorker, EvidenceLine, FailureKind, Verdict } from '../../../domain/failure.ts'
import { EVIDENCE_CHARS_MAX, EVIDENCE_LINES_MAX } from '../../../domain/limits.ts'
import type { Outcome } from '../../../domain/reasons.ts'
import type { EpochMs } from '../../../domain/units.ts'
import { ownCode } from './exits.ts'
import type { Hit, TailLine, Tails } from './hits.ts'
import { endedFirst, endOfTraining, hitsOf, NEAR_MS, plain } from './hits.ts'
import type { Tier } from './patterns.ts'
import { suspectOf } from './suspect.ts'

export type FailedGang = {
  readonly outcome: Outcome
  readonly workers: readonly EndedWorker[]
  readonly tails: Tails
  /** Whether somebody told of a step of this attempt. */
  readonly hasStepped: boolean
  /** Whether its steps would be told: its framework is one whose lines are known. */
  readonly progressExpected: boolean
}

/** Of failures of launches three in four come within ten minutes (Aegis, NSDI '25): without steps that are told, that is early. */
const EARLY_MS = 600_000

export function classify(gang: FailedGang): Verdict {
  const { outcome, tails } = gang
  const lost = gang.workers.find(({ isLost }) => isLost)
  if (outcome === 'node-lost') return verdict('node-lost', lost ?? null, [])
  if (outcome === 'never-started') return verdict('never-started', null, [])
  const workers = endedFirst(gang.workers)
  const early = isEarly(gang)
  const hits = hitsOf(workers, tails, early)
  return (
    ofHardware(hits) ??
    ofPods(workers) ??
    ofCodes(workers, tails) ??
    afterTheEnd(workers, tails, hits) ??
    ofFirst(workers, tails, hits, early) ??
    verdict('not-identified', null, [])
  )
}

function isEarly({ workers, tails, hasStepped, progressExpected }: FailedGang): boolean {
  if (hasStepped || [...tails.values()].some((lines) => lines.some(({ isStep }) => isStep))) return false
  if (progressExpected) return true
  return workers.some(({ startedAt, endedAt }) => endedAt !== null && endedAt < (startedAt ?? endedAt) + EARLY_MS)
}

function ofHardware(hits: readonly Hit[]): Verdict | null {
  const hit = hits.find(({ tier }) => tier === 'gpu')
  return hit === undefined ? null : ofHit(hit, hits)
}

/** The kubelet's word. Its reasons stand before a colon. */
function ofPods(workers: readonly EndedWorker[]): Verdict | null {
  for (const worker of workers) {
    const { exit } = worker
    const kind =
      exit?.cause === 'evicted' ? 'evicted' : exit?.message?.startsWith('OOMKilled') === true ? 'host-oom' : null
    if (kind !== null) return verdict(kind, worker, [{ worker: worker.worker, at: null, text: exit?.message ?? '' }])
  }
  return null
}

/**
 * Megatron's rerun state machine: 16 go on from this checkpoint on another GPU, 17 the result failed its validation. NVIDIA Resiliency
 * Extension: 93 do not restart.
 */
const CODES: ReadonlyMap<number, FailureKind> = new Map([
  [16, 'node-suspect'],
  [17, 'numerics'],
  [93, 'told-to-stop'],
])

function ofCodes(workers: readonly EndedWorker[], tails: Tails): Verdict | null {
  for (const worker of workers) {
    const { exit } = worker
    if (exit === null || exit.cause === 'stop') continue
    const own = ownCode(tails.get(worker.worker) ?? [])
    const code = own?.code ?? (exit.kind === 'code' ? exit.code : 0)
    const kind = CODES.get(code)
    if (kind !== undefined)
      return verdict(kind, worker, [{ worker: worker.worker, at: null, text: `exit code ${code}` }])
  }
  return null
}

/** Processes that wait for each other while they end are no failure of training (a watchdog that gets stuck, a crash in a destructor). */
function afterTheEnd(workers: readonly EndedWorker[], tails: Tails, hits: readonly Hit[]): Verdict | null {
  const end = endOfTraining(workers, tails)
  if (end === null || !hits.every(({ tier, kind }) => tier === 'symptom' || kind === 'native-crash')) return null
  return verdict('after-the-end', null, [lineOf(end.worker, end.line)])
}

const ORDER: Readonly<Record<Tier, number>> = { gpu: 0, cause: 1, exception: 2, symptom: 3 }

/** The earliest, and among those too near to have an order the one that can be a cause. */
function ofFirst(workers: readonly EndedWorker[], tails: Tails, hits: readonly Hit[], early: boolean): Verdict | null {
  const [earliest] = hits
  if (earliest === undefined) return null
  const near = hits.filter(({ at }) => at <= earliest.at + NEAR_MS)
  const first = near.toSorted((a, b) => ORDER[a.tier] - ORDER[b.tier] || a.at - b.at)[0] ?? earliest
  if (first.blamesOthers) return ofHit(first, hits, suspectOf(first.kind, workers, hits))
  const isUsers =
    first.kind === 'not-identified' && early && !UNANSWERED.test(first.text) && isShared(workers, hits, first)
  return ofHit(isUsers ? { ...first, kind: 'user-code' } : first, hits, first.worker, raisedAt(first, tails))
}

/** Somebody did not answer all of them, which may pass: the classes that Python has for it, and the words of those who wait. */
const UNANSWERED = /\b(?:Connection\w{0,20}Error|Timeout\w{0,20}|OSError|IOError)\b|timed out/

/** Numbers differ between ranks: addresses, process ids, the rank itself. */
const gist = (text: string): string => plain({ text } as TailLine).replace(/0x[0-9a-f]+|\d+/gi, '#')

/** Whether each worker said it: the same program fails in the same way everywhere, a broken machine does not. */
function isShared(workers: readonly EndedWorker[], hits: readonly Hit[], { text }: Hit): boolean {
  const same = new Set(hits.filter((hit) => gist(hit.text) === gist(text)).map(({ worker }) => worker.worker))
  return workers.every(({ worker }) => same.has(worker))
}

/** Where in the program a Python exception was raised: the last place of its traceback. */
function raisedAt({ worker, index }: Hit, tails: Tails): EvidenceLine | null {
  const lines = tails.get(worker.worker) ?? []
  for (let at = (index ?? 0) - 1; at >= Math.max(0, (index ?? 0) - 4); at -= 1) {
    const line = lines[at]
    if (line !== undefined && /^ {2}File "/.test(plain(line))) return lineOf(worker, line)
  }
  return null
}

function ofHit(
  hit: Hit,
  hits: readonly Hit[],
  culprit: EndedWorker | null = hit.worker,
  raised: EvidenceLine | null = null,
): Verdict {
  // Of those who complain all count, of a culprit its own lines alone.
  const same = hits.filter(
    (each) => each !== hit && each.kind === hit.kind && (hit.blamesOthers || each.worker.worker === hit.worker.worker),
  )
  const lines = [hit, ...same].map(({ worker, at, index, text }) =>
    lineOf(worker, { at: index === null ? null : at, text }),
  )
  return verdict(hit.kind, culprit, [...lines.slice(0, 1), ...(raised === null ? [] : [raised]), ...lines.slice(1)])
}

const lineOf = ({ worker }: EndedWorker, { at, text }: { at: EpochMs | null; text: string }): EvidenceLine => ({
  worker,
  at,
  text,
})

function verdict(kind: FailureKind, culprit: EndedWorker | null, evidence: readonly EvidenceLine[]): Verdict {
  return {
    kind,
    culprit: culprit === null ? null : { worker: culprit.worker, node: culprit.node, nodeName: culprit.nodeName },
    evidence: evidence
      .slice(0, EVIDENCE_LINES_MAX)
      .map((line) => ({ ...line, text: stored(line.text) }))
      .filter(({ text }) => text !== ''),
  }
}

/** PostgreSQL takes no NUL and no half of a pair. */
const stored = (text: string): string =>
  text
    .slice(0, EVIDENCE_CHARS_MAX)
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .toWellFormed()
