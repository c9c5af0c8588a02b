import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Progress } from './progress.ts'

function tell(isTTY: boolean, quiet: boolean, moments: readonly number[], columns = 80): string[] {
  const written: string[] = []
  let now = 0
  const to = { isTTY, columns, write: (text: string) => void written.push(text) }
  const progress = new Progress(to, 4, quiet, () => now)
  for (const [done, moment] of moments.entries()) {
    now = moment
    progress.tell(done, done * 43_200_000)
  }
  progress.end()
  return written
}

test('a terminal sees a bar over itself, which is taken away at the end', () => {
  assert.deepEqual(tell(true, false, [0, 150, 200, 300]), [
    '\r\u001b[K[######..................] 1 of 4 jobs, day 0.5',
    '\r\u001b[K[##################......] 3 of 4 jobs, day 1.5',
    '\r\u001b[K',
  ])
})

test('a bar never wraps', () => {
  assert.equal(tell(true, false, [0, 150], 10)[0]?.length, '\r\u001b[K'.length + 9)
})

test('a file gets a line now and then', () => {
  assert.deepEqual(tell(false, false, [0, 9_000, 10_000, 12_000]), ['2 of 4 jobs, day 1.0\n'])
})

test('who reads a document sees nothing, but on a terminal', () => {
  assert.deepEqual(tell(false, true, [0, 20_000, 40_000]), [])
  assert.equal(tell(true, true, [0, 150]).length, 2)
})
