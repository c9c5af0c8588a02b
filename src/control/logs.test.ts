import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CLUSTER, runId, t } from '../domain/fixture.ts'
import { attemptIdOf, workerIdOf } from '../domain/ids.ts'
import type { Cluster } from '../ports/cluster.ts'
import type { LogAppend, LogCursor, Store } from '../ports/store.ts'
import type { Control } from './control.ts'
import { followLogs } from './logs.ts'

const COUNT = 300
const ATTEMPT = attemptIdOf(runId(1), 1)

/** A read of a log takes `readMs`. */
function world(readMs: number, skipped: boolean, error: Error | null = null) {
  let now = 0
  const read: string[] = []
  const rung: string[] = []
  const warned: unknown[] = []
  const appended: LogAppend[] = []
  const cursors = Array.from({ length: COUNT }, (_, index): LogCursor => ({
    worker: workerIdOf(ATTEMPT, index),
    attempt: ATTEMPT,
    run: runId(1),
    cluster: CLUSTER,
    offset: 0,
    mark: null,
    spool: '',
    observedTo: null,
    living: true,
  })).toSorted((a, b) => (a.worker < b.worker ? -1 : 1))
  const store = {
    logCursors: () => Promise.resolve(cursors),
    specs: () => Promise.resolve(new Map()),
    appendLogs: (some: readonly LogAppend[]) => Promise.resolve(void appended.push(...some)),
    attemptsToForget: () => Promise.resolve([]),
  }
  const readLog = (worker: string, offset: number) => {
    now += readMs
    read.push(worker)
    const slice = { offset, bytes: new Uint8Array(), nextOffset: offset, open: true }
    if (error !== null) return Promise.reject(error)
    return Promise.resolve(skipped ? { ...slice, skipped: true } : slice)
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a turn asks of it
  const control = {
    store: store as unknown as Store,
    clusters: new Map([[CLUSTER, { name: CLUSTER, readLog } as unknown as Cluster]]),
    clock: { now: () => t(now) },
    doorbell: { ring: (loop: string) => rung.push(loop) },
    log: { warn: (fields: object) => warned.push(fields) },
    settings: { logBytesMax: 1 },
  } as unknown as Control
  return { control, read, rung, warned, appended, cursors }
}

test('a turn that takes long ends, is asked for again, and goes on with the log after the last one', async () => {
  const { control, read, rung, cursors } = world(10, false)
  await followLogs(control)
  assert.ok(read.length < COUNT)
  assert.deepEqual(rung, ['observe'])
  for (let turn = 0; turn < 2; turn += 1) await followLogs(control)
  assert.deepEqual(
    read.slice(0, COUNT),
    cursors.map(({ worker }) => worker),
  )
})

test('that a log was not looked at is no silence', async () => {
  const looked = world(0, false)
  await followLogs(looked.control)
  assert.deepEqual([looked.read.length, looked.appended.length, looked.rung], [COUNT, COUNT, []])
  assert.ok(looked.appended.every(({ observedTo }) => observedTo === t(0)))
  const skipped = world(0, true)
  await followLogs(skipped.control)
  assert.deepEqual([skipped.read.length, skipped.appended.length], [COUNT, 0])
})

test('a cluster that cannot be asked has one line in our log', async () => {
  const { control, warned, appended, cursors } = world(0, false, new Error('it does not answer'))
  await followLogs(control)
  const [{ worker } = { worker: '' }] = cursors
  assert.deepEqual(warned, [{ cluster: CLUSTER, worker, logs: COUNT, error: 'Error: it does not answer' }])
  assert.deepEqual(appended, [])
})
