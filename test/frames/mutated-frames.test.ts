// 100,000 batches that somebody changed, through the contract, the request of production and a store in memory: nothing throws, each is
// taken or refused in words that say where and why, and the books of what was taken add up.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { DocumentName } from '../../src/contract/documents.ts'
import { DOCUMENTS } from '../../src/contract/documents.ts'
import { parseReport } from '../../src/contract/ingest.ts'
import { toWire } from '../../src/contract/wire.ts'
import { workOf } from '../../src/core/account/due.ts'
import { planPostings } from '../../src/core/account/post.ts'
import { runOfAttempt } from '../../src/domain/ids.ts'
import type { Principal } from '../../src/domain/principal.ts'
import type { Answer } from '../../src/domain/refusal.ts'
import { cellOf, epochMs } from '../../src/domain/units.ts'
import { T0 } from '../conformance/things.ts'
import { Mutations } from '../parts/mutated.ts'
import type { Reporting } from '../parts/reporting.ts'
import { reporting } from '../parts/reporting.ts'

const FRAMES = 100_000
/** A store is thrown away after so many: what is taken stays in it. */
const TOGETHER = 5_000
const HEAP_GROWS_BY_MAX = 64 * 2 ** 20
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
/** Of what is still held, whatever ran before in this process. */
function heapUsed(): number {
  collect()
  return process.memoryUsage().heapUsed
}
const REASONS = new Set(['invalid', 'unknown-kind', 'too-late', 'too-many'])

/** False for one that was refused whole. */
async function isTaken(value: unknown, { requests, attempt }: Reporting): Promise<boolean> {
  const parsed = parseReport(value)
  if (!parsed.ok) {
    assert.ok(parsed.problems.length > 0)
    for (const { pointer, message } of parsed.problems)
      assert.ok(/^(\/|$)/.test(pointer) && message.length > 0 && message.length < 1_000, `${pointer}: ${message}`)
    return false
  }
  const answer = await requests.report({ kind: 'attempt', attempt }, parsed.batch)
  assert.ok(answer.ok)
  const { accepted, refused } = answer.value
  assert.equal(accepted + refused.length, parsed.batch.sent)
  for (const { seq, reason } of refused) assert.ok(Number.isSafeInteger(seq) && seq >= 0 && REASONS.has(reason))
  return true
}

/** As many facts as there are; whatever they say, no account is below 0. */
async function checkBooks({ store, attempt }: Reporting): Promise<number> {
  const [read] = await store.readBooks([attempt], ({ placedAt }) => cellOf(placedAt))
  assert.ok(read !== undefined)
  const bookedTo = epochMs(T0 + 1_800_000)
  for (const { lines } of planPostings({ ...workOf.full(read), bookedTo }, bookedTo, 0).revisions)
    for (const gpuMs of Object.values(lines)) assert.ok(Number.isSafeInteger(gpuMs) && gpuMs >= 0)
  return read.facts.length
}

const ADA: Principal = { kind: 'user', name: 'ada', grants: [{ role: 'admin', project: null }] }

/** What people and scripts read of it is what it was promised to be. */
async function checkDocuments({ views, attempt }: Reporting): Promise<void> {
  const run = runOfAttempt(attempt)
  const rows: readonly (readonly [DocumentName, Answer<object>])[] = [
    ['show', await views.show(ADA, run)],
    ['statement', await views.statement(ADA, run)],
    ['series', await views.series(ADA, run, 100)],
    ['experts', await views.experts(ADA, run, { attempt: null, set: null, points: 100, from: null, to: null })],
    ['expert-frame', await views.expertFrame(ADA, run, { attempt: null, set: null, step: null })],
    [
      'expert-history',
      await views.expertHistory(ADA, run, {
        attempt: null,
        set: null,
        layer: 0,
        expert: 0,
        points: 100,
        from: null,
        to: null,
      }),
    ],
  ]
  for (const [name, answer] of rows) {
    assert.ok(answer.ok, `${name}: ${answer.ok ? '' : answer.message}`)
    const parsed = DOCUMENTS[name].safeParse(JSON.parse(JSON.stringify(toWire(name, answer.value))))
    assert.ok(parsed.success, `${name}: ${parsed.error?.message}`)
  }
}

test('100,000 mutated batches: each is taken or refused with its place, nothing throws, and the books add up', async () => {
  const before = heapUsed()
  const outcomes = { unreadable: 0, refused: 0, taken: 0, facts: 0 }
  for (let seed = 1; seed <= FRAMES / TOGETHER; seed += 1) {
    const mutations = new Mutations(seed)
    const reports = await reporting()
    for (let index = 0; index < TOGETHER; index += 1) {
      let value: unknown
      try {
        value = JSON.parse(mutations.next())
      } catch {
        outcomes.unreadable += 1
        continue
      }
      outcomes[(await isTaken(value, reports)) ? 'taken' : 'refused'] += 1
    }
    outcomes.facts += await checkBooks(reports)
    await checkDocuments(reports)
    assert.ok(heapUsed() - before < HEAP_GROWS_BY_MAX)
  }
  // It would prove nothing if hardly any of them got so far.
  const { facts, ...batches } = outcomes
  for (const [outcome, count] of Object.entries(batches)) assert.ok(count > FRAMES / 20, `${count} ${outcome}`)
  assert.ok(facts > 500, `${facts} facts`)
})
