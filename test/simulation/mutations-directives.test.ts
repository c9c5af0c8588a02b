// The checker of endings that ask for a checkpoint first was seen to fail: one string of the sources a row, as in mutations.test.ts.
import type { Row } from './mutation-rows.ts'
import { testRows } from './mutation-rows.ts'

const ROWS: readonly Row[] = [
  {
    what: 'who was asked for a checkpoint is told to end at once',
    file: 'core/launch/launch.ts',
    find: "attempt.state.kind === 'stopping' && attempt.state.checkpointUntil === undefined\n",
    replace: "attempt.state.kind === 'stopping'\n",
    caught: /to save, and has not said that it did/,
  },
  {
    what: 'what became of a directive is always a checkpoint',
    file: 'sim/store/reports.ts',
    find: " && body.outcome === 'done'",
    replace: '',
    caught: /to save, and has not said that it did/,
    seeds: 40,
  },
  {
    what: 'a checkpoint that answered is not taken for one',
    file: 'core/launch/launch.ts',
    find: 'reports?.saved === true',
    replace: 'reports?.saved === undefined',
    caught: /has nothing to wait for since \d+, and is not asked to end/,
    seeds: 40,
  },
  {
    what: 'the time for a checkpoint is never over',
    file: 'core/launch/launch.ts',
    find: 'world.now >= checkpointUntil',
    replace: 'world.now >= Infinity',
    caught: /has nothing to wait for since \d+, and is not asked to end/,
    seeds: 60,
  },
  {
    what: 'a gang that is not whole is waited for',
    file: 'core/launch/launch.ts',
    find: 'isBroken(attempt)',
    replace: 'isBroken(attempt) && world.now < 0',
    caught: /has nothing to wait for since \d+, and is not asked to end/,
    seeds: 60,
  },
  {
    what: 'whoever is to stop now is waited for',
    file: 'core/launch/launch.ts',
    find: "graceMs > 0 && attempt.state.kind === 'running'",
    replace: "attempt.state.kind !== 'planned'",
    caught:
      /is waited for, and somebody asked to stop it now|has nothing to wait for|is asked for checkpoint-\d+, and an answer named/,
    seeds: 40,
  },
  {
    what: 'who obeys is not asked',
    file: 'core/launch/launch.ts',
    find: 'return heardAt !== null && world.now - heardAt <= blindAfterMs',
    replace: 'return heardAt === 0 && world.now <= blindAfterMs',
    caught: /obeys, and is ended without being asked for a checkpoint/,
  },
  {
    what: 'who does not obey is waited for',
    file: 'sim/store/reports.ts',
    find: "obeys.includes('checkpoint') ? observedTo",
    replace: 'obeys.length < 9 ? observedTo',
    caught: /is waited for, and nobody in it/,
  },
  {
    what: 'a directive is never told',
    file: 'control/report.ts',
    find: 'checkpoint === null ? [] : [directiveOf(checkpoint, receivedAt)]',
    replace: '[]',
    caught: /is asked for checkpoint-\d+, and an answer named ""/,
  },
  {
    what: 'a directive is never withdrawn',
    file: 'sim/store/reports.ts',
    find: "          state.kind === 'stopping' && state.checkpointUntil !== undefined\n            ? { since: state.since, until: state.checkpointUntil }",
    replace:
      "          state.kind === 'stopping'\n            ? { since: state.since, until: state.checkpointUntil ?? state.since }",
    caught: /is asked for nothing, and an answer named/,
  },
  {
    what: 'a reporter says that a checkpoint is durable before it is',
    file: 'sim/obedience.ts',
    find: "this.#tells('received', id, version, null)",
    replace: "this.#tells('done', id, version, lastStep + 1)",
    caught: /its checkpoint of step \d+ is not durable/,
    seeds: 40,
  },
  {
    what: 'steps up to the checkpoint that answered are not kept',
    file: 'core/account/keep.ts',
    find: 'carry.durable ?? carry.segments.at(-1)?.resume ?? carry.resumed',
    replace: 'carry.segments.at(-1)?.resume ?? carry.resumed ?? carry.durable',
    caught: /GPU-ms productive, and its steps/,
  },
]

testRows(ROWS)
