import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Held } from '../../domain/holdings.ts'
import { heldGpuMs } from '../../domain/holdings.ts'
import { CELL_MS } from '../../domain/units.ts'
import { nodeId, t } from '../../domain/fixture.ts'
import type { CellInput, WorkerLife } from './cell.ts'
import { balanceOf, classifyCell, tokensOf } from './cell.ts'
import { ATTEMPT, factsArbitrary, inputOf, s, step } from './fixture.ts'

const row = (worker: number, from: number, to: number, slots: number): Held => ({
  node: nodeId('a'),
  holder: `${ATTEMPT}-${worker}`,
  from: t(from),
  to: t(to),
  slots,
})
const lifeOf = (worker: number, startedAt: number | null, endedAt: number | null): WorkerLife => ({
  holder: `${ATTEMPT}-${worker}`,
  startedAt: startedAt === null ? null : t(startedAt),
  endedAt: endedAt === null ? null : t(endedAt),
})

function cellOf(facts: CellInput['facts'], over: Partial<CellInput>): CellInput {
  return { ...inputOf(facts), held: [], workers: [], ...over }
}

const sum = (values: Readonly<Record<string, number | undefined>>): number =>
  Object.values(values).reduce<number>((total, each) => total + (each ?? 0), 0)

void test('the slots of a worker are provision before it started and teardown after its end', () => {
  const summary = classifyCell(
    cellOf([step(100, 1, { durationMs: 50_000 })], {
      held: [row(0, 0, 300_000, 2), row(1, 0, 300_000, 1)],
      workers: [lifeOf(0, 0, null), lifeOf(1, 20_000, 200_000)],
    }),
  )
  assert.deepEqual(summary.accounts, {
    provision: 20_000,
    teardown: 100_000,
    startup: 2 * 50_000 + 30_000,
    productive: 3 * 50_000,
    unknown: 2 * 200_000 + 100_000,
  })
  assert.deepEqual(summary.marks, [{ segment: 0, step: 1, steps: 1, gpuMs: 150_000, tokens: null }])
})

void test('a worker that never started is provision and never teardown', () => {
  const held = [row(0, 0, 300_000, 4)]
  const summary = classifyCell(cellOf([], { held, workers: [lifeOf(0, null, null)] }))
  assert.deepEqual(summary.accounts, { provision: 1_200_000 })
})

void test('a holder whose life nobody knows is provision', () => {
  assert.deepEqual(classifyCell(cellOf([], { held: [row(7, 0, 1_000, 1)] })).accounts, { provision: 1_000 })
})

void test('productive time of steps that are not kept is lost, and their tokens do not count', () => {
  const facts = [step(10, 1, { batch: 2 }), step(20, 2, { batch: 2 }), step(40, 4, { batch: 2 })]
  const input = { held: [row(0, 0, 300_000, 1)], workers: [lifeOf(0, 0, null)], sequenceLength: 8 }
  const summary = classifyCell(cellOf(facts, input))
  assert.deepEqual(balanceOf(summary, [null]), summary.accounts)
  const kept = balanceOf(summary, [3])
  assert.equal(kept.productive, 20_000)
  assert.equal(kept.lost, 10_000)
  assert.equal(tokensOf(summary, [null]), 64)
  assert.equal(tokensOf(summary, [3]), 48)
  const huge = summary.marks.map((mark) => ({ ...mark, tokens: Number.MAX_SAFE_INTEGER }))
  assert.equal(tokensOf({ ...summary, marks: [...huge, ...huge] }, [null]), null, 'more than can be counted')
})

void test('safety: the accounts and the marks sum to layer 1 exactly, whatever was held and said', () => {
  const span = fc.tuple(fc.nat(CELL_MS), fc.nat(CELL_MS)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
  const life = fc.option(fc.integer({ min: -CELL_MS, max: 2 * CELL_MS }))
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(4), span, fc.integer({ min: 1, max: 8 })), { maxLength: 12 }),
      fc.array(fc.tuple(life, life), { maxLength: 4 }),
      factsArbitrary(2 * CELL_MS, 15),
      fc.option(fc.nat(CELL_MS).map(t)),
      fc.option(fc.nat(40)),
      (rows, lives, facts, startedAt, keep) => {
        const held = rows.map(([worker, [from, to], slots]) => row(worker, from, to, slots))
        const workers = lives.map(([from, to], index) => lifeOf(index, from, to))
        const summary = classifyCell(cellOf(facts, { held, workers, startedAt, from: s(0), to: s(300) }))
        const layer1 = held.reduce((total, each) => total + heldGpuMs(each), 0)
        assert.equal(sum(summary.accounts), layer1)
        const productive = summary.accounts.productive ?? 0
        assert.equal(
          summary.marks.reduce((total, mark) => total + mark.gpuMs, 0),
          productive,
        )
        const balance = balanceOf(
          summary,
          summary.carry.segments.map(() => keep),
        )
        assert.equal(sum(balance), layer1)
        for (const [account, amount] of Object.entries(balance)) assert.ok(amount >= 0, `${account} is ${amount}`)
      },
    ),
    { numRuns: 300 },
  )
})
