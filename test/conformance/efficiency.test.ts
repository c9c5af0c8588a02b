// What a statement needs to know of a run's checkpoints and of what it ran on is the same from both stores.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { FactBody } from '../../src/domain/fact.ts'
import { nodeOf, runOf } from '../../src/domain/fixture.ts'
import { DEFAULT_LOG_BYTES_MAX } from '../../src/domain/settings.ts'
import type { Run } from '../../src/domain/run.ts'
import { epochMs } from '../../src/domain/units.ts'
import { openSimulated, PostgresBenches } from '../parts/stores.ts'
import { appendOf, factOf, filled, placing, stepAt, T0 } from './things.ts'

let benches: PostgresBenches
before(async () => {
  benches = await PostgresBenches.start()
})
after(() => benches.stop())

const saved = (step: number): FactBody => ({ kind: 'saved', step })

for (const [name, open] of [
  ['simulated', openSimulated],
  ['PostgreSQL', (begin: number) => benches.open(begin)],
] as const) {
  test(`${name}: each durable checkpoint once, when it was first said, and each GPU model of an attempt once`, async () => {
    const bench = await open(T0)
    try {
      const { store } = bench
      const [run, other] = [runOf(1), runOf(2)]
      await filled(store, { nodes: ['n1', 'n2'], runs: [run, other] })
      assert.deepEqual(await store.efficiencyRead(run.id), { ranOn: [], saves: [] })
      const place = async (own: Run, slots: readonly number[]) => {
        const { runs, nodes } = await store.world(new Map())
        const placed = placing(runs.get(own.id) ?? own, [...nodes.values()], 0, slots)
        await store.commit(null, [placed.item])
        return placed
      }
      const mine = await place(run, [0, 1])
      const theirs = await place(other, [2, 3])
      const attempt = mine.attempt.id
      for (const placed of [mine, theirs]) {
        for (const [index, worker] of placed.attempt.placement.workers.entries()) {
          const facts = [stepAt(50), saved(50), saved(100)].map((body, sequence) =>
            // The second worker says so later.
            factOf(worker.id, placed.attempt.id, sequence, T0 + 1_000 * sequence + 100 * index, body),
          )
          await store.appendLogs([appendOf(worker.id, placed.attempt.id, 0, 'lines\n', facts)], DEFAULT_LOG_BYTES_MAX)
        }
      }
      assert.deepEqual(await store.efficiencyRead(run.id), {
        ranOn: [{ attempt, gpuModel: nodeOf('n1').gpuModel, declared: false }],
        saves: [
          { attempt, step: 50, at: epochMs(T0 + 1_000) },
          { attempt, step: 100, at: epochMs(T0 + 2_000) },
        ],
      })
    } finally {
      await bench.close()
    }
  })
}
