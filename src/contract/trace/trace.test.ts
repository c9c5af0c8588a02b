import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TRACE_JOBS_MAX } from '../../domain/limits.ts'
import { formatProblems } from '../problems.ts'
import { parseTrace } from './trace.ts'

const HEADER = 'id,submit_s,gpus,duration_s'

function read(text: string) {
  const trace = parseTrace(text)
  assert.ok(trace.ok, trace.ok ? '' : formatProblems('trace', trace.problems))
  return trace
}

const said = (text: string): string => {
  const trace = parseTrace(text)
  return formatProblems('t.csv', trace.problems)
}

test('a trace is read in any order of columns, with what it does not say as null', () => {
  const { jobs, notes, problems } = read('gpus,id,duration_s,submit_s\n8,b,60,100.5\n1,a,0.25,40\n')
  assert.deepEqual(problems, [])
  assert.deepEqual(notes, [])
  const nothing = { user: null, project: null, priority: null, gpusPerNode: null, checkpointMs: null, model: null }
  assert.deepEqual(jobs, [
    { id: 'a', line: 3, submitMs: 0, gpus: 1, durationMs: 250, ...nothing },
    { id: 'b', line: 2, submitMs: 60_500, gpus: 8, durationMs: 60_000, ...nothing },
  ])
})

test('everything that a trace may say is read', () => {
  const text = `${HEADER},user,project,priority,gpus_per_node,checkpoint_s,model\nx,0,16,60,ada,moe,High,4,30,"a ""b"", c"\n`
  const [job] = read(text).jobs
  const { user, project, priority, gpusPerNode, checkpointMs, model } = job ?? {}
  assert.deepEqual(
    { user, project, priority, gpusPerNode, checkpointMs, model },
    { user: 'ada', project: 'moe', priority: 'high', gpusPerNode: 4, checkpointMs: 30_000, model: 'a "b", c' },
  )
})

test('line ends, a byte order mark, empty lines and 1700000000 are nobody’s mistake', () => {
  const { jobs } = read(`\uFEFF${HEADER}\r\n\r\na,1700000000,8,60\r\nb,1700000010,8,60\r\n\r\n`)
  assert.deepEqual(
    jobs.map(({ id, submitMs, line }) => [id, submitMs, line]),
    [
      ['a', 0, 3],
      ['b', 10_000, 4],
    ],
  )
})

const WHOLE: readonly (readonly [what: string, text: string, said: string])[] = [
  ['nothing', '', 't.csv:1:1: it is empty\n  write the header id,submit_s,gpus,duration_s and a line for each job'],
  [
    'white space',
    ' \r\n\n',
    't.csv:1:1: it is empty\n  write the header id,submit_s,gpus,duration_s and a line for each job',
  ],
  ['a header alone', `${HEADER}\n`, 't.csv:1:1: it has a header and no job\n  write a line for each job'],
  [
    'a column that is misspelt',
    'id,submit,gpus,duration_s\na,0,1,1',
    't.csv:1:4: there is no column submit_s\n  is it submit?',
  ],
  ['a column twice', `${HEADER},gpus\na,0,1,1,1`, 't.csv:1:29: column gpus was given before\n  take one of them out'],
  ['a binary file', '\u0000\u0001PK\n\u0002', '\\u0000\\u0001PK'],
]
for (const [what, text, message] of WHOLE)
  test(`a file with ${what} is refused whole`, () => {
    const trace = parseTrace(text)
    assert.equal(trace.ok, false)
    assert.ok(what === 'a binary file' || said(text).includes(message), said(text))
    assert.doesNotMatch(said(text), /[\u0000-\u0009]/u) // oxlint-disable-line no-control-regex
  })

