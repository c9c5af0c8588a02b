import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WorkerId } from '../../domain/ids.ts'
import type { Api, Query, StreamOptions } from './api.ts'
import type { PodLog } from './logs.ts'
import { Logs } from './logs.ts'

const LINE = '2026-11-26T10:00:00.000000001Z a line\n'
const FOLLOWED = 512

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the name of a worker is any word here
const worker = (index: number): WorkerId => `w-${index}` as WorkerId
const LIVING: PodLog = { path: '/pod/log', settled: true, over: false }
const OVER: PodLog = { ...LIVING, over: true }

/** Each log is one line; a stream that goes on ends when nobody reads it any more. */
function world(t: { after: (end: () => void) => void }) {
  const asked: Query[] = []
  const stream = (_path: string, query: Query, { signal }: StreamOptions): Promise<AsyncIterable<Uint8Array>> => {
    asked.push(query)
    async function* lines(): AsyncGenerator<Uint8Array> {
      if (query['sinceTime'] === undefined) yield new TextEncoder().encode(LINE)
      if (query['follow'] === true) await new Promise((resolve) => signal.addEventListener('abort', resolve))
    }
    return Promise.resolve(lines())
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what logs ask of it
  const logs = new Logs({ stream } as unknown as Api)
  t.after(() => logs.close())
  return { logs, asked }
}

test('of more logs than are followed the others are read piece by piece, and what is not read is no silence', async (t) => {
  const { logs, asked } = world(t)
  const all = Array.from({ length: FOLLOWED + 2 }, (_, index) => worker(index))
  const read = await Promise.all(all.map((each) => logs.read(each, LIVING, 0, 10_000, null)))
  assert.ok(read.every(({ bytes }) => bytes.length > 0))
  assert.deepEqual(
    [true, false].map((follow) => asked.filter((query) => query['follow'] === follow).length),
    [FOLLOWED, 2],
  )
  const next = read[0]?.nextOffset ?? 0
  for (let look = 0; look < 3; look += 1) {
    const [followed, piece] = await Promise.all(
      [0, FOLLOWED].map((index) => logs.read(worker(index), LIVING, next, 10_000, read[0]?.mark ?? null)),
    )
    assert.deepEqual([followed?.skipped, followed?.bytes.length, followed?.open], [undefined, 0, true])
    assert.deepEqual([piece?.skipped, piece?.bytes.length, piece?.open], [true, 0, true])
  }
  assert.equal(asked.length, FOLLOWED + 2, 'nobody is asked again so soon')
})

test('a log that was read to its end is not asked for again while others of its gang live', async (t) => {
  const { logs, asked } = world(t)
  const first = await logs.read(worker(0), OVER, 0, 10_000, null)
  assert.ok(first.bytes.length > 0 && first.open)
  for (let look = 0; look < 3; look += 1) {
    const { bytes, open } = await logs.read(worker(0), OVER, first.nextOffset, 10_000, first.mark ?? null)
    assert.deepEqual([bytes.length, open], [0, false])
  }
  assert.equal(asked.length, 1)
})

test('what runs for a moment only is not read before it has ended', async (t) => {
  const { logs, asked } = world(t)
  const slice = await logs.read(worker(0), { ...LIVING, settled: false }, 0, 10_000, null)
  assert.deepEqual([slice.bytes.length, slice.open, slice.skipped, asked.length], [0, true, true, 0])
})
