import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Api } from './api.ts'
import { ApiError } from './api-error.ts'
import { dropFinalizer } from './finalizer.ts'

const OURS = 'plimsoll.dev/books'
type Seen = { readonly uid: string; readonly resourceVersion: string; readonly finalizers: readonly string[] }
const seen = (resourceVersion: string, finalizers: readonly string[], uid = 'u'): Seen => ({
  uid,
  resourceVersion,
  finalizers,
})

/** A server that has these versions of the Job, one after the other. */
async function drop(first: Seen, server: readonly Seen[]): Promise<unknown[]> {
  const asked: unknown[] = []
  const rest = [...server]
  const api = {
    patch: (_: string, { metadata }: { metadata: Seen }) => {
      asked.push([metadata.resourceVersion, metadata.finalizers])
      return metadata.resourceVersion === rest[0]?.resourceVersion && metadata.uid === rest[0].uid
        ? Promise.resolve()
        : Promise.reject(new ApiError(409, 'Conflict', 'the object has been modified'))
    },
    get: () => {
      const [metadata] = rest
      if (rest.length > 1) rest.shift()
      return Promise.resolve({ metadata })
    },
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is asked of it
  await dropFinalizer(api as unknown as Api, '/jobs/a', first)
  return asked
}

void test('the finalizers of others stay, those too that come meanwhile', async () => {
  assert.deepEqual(await drop(seen('1', [OURS, 'x']), [seen('1', [OURS, 'x'])]), [['1', ['x']]])
  assert.deepEqual(await drop(seen('1', [OURS]), [seen('2', [OURS, 'y'])]), [
    ['1', []],
    ['2', ['y']],
  ])
})

void test('where it has none any more, or is another Job, nothing is asked for', async () => {
  assert.deepEqual(await drop(seen('1', ['x']), [seen('1', ['x'])]), [])
  assert.deepEqual(await drop(seen('1', [OURS]), [seen('2', [])]), [['1', []]])
  assert.deepEqual(await drop(seen('1', [OURS]), [seen('2', [OURS], 'v')]), [['1', []]])
})

void test('a Job that changes each time is left to the next turn, with what the server said', async () => {
  const versions = Array.from({ length: 12 }, (_, at) => seen(String(at + 2), [OURS]))
  await assert.rejects(drop(seen('1', [OURS]), versions), { status: 409 })
})
