import assert from 'node:assert/strict'
import { test } from 'node:test'
import { array, assert as check, constantFrom, property } from 'fast-check'
import { Fault } from '../../ports/fault.ts'
import { Flank } from './flank.ts'
import { codeOf, recordOfLoops, seldom, Turns } from './turns.ts'

/** Lets everything that waits for a promise go on. */
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

type Gate = { runs: number; open: () => void }

function gated(): { gate: Gate; run: () => Promise<void> } {
  const gate: Gate = { runs: 0, open: () => undefined }
  const run = async (): Promise<void> => {
    gate.runs += 1
    await new Promise<void>((resolve) => (gate.open = resolve))
  }
  return { gate, run }
}

const idle = { everyMs: 1_000, run: async () => undefined }
const silent = (): void => undefined

void test('a hundred looks during a run lead to exactly one more', async () => {
  const { gate, run } = gated()
  const turns = new Turns({ ...recordOfLoops(() => idle), place: { everyMs: 1_000, run } }, silent)
  for (let n = 0; n < 100; n++) turns.look('place')
  assert.equal(gate.runs, 1)
  gate.open()
  await settle()
  assert.equal(gate.runs, 2)
  gate.open()
  await settle()
  assert.equal(gate.runs, 2)
  await turns.close()
})

void test('a loop that takes long does not keep another from running', async () => {
  const [slow, quick] = [gated(), gated()]
  const loops = {
    ...recordOfLoops(() => idle),
    place: { everyMs: 1, run: slow.run },
    launch: { everyMs: 1, run: quick.run },
  }
  const turns = new Turns(loops, silent)
  turns.look('place')
  turns.look('launch')
  assert.deepEqual([slow.gate.runs, quick.gate.runs], [1, 1])
  slow.gate.open()
  quick.gate.open()
  await turns.close()
})

void test('close waits for what runs and begins nothing more', async () => {
  const { gate, run } = gated()
  const turns = new Turns({ ...recordOfLoops(() => idle), observe: { everyMs: 1, run } }, silent)
  turns.look('observe')
  turns.look('observe')
  let closed = false
  const closing = turns.close().then(() => (closed = true))
  await settle()
  assert.equal(closed, false)
  gate.open()
  await closing
  turns.look('observe')
  assert.equal(gate.runs, 1)
})

void test('a fault that may pass is a warning, anything else an error, and the loop can look again', async () => {
  const said: unknown[] = []
  const failures = [new Fault('store-unavailable', 'gone', { retryable: true }), new TypeError('bug')]
  let runs = 0
  const run = async (): Promise<void> => {
    const failure = failures[runs++]
    if (failure !== undefined) throw failure
  }
  const turns = new Turns({ ...recordOfLoops(() => idle), account: { everyMs: 1, run } }, (kind, level) =>
    said.push([kind, level]),
  )
  for (let n = 0; n < 3; n++) {
    turns.look('account')
    await settle()
  }
  assert.equal(runs, 3)
  assert.deepEqual(said, [
    ['account store-unavailable', 'warn'],
    ['account TypeError', 'error'],
  ])
})

void test('a complaint is made once in ten seconds for its kind, and then says how often it was left out', () => {
  const said: unknown[] = []
  let now = 0
  const complain = seldom(
    (_level, fields) => said.push(fields),
    () => now,
  )
  for (now = 0; now < 10_000; now += 100) complain('a', 'warn', {}, '')
  complain('b', 'warn', {}, '')
  complain('a', 'warn', {}, '')
  assert.deepEqual(said, [{ leftOut: 0 }, { leftOut: 0 }, { leftOut: 99 }])
})

void test('an error without a code is known by its name', () => {
  assert.deepEqual(
    [codeOf(new RangeError('x')), codeOf('text'), codeOf(new Fault('disk-full', '', { retryable: false }))],
    ['RangeError', 'unknown', 'disk-full'],
  )
})

void test('a ring while the message is under way sends none, a ring during its look sends one when it is completed', () => {
  let sent = 0
  const flank = new Flank(() => (sent += 1))
  for (let n = 0; n < 10; n++) flank.ring()
  assert.equal(sent, 1)
  flank.taken()
  for (let n = 0; n < 10; n++) flank.ring()
  assert.equal(sent, 1)
  flank.completed()
  assert.equal(sent, 2)
  flank.taken()
  flank.completed()
  assert.equal(sent, 2)
})

void test('safety: no ring goes without a later look, though the queue drops what it already has', () => {
  const step = constantFrom('ring', 'take', 'complete', 'timer', 'lose')
  check(
    property(array(step, { maxLength: 60 }), (steps) => {
      // The queue holds at most one message of the loop: waiting, or with the worker until it is completed.
      const queue: { holds: 'nothing' | 'waiting' | 'active' } = { holds: 'nothing' }
      let owed = false
      const flank = new Flank(() => {
        if (queue.holds === 'nothing') queue.holds = 'waiting'
      })
      const take = (): void => {
        if (queue.holds !== 'waiting') return
        queue.holds = 'active'
        flank.taken()
        owed = false
      }
      const complete = (): void => {
        if (queue.holds !== 'active') return
        queue.holds = 'nothing'
        flank.completed()
      }
      const timer = (): void => {
        flank.timer()
        owed = false
      }
      let lost = false
      for (const what of steps) {
        if (what === 'ring') {
          owed = true
          flank.ring()
        }
        if (what === 'take') take()
        if (what === 'complete') complete()
        if (what === 'timer') {
          timer()
          lost = false
        }
        if (what === 'lose' && queue.holds === 'waiting') {
          queue.holds = 'nothing'
          lost = true
        }
      }
      for (let n = 0; n < 4; n++) {
        complete()
        take()
      }
      if (lost) timer()
      assert.equal(owed, false)
    }),
  )
})
