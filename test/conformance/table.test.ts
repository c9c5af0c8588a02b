// The table of runs is the same from both stores, whatever is asked for.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { runOf } from '../../src/domain/fixture.ts'
import { DEFAULT_LOG_BYTES_MAX } from '../../src/domain/settings.ts'
import { epochMs } from '../../src/domain/units.ts'
import type { RunsQuery } from '../../src/ports/store.ts'
import { openSimulated, PostgresBenches } from '../parts/stores.ts'
import { appendOf, factOf, filled, itemOf, NEVER_PAID, placing, stepAt, T0 } from './things.ts'

let benches: PostgresBenches
before(async () => {
  benches = await PostgresBenches.start()
})
after(() => benches.stop())

const ALL: RunsQuery = {
  projects: null,
  states: null,
  user: null,
  text: null,
  sort: 'created',
  descending: true,
  offset: 0,
  limit: 100,
}
const runs = [1, 2, 3, 4, 5].map((index) => ({
  ...runOf(index),
  user: index % 2 === 0 ? 'ada' : 'lin_x',
  resources: { ...runOf(index).resources, gpusPerNode: index > 3 ? 1 : index },
}))
const ids = runs.map((run) => run.id)

for (const [name, open] of [
  ['simulated', openSimulated],
  ['PostgreSQL', (begin: number) => benches.open(begin)],
] as const) {
  test(`${name}: a page, how many match, and of each state how many match in all but the state`, async () => {
    const bench = await open(T0)
    try {
      await filled(bench.store, { nodes: [], runs })
      const table = async (query: Partial<RunsQuery>) => {
        const { runs: rows, total, counts } = await bench.store.runsTable({ ...ALL, ...query })
        return [rows.map((run) => ids.indexOf(run.id) + 1), total, counts]
      }
      assert.deepEqual(await table({}), [[5, 4, 3, 2, 1], 5, { queued: 5 }])
      assert.deepEqual(await table({ descending: false, offset: 1, limit: 2 }), [[2, 3], 5, { queued: 5 }])
      assert.deepEqual(await table({ offset: 7 }), [[], 5, { queued: 5 }])
      assert.deepEqual(await table({ user: 'ada' }), [[4, 2], 2, { queued: 2 }])
      assert.deepEqual(await table({ user: 'ada', states: ['running'] }), [[], 0, { queued: 2 }])
      assert.deepEqual(await table({ states: ['queued', 'running'], limit: 1 }), [[5], 5, { queued: 5 }])
      assert.deepEqual(await table({ text: 'n_x' }), [[5, 3, 1], 3, { queued: 3 }])
      assert.deepEqual(await table({ text: 'lin%' }), [[], 0, {}])
      assert.deepEqual(await table({ projects: ['nobody'] }), [[], 0, {}])
      assert.deepEqual((await table({ sort: 'gpus' }))[0], [3, 2, 5, 4, 1])
      assert.deepEqual((await table({ sort: 'name', descending: false, user: 'ada' }))[0], [2, 4])
    } finally {
      await bench.close()
    }
  })

  test(`${name}: the newest steps of an attempt that has ended are those that were heard, and one that comes late is seen at once`, async () => {
    const bench = await open(T0)
    try {
      const { store } = bench
      const run = runOf(9)
      await filled(store, { nodes: ['n1'], runs: [run] })
      const world = await store.world(new Map())
      const { attempt, claims, item } = placing(world.runs.get(run.id) ?? run, [...world.nodes.values()], 0)
      await store.commit(null, [item])
      const worker = attempt.placement.workers[0]?.id
      assert.ok(worker !== undefined)
      let [sequence, from] = [0, 0]
      const say = async (...steps: readonly number[]): Promise<void> => {
        const facts = steps.map((step) => factOf(worker, attempt.id, sequence++, T0 + 1_000 * step, stepAt(step)))
        const append = appendOf(worker, attempt.id, from, 'line\n', facts)
        from = append.nextOffset
        await store.appendLogs([append], DEFAULT_LOG_BYTES_MAX)
      }
      const newest = async (): Promise<readonly number[]> =>
        ((await store.newestSteps([attempt.id])).get(attempt.id) ?? []).flatMap(({ body }) =>
          body.kind === 'step' ? [body.step] : [],
        )
      assert.deepEqual(await newest(), [])
      await say(1, 2)
      assert.deepEqual(await newest(), [2, 1])
      const ended = {
        ...attempt,
        endedAt: epochMs(T0 + 60_000),
        state: { kind: 'ended', outcome: 'succeeded', failure: null, message: null },
      } as const
      const release = claims.map((claim) => ({
        kind: 'release' as const,
        node: claim.node,
        holder: claim.holder,
        paidUntil: NEVER_PAID,
      }))
      await store.commit(null, [itemOf('end', [{ kind: 'attempt', attempt: ended }, ...release])])
      for (const _ of [1, 2]) assert.deepEqual(await newest(), [2, 1])
      await say(4)
      assert.deepEqual(await newest(), [4, 2, 1])
      // It was said before, and came after.
      await say(3)
      for (const _ of [1, 2]) assert.deepEqual(await newest(), [4, 3, 2, 1])
      assert.equal((await store.newestSteps([])).size, 0)
    } finally {
      await bench.close()
    }
  })
}
