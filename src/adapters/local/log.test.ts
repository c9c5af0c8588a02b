import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { readLogSlice } from './log.ts'

const ROOM = 1 << 20
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

function logs(t: TestContext, files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-log-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  return folder
}

void test('a slice goes on in the next file, and what is being written is left for the next one', async (t) => {
  const folder = logs(t, { 'log.0': 'aaa\nbbb\n', 'log.8': 'ccc\ndd' })
  const slice = await readLogSlice(folder, 4, ROOM)
  assert.deepEqual([slice.offset, text(slice.bytes), slice.nextOffset], [4, 'bbb\nccc\n', 12])
  const next = await readLogSlice(folder, 12, ROOM)
  assert.deepEqual([next.offset, next.bytes.length, next.nextOffset], [12, 0, 12])
})

void test('a slice begins with the first byte that is still there', async (t) => {
  const folder = logs(t, { 'log.100': 'aaa\n', 'log.104': 'bbb\n' })
  const slice = await readLogSlice(folder, 3, ROOM)
  assert.deepEqual([slice.offset, text(slice.bytes), slice.nextOffset], [100, 'aaa\nbbb\n', 108])
})

void test('a slice ends where files are missing between others', async (t) => {
  const folder = logs(t, { 'log.0': 'aaa\n', 'log.50': 'bbb\n' })
  const first = await readLogSlice(folder, 0, ROOM)
  assert.deepEqual([text(first.bytes), first.nextOffset], ['aaa\n', 4])
  const second = await readLogSlice(folder, first.nextOffset, ROOM)
  assert.deepEqual([second.offset, text(second.bytes), second.nextOffset], [50, 'bbb\n', 54])
})

void test('a tail is whole lines, over the border of two files too', async (t) => {
  const folder = logs(t, { 'log.0': 'aaa\nbbb\n', 'log.8': 'ccc\n' })
  const tails = await Promise.all([-4, -5, -8, -9, -12, -1000].map((offset) => readLogSlice(folder, offset, ROOM)))
  assert.deepEqual(
    tails.map(({ offset, bytes }) => [offset, text(bytes)]),
    [
      [8, 'ccc\n'],
      [8, 'ccc\n'],
      [4, 'bbb\nccc\n'],
      [4, 'bbb\nccc\n'],
      [0, 'aaa\nbbb\nccc\n'],
      [0, 'aaa\nbbb\nccc\n'],
    ],
  )
})

void test('a tail of as many bytes as there is room for has the last line, also where that begins a file', async (t) => {
  const line = `${'x'.repeat(99)}\n`
  const folder = logs(t, { 'log.0': line.repeat(900), 'log.90000': 'last\n' })
  const tail = await readLogSlice(folder, -64_005, 64_005)
  assert.deepEqual([tail.offset, tail.nextOffset], [26_000, 90_005])
  assert.ok(text(tail.bytes).endsWith('\nlast\n'))
})

void test('a tail of more than is left begins with the first line that is', async (t) => {
  const folder = logs(t, { 'log.100': 'aaa\n' })
  const tail = await readLogSlice(folder, -50, ROOM)
  assert.deepEqual([tail.offset, text(tail.bytes)], [100, 'aaa\n'])
})

void test('a log that does not exist is empty, from either end', async (t) => {
  const folder = logs(t, {})
  for (const offset of [0, 7, -7]) {
    const slice = await readLogSlice(offset === 7 ? join(folder, 'none') : folder, offset, ROOM)
    assert.equal(slice.bytes.length, 0)
    assert.equal(slice.nextOffset, slice.offset)
  }
})
