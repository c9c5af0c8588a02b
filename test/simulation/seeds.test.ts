// The production loops in the other world: seeds that must hold, and mutations that each checker must catch. A failing seed is repeated
// with PLIMSOLL_TEST_SEEDS=N-N.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulateSeed } from '../../src/apps/simulate/drive.ts'
import { putClaim } from '../../src/sim/store/tables.ts'
import type { Mutation } from '../../src/apps/simulate/world.ts'

const [first = 1, last = 12] = (process.env.PLIMSOLL_TEST_SEEDS ?? '1-12').split('-').map(Number)

for (let seed = first; seed <= last; seed += 1) {
  test(`safety and liveness: seed ${seed} (PLIMSOLL_TEST_SEEDS=${seed}-${seed} repeats it)`, async () => {
    const outcome = await simulateSeed(seed)
    assert.equal(outcome.problem, null, JSON.stringify(outcome))
    assert.ok(outcome.runs >= 4)
  })
}

const MUTATIONS: Readonly<Record<string, { readonly mutation: Mutation; readonly caught: RegExp }>> = {
  'a row of layer 1 that nobody owes': {
    mutation: (tables) => {
      const row = tables.held.rows.at(-1)
      if (row !== undefined && tables.held.rows.length > 50) tables.held.append({ ...row, holder: 'nobody' })
    },
    caught: /in its books/,
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
    const { problem } = await simulateSeed(1, { mutate: mutation })
    assert.match(problem ?? 'nothing was caught', caught)
  })
}
