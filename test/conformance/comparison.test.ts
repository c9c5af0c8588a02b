// Runs beside published ones: who is compared, with what figures, and who is left out and counted; the same from both stores.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Control } from '../../src/control/control.ts'
import { comparisonOf } from '../../src/control/views/comparison.ts'
import { nodeOf, runOf } from '../../src/domain/fixture.ts'
import type { Run } from '../../src/domain/run.ts'
import { DEFAULT_DURATIONS, DEFAULT_LOG_BYTES_MAX } from '../../src/domain/settings.ts'
import { openSimulated, PostgresBenches } from '../parts/stores.ts'
import { appendOf, auditOf, factOf, filled, placing, specOf, stepAt, submissionOf, T0 } from './things.ts'

const MINUTE = 60_000
const model = { parameters: 4e9, activeParameters: 2e9 }
const peaks = new Map([
  [nodeOf('n1').gpuModel, 100],
  ['h800-sxm', 989],
  ['h100-sxm', 989],
])

let benches: PostgresBenches
before(async () => {
  benches = await PostgresBenches.start()
})
after(() => benches.stop())

for (const [name, open] of [
  ['simulated', openSimulated],
  ['PostgreSQL', (begin: number) => benches.open(begin)],
] as const) {
  test(`${name}: a run is compared with all that it held, and what cannot be compared is counted`, async () => {
    const bench = await open(T0)
    try {
      const { store, clock } = bench
      const [trains, silent, nameless] = [runOf(1), runOf(2), runOf(3)]
      await filled(store, { nodes: ['n1'], runs: [nameless] })
      for (const run of [trains, silent]) {
        const spec = { ...specOf(run), training: { ...specOf(run).training, model } }
        await store.submit({ ...submissionOf(run), spec, audit: auditOf('run.submit') })
      }
      const place = async (own: Run, slots: readonly number[]) => {
        const { runs, nodes } = await store.world(new Map())
        const placed = placing(runs.get(own.id) ?? own, [...nodes.values()], 0, slots)
        await store.commit(null, [placed.item])
        return placed
      }
      const { attempt } = await place(trains, [0, 1, 2, 3])
      await place(silent, [4, 5])
      await place(nameless, [6])
      const [worker] = attempt.placement.workers
      assert.ok(worker !== undefined)
      const steps = [1, 2, 3].map((step) => {
        const body = { ...stepAt(step), tokens: 1_000_000 }
        return factOf(worker.id, attempt.id, step, T0 + step * MINUTE, body)
      })
      await store.appendLogs([appendOf(worker.id, attempt.id, 0, 'lines\n', steps)], DEFAULT_LOG_BYTES_MAX)
      clock.set(T0 + 6 * MINUTE)
      const control = { store, clock, settings: { durations: DEFAULT_DURATIONS } } as unknown as Control
      const all = await comparisonOf({ control, peaks }, { from: null, to: null }, 'all')
      assert.deepEqual(all.leftOut, { withoutModel: 1, withoutTokens: 1, heldLess: 0 })
      const [run, ...others] = all.runs
      assert.deepEqual([run?.run, run?.project, others.length], [trains.id, trains.project, 0])
      // Four GPUs for six minutes, of which three trained: what was held counts.
      assert.equal(run?.heldGpuMs, 4 * 6 * MINUTE)
      assert.equal(run.tokens, 3_000_000)
      assert.equal(run.tokensPerGpuHour, 7_500_000)
      assert.deepEqual(run.gpuModels, [nodeOf('n1').gpuModel])
      assert.ok(Math.abs(run.tflopsPerGpu - (6 * 2e9 * 3e6) / (4 * 360) / 1e12) < 1e-12)
      assert.ok(Math.abs((run.ofPeak ?? 0) - run.tflopsPerGpu / 100) < 1e-12)
      assert.deepEqual(
        all.published.map((each) => each.name),
        ['DeepSeek-V3', 'Llama 3.1 405B'],
      )
      const none = await comparisonOf({ control, peaks }, { from: null, to: null }, new Set(['elsewhere']))
      assert.deepEqual(none.runs, [])
      assert.deepEqual(none.leftOut, { withoutModel: 0, withoutTokens: 0, heldLess: 0 })
    } finally {
      await bench.close()
    }
  })
}
