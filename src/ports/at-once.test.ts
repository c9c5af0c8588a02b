import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as later } from 'node:timers/promises'
import { atOnce } from './at-once.ts'

void test('so many are under way and no more, and results keep their order', async () => {
  let under = 0
  let most = 0
  const doubled = await atOnce([5, 1, 4, 2, 3], 2, async (item) => {
    under += 1
    most = Math.max(most, under)
    for (let turn = 0; turn < item; turn += 1) await later()
    under -= 1
    return item * 2
  })
  assert.deepEqual([doubled, most], [[10, 2, 8, 4, 6], 2])
  assert.deepEqual(await atOnce([], 4, () => Promise.reject(new Error('never'))), [])
})

void test('after an error nothing is begun, and what was under way is waited for', async () => {
  const begun: number[] = []
  const over: number[] = []
  const all = atOnce([0, 1, 2, 3, 4], 2, async (item) => {
    begun.push(item)
    if (item === 0) throw new Error('no')
    for (let turn = 0; turn < 5; turn += 1) await later()
    over.push(item)
  })
  await assert.rejects(all, /no/)
  assert.deepEqual([begun, over], [[0, 1], [1]])
})
