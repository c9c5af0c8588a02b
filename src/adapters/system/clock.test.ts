import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { array, assert as check, constantFrom, nat, property, record } from 'fast-check'
import { epochMs } from '../../domain/units.ts'
import { BootClock, bootMs, BootTime } from './clock.ts'

/** A machine whose two clocks are set by hand; uptime shows steps of 10 ms, as the kernel's does. */
type Machine = {
  readonly boot: BootTime
  readonly run: (ms: number) => void
  readonly sleep: (ms: number) => void
  readonly stepBack: (ms: number) => void
}

function machine(): Machine {
  let [uptime, steady] = [1_000_000, 400_000]
  const boot = new BootTime({ uptimeMs: () => Math.floor(uptime / 10) * 10, steadyMs: () => steady })
  const run = (ms: number): void => {
    uptime += ms
    steady += ms
  }
  const sleep = (ms: number): void => {
    uptime += ms
  }
  const stepBack = (ms: number): void => {
    uptime -= ms
  }
  return { boot, run, sleep, stepBack }
}

void test('boot time has steps of one millisecond although /proc/uptime has ten', () => {
  const { boot, run } = machine()
  const first = boot.read()
  run(1)
  assert.equal(boot.read(), first + 1)
  run(3)
  assert.equal(boot.read(), first + 4)
})

void test('a sleep of the machine counts', () => {
  const { boot, run, sleep } = machine()
  const first = boot.read()
  sleep(3_600_000)
  run(5)
  const passed = boot.read() - first
  assert.ok(Math.abs(passed - 3_600_005) <= 10, `${passed} ms`)
})

void test('without /proc/uptime the steady clock is enough', () => {
  let steady = 7.9
  const boot = new BootTime({ uptimeMs: () => null, steadyMs: () => steady })
  assert.equal(boot.read(), 7)
  steady += 10
  assert.equal(boot.read(), 17)
})

void test('to be interrupted between the two readings is not taken for a sleep', () => {
  let [now, interruptions] = [0, 0]
  const uptimeMs = (): number => {
    if (interruptions-- > 0) now += 500
    return now
  }
  const boot = new BootTime({ uptimeMs, steadyMs: () => now })
  const first = boot.read()
  interruptions = 1
  assert.equal(boot.read(), first + 500)
})

void test('safety: boot time never decreases and stays within 70 ms of the truth, whatever runs and sleeps', () => {
  const step = record({ kind: constantFrom('run', 'sleep', 'stepBack'), ms: nat(200) })
  check(
    property(array(step), (steps) => {
      const { boot, run, sleep } = machine()
      let [truth, last] = [boot.read(), 0]
      for (const { kind, ms } of steps) {
        if (kind === 'run') run(ms)
        if (kind === 'sleep') sleep(ms)
        truth += kind === 'stepBack' ? 0 : ms
        const read = boot.read()
        assert.ok(read >= last)
        assert.ok(Math.abs(read - truth) <= 70, `read ${read}, true ${truth}`)
        last = read
      }
    }),
  )
})

void test('an uptime that goes back does not take the time back', () => {
  const { boot, run, stepBack } = machine()
  run(1_000)
  const before = boot.read()
  stepBack(500)
  assert.equal(boot.read(), before)
})

void test('the boot time of this machine agrees with the kernel', { skip: process.platform !== 'linux' }, () => {
  const uptime = Number.parseFloat(readFileSync('/proc/uptime', 'utf8')) * 1_000
  assert.ok(Math.abs(bootMs() - uptime) < 1_000)
  assert.ok(Number.isInteger(bootMs()))
})

void test('the clock is the database’s at the base plus boot time since', () => {
  let boot = 500
  const clock = new BootClock(() => boot)
  assert.throws(() => clock.now(), /bug/)
  assert.equal(clock.setBase(epochMs(1_000_000), 400), 0)
  assert.equal(clock.now(), 1_000_100)
  boot += 50
  assert.equal(clock.now(), 1_000_150)
})

void test('within a base the clock never decreases, even if boot time did', () => {
  let boot = 500
  const clock = new BootClock(() => boot)
  clock.setBase(epochMs(1_000_000), 500)
  boot = 600
  assert.equal(clock.now(), 1_000_100)
  boot = 550
  assert.equal(clock.now(), 1_000_100)
})

void test('a later base moves the clock by what the database says, and tells by how much', () => {
  let boot = 500
  const clock = new BootClock(() => boot)
  clock.setBase(epochMs(1_000_000), 500)
  boot = 700
  assert.equal(clock.setBase(epochMs(1_000_200), 700), 0)
  assert.equal(clock.setBase(epochMs(1_000_230), 700), 30)
  assert.equal(clock.now(), 1_000_230)
  assert.equal(clock.setBase(epochMs(1_000_130), 700), -100)
  assert.equal(clock.now(), 1_000_130)
})

void test('the database’s answer counts for the middle of the question, with half of its length as doubt', async () => {
  let boot = 1_000
  const clock = new BootClock(() => boot)
  const ask = async (): Promise<ReturnType<typeof epochMs>> => {
    boot += 40
    return epochMs(5_000_000)
  }
  assert.deepEqual(await clock.askBase(ask), { jumpMs: 0, unsureMs: 20 })
  assert.equal(clock.now(), 5_000_020)
})
