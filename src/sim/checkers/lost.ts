// Which steps count, told from the facts alone: what a later attempt did again was lost, and is not paid for as progress twice. Asked
// when everything has come in, since each new fact may change it.
import type { AttemptBooks } from '../../domain/books.ts'
import type { Fact } from '../../domain/fact.ts'
import { byTime, streamOf } from '../../domain/fact.ts'
import type { AttemptId, RunId } from '../../domain/ids.ts'
import type { Tables } from '../store/tables.ts'
import { balanceKey } from '../store/tables.ts'

type Progress = { readonly resume: number | null; readonly durable: number | null }

/**
 * `productive` of each attempt is what its steps up to its bound took, and each step of a run that succeeded is kept once. Of a run whose
 * reporters lie nothing can be said: what its progress is called is their word.
 */
export function checkLost(tables: Tables, lies: ReadonlySet<RunId>): string | null {
  for (const run of tables.runs.keys()) {
    if (lies.has(run)) continue
    const problem = lostOfRun(tables, run)
    if (problem !== null) return problem
  }
  return null
}

function lostOfRun(tables: Tables, run: RunId): string | null {
  const attempts = tables.attemptsOf.get(run) ?? []
  const kept = new Map<number, AttemptId>()
  let later = Infinity
  for (const id of attempts.toReversed()) {
    const books = tables.books.get(id)
    if (books === undefined) continue
    const progress = progressOf(tables, id, books)
    const bound = later < Infinity ? later : ownBound(tables, id, progress)
    const problem = productiveOf(tables, id, bound, kept)
    if (problem !== null) return problem
    if (progress.resume !== null) later = Math.min(later, progress.resume)
  }
  const state = tables.runs.get(run)?.state.kind
  const steps = Math.max(0, ...kept.keys())
  // On a node that was lost processes go on without holding anything: what they do is in nobody's books.
  // Of what a reporter says some is lost on its way, or comes late: the books have a gap there.
  const doubtful = attempts.some((id) => lostItsNode(tables, id) || tables.books.get(id)?.source?.startsWith('rep:'))
  if (state === 'succeeded' && kept.size !== steps && !doubtful)
    return `run ${run} succeeded after ${steps} steps, and kept ${kept.size}`
  return null
}

function lostItsNode(tables: Tables, id: AttemptId): boolean {
  const state = tables.attempts.get(id)?.state
  return state?.kind === 'ended' && state.outcome === 'node-lost'
}

/** What nobody repeated: all of it, or up to the newest checkpoint when it broke off. */
function ownBound(tables: Tables, id: AttemptId, { durable, resume }: Progress): number {
  const state = tables.attempts.get(id)?.state
  if (state?.kind !== 'ended' || state.outcome === 'succeeded') return Infinity
  return durable ?? resume ?? Infinity
}

function progressOf(tables: Tables, id: AttemptId, books: AttemptBooks): Progress {
  let [resume, durable]: (number | null)[] = [null, null]
  let first: Fact | null = null
  for (const fact of (tables.facts.get(id)?.values() ?? []) as Iterable<Fact>) {
    const { body } = fact
    if (body.kind === 'saved') durable = Math.max(durable ?? 0, body.step)
    else if (body.kind === 'resumed') resume = body.step
    else if (body.kind === 'step' && streamOf(fact.source) === books.source)
      first = first === null || isSaidBefore(fact, first) ? fact : first
  }
  // One that says nothing of a checkpoint began before its first step: a log has them all, and a reporter may have lost the first ones.
  if (resume === null && first?.body.kind === 'step')
    resume = first.source.startsWith('log:') ? 0 : first.body.step - (first.body.steps ?? 1)
  return { resume: resume ?? null, durable: durable ?? null }
}

/** A source's own order; of two, when they came. */
const isSaidBefore = (a: Fact, b: Fact): boolean => (a.source === b.source ? a.sequence < b.sequence : byTime(a, b) < 0)

function productiveOf(tables: Tables, id: AttemptId, bound: number, kept: Map<number, AttemptId>): string | null {
  for (const [cell, { summary }] of tables.cells.get(id) ?? []) {
    let should = 0
    for (const { step, steps, gpuMs } of summary.marks) {
      const share = keptShare(step, steps, bound)
      should += share === 1 ? gpuMs : Math.ceil(gpuMs * share)
      for (let each = step - steps + 1; each <= Math.min(step, bound); each += 1) {
        const other = kept.get(each)
        if (other !== undefined && other !== id) return `step ${each} is kept in ${other} and in ${id}`
        kept.set(each, id)
      }
    }
    const productive = tables.balances.get(balanceKey(id, cell))?.productive ?? 0
    // A mark over several steps is divided evenly, and its remainder is a millisecond here or there.
    if (
      Math.abs(productive - should) >
      summary.marks.filter((mark) => mark.steps > 1).reduce((sum, mark) => sum + mark.steps, 0)
    )
      return `cell ${cell} of ${id} calls ${productive} GPU-ms productive, and its steps up to ${bound} took ${should}`
  }
  return null
}

/** How much of a mark lies at or below the bound. */
function keptShare(step: number, steps: number, bound: number): number {
  if (step <= bound) return 1
  return steps === 0 ? 0 : Math.max(0, bound - (step - steps)) / steps
}
