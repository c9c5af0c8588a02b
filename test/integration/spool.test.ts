// What a reporter left in a log, read by the loop of production: each fact once, whatever the slices, whoever reads and dies, and
// nothing that could not have been posted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Control } from '../../src/control/control.ts'
import { followLogs } from '../../src/control/logs.ts'
import type { AttemptId } from '../../src/domain/ids.ts'
import { workerIdOf } from '../../src/domain/ids.ts'
import { cellOf, epochMs } from '../../src/domain/units.ts'
import type { LogSlice } from '../../src/ports/cluster.ts'
import type { Store } from '../../src/ports/store.ts'
import { T0 } from '../conformance/things.ts'
import { reporting } from '../parts/reporting.ts'

const SOURCE = '4be1c07d92a3f5e8'
const STAMP = new Date(T0 + 600_000).toISOString()

const body = (facts: readonly object[], more: object = {}): string =>
  JSON.stringify({
    version: 1,
    source: SOURCE,
    startedAt: T0,
    sentAt: T0 + 500_000,
    rank: 0,
    reporter: 'test/1',
    obeys: [],
    facts,
    ...more,
  })
const step = (seq: number): object => ({ seq, at: T0 + 400_000 + seq, kind: 'step', step: seq, steps: 1, tokens: 8 })

/** As the reporter writes it, in lines of so many characters. */
function spool(attempt: string, text: string, batch = 1, piece = 3_900): string {
  const packed = gzipSync(text).toString('base64')
  const pieces = packed.match(new RegExp(`.{1,${piece}}`, 'g')) ?? []
  return pieces
    .map((each, index) => `plimsoll-spool/1 ${attempt} ${SOURCE} ${batch} ${index + 1}/${pieces.length} ${each}`)
    .map((each) => `${STAMP} stderr F ${each}\n`)
    .join('')
}

/** The loop over a log that comes in slices of so many bytes, until it is read whole. */
async function read(log: (attempt: AttemptId) => string, bytesMax = 256 * 1024, turns = 40) {
  const { store, attempt, control } = await reporting()
  const bytes = new TextEncoder().encode(log(attempt))
  let dies = false
  const cluster = {
    async readLog(worker: string, offset: number): Promise<LogSlice> {
      const cut = worker === workerIdOf(attempt, 0) ? bytes.subarray(offset, offset + bytesMax) : new Uint8Array()
      const whole = cut.subarray(0, cut.lastIndexOf(10) + 1)
      return { offset, bytes: whole, nextOffset: offset + whole.length, open: true }
    },
  }
  const mortal = new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (name !== 'appendLogs' || typeof method !== 'function') return method
      return async (...args: unknown[]): Promise<unknown> => {
        dies = !dies
        if (dies) throw new Error('dies before the cursor moves on')
        return Reflect.apply(method, target, args) as unknown
      }
    },
  })
  const [cursor] = await store.logCursors()
  assert.ok(cursor !== undefined)
  const clusters = new Map([[cursor.cluster, cluster]]) as unknown as Control['clusters']
  for (let turn = 0; turn < turns; turn += 1)
    await followLogs({ ...control, store: mortal, clusters }).catch(() => undefined)
  return { attempt, store, facts: await factsOf(store, attempt) }
}

async function factsOf(store: Store, attempt: AttemptId): Promise<{ sequence: number; at: number; kind: string }[]> {
  const [books] = await store.readBooks([attempt], () => cellOf(epochMs(T0)))
  const facts = (books?.facts ?? []).map(({ sequence, at, body: { kind } }) => ({ sequence, at, kind }))
  return facts.toSorted((a, b) => a.sequence - b.sequence)
}

test('each fact is there once, at the time of the log less what went by since, though the reader dies before each move', async () => {
  const { facts } = await read((attempt) => spool(attempt, body([step(1), step(2)])))
  // Written at T0 + 600 s by the clock of the supervisor, 500 s by that of the source.
  assert.deepEqual(facts, [
    { sequence: 1, at: T0 + 500_001, kind: 'step' },
    { sequence: 2, at: T0 + 500_002, kind: 'step' },
  ])
})

test('a batch that is cut by slices is put together from what is stored', async () => {
  const many = Array.from({ length: 300 }, (_, index) => step(index + 1))
  const { facts } = await read((attempt) => spool(attempt, body(many), 1, 300), 700)
  assert.equal(facts.length, 300)
})

test('expert load comes the same way', async () => {
  const frame = {
    seq: 3,
    at: T0 + 400_000,
    kind: 'experts',
    step: 1,
    layers: ['a'],
    experts: 2,
    counts: 'AQAAAAIAAAA=',
  }
  const { store, attempt } = await read((id) => spool(id, body([{ ...frame, flags: [] }])))
  assert.deepEqual(
    (await store.expertLayers(attempt)).map(({ names, frames }) => [names, frames]),
    [[['a'], 1]],
  )
})

const NOTHING: Readonly<Record<string, (attempt: AttemptId) => string>> = {
  'of another attempt': (attempt) => spool(attempt.replace(/-1$/, '-2'), body([step(1)])),
  'that is no batch': (attempt) => spool(attempt, '{"version":1}'),
  'that is no JSON': (attempt) => spool(attempt, 'x'),
  'that is no gzip': (attempt) => `${STAMP} stderr F plimsoll-spool/1 ${attempt} ${SOURCE} 1 1/1 AAAA\n`,
  'that unpacks to very much': (attempt) => spool(attempt, body([step(1)], { reporter: ' '.repeat(2_000_000) })),
  'whose facts are refused': (attempt) => spool(attempt, body([{ ...step(1), step: -1 }])),
}
for (const [name, log] of Object.entries(NOTHING))
  test(`a batch ${name} is read past`, async () => {
    const { facts, store, attempt } = await read((id) => `${log(id)}${STAMP} stdout F after it\n`)
    assert.deepEqual(facts, [])
    assert.ok((await store.log(workerIdOf(attempt, 0), 0, 2 ** 20)).bytes.length > 0)
  })
