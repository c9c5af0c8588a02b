// The production loops in the other world, turn by turn and call by call: 200 seeds that must hold, and mutations of the tables that the
// checkers must see. Mutations of the sources are in mutations.test.ts. PLIMSOLL_TEST_SEEDS=N-N repeats one; nightly, 1-20000.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulateSeed } from '../../src/apps/simulate/drive.ts'
import { putClaim } from '../../src/sim/store/tables.ts'
import type { Mutation } from '../../src/apps/simulate/world.ts'

const [first = 1, last = first] = (process.env.PLIMSOLL_TEST_SEEDS ?? '1-200').split('-').map(Number)
/** A line of the report for so many seeds: each is some tens of milliseconds. */
const TOGETHER = 20

for (let from = first; from <= last; from += TOGETHER) {
  const to = Math.min(last, from + TOGETHER - 1)
  void test(`safety and liveness, turn by turn: seeds ${from} to ${to}`, async () => {
    const problems: string[] = []
    for (let seed = from; seed <= to; seed += 1) {
      const { problem, runs } = await simulateSeed(seed)
      if (problem !== null) problems.push(`${problem}; plimsoll simulate --seed ${seed} --story tells it`)
      assert.ok(runs > 0)
    }
    assert.deepEqual(problems, [])
  })
}

const MUTATIONS: Readonly<Record<string, { readonly mutation: Mutation; readonly caught: RegExp }>> = {
  'a row of layer 1 that nobody owes': {
    mutation: (tables) => {
      const row = tables.held.rows.at(-1)
      if (row !== undefined && tables.held.rows.length > 50) tables.held.append({ ...row, holder: 'nobody' })
    },
    caught: /in its books|goes on at/,
  },
  'a posting that divides nothing': {
    mutation: (tables) => {
      const row = tables.postings.rows.at(-1)
      if (row !== undefined) tables.postings.append({ ...row, gpuMs: 1 })
    },
    caught: /sums to/,
  },
  'a slot with two holders': {
    mutation: (tables) => {
      const [claim] = tables.livingClaims.values()
      if (claim !== undefined) putClaim(tables, { ...claim, holder: `${claim.run}-99-0` as typeof claim.holder })
    },
    caught: /is held by/,
  },
  'a worker that starts again': {
    mutation: (_tables, cluster) => {
      const start = cluster.starts[0]
      if (start !== undefined && cluster.starts.length > 2) cluster.starts.push(start)
    },
    caught: /started twice/,
  },
}

for (const [name, { mutation, caught }] of Object.entries(MUTATIONS)) {
  test(`a checker catches ${name}`, async () => {
    let found: string | null = null
    for (let seed = 1; found === null && seed <= 12; seed += 1)
      found = (await simulateSeed(seed, { mutate: mutation })).problem
    assert.match(found ?? 'nothing was caught', caught)
  })
}
