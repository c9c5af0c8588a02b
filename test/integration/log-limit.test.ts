// A run that prints more than is stored of one, read by the loop of production: its steps, and what its reporter left in the log, count on
// beyond the limit, whoever reads beside and dies; and whoever looks is told that the rest is not there.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Control } from '../../src/control/control.ts'
import { followLogs } from '../../src/control/logs.ts'
import type { AttemptId } from '../../src/domain/ids.ts'
import { workerIdOf } from '../../src/domain/ids.ts'
import type { Principal } from '../../src/domain/principal.ts'
import { cellOf, epochMs } from '../../src/domain/units.ts'
import type { LogSlice } from '../../src/ports/cluster.ts'
import type { LogAppend, Store } from '../../src/ports/store.ts'
import { T0 } from '../conformance/things.ts'
import { reporting } from '../parts/reporting.ts'

const STAMP = new Date(T0 + 600_000).toISOString()
const STEPS = 60
const BATCHES = 4
const LIMIT = 2_000
const WHO: Principal = { kind: 'user', name: 'ada', grants: [{ role: 'admin', project: null }] }

const stepLine = (step: number): string =>
  `${STAMP} stdout F  iteration ${String(step).padStart(8)}/ 20000 | consumed samples: ${step * 8} | elapsed time per iteration (ms): 4012.5 | lm loss: 2.000000 |\n`

/** As a reporter leaves a batch of marks, in parts that other lines stand between. */
function spooled(attempt: AttemptId, batch: number): string[] {
  const facts = Array.from({ length: 40 }, (_, index) => {
    const seq = batch * 40 + index + 1
    return { seq, at: T0 + 400_000 + seq, kind: 'step', step: seq, steps: 1, tokens: 8 }
  })
  const source = '4be1c07d92a3f5e8'
  const body = {
    version: 1,
    source,
    startedAt: T0,
    sentAt: T0 + 500_000,
    rank: 0,
    reporter: 'test/1',
    obeys: [],
    facts,
  }
  const pieces =
    gzipSync(JSON.stringify(body))
      .toString('base64')
      .match(/.{1,300}/g) ?? []
  return pieces.map(
    (piece, index) =>
      `${STAMP} stderr F plimsoll-spool/1 ${attempt} ${source} ${batch + 1} ${index + 1}/${pieces.length} ${piece}\n`,
  )
}

function printed(attempt: AttemptId): string {
  const parts = Array.from({ length: BATCHES }, (_, batch) => spooled(attempt, batch)).flat()
  const lines = Array.from({ length: STEPS }, (_, index) => `${stepLine(index + 1)}${parts.shift() ?? ''}`)
  return [...lines, ...parts].join('')
}

/** A store for a reader that dies at each second move of the cursor, by turns before it and after it. */
function mortal(store: Store): Store {
  let calls = 0
  return new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (name !== 'appendLogs' || typeof method !== 'function') return method
      return async (appends: readonly LogAppend[], bytesMax: number): Promise<void> => {
        calls += 1
        if (calls % 4 === 1) throw new Error('dies before the cursor moves on')
        await target.appendLogs(appends, bytesMax)
        if (calls % 4 === 3) throw new Error('dies after it')
      }
    },
  })
}

async function follow(limit: number) {
  const { store, attempt, control, views } = await reporting()
  const worker = workerIdOf(attempt, 0)
  const bytes = new TextEncoder().encode(printed(attempt))
  const cluster = {
    async readLog(of: string, offset: number): Promise<LogSlice> {
      const slice = of === worker ? bytes.subarray(offset, offset + 700) : new Uint8Array()
      const whole = slice.subarray(0, slice.lastIndexOf(10) + 1)
      return { offset, bytes: whole, nextOffset: offset + whole.length, open: true }
    },
  }
  const [cursor] = await store.logCursors()
  assert.ok(cursor !== undefined)
  const clusters = new Map([[cursor.cluster, cluster]]) as unknown as Control['clusters']
  const settings = { ...control.settings, logBytesMax: limit }
  const reader = { ...control, settings, clusters }
  const dying = { ...reader, store: mortal(store) }
  for (let turn = 0; turn < 100; turn += 1)
    await Promise.all(
      [followLogs(dying), ...(turn % 3 === 0 ? [followLogs(reader)] : [])].map((read) => read.catch(() => {})),
    )
  assert.equal((await store.logCursors())[0]?.offset, bytes.length)
  return { store, attempt, worker, views, reader }
}

async function stepsOf(store: Store, attempt: AttemptId, isReported: boolean): Promise<number> {
  const [books] = await store.readBooks([attempt], () => cellOf(epochMs(T0)))
  return (books?.facts ?? []).filter(
    ({ source, body }) => body.kind === 'step' && source.startsWith('log:') !== isReported,
  ).length
}

test('beyond the limit nothing is stored, and all steps and reports count', async () => {
  const { store, attempt, worker, views } = await follow(LIMIT)
  assert.equal(await stepsOf(store, attempt, false), STEPS)
  assert.equal(await stepsOf(store, attempt, true), BATCHES * 40)
  const log = await store.log(worker, 0, 2 ** 20)
  const text = new TextDecoder().decode(log.bytes)
  const ours = text.split('\n').filter((line) => line.includes(' plimsoll F '))
  assert.equal(ours.length, 1)
  assert.ok(text.endsWith(`${ours[0]}\n`))
  const kept = text.length - (ours[0]?.length ?? 0) - 1
  assert.equal(text.slice(0, kept), printed(attempt).slice(0, kept))
  assert.ok(kept <= LIMIT && kept > LIMIT - 500)
  const run = attempt.slice(0, attempt.lastIndexOf('-'))
  const page = await views.logs(WHO, run, { attempt: 1, index: 0 }, 0)
  assert.ok(page.ok && page.value.cut)
  assert.deepEqual(
    page.value.lines.filter(({ stream }) => stream === 'plimsoll').map(({ text: said }) => said.slice(0, 62)),
    ['plimsoll: from here on nothing of this log is stored: the run '],
  )
  const found = await views.searchLogs(WHO, run, { text: null, attempt: 1, limit: 10 })
  assert.ok(found.ok && found.value.firstError === null, 'the line is no error of the run')
  const shown = await views.show(WHO, run)
  assert.ok(shown.ok)
  assert.deepEqual(
    shown.value.findings.map(({ kind, attempt: of }) => [kind, of]),
    [['log-limit', 1]],
  )
  const events = await views.events(WHO, run, { limit: 100, after: null })
  assert.ok(events.ok)
  const told = events.value.events.filter(({ kind }) => kind === 'log-limit')
  assert.deepEqual(
    told.map(({ message }) => message),
    shown.value.findings.map((finding) => finding.text),
  )
})

test('within the limit everything is stored, and nobody is told anything', async () => {
  const { store, attempt, worker, views } = await follow(2 ** 20)
  const { bytes, cut } = await store.log(worker, 0, 2 ** 20)
  assert.deepEqual([new TextDecoder().decode(bytes), cut], [printed(attempt), false])
  assert.equal(await stepsOf(store, attempt, true), BATCHES * 40)
  const shown = await views.show(WHO, attempt.slice(0, attempt.lastIndexOf('-')))
  assert.ok(shown.ok && shown.value.findings.length === 0)
})
