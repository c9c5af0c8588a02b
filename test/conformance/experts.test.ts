// Expert load in both stores: whatever comes in whatever order, every zoom shows the least, the greatest, the mean and the p99 of what
// was reported, whether its roll-ups are built, wait to be built, or were built before a late frame came.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { rollExperts } from '../../src/control/experts.ts'
import {
  balanceOfExperts,
  expertFindingOf,
  expertFrameOf,
  expertHistoryOf,
  expertsOf,
  expertTileOf,
} from '../../src/control/views/experts.ts'
import { measureFrame } from '../../src/core/experts/measures.ts'
import type { AttemptId } from '../../src/domain/ids.ts'
import { EXPERT_MEASURES, loadRatio } from '../../src/domain/expert-blocks.ts'
import { attemptIdOf } from '../../src/domain/ids.ts'
import { runOf } from '../../src/domain/fixture.ts'
import type { Answer } from '../../src/domain/refusal.ts'
import { epochMs } from '../../src/domain/units.ts'
import type { FrameSave, ReportSave, Store } from '../../src/ports/store.ts'
import type { Bench, OpenBench } from '../parts/stores.ts'
import { openSimulated, PostgresBenches } from '../parts/stores.ts'
import { T0 } from './things.ts'

let benches: PostgresBenches
before(async () => {
  benches = await PostgresBenches.start()
})
after(() => benches.stop())

const LAYERS = ['a', 'b']
const EXPERTS = 3
const RUN = { ...runOf(1), attempts: 1 }
const ATTEMPT = attemptIdOf(RUN.id, 1)

const frameOf = (step: number, counts: readonly number[], more: Partial<FrameSave> = {}): FrameSave => ({
  step,
  at: epochMs(T0 + Math.min(step, 1_000_000)),
  layers: LAYERS,
  experts: EXPERTS,
  counts: new Uint32Array(counts),
  tokens: null,
  topK: null,
  flags: [],
  ...more,
})

const reportOf = (attempt: AttemptId, rank: number, process: number, frames: readonly FrameSave[]): ReportSave => ({
  attempt,
  rank,
  process: String(process),
  startedAt: epochMs(T0 + process),
  reporter: 'test',
  obeys: [],
  receivedAt: epochMs(T0),
  facts: [],
  frames,
})

function valueOf<Value>(answer: Answer<Value>): Value {
  assert.ok(answer.ok)
  return answer.value
}

type Sent = { readonly rank: number; readonly process: number; readonly frames: readonly FrameSave[] }

/** What counts of all that was sent: of each rank the frame of its latest process, summed over ranks, by step. */
function truthOf(sent: readonly Sent[]): Map<number, Uint32Array> {
  const kept = new Map<string, { process: number; frame: FrameSave }>()
  for (const { rank, process, frames } of sent) {
    for (const frame of frames) {
      const key = `${frame.step} ${rank}`
      const old = kept.get(key)
      if (old === undefined || process > old.process) kept.set(key, { process, frame })
    }
  }
  const sums = new Map<number, Uint32Array>()
  for (const { frame } of kept.values()) {
    const sum = sums.get(frame.step) ?? new Uint32Array(LAYERS.length * EXPERTS)
    for (const [index, count] of frame.counts.entries()) sum[index] = (sum[index] ?? 0) + count
    sums.set(frame.step, sum)
  }
  return sums
}

type Spread = {
  min: readonly (number | null)[]
  mean: readonly (number | null)[]
  max: readonly (number | null)[]
  p99: readonly (number | null)[]
}

function checkBucket(spread: Spread, index: number, values: readonly number[], size: number): void {
  const sorted = values.toSorted((a, b) => a - b)
  const near = (seen: number | null | undefined, wanted: number, what: string): void =>
    assert.ok(
      Math.abs((seen ?? Number.NaN) - wanted) <= 2e-6 * Math.max(1, Math.abs(wanted)),
      `${what}: ${seen}, not ${wanted}`,
    )
  near(spread.min[index], sorted[0] ?? 0, 'min')
  near(spread.max[index], sorted.at(-1) ?? 0, 'max')
  near(spread.mean[index], sorted.reduce((sum, each) => sum + each, 0) / sorted.length, 'mean')
  const exact = sorted[Math.ceil(0.99 * sorted.length) - 1] ?? 0
  if (size <= 64) near(spread.p99[index], exact, 'p99')
  const p99 = spread.p99[index] ?? 0
  assert.ok(
    p99 >= exact - 2e-6 && p99 <= (sorted.at(-1) ?? 0) + 2e-6,
    'the p99 is not below the true one, nor above the greatest',
  )
}

