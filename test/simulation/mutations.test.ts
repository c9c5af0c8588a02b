// Each checker was seen to fail: every row breaks one string of the sources, and the simulator must find it within a few seeds and say
// what is wrong. A row whose string is not there any more fails too (mutant-loader.ts).
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { SourceMutation } from './mutant-loader.ts'

type Row = SourceMutation & { readonly what: string; readonly caught: RegExp; readonly seeds?: number }

const MUTANT = fileURLToPath(new URL('mutant.ts', import.meta.url))
const SEEDS = 12

const ROWS: readonly Row[] = [
  {
    what: 'versions are never compared',
    file: 'domain/apply.ts',
    find: 'if (row.version !== expect.version) {',
    replace: 'if (row.version < 0) {',
    caught: /written over version/,
  },
  {
    what: 'a hard budget grants everything',
    file: 'domain/budget.ts',
    find: 'budget.limit - budget.used - budget.reserved',
    replace: '10 ** 12 + 0 * budget.limit',
    caught: /budget \w+ promised/,
  },
  {
    what: 'a reserve is never given back',
    file: 'domain/budget.ts',
    find: '  const rest = remaining(reserve)\n  return {\n    budget: { ...budget, reserved',
    replace: '  const rest = 0\n  return {\n    budget: { ...budget, reserved',
    caught: /holds nothing, and \d+ of budget \w+ are still reserved/,
  },
  {
    what: 'a release gives nothing back of what was charged after paidUntil',
    file: 'domain/apply.ts',
    find: 'if (unpaid > 0) this.#post(',
    replace: 'if (unpaid > Infinity) this.#post(',
    caught: /was charged \d+ of budget \w+, and layer 1 says/,
  },
  {
    what: 'bookings charge nobody',
    file: 'domain/apply.ts',
    find: 'if (claim !== undefined) this.#post(claim.run, heldGpuMs(row), claim.price)',
    replace: '',
    caught: /was charged 0 of budget|was charged -?\d+ of budget/,
  },
  {
    what: 'what a later attempt repeated is kept',
    file: 'core/account/keep.ts',
    find: '      later = least(later, segment.resume)\n',
    replace: '',
    caught: /is kept in|GPU-ms productive, and its steps/,
  },
  {
    what: 'what broke off without a checkpoint is kept',
    file: 'core/account/keep.ts',
    find: 'const alone = endedWithoutSuccess ?',
    replace: 'const alone = endedWithoutSuccess && carry.durable === -1 ?',
    caught: /GPU-ms productive, and its steps/,
  },
  {
    what: 'holdings are not cut at cells',
    file: 'domain/holdings.ts',
    find: 'earlier(border, cellEnd(cellOf(from)))',
    replace: 'earlier(border, cellEnd(cellEnd(cellOf(from)) as never))',
    caught: /across the end of a cell/,
  },
  {
    what: 'a claim of layer 1 is forgotten',
    file: 'domain/holdings.ts',
    find: 'for (const claim of ours) if (claim.boundAt === null) take(claim.holder, claim.slots.length)',
    replace: 'for (const claim of ours) if (claim.boundAt === null) rest -= claim.slots.length',
    caught: /in its books/,
  },
  {
    what: 'a blind node is free',
    file: 'domain/holdings.ts',
    find: 'epochMs(node.lastObserved + blindAfterMs)',
    replace: 'epochMs(node.lastObserved + 1_000 * blindAfterMs)',
    caught: /are called free/,
  },
  {
    what: 'a gang is placed in part',
    file: 'core/place/fit.ts',
    find: 'if (seats.length === resources.nodes) return seats',
    replace: 'if (seats.length > 0) return seats',
    caught: /workers, and its run asked for/,
  },
  {
    what: 'a slot is given twice',
    file: 'core/place/fit.ts',
    find: 'if (holder === undefined || holder === mine) free.push(slot)',
    replace: 'free.push(slot)',
    caught: /is held by/,
  },
  {
    what: 'a quota is not looked at',
    file: 'core/place/place.ts',
    find: 'used + gpusOf(run.resources) > project.quotaGpus',
    replace: 'used + gpusOf(run.resources) > Infinity',
    caught: /of its quota of/,
  },
  {
    what: 'a paused queue goes on',
    file: 'core/admit/admit.ts',
    find: 'if (world.queue.paused) {',
    replace: 'if (world.queue.reason === "?") {',
    caught: /while the queue was paused/,
    seeds: 40,
  },
  {
    what: 'a cordoned node is used',
    file: 'core/place/place.ts',
    find: "node.condition.kind === 'ready' && node.cordon === null",
    replace: "node.condition.kind === 'ready'",
    caught: /which is out of service/,
    seeds: 40,
  },
  {
    what: 'a clock behind the books places',
    file: 'core/admit/admit.ts',
    find: 'if (world.now < world.newestBookedTo) {',
    replace: 'if (world.now < 0) {',
    caught: /and the books stood at/,
    seeds: 100,
  },
  {
    what: 'a stop leaves no audit row',
    file: 'control/requests/steer.ts',
    find: "    { kind: 'audit', entry: { at: now, actor: actorOf(who), verb: VERB[how], target: run.id, detail: { how } } },\n",
    replace: '',
    caught: /was steered .* without an audit row/,
  },
  {
    what: 'a lost node leaves no audit row',
    file: 'core/observe/nodes.ts',
    find: "actor: 'rule:node-lost',\n            verb: 'lose',\n            target: node.id,",
    replace: "actor: 'rule:node-lost',\n            verb: 'lose',\n            target: '',",
    caught: /without an audit row/,
    seeds: 40,
  },
  {
    what: 'the deadline outside forgets the grace',
    file: 'domain/deadline.ts',
    find: 'ends.push(bookedTo + Math.floor(lasts / gpus) - durations.graceMs)',
    replace: 'ends.push(bookedTo + Math.floor(lasts / gpus))',
    caught: /may run until/,
  },
  {
    what: 'an attempt gets the number of the one before',
    file: 'core/place/place.ts',
    find: 'const number = run.attempts + 1',
    replace: 'const number = Math.max(1, run.attempts)',
    caught: /had ended, and was written again|does not follow|already/,
  },
  {
    what: 'a deposed leader writes',
    file: 'sim/store/commit.ts',
    find: "if (epoch !== null && tables.leader.epoch !== epoch) return { kind: 'deposed' }",
    replace: '',
    caught: /a leader of epoch \d+ wrote in epoch/,
    seeds: 60,
  },
  {
    what: 'nobody says why he waits',
    file: 'core/place/place.ts',
    find: 'if (state.reason === blocked.reason && state.message !== NOT_LOOKED_AT) return null',
    replace: 'if (state.message === NOT_LOOKED_AT || state.reason === blocked.reason) return null',
    caught: /does not say why|waits for|nothing moves/,
    seeds: 40,
  },
  {
    what: 'nobody looks for processes that are left on a node',
    file: 'control/observe.ts',
    find: 'const ids = new Set(unclaimed(world, seen).map(attemptOfWorker))',
    replace: 'const ids = new Set<AttemptId>()',
    caught: /is used by|runs, and its attempt has ended/,
    seeds: 100,
  },
  {
    what: 'an older list ends a worker',
    file: 'core/observe/workers.ts',
    find: 'if (claim.boundAt !== null && look.observedAt <= claim.boundAt) return claim',
    replace: '',
    caught: /is used by/,
  },
  {
    what: 'a run whose nodes are lost keeps its reserve',
    file: 'core/observe/ending.ts',
    find: 'if (holds.length === 0) writes.push',
    replace: 'if (!after.keepSlots) writes.push',
    caught: /holds nothing, and/,
  },
  {
    what: 'a restart forgets what its hold has spent',
    file: 'core/place/place.ts',
    find: 'withoutHolds(world, each, holds)',
    replace: 'each.reserve',
    caught: /may run until/,
    seeds: 60,
  },
  {
    what: 'a report does more than to write reports',
    file: 'control/requests/report.ts',
    find: "if (facts.length > 0) doorbell.ring('account')",
    replace: 'await store.commit(null, [])',
    caught: /a report asked the store for commit/,
  },
  {
    what: 'any token is good for every attempt',
    file: 'adapters/system/attempt-token.ts',
    find: 'let found = false',
    replace: 'let found = true',
    caught: /with a wrong token was answered with|nobody with the token of \S+ said it/,
  },
  {
    what: 'a token is good for ever',
    file: 'control/requests/report.ts',
    find: 'receivedAt > known.endedAt + TOKEN_OUTLIVES_MS',
    replace: 'receivedAt > Infinity',
    caught: /outlives it by hours/,
  },
  {
    what: 'every rank is called the first',
    file: 'control/requests/report.ts',
    find: 'reporterSource(who.attempt, batch.rank, batch.source)',
    replace: 'reporterSource(who.attempt, 0, batch.source)',
    caught: /and nobody with the token of \S+ said it/,
  },
  {
    what: 'a fact is dated after it came',
    file: 'control/requests/report.ts',
    find: 'Math.min(receivedAt, Math.round(at + shift))',
    replace: 'Math.round(at + shift)',
    caught: /is dated after it came/,
  },
  {
    what: 'a loss that is no number is a zero',
    file: 'contract/ingest.ts',
    find: "loss: typeof loss === 'number' ? loss : null",
    replace: "loss: typeof loss === 'number' ? loss : 0",
    caught: /was written as .* and not said so/,
  },
  {
    what: 'a gap is not kept',
    file: 'control/requests/report.ts',
    find: 'const facts = batch.facts.map(',
    replace: "const facts = batch.facts.filter((each) => each.body.kind !== 'gap').map(",
    caught: /gap \d+ of \S+ was taken, and is not stored/,
  },
  {
    what: 'a gap is refused',
    file: 'contract/ingest.ts',
    find: "case 'gap': {",
    replace: "case 'chasm': {",
    caught: /fact \d+ of a careful report of \S+ was refused/,
  },
  {
    what: 'a reporter counts what it drops wrong',
    file: 'sim/reporter.ts',
    find: 'open.facts += 1',
    replace: '',
    caught: /never came, and its gaps say/,
  },
  {
    what: 'a trainer stops where its reporter has no room',
    file: 'sim/trainer.ts',
    find: 'ear.stepped(step, trainer.stepMs)',
    replace: 'if (!ear.stepped(step, trainer.stepMs)) return',
    caught: /training waits/,
  },
  {
    what: 'a repeat takes the place of what was received first',
    file: 'sim/store/logs.ts',
    find: 'if (!known.has(key)) known.set(key, fact)',
    replace: 'known.set(key, fact)',
    caught: /changed after it had been received/,
  },
  {
    what: 'counts of experts are read wrong',
    file: 'contract/ingest.ts',
    find: '(bytes.charCodeAt(at + 1) << 8) |',
    replace: '(bytes.charCodeAt(at + 1) << 9) |',
    caught: /the load of experts in step \d+ of \S+ is not what was sent/,
  },
  {
    what: 'the older process of a rank counts',
    file: 'sim/store/reports.ts',
    find: 'old.startedAt >= startedAt',
    replace: 'old.startedAt <= startedAt',
    caught: /experts \d+ of \S+ was taken, and is not stored/,
    seeds: 40,
  },
  {
    what: 'counts of several ranks are not added',
    file: 'domain/report.ts',
    find: '(counts[index] ?? 0) + (frame.counts[index] ?? 0)',
    replace: 'Math.max(counts[index] ?? 0, frame.counts[index] ?? 0)',
    caught: /, and the ranks sent|do not add up, and \d+ are said not to/,
    seeds: 40,
  },
  {
    what: 'counts that do not add up are called right',
    file: 'core/experts/measures.ts',
    find: 'if (sum !== tokens * topK) wrong.push(layer)',
    replace: '',
    caught: /layers of step \d+ of \S+ do not add up, and 0 are said not to/,
    seeds: 40,
  },
  {
    what: 'a batch that is late puts an older process after a newer one',
    file: 'core/account/timeline.ts',
    find: 'lastSentAt === null || fact.sentAt >= lastSentAt',
    replace: 'true',
    caught: /GPU-ms productive, and its steps/,
    seeds: 60,
  },
  {
    what: 'what is dated before the placement is not read',
    file: 'sim/store/books.ts',
    find: 'readFrom <= cellOf(placedAt) ? 0 : readFrom',
    replace: 'readFrom',
    caught: /its facts say/,
  },
]

for (const { what, caught, seeds = SEEDS, ...mutation } of ROWS) {
  void test(`the simulator finds that ${what}`, async () => {
    const args = [MUTANT, mutation.file, mutation.find, mutation.replace, String(seeds)]
    const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 24 })
    assert.match(stdout, caught)
  })
}