const BROKEN: readonly (readonly [line: string, said: RegExp])[] = [
  ['a,NaN,1,1', /t\.csv:2:3: submit_s is no number of seconds: NaN\n {2}write seconds/],
  ['a,-5,1,1', /:3: submit_s is no number of seconds: -5/],
  ['a,1e30,1,1', /:3: submit_s is no number of seconds: 1e30/],
  ['a,99999999999,1,1', /:3: submit_s is more than 10000000000 s/],
  ['a,,1,1', /:3: submit_s is empty\n {2}every job needs it/],
  ['a,0,0,1', /:5: gpus is not a whole number from 1 to 524288: 0/],
  ['a,0,1.5,1', /:5: gpus is not a whole number/],
  ['a,0,-8,1', /:5: gpus is not a whole number/],
  ['a,0,Infinity,1', /:5: gpus is not a whole number/],
  ['a,0,600000,1', /:5: gpus is not a whole number/],
  ['a,0,1,40000000', /:7: duration_s is more than 31622400 s/],
  ['a,0,1,0x10', /:7: duration_s is no number of seconds: 0x10/],
  [',0,1,1', /:1: id is empty/],
  ['a,0,1', /t\.csv:2:5: it has 3 fields, and the header 4/],
  ['a,0,1,1,1', /it has 5 fields, and the header 4/],
  ['"a,0,1,1', /:1: a quote is never closed/],
  ['a"b,0,1,1', /:2: a quote stands inside a field/],
  [`${'a'.repeat(200)},0,1,1`, /:1: id has 200 characters/],
  [`${'a'.repeat(5000)},0,1,1`, /the line has 5006 characters/],
  ['a\u001b[31m,0,1,1', /:1: id has control characters: a\\u001b\[31m/],
]
for (const [line, message] of BROKEN)
  test(`a broken line is named with its place and what to do: ${JSON.stringify(line.slice(0, 24))}`, () => {
    const { jobs, brokenLines } = read(`${HEADER}\n${line}\ngood,0,1,1\n`)
    assert.match(said(`${HEADER}\n${line}\ngood,0,1,1\n`), message)
    assert.equal(brokenLines, 1)
    assert.deepEqual(
      jobs.map(({ id }) => id),
      ['good'],
    )
  })

test('an id that was given before is named with the line of the first', () => {
  const { brokenLines, problems } = read(`${HEADER}\na,0,1,1\nb,0,1,1\na,5,1,1\n`)
  assert.equal(brokenLines, 1)
  assert.equal(problems[0]?.message, 'id a was given before, in line 2')
  assert.equal(problems[0]?.line, 4)
})

test('what gangs and priorities cannot be is refused in its field', () => {
  const text = `${HEADER},priority,gpus_per_node,checkpoint_s\na,0,12,1,urgent,8,0.5\n`
  const { problems, brokenLines } = read(text)
  assert.deepEqual(
    problems.map(({ message, column }) => [column, message]),
    [
      [10, 'priority is urgent'],
      [17, 'gpus_per_node is 8, which does not divide 12 GPUs'],
      [19, 'checkpoint_s is less than a second'],
    ],
  )
  assert.equal(brokenLines, 1)
})

test('a column that nobody knows is not used, and that is said', () => {
  assert.deepEqual(read(`${HEADER},checkpoint,colour\na,0,1,1,x,red\n`).notes, [
    'column checkpoint is not used: did you mean checkpoint_s?',
    'column colour is not used',
  ])
})

test('a trace has a limit of jobs, and one of years', () => {
  const lines = Array.from({ length: TRACE_JOBS_MAX + 1 }, (_, index) => `${index},0,1,1`)
  assert.match(said([HEADER, ...lines].join('\n')), /it has more than 100000 jobs/)
  assert.equal(read([HEADER, ...lines.slice(1)].join('\n')).jobs.length, TRACE_JOBS_MAX)
  const { jobs, problems } = read(`${HEADER}\na,0,1,1\nb,1700000000,1,1\n`)
  assert.equal(jobs.length, 1)
  assert.match(problems[0]?.message ?? '', /submitted 19676 days after the first one/)
})

test('safety: whatever the text is, it gives jobs within the limits or says what is wrong', () => {
  const cell = fc.oneof(
    fc.string(),
    fc.constantFrom('1', '8', '0', '-1', '1e9', 'NaN', '"', ',', '|', '\r\n', 'x,1,1,1'),
  )
  fc.assert(
    fc.property(fc.array(fc.array(cell, { maxLength: 5 }), { maxLength: 6 }), (rows) => {
      const trace = parseTrace(`${HEADER}\n${rows.map((row) => row.join(',')).join('\n')}`)
      if (!trace.ok) return assert.ok(trace.problems.length > 0)
      assert.equal(trace.problems.length > 0, trace.brokenLines > 0)
      for (const { gpus, submitMs, durationMs } of trace.jobs)
        assert.ok([gpus, submitMs, durationMs].every((each) => Number.isSafeInteger(each) && each >= 0) && gpus >= 1)
    }),
  )
})
