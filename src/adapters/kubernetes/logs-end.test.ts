// Lines without an end: what the process said last, where it had no time to write one or its runtime cut the line; and a progress bar, which
// writes one line for hours.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WorkerId } from '../../domain/ids.ts'
import type { LogSlice } from '../../ports/cluster.ts'
import type { Api, Query, StreamOptions } from './api.ts'
import { piecesOf } from './lines.ts'
import type { PodLog } from './logs.ts'
import { Logs } from './logs.ts'

const TIME = '2026-11-26T10:00:00.000000001Z'
const LIVING: PodLog = { path: '/pod/log', settled: true, over: false }
const OVER: PodLog = { ...LIVING, over: true }
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the name of a worker is any word here
const WORKER = 'w-0' as WorkerId

/** `text` is what the container has written by now; a stream gives all of it and ends, as one does that is cut. */
function world(t: { after: (end: () => void) => void }) {
  const state = { text: '', asked: 0 }
  const stream = (_path: string, _query: Query, _options: StreamOptions): Promise<AsyncIterable<Uint8Array>> => {
    state.asked += 1
    const bytes = new TextEncoder().encode(state.text)
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for (let from = 0; from < bytes.length; from += 1_000) yield bytes.subarray(from, from + 1_000)
    }
    return Promise.resolve(chunks())
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what logs ask of it
  const logs = new Logs({ stream } as unknown as Api)
  t.after(() => logs.close())
  const at = { offset: 0, mark: null as string | null }
  let stored = ''
  async function look(pod: PodLog | null): Promise<LogSlice> {
    // What a stream that waited for room brings comes after the look that made some.
    await new Promise(setImmediate)
    const slice = await logs.read(WORKER, pod, at.offset, 256 * 1024, at.mark)
    at.offset = slice.nextOffset
    at.mark = slice.mark ?? at.mark
    stored += new TextDecoder().decode(slice.bytes)
    return slice
  }
  const parts = (): string[] =>
    stored
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split(' ').slice(2).join(' '))
  /** As the follower does: until it is said that no more comes. */
  async function toTheEnd(pod: PodLog | null): Promise<string[]> {
    for (let looks = 0; looks < 200; looks += 1) if (!(await look(pod)).open) return parts()
    return assert.fail('the log never ends')
  }
  return { state, logs, look, parts, toTheEnd }
}

const FATAL = `${TIME} step 1\n${TIME} FATAL: CUDA error`

test('the last output of a container that has ended is taken without a line end', async (t) => {
  const { state, toTheEnd } = world(t)
  state.text = FATAL
  assert.deepEqual(await toTheEnd(OVER), ['F step 1', 'F FATAL: CUDA error'])
})

test('while the container runs half a line is not taken, and nothing is missing or double once it is whole', async (t) => {
  const { state, look, parts, toTheEnd } = world(t)
  state.text = FATAL
  await look(LIVING)
  await look(LIVING)
  assert.deepEqual(parts(), ['F step 1'])
  // The stream ended in the middle of the line; the container goes on, and ends before the next look.
  state.text += `: device-side assert\n${TIME} bye`
  assert.deepEqual(await toTheEnd(OVER), ['F step 1', 'F FATAL: CUDA error: device-side assert', 'F bye'])
  assert.equal(state.asked, 2)
})

test('a piece that was read while the container lived is not its end', async (t) => {
  const { state, logs, look, toTheEnd } = world(t)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
  for (let index = 1; index <= 512; index += 1) await logs.read(`w-${index}` as WorkerId, LIVING, 0, 10_000, null)
  state.text = `${TIME} step 1\n`
  await look(LIVING)
  state.text += `${TIME} step 2\n`
  assert.deepEqual(await toTheEnd(OVER), ['F step 1', 'F step 2'])
})

test('the last output of a pod that is gone is what came of it', async (t) => {
  const { state, look, toTheEnd } = world(t)
  state.text = FATAL
  await look(LIVING)
  assert.deepEqual(await toTheEnd(null), ['F step 1', 'F FATAL: CUDA error'])
})

test('the tail has the last output too, and says that it may go on', async (t) => {
  const { state, logs } = world(t)
  state.text = FATAL
  for (const [pod, end] of [
    [OVER, 'F'],
    [LIVING, 'P'],
  ] as const) {
    const tail = new TextDecoder().decode(await logs.tail(pod, 10_000))
    assert.equal(tail, `${TIME} stdout F step 1\n${TIME} stdout ${end} FATAL: CUDA error\n`)
  }
})

test('a line that is longer than memory allows is stored in parts, and what comes behind it is whole', async (t) => {
  const { state, look, parts, toTheEnd } = world(t)
  const bar = '\r 100%|██████████|'.repeat(150_000)
  state.text = `${TIME} step 1\n${TIME} ${bar}`
  const size = Buffer.byteLength(bar)
  let offset = 0
  for (let looks = 0; looks < 200 && offset < size - 128 * 1024; looks += 1) {
    const slice = await look(LIVING)
    assert.ok(slice.bytes.length <= 256 * 1024, 'no more than is read at once')
    offset = slice.nextOffset
  }
  assert.ok(offset > size - 128 * 1024)
  assert.ok(
    parts()
      .slice(1)
      .every((part) => part.startsWith('P ')),
  )
  // The stream was taken up again from the mark in the middle of the line.
  state.text += ` done\n${TIME} step 2\n${TIME} bye`
  const all = await toTheEnd(OVER)
  const line = all.slice(1, -2)
  assert.ok(line.every((part, index) => part.startsWith(index === line.length - 1 ? 'F ' : 'P ')))
  assert.ok(line.map((part) => part.slice(2)).join('') === `${bar} done`, 'it is the line')
  assert.deepEqual([all[0], ...all.slice(-2)], ['F step 1', 'F step 2', 'F bye'])
  assert.ok(state.asked >= 2)
})

test('the pieces of a line are the same however its bytes come', async () => {
  const bytes = Buffer.from('short\nexactly8\nlöng and löng\n\nrest of the lög')
  const all: string[] = []
  for (let size = 1; size <= bytes.length; size += 1) {
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size)
    }
    const pieces = []
    for await (const piece of piecesOf(chunks(), 8))
      pieces.push(`${piece.begins ? '^' : ''}${new TextDecoder().decode(piece.bytes)} ${piece.ends}`)
    all.push(pieces.join('|'))
  }
  assert.deepEqual(
    [...new Set(all)],
    ['^short line|^exactly8 line|^löng an cut|d löng line|^ line|^rest of  cut|the lög rest'],
  )
})
