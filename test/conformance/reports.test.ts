// Reports that lie or disagree: both stores take them alike, and neither makes something else of them.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { measureFrame } from '../../src/core/experts/measures.ts'
import type { FactBody } from '../../src/domain/fact.ts'
import { reporterSource } from '../../src/domain/fact.ts'
import { nodeId, runOf } from '../../src/domain/fixture.ts'
import type { AttemptId } from '../../src/domain/ids.ts'
import { EXPERT_SETS_MAX } from '../../src/domain/limits.ts'
import { CELL_MS, epochMs } from '../../src/domain/units.ts'
import type { FrameSave, ReportSave, Store } from '../../src/ports/store.ts'
import { parseReport } from '../../src/contract/ingest.ts'
import { Mutations } from '../parts/mutated.ts'
import { reporting } from '../parts/reporting.ts'
import { openSimulated, PostgresBenches } from '../parts/stores.ts'
import { booksOf, CELL0, filled, placing, postedTo, revisionOf, stepAt, T0, withStep } from './things.ts'

const MUTATED = 300

let benches: PostgresBenches
before(async () => {
  benches = await PostgresBenches.start()
})
after(() => benches.stop())

async function placedRun(store: Store): Promise<AttemptId> {
  await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
  const world = await store.world(new Map())
  const [run, node] = [world.runs.get(runOf(1).id), world.nodes.get(nodeId('n1'))]
  assert.ok(run !== undefined && node !== undefined)
  const { attempt, item } = placing(run, [node], 0)
  await store.commit(null, [item])
  return attempt.id
}

const reportOf = (attempt: AttemptId, rank: number, over: Partial<ReportSave>): ReportSave => ({
  attempt,
  rank,
  process: `0${rank}`,
  startedAt: epochMs(T0),
  reporter: 'test',
  obeys: [],
  receivedAt: epochMs(T0 + 2_000),
  facts: [],
  frames: [],
  ...over,
})

const frameOf = (experts: number, counts: readonly number[], over: Partial<FrameSave> = {}): FrameSave => ({
  step: 7,
  at: epochMs(T0 + 1_000),
  layers: ['a'],
  experts,
  counts: new Uint32Array(counts),
  tokens: 2,
  topK: 1,
  flags: ['local'],
  ...over,
})

