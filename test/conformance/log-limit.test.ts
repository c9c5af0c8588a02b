// The limit of stored log bytes of a run in both stores: the same lines are kept however a log is cut into slices, whoever reads beside
// and whatever comes twice; one line of each log and one event of the run say that the rest is not stored; all else goes on.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { linesOf } from '../../src/core/observe/log.ts'
import { nodeId, runOf } from '../../src/domain/fixture.ts'
import type { AttemptId, WorkerId } from '../../src/domain/ids.ts'
import type { LogAppend, Store } from '../../src/ports/store.ts'
import type { Bench } from '../parts/stores.ts'
import { openSimulated, PostgresBenches } from '../parts/stores.ts'
import { appendOf, booksOf, factOf, filled, placing, stepAt, T0 } from './things.ts'

let benches: PostgresBenches
before(async () => {
  benches = await PostgresBenches.start()
})
after(() => benches.stop())

const RUN = runOf(1)
const line = (number: number): string => `2027-01-15T08:00:00Z stdout F line ${String(number).padStart(4, '0')}.\n`
const LINE = line(0).length
const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, index) => line(from + index)).join('')

type Gang = { readonly attempt: AttemptId; readonly workers: readonly WorkerId[] }

/** A gang of two workers that have printed nothing yet. */
async function gangIn(store: Store): Promise<Gang> {
  await filled(store, { nodes: ['n1', 'n2'], runs: [RUN] })
  const world = await store.world(new Map())
  const [run, ...nodes] = [world.runs.get(RUN.id), world.nodes.get(nodeId('n1')), world.nodes.get(nodeId('n2'))]
  assert.ok(run !== undefined)
  const { attempt, item } = placing(
    run,
    nodes.flatMap((node) => node ?? []),
    0,
  )
  await store.commit(null, [item])
  return { attempt: attempt.id, workers: attempt.placement.workers.map(({ id }) => id) }
}

async function storedOf(store: Store, worker: WorkerId) {
  let text = ''
  for (let offset = 0; ;) {
    const { bytes, nextOffset, cut } = await store.log(worker, offset, 100)
    text += new TextDecoder().decode(bytes)
    if (nextOffset <= offset) return { text, cut }
    offset = nextOffset
  }
}

const textsOf = (stored: string): string[] =>
  linesOf(new TextEncoder().encode(stored), 0).map(({ stream, text }) => (stream === 'plimsoll' ? 'OURS' : text))

const eventsOf = async (store: Store) => (await store.events(RUN.id, 100, 0)).filter(({ kind }) => kind === 'log-limit')

