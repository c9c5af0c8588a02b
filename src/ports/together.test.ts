import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Together } from './together.ts'

/** A read that is answered when the test says so. */
function reads() {
  const open: PromiseWithResolvers<number>[] = []
  return {
    read: (): Promise<number> => {
      open.push(Promise.withResolvers<number>())
      return open.at(-1)?.promise ?? Promise.reject(new Error('none'))
    },
    open,
  }
}

void test('who asks while a read is under way gets the next one, with all others who asked meanwhile', async () => {
  const together = new Together<number>()
  const { read, open } = reads()
  const first = together.ask('a', read)
  const rest = [1, 2, 3].map(() => together.ask('a', read))
  assert.equal(open.length, 1)
  open[0]?.resolve(1)
  assert.equal(await first, 1)
  await Promise.resolve()
  assert.equal(open.length, 2)
  open[1]?.resolve(2)
  assert.deepEqual(await Promise.all(rest), [2, 2, 2])
  void together.ask('a', read)
  assert.equal(open.length, 3)
})

void test('a read that fails fails for those who waited for it, and the next one is read all the same', async () => {
  const together = new Together<number>()
  const { read, open } = reads()
  const first = together.ask('a', read)
  const second = together.ask('a', read)
  open[0]?.reject(new Error('gone'))
  await assert.rejects(first, /gone/)
  await Promise.resolve()
  open[1]?.resolve(2)
  assert.equal(await second, 2)
})

void test('keys do not wait for each other', () => {
  const together = new Together<number>()
  const { read, open } = reads()
  void together.ask('a', read)
  void together.ask('b', read)
  assert.equal(open.length, 2)
})