for (const [name, open] of [
  ['simulated', openSimulated],
  ['PostgreSQL', (begin: number) => benches.open(begin)],
] as const) {
  describe(`reports in the ${name} store`, () => {
    test('ranks that disagree about the number of experts are two sets, and neither is lost', async () => {
      const bench = await open(T0)
      const attempt = await placedRun(bench.store)
      await bench.store.saveReport(reportOf(attempt, 0, { frames: [frameOf(2, [1, 1])] }))
      await bench.store.saveReport(reportOf(attempt, 1, { frames: [frameOf(4, [2, 0, 0, 0])] }))
      await bench.store.saveReport(reportOf(attempt, 2, { frames: [frameOf(2, [0, 2])] }))
      const sets = await bench.store.expertLayers(attempt)
      const told: unknown[] = []
      for (const { layers, experts } of sets.toSorted((a, b) => a.experts - b.experts)) {
        const frame = await bench.store.expertFrame(attempt, layers, 7)
        told.push([experts, [...(frame?.counts ?? [])], frame?.ranks])
      }
      assert.deepEqual(told, [
        [2, [1, 3], 2],
        [4, [2, 0, 0, 0], 1],
      ])
      await bench.close()
    })

    test('sums that do not fit stay at the largest number, and say so', async () => {
      const bench = await open(T0)
      const attempt = await placedRun(bench.store)
      const most = 2 ** 32 - 1
      for (const rank of [0, 1]) {
        const frame = frameOf(2, [most, 1], { tokens: Number.MAX_SAFE_INTEGER })
        await bench.store.saveReport(reportOf(attempt, rank, { frames: [frame] }))
      }
      const [set] = await bench.store.expertLayers(attempt)
      const frame = await bench.store.expertFrame(attempt, set?.layers ?? '', 7)
      assert.deepEqual([...(frame?.counts ?? [])], [most, 2])
      assert.equal(frame?.tokens, Number.MAX_SAFE_INTEGER)
      assert.deepEqual(frame?.flags.toSorted(), ['local', 'saturated'])
      assert.equal(frame === null ? 0 : measureFrame(frame).unconserved, 1)
      await bench.close()
    })

    test('an attempt has so many sets of layers and no more; what is known goes on', async () => {
      const bench = await open(T0)
      const attempt = await placedRun(bench.store)
      const named = (set: number, step = 1): FrameSave => frameOf(2, [1, 1], { layers: [`l${set}`], step })
      const first = Array.from({ length: EXPERT_SETS_MAX }, (_, set) => named(set))
      assert.deepEqual(await bench.store.saveReport(reportOf(attempt, 0, { frames: first })), [])
      const more = [
        named(0, 2),
        named(EXPERT_SETS_MAX),
        named(5, 2),
        frameOf(4, [1, 1, 0, 0], { layers: ['l0'], step: 3 }),
      ]
      assert.deepEqual(await bench.store.saveReport(reportOf(attempt, 0, { frames: more })), [1, 3])
      assert.equal((await bench.store.expertLayers(attempt)).length, EXPERT_SETS_MAX)
      await bench.close()
    })

    test('what is dated before the placement is read with the first cell, and a later cell is read without it', async () => {
      const bench = await open(T0)
      const attempt = await placedRun(bench.store)
      const fact = {
        source: reporterSource(attempt, 0, '00'),
        sequence: 1,
        attempt,
        at: epochMs(0),
        sentAt: epochMs(0),
        body: stepAt(7),
      }
      await bench.store.saveReport(reportOf(attempt, 0, { facts: [fact] }))
      assert.equal((await booksOf(bench.store, attempt)).facts.length, 1)
      const [later] = await bench.store.readBooks([attempt], ({ placedAt }) => (placedAt + 600_000) as never)
      assert.equal(later?.facts.length, 0)
      await bench.close()
    })

    test('books that are closed are opened by every fact that comes after them, not by the first alone', async () => {
      const bench = await open(T0)
      const { store } = bench
      const attempt = await placedRun(store)
      const epoch = await store.takeLead('test', 60_000, false)
      assert.ok(epoch !== null)
      const source = `rep:${attempt}:0`
      const late = async (sequence: number, body: FactBody): Promise<void> => {
        const at = epochMs(CELL0 + CELL_MS + sequence * 1_000)
        const fact = { source: `${source}:00`, sequence, attempt, at, sentAt: at, body }
        await store.saveReport(reportOf(attempt, 0, { receivedAt: at, facts: [fact] }))
      }
      const close = async (): Promise<void> => {
        const { books } = await booksOf(store, attempt)
        const closed = { ...postedTo(books, CELL0), source, dirtyFrom: null, closed: true }
        assert.ok(await store.writeBooks(epoch, { revisions: [], books: closed, reopen: [] }))
      }
      await store.writeBooks(epoch, {
        revisions: [revisionOf(attempt, CELL0, 1, {}, withStep(5))],
        books: (await booksOf(store, attempt)).books,
        reopen: [],
      })
      await close()
      await late(1, stepAt(7))
      assert.notEqual((await booksOf(store, attempt)).books.dirtyFrom, null)
      await close()
      await late(2, { kind: 'saved', step: 7 })
      const { books } = await booksOf(store, attempt)
      assert.deepEqual([books.closed, books.dirtyFrom], [false, CELL0])
      await bench.close()
    })

    test('whatever is changed in a batch, the store takes what the contract let through', async () => {
      const bench = await open(T0)
      const { requests, attempt } = await reporting(bench)
      const mutations = new Mutations(7)
      for (let index = 0; index < MUTATED; index += 1) {
        const value = jsonOf(mutations.next())
        const parsed = value === null ? null : parseReport(value)
        if (parsed?.ok !== true) continue
        const answer = await requests.report({ kind: 'attempt', attempt }, parsed.batch)
        assert.ok(answer.ok, `batch ${index}`)
      }
      await bench.close()
    })
  })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