for (const [name, open] of [
  ['simulated', openSimulated],
  ['PostgreSQL', (begin: number) => benches.open(begin)],
] as const) {
  describe(`the ${name} store`, () => {
    const check = (what: string, body: (bench: Bench) => Promise<void>): void => {
      test(what, async () => {
        const bench = await open(T0)
        try {
          await body(bench)
        } finally {
          await bench.close()
        }
      })
    }

    check('what is printed beyond the limit is not stored, and everything else of it is', async ({ store }) => {
      const { attempt, workers } = await gangIn(store)
      const [worker] = workers
      assert.ok(worker !== undefined)
      const append = (from: number, text: string, sequence: number): Promise<void> =>
        store.appendLogs(
          [appendOf(worker, attempt, from, text, [factOf(worker, attempt, sequence, T0 + sequence, stepAt(sequence))])],
          LINE * 5,
        )
      await append(0, lines(0, 5), 1)
      assert.deepEqual(await storedOf(store, worker), { text: lines(0, 5), cut: false })
      assert.equal(await store.logCut(RUN.id), null, 'as much as the limit is not beyond it')
      await append(LINE * 5, lines(5, 7), 2)
      await append(LINE * 7, lines(7, 9), 3)
      const { text, cut } = await storedOf(store, worker)
      assert.ok(cut)
      assert.ok(text.startsWith(lines(0, 5)))
      assert.deepEqual(textsOf(text).slice(4), ['line 0004.', 'OURS'])
      assert.match(
        text,
        / plimsoll F plimsoll: from here on nothing of this log is stored: the run has printed \d+ bytes, /,
      )
      assert.deepEqual(
        (await booksOf(store, attempt)).facts.map(({ sequence }) => sequence),
        [1, 2, 3],
      )
      assert.equal((await store.logCursors()).find((cursor) => cursor.worker === worker)?.offset, LINE * 9)
      const end = await store.log(worker, -20, 1_000)
      assert.equal(new TextDecoder().decode(end.bytes), text.slice(-20), 'its end is the end of what is stored')
      assert.equal(end.complete, false)
      await store.appendLogs([{ ...appendOf(worker, attempt, LINE * 9, '', []), complete: true }], LINE * 5)
      assert.equal((await store.log(worker, -20, 1_000)).complete, true)
      assert.deepEqual(await store.logCut(RUN.id), { at: T0 + 1_000, worker, bytesMax: LINE * 5 })
      assert.deepEqual(
        (await eventsOf(store)).map(({ at, message }) => [
          at,
          /what its workers print from now on is not stored/.test(message),
        ]),
        [[T0 + 1_000, true]],
      )
    })

    check(
      'each log of the run ends with its own line, one event says so, and no later limit takes it up again',
      async ({ store }) => {
        const { attempt, workers } = await gangIn(store)
        const [one, two] = workers
        assert.ok(one !== undefined && two !== undefined)
        const at = (worker: WorkerId, from: number, to: number): LogAppend =>
          appendOf(worker, attempt, LINE * from, lines(from, to), [])
        await store.appendLogs([at(one, 0, 3), at(two, 0, 3)], LINE * 4)
        await store.appendLogs([at(two, 3, 4)], LINE * 4)
        assert.deepEqual(textsOf((await storedOf(store, one)).text), ['line 0000.', 'line 0001.', 'line 0002.'])
        assert.deepEqual(textsOf((await storedOf(store, two)).text), ['line 0000.', 'OURS'])
        await store.appendLogs([at(one, 3, 4)], LINE * 4)
        assert.equal(textsOf((await storedOf(store, one)).text).at(-1), 'OURS')
        await store.appendLogs([at(one, 4, 5), at(two, 4, 5)], LINE * 100)
        assert.deepEqual(textsOf((await storedOf(store, two)).text), ['line 0000.', 'OURS'])
        assert.equal((await eventsOf(store)).length, 1)
      },
    )

    check('two readers at once, and whatever comes twice, leave what one leaves', async ({ store }) => {
      const { attempt, workers } = await gangIn(store)
      const max = LINE * 12
      // Both read the same slices of both logs, again and again, in two orders.
      for (let from = 0; from < 20; from += 2) {
        const appends = workers.map((worker) => appendOf(worker, attempt, LINE * from, lines(from, from + 2), []))
        const readers = [appends, appends.toReversed(), ...appends.map((append) => [append])]
        await Promise.all(readers.map((some) => store.appendLogs(some, max)))
      }
      const stored = await Promise.all(workers.map(async (worker) => textsOf((await storedOf(store, worker)).text)))
      assert.equal(stored.flat().filter((text) => text !== 'OURS').length, 12)
      for (const texts of stored) {
        assert.deepEqual([texts.indexOf('OURS'), new Set(texts).size], [texts.length - 1, texts.length])
        assert.deepEqual(texts.slice(0, -1), texts.slice(0, -1).toSorted())
      }
      assert.equal((await eventsOf(store)).length, 1)
    })
  })
}

test('safety: of one log the same lines are kept, however it is cut into slices', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 0, max: LINE * 20 }),
      async (sizes, max) => {
        const { store } = await openSimulated(T0)
        const { attempt, workers } = await gangIn(store)
        const [worker] = workers
        assert.ok(worker !== undefined)
        let all = 0
        for (const size of sizes) {
          await store.appendLogs([appendOf(worker, attempt, LINE * all, lines(all, all + size), [])], max)
          all += size
        }
        const { text } = await storedOf(store, worker)
        const kept = Math.min(all, Math.floor(max / LINE))
        assert.equal(text.slice(0, kept * LINE), lines(0, kept))
        assert.deepEqual(textsOf(text.slice(kept * LINE)), kept < all ? ['OURS'] : [])
      },
    ),
    { numRuns: 60 },
  )
})