async function checkZooms(store: Store, truth: ReadonlyMap<number, Uint32Array>): Promise<void> {
  const steps = [...truth].toSorted(([a], [b]) => a - b)
  const measured = steps.map(([step, counts]) => ({
    step,
    values: measureFrame({ counts, experts: EXPERTS, tokens: null, topK: null, flags: [] }).values,
  }))
  for (const points of [2, 3, 7, 20, 50, 200, 2_000]) {
    // All of it, steps that are far from all others too.
    const asked = { attempt: null, set: null, from: null, to: Number.MAX_SAFE_INTEGER, points }
    for (const [place, measure] of EXPERT_MEASURES.entries()) {
      const tile = valueOf(await expertTileOf(store, RUN, { ...asked, measure }))
      assert.ok(tile.buckets.length <= points)
      assert.equal(
        tile.buckets.reduce((sum, { frames }) => sum + frames, 0),
        steps.length,
        `${points}`,
      )
      for (const [row, { from, to }] of tile.buckets.entries()) {
        for (const layer of LAYERS.keys()) {
          const values = measured
            .filter(({ step }) => step >= from && step <= to)
            .map(({ values: all }) => all[layer * EXPERT_MEASURES.length + place] ?? 0)
            .filter((value) => !Number.isNaN(value))
          const of = (rows: typeof tile.min) => rows[row] ?? []
          if (values.length === 0) assert.equal(of(tile.max)[layer], null)
          else
            checkBucket(
              { min: of(tile.min), mean: of(tile.mean), max: of(tile.max), p99: of(tile.p99) },
              layer,
              values,
              to - from + 1,
            )
        }
      }
    }
    for (const [layer, expert] of [
      [0, 0],
      [1, 2],
    ] as const) {
      const history = valueOf(await expertHistoryOf(store, RUN, { ...asked, layer, expert }))
      const seen = new Map(history.buckets.map(({ from }, index) => [from, index]))
      const size = (history.buckets[0]?.to ?? 0) - (history.buckets[0]?.from ?? 0) + 1
      const ratios = steps.flatMap(([step, counts]) => {
        const own = counts.subarray(layer * EXPERTS, (layer + 1) * EXPERTS)
        const ratio = loadRatio(
          own[expert] ?? 0,
          EXPERTS,
          own.reduce((sum, each) => sum + each, 0),
        )
        return Number.isNaN(ratio) ? [] : [{ bucket: Math.floor(step / size) * size, ratio }]
      })
      const wanted = Map.groupBy(ratios, ({ bucket }) => bucket)
      assert.deepEqual([...seen.keys()], [...wanted.keys()])
      for (const [bucket, some] of wanted)
        checkBucket(
          history,
          seen.get(bucket) ?? -1,
          some.map(({ ratio }) => ratio),
          size,
        )
    }
  }
}

const cell = fc.oneof(
  { arbitrary: fc.nat(1_000), weight: 8 },
  { arbitrary: fc.nat(2 ** 30), weight: 1 },
  fc.constant(0),
)
const counts = fc.array(cell, { minLength: LAYERS.length * EXPERTS, maxLength: LAYERS.length * EXPERTS })
const batch = fc.record({
  rank: fc.nat(1),
  process: fc.nat(1),
  from: fc.nat(1_400),
  frames: fc.array(fc.record({ ahead: fc.nat(40), counts }), { minLength: 1, maxLength: 60, size: 'max' }),
  /** After it: nothing, a build of what is behind, or of everything, since nothing came for a while. */
  after: fc.constantFrom('nothing', 'build', 'quiet'),
})

