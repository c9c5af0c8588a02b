// Two processes side by side, call by call: 200 seeds that must hold, and mutations of the tables that the checkers of budgets and of
// real processes must see. PLIMSOLL_TEST_SEEDS=N-N repeats one; nightly, 1-20000.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attemptOfWorker } from '../../src/domain/ids.ts'
import { simulateInterleaved } from '../../src/apps/simulate/interleaved.ts'
import type { Mutation } from '../../src/apps/simulate/world.ts'

const [first = 1, last = first] = (process.env.PLIMSOLL_TEST_SEEDS ?? '1-200').split('-').map(Number)
const TOGETHER = 20

for (let from = first; from <= last; from += TOGETHER) {
  const to = Math.min(last, from + TOGETHER - 1)
  void test(`safety and liveness, call by call: seeds ${from} to ${to}`, async () => {
    const problems: string[] = []
    for (let seed = from; seed <= to; seed += 1) {
      const { problem } = await simulateInterleaved(seed)
      if (problem !== null) problems.push(`${problem}; plimsoll simulate --seed ${seed} --story tells it`)
    }
    assert.deepEqual(problems, [])
  })
}

const MUTATIONS: Readonly<Record<string, { readonly mutation: Mutation; readonly caught: RegExp }>> = {
  'a budget that nobody used': {
    mutation: (tables) => {
      for (const budget of tables.budgets.values()) tables.budgets.set(budget.id, { ...budget, used: budget.used + 1 })
    },
    caught: /says used/,
  },
  'a slot that two gangs use': {
    mutation: (tables, cluster) => {
      const running = new Set([...cluster.running].map(attemptOfWorker))
      const [a, b] = [...tables.liveAttempts.values()].filter(({ id }) => running.has(id))
      if (a !== undefined && b !== undefined) tables.attempts.set(b.id, { ...b, placement: sameSeats(a, b) })
    },
    caught: /is used by/,
  },
}

type Attempt = Parameters<Mutation>[0]['attempts'] extends Map<unknown, infer Value> ? Value : never

function sameSeats(a: Attempt, b: Attempt): Attempt['placement'] {
  const workers = b.placement.workers.map((worker, index) => {
    const seat = a.placement.workers[index] ?? worker
    return { ...worker, node: seat.node, slots: seat.slots }
  })
  return { ...b.placement, workers }
}

for (const [name, { mutation, caught }] of Object.entries(MUTATIONS)) {
  test(`a checker catches ${name}`, async () => {
    let found: string | null = null
    for (let seed = 1; found === null && seed <= 12; seed += 1)
      found = (await simulateInterleaved(seed, { mutate: mutation })).problem
    assert.match(found ?? 'nothing was caught', caught)
  })
}
