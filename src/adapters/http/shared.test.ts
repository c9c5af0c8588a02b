import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Feed } from '../../ports/feed.ts'
import { FRESH_MS, RECENT_MAX, RECENT_MS_MAX, Shared, type Text } from './shared.ts'

/** A feed that moves when it is told to, a clock that stands, and reads that are counted. */
function bench() {
  let [now, moves, looks, reads] = [0, 0, 0, 0]
  const feed: Feed = {
    feedPosition: async () => String(moves),
    feedAfter: async (position) => {
      looks += 1
      const changes = Number(position) < moves ? [{ kind: 'run', id: 'r', run: null, version: moves, image: null }] : []
      return { changes, position: String(moves), more: false, lagMs: 0 }
    },
  }
  const shared = new Shared(feed, () => now)
  const read = async (): Promise<Text> => {
    reads += 1
    return { ok: true, text: `${reads}` }
  }
  return {
    shared,
    read,
    move: () => (moves += 1),
    wait: (ms: number) => (now += ms),
    counts: () => ({ reads, looks }),
    recent: async (key = 'nodes') => {
      const made = await shared.recent(key, read)
      return made.ok ? made.text : 'refused'
    },
  }
}

test('five hundred who ask at once are one read', async () => {
  const { recent, counts } = bench()
  const texts = await Promise.all(Array.from({ length: 500 }, () => recent()))
  assert.deepEqual(new Set(texts), new Set(['1']))
  assert.equal(counts().reads, 1)
})

test('what moves all the time is read once a second, however many ask', async () => {
  const { recent, move, wait, counts } = bench()
  for (let ms = 0; ms < 10_000; ms += 50) {
    move()
    await recent()
    wait(50)
  }
  assert.equal(counts().reads, 10)
  assert.ok(counts().looks <= 10)
})

test('what does not move is read again only when it has become old', async () => {
  const { recent, wait, counts } = bench()
  for (let ms = 0; ms < 10 * RECENT_MS_MAX; ms += 250) {
    await recent()
    wait(250)
  }
  assert.equal(counts().reads, 10)
})

test('what moves slowly may be older, and is kept as long', async () => {
  const { shared, read, move, wait, counts } = bench()
  for (let ms = 0; ms < 20_000; ms += 500) {
    move()
    await shared.recent('ledger', read, 10_000)
    await shared.recent(`other ${ms}`, read)
    wait(500)
  }
  assert.equal(counts().reads, 2 + 40)
})

test('a change is seen a second later, whoever made it, and at once by whoever asks after his own', async () => {
  const { shared, recent, move, wait } = bench()
  assert.equal(await recent(), '1')
  move()
  assert.equal(await recent(), '1')
  wait(FRESH_MS)
  assert.equal(await recent(), '2')
  shared.forget()
  assert.equal(await recent(), '3')
})

test('a change while the answer is read is not missed', async () => {
  const { shared, move, wait } = bench()
  const slow = async (): Promise<Text> => {
    move()
    return { ok: true, text: 'old' }
  }
  await shared.recent('nodes', slow)
  wait(FRESH_MS)
  const after = await shared.recent('nodes', async () => ({ ok: true, text: 'new' }))
  assert.deepEqual(after, { ok: true, text: 'new' })
})

test('what failed is nobody else’s answer, and what is refused is', async () => {
  const { shared, recent } = bench()
  await assert.rejects(shared.recent('nodes', () => Promise.reject(new Error('the store is away'))))
  assert.equal(await recent(), '1')
})

test('keys are strangers, and of too many the oldest goes', async () => {
  const { recent, counts } = bench()
  for (let index = 0; index <= RECENT_MAX; index += 1) await recent(`key ${index}`)
  assert.equal(counts().reads, RECENT_MAX + 1)
  await recent(`key ${RECENT_MAX}`)
  assert.equal(counts().reads, RECENT_MAX + 1)
  await recent('key 0')
  assert.equal(counts().reads, RECENT_MAX + 2)
})

test('the latest is never older than the question: whoever asks during a read waits for the next, with all others', async () => {
  const { shared } = bench()
  const ends: ((text: string) => void)[] = []
  const make = (): Promise<Text> => new Promise((resolve) => ends.push((text) => resolve({ ok: true, text })))
  const first = shared.latest('table', make)
  const later = Array.from({ length: 100 }, () => shared.latest('table', make))
  assert.equal(ends.length, 1)
  ends[0]?.('before')
  assert.deepEqual(await first, { ok: true, text: 'before' })
  await Promise.resolve()
  assert.equal(ends.length, 2)
  const third = shared.latest('table', make)
  ends[1]?.('after')
  for (const made of await Promise.all(later)) assert.deepEqual(made, { ok: true, text: 'after' })
  await Promise.resolve()
  ends[2]?.('last')
  assert.deepEqual(await third, { ok: true, text: 'last' })
  assert.equal(ends.length, 3)
})

test('a read that failed does not stop the next', async () => {
  const { shared, read } = bench()
  const failing = shared.latest('table', () => Promise.reject(new Error('away')))
  const next = shared.latest('table', read)
  await assert.rejects(failing)
  assert.deepEqual(await next, { ok: true, text: '1' })
})
