// Expert load as a reader gets it, against the rows of the ranks: each step that was sent and no other, counts added once a rank, and
// counts that do not add up named and left as they are. And what was never stored of a careful reporter lies in a gap. Asked at rest.
import type { FactBody } from '../../domain/fact.ts'
import { reporterSource } from '../../domain/fact.ts'
import type { AttemptId } from '../../domain/ids.ts'
import type { ReportStore } from '../../ports/store.ts'
import type { Flushed, Said } from '../mail.ts'
import type { FrameRow as Row } from '../store/experts.ts'
import { frameRows } from '../store/experts.ts'
import type { Tables } from '../store/tables.ts'
import { pushTo } from '../store/tables.ts'

const COUNT_MAX = 2 ** 32 - 1

export async function checkExperts(tables: Tables, store: ReportStore): Promise<string | null> {
  for (const set of tables.expertSets.values()) {
    const problem = await checkSet(store, set.attempt, set.layers, frameRows(set))
    if (problem !== null) return problem
  }
  return null
}

async function checkSet(
  store: ReportStore,
  attempt: AttemptId,
  layers: string,
  rows: readonly Row[],
): Promise<string | null> {
  const steps = Map.groupBy(rows, ({ frame }) => frame.step)
  const measures = await store.expertMeasures(attempt, layers, 0, Number.MAX_SAFE_INTEGER)
  if (measures.length !== steps.size)
    return `${attempt} sent ${steps.size} steps of load, and ${measures.length} are told`
  for (const { step, unconserved } of measures) {
    const ranks = steps.get(step)?.toSorted((a, b) => a.rank - b.rank) ?? []
    const should = unconservedLayers(ranks)
    if (unconserved !== should)
      return `${should} layers of step ${step} of ${attempt} do not add up, and ${unconserved} are said not to`
  }
  for (const [step, ranks] of steps) {
    const frame = await store.expertFrame(attempt, layers, step)
    if (frame?.step !== step) return `the load of step ${step} of ${attempt} is not told`
    const sums = sumsOf(ranks)
    if (
      frame.counts.length !== sums.length ||
      sums.some((sum, index) => Math.min(sum, COUNT_MAX) !== frame.counts[index])
    )
      return `the load of step ${step} of ${attempt} is ${frame.counts.join(' ')}, and the ranks sent ${sums.join(' ')}`
  }
  return null
}

function sumsOf(ranks: readonly Row[]): number[] {
  const sums = new Array<number>(ranks[0]?.frame.counts.length ?? 0).fill(0)
  for (const { frame } of ranks)
    for (const [index, count] of frame.counts.entries()) sums[index] = (sums[index] ?? 0) + count
  return sums
}

function unconservedLayers(ranks: readonly Row[]): number {
  const [first] = ranks
  const excused = ranks.some(({ frame }) => frame.flags.includes('after-drop') || frame.flags.includes('padding'))
  if (first === undefined || first.frame.topK === null || excused) return 0
  if (ranks.some(({ frame }) => frame.tokens === null)) return 0
  const tokens = ranks.reduce((sum, { frame }) => sum + BigInt(frame.tokens ?? 0), 0n)
  const sums = sumsOf(ranks)
  const { experts, layers, topK } = first.frame
  let wrong = 0
  for (let layer = 0; layer < layers.length; layer += 1) {
    const sum = sums.slice(layer * experts, (layer + 1) * experts).reduce((all, each) => all + each, 0)
    if (BigInt(sum) !== tokens * BigInt(topK)) wrong += 1
  }
  return wrong
}

/** Of a careful reporter that sent all that it had, each number is stored or lies in a gap, and the gaps count right. */
export function checkGaps(tables: Tables, flushed: readonly Flushed[], said: readonly Said[]): string | null {
  const others = meaningless(said)
  for (const { attempt, rank, process, numbers, unsure } of flushed) {
    const source = reporterSource(attempt, rank, process)
    const there = new Set<number>()
    const gaps: Extract<FactBody, { kind: 'gap' }>[] = []
    for (const fact of tables.facts.get(attempt)?.values() ?? []) {
      if (fact.source !== source) continue
      there.add(fact.sequence)
      if (fact.body.kind === 'gap') gaps.push(fact.body)
    }
    for (const seq of others.get(process) ?? []) there.add(seq)
    let missing = 0
    for (let seq = 1; seq <= numbers; seq += 1) {
      if (there.has(seq)) continue
      missing += 1
      if (!gaps.some((gap) => gap.from <= seq && seq <= gap.to)) return `fact ${seq} of ${source} is lost without a gap`
    }
    const told = gaps.reduce((sum, gap) => sum + gap.facts, 0)
    // At its end a process calls lost what it has posted and nobody has answered, if there is no room for it in the log.
    if (missing > told || told - missing > unsure)
      return `${missing} facts of ${source} never came, and its gaps say ${told}`
  }
  return null
}

/** Of each process: frames are stored elsewhere, and a checkpoint that was only handed over is none. */
function meaningless(said: readonly Said[]): ReadonlyMap<string, number[]> {
  const numbers = new Map<string, number[]>()
  for (const { honest, owner, post } of said) {
    if (!honest || owner === null) continue
    const { source, facts } = JSON.parse(post.text) as Batch
    for (const { seq, kind, state } of facts)
      if (kind === 'experts' || (kind === 'checkpoint' && state === 'saved')) pushTo(numbers, source, seq)
  }
  return numbers
}

type Batch = {
  readonly source: string
  readonly facts: readonly { readonly seq: number; readonly kind: string; readonly state?: string }[]
}