for (const [name, open] of [
  ['postgres', (begin: number) => benches.open(begin)],
  ['simulated', openSimulated],
] as [string, OpenBench][]) {
  const on = async (body: (bench: Bench) => Promise<void>): Promise<void> => {
    const bench = await open(T0)
    try {
      await body(bench)
    } finally {
      await bench.close()
    }
  }
  const buildAll = async (bench: Bench): Promise<void> => {
    // A block that is built asks for the one above.
    while ((await rollExperts(bench)) > 0) continue
  }

  describe(name, () => {
    test('safety: every zoom is right, whatever came late, twice or from a later process, built or not', () =>
      fc.assert(
        fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 10, size: 'max' }), (batches) =>
          on(async (bench) => {
            const sent: Sent[] = []
            for (const { rank, process, from, frames, after: next } of batches) {
              // One batch says a step once.
              const bySteps = new Map(
                frames.map((each) => [from + each.ahead, frameOf(from + each.ahead, each.counts)]),
              )
              const report = { rank, process, frames: [...bySteps.values()] }
              sent.push(report)
              await bench.store.saveReport(reportOf(ATTEMPT, rank, process, report.frames))
              if (next === 'build') await rollExperts(bench)
              if (next === 'quiet') {
                bench.clock.set(bench.clock.now() + 61_000)
                await buildAll(bench)
              }
            }
            await checkZooms(bench.store, truthOf(sent))
            bench.clock.set(bench.clock.now() + 61_000)
            await buildAll(bench)
            const [set] = await bench.store.expertLayers(ATTEMPT)
            assert.deepEqual(
              (await bench.store.expertPending(ATTEMPT, set?.layers ?? '')).length,
              1,
              'a block that nobody needs',
            )
            await checkZooms(bench.store, truthOf(sent))
          }),
        ),
        { numRuns: name === 'postgres' ? 3 : 20 },
      ))

    test('a repeat changes nothing and asks for no build; a spike is seen at every zoom', () =>
      on(async (bench) => {
        const { store, clock } = bench
        const all = Array.from({ length: 600 }, (_, step) =>
          frameOf(step, step === 333 ? [0, 0, 90, 1, 1, 1] : [1, 1, 1, 1, 1, 1]),
        )
        await store.saveReport(reportOf(ATTEMPT, 0, 0, all))
        clock.set(T0 + 61_000)
        await buildAll(bench)
        await store.saveReport(reportOf(ATTEMPT, 0, 0, all.slice(100, 400)))
        const [set] = await store.expertLayers(ATTEMPT)
        assert.ok(set !== undefined)
        assert.deepEqual([set.frames, set.ranks, set.firstStep, set.lastStep], [600, 1, 0, 599])
        assert.deepEqual(
          await store.expertPending(ATTEMPT, set.layers),
          [{ level: 12, block: 0 }],
          'one that nobody needs',
        )
        for (const points of [2, 5, 40, 600]) {
          const asked = { attempt: null, set: null, from: null, to: null, points }
          const history = valueOf(await expertHistoryOf(store, RUN, { ...asked, layer: 0, expert: 2 }))
          assert.equal(Math.max(...history.max), 3)
          const tile = valueOf(await expertTileOf(store, RUN, { ...asked, measure: 'maxVio' }))
          assert.equal(Math.max(...tile.max.map((row) => row[0] ?? 0)), 2)
        }
        const part = valueOf(
          await expertHistoryOf(store, RUN, {
            attempt: null,
            set: null,
            from: 330,
            to: 340,
            points: 20,
            layer: 0,
            expert: 2,
          }),
        )
        assert.deepEqual([part.buckets.length, part.buckets[0]?.from, Math.max(...part.max)], [11, 330, 3])
      }))

    test('an older build never undoes a newer one', () =>
      on(async ({ store, clock }) => {
        await store.saveReport(reportOf(ATTEMPT, 0, 0, [frameOf(5, [1, 1, 1, 1, 1, 1])]))
        clock.set(T0 + 61_000)
        const [old] = await store.expertBlocksDue(clock.now(), 8)
        assert.ok(old !== undefined)
        await store.saveReport(reportOf(ATTEMPT, 0, 0, [frameOf(6, [9, 0, 0, 1, 1, 1])]))
        await store.saveExpertBlock(old, [])
        assert.deepEqual(await store.expertPending(ATTEMPT, old.layers), [{ level: 8, block: 0 }])
        await rollExperts({ store, clock })
        const wanted = { level: 8, first: 0, last: 9, loads: true }
        assert.deepEqual(
          (await store.expertRollups(ATTEMPT, old.layers, wanted)).map(({ frames }) => frames),
          [2],
        )
        await store.saveExpertBlock(old, [])
        assert.equal((await store.expertRollups(ATTEMPT, old.layers, wanted)).length, 1)
      }))

    test('counts that do not add up are a finding with numbers, told once for an attempt and its layers', () =>
      on(async ({ store }) => {
        const told = (step: number) => ({
          run: RUN.id,
          at: epochMs(T0),
          kind: 'experts-unconserved',
          message: `step ${step}`,
        })
        const even = [2, 1, 1, 2, 2, 0]
        const wrong = (step: number) => frameOf(step, [2, 1, 1, 2, 2, 1], { tokens: 2, topK: 2, finding: told(step) })
        await store.saveReport(reportOf(ATTEMPT, 0, 0, [frameOf(1, even, { tokens: 2, topK: 2, finding: null })]))
        assert.equal(await expertFindingOf(store, RUN), null)
        await store.saveReport(reportOf(ATTEMPT, 0, 0, [wrong(2), wrong(3)]))
        await store.saveReport(reportOf(ATTEMPT, 0, 0, [wrong(3), wrong(4)]))
        const events = await store.events(RUN.id, 10, 0)
        assert.deepEqual(
          events.map(({ kind, message }) => [kind, message]),
          [['experts-unconserved', 'step 2']],
        )
        const found = valueOf(
          await expertsOf(store, RUN, { attempt: null, set: null, from: null, to: null, points: 10 }),
        )
        assert.equal(found.unconserved, 3)
        const { attempt, steps, step, layer, layers, counted, expected } = found.finding ?? assert.fail('no finding')
        assert.deepEqual([attempt, steps, step, layer, layers, counted, expected], [1, 3, 4, 'b', 1, 5, 4])
        // A later process of the rank counted rightly.
        await store.saveReport(
          reportOf(
            ATTEMPT,
            0,
            1,
            [2, 3, 4].map((at) => frameOf(at, even, { tokens: 2, topK: 2 })),
          ),
        )
        assert.equal(await expertFindingOf(store, RUN), null)
      }))

    test('ranks that report the same steps at the same moment are all in their sum', () =>
      on(async ({ store }) => {
        const steps = [4, 5, 6, 7]
        const frames = steps.map((step) => frameOf(step, [1, 2, 3, 4, 5, 6], { tokens: 3, topK: 2 }))
        await Promise.all([0, 1, 2, 3].map((rank) => store.saveReport(reportOf(ATTEMPT, rank, 0, frames))))
        const [set] = await store.expertLayers(ATTEMPT)
        assert.deepEqual([set?.frames, set?.ranks], [4, 4])
        const [first] = await store.expertFrames(ATTEMPT, set?.layers ?? '', 4, 4)
        assert.deepEqual([...(first?.counts ?? [])], [4, 8, 12, 16, 20, 24])
        // The second layer has 15 for 6 in every rank: known only where every rank was in the sum.
        assert.deepEqual([set?.unconserved, set?.unconservedStep], [4, 7])
        assert.equal((await expertFindingOf(store, RUN))?.counted, 60)
      }))

    test('a step that no other is near is left out of a picture, and told; it is there when it is asked for', () =>
      on(async ({ store }) => {
        const far = Number.MAX_SAFE_INTEGER - 5
        const load = [1, 2, 3, 4, 5, 6]
        const near = Array.from({ length: 30 }, (_, index) => frameOf(10 + index, load))
        await store.saveReport(reportOf(ATTEMPT, 0, 0, [...near, frameOf(far, load)]))
        const asked = { attempt: null, set: null, from: null, to: null, points: 100 }
        const picture = valueOf(await expertsOf(store, RUN, asked))
        assert.deepEqual([picture.firstStep, picture.lastStep, picture.frames], [10, 39, 31])
        assert.deepEqual(picture.apart, { from: far, to: far, frames: 1 })
        assert.equal(picture.buckets.length, 30)
        assert.deepEqual(picture.gaps, [])
        const one = valueOf(await expertHistoryOf(store, RUN, { ...asked, layer: 0, expert: 0 }))
        assert.equal(one.buckets.length, 30)
        const whole = valueOf(await expertsOf(store, RUN, { ...asked, to: Number.MAX_SAFE_INTEGER }))
        assert.deepEqual([whole.apart, whole.lastStep, whole.buckets.length], [null, far, 2])
        // A run that goes on elsewhere is no outlier.
        const elsewhere = Array.from({ length: 9 }, (_, index) => frameOf(far - 2_000 - index, load))
        await store.saveReport(reportOf(ATTEMPT, 0, 0, elsewhere))
        assert.equal(valueOf(await expertsOf(store, RUN, asked)).apart, null)
      }))

    test('what pipeline stages report apart is all there: each as a set, and together in the balance and the finding', () =>
      on(async ({ store }) => {
        const stage = (rank: number, layers: readonly string[], load: readonly number[]) =>
          store.saveReport(reportOf(ATTEMPT, rank, 0, [{ ...frameOf(1, load, { tokens: 3, topK: 2 }), layers }]))
        await stage(0, ['layers.10.mlp', 'layers.11.mlp'], [0, 0, 6, 2, 2, 2])
        await stage(1, ['layers.2.mlp', 'layers.3.mlp'], [2, 2, 2, 2, 2, 2])
        await stage(2, ['layers.12.mlp'], [2, 2, 3])
        const asked = { attempt: null, set: null, from: null, to: null, points: 10 }
        const first = valueOf(await expertsOf(store, RUN, asked))
        assert.deepEqual([first.set, first.layers], [1, ['layers.2.mlp', 'layers.3.mlp']])
        assert.deepEqual(
          first.sets.map((each) => [each.first, each.last, each.layers, each.experts, each.unconserved]),
          [
            ['layers.2.mlp', 'layers.3.mlp', 2, 3, 0],
            ['layers.10.mlp', 'layers.11.mlp', 2, 3, 0],
            ['layers.12.mlp', 'layers.12.mlp', 1, 3, 1],
          ],
        )
        const second = valueOf(await expertsOf(store, RUN, { ...asked, set: 2 }))
        assert.deepEqual([second.set, second.layers, second.dead], [2, ['layers.10.mlp', 'layers.11.mlp'], [[2, 0]]])
        const frame = valueOf(await expertFrameOf(store, RUN, { attempt: null, set: 3, step: null }))
        assert.deepEqual(frame.layers, ['layers.12.mlp'])
        const fourth = await expertsOf(store, RUN, { ...asked, set: 4 })
        assert.ok(!fourth.ok && fourth.code === 'not-found')
        assert.equal((await expertFindingOf(store, RUN))?.layer, 'layers.12.mlp')
        const balance = await balanceOfExperts(store, RUN)
        assert.deepEqual([balance?.layers, balance?.experts, balance?.maxVio, balance?.dead], [5, 3, 2, 2])
      }))

    test('layers of the same names with another number of experts are a set of their own', () =>
      on(async ({ store }) => {
        await store.saveReport(reportOf(ATTEMPT, 0, 0, [frameOf(1, [1, 2, 3, 4, 5, 6])]))
        const other = frameOf(2, [1, 2, 3, 4], { experts: 2 })
        await store.saveReport(reportOf(ATTEMPT, 0, 0, [other, frameOf(3, [1, 2, 3, 4, 5, 6])]))
        const sets = await store.expertLayers(ATTEMPT)
        assert.deepEqual(
          new Map(sets.map(({ experts, frames }) => [experts, frames])),
          new Map([
            [2, 1],
            [3, 2],
          ]),
        )
      }))
  })
}
