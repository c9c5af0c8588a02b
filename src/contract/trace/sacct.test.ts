import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatProblems } from '../problems.ts'
import { parseTrace } from './trace.ts'

const HEADER = 'JobID|User|Account|Partition|Submit|ElapsedRaw|Elapsed|State|AllocTRES|ReqTRES|NNodes'
const line = (id: string, over: Readonly<Record<string, string>> = {}): string => {
  const fields: Record<string, string> = {
    JobID: id,
    User: 'ada',
    Account: 'moe',
    Partition: 'gpu',
    Submit: '2026-01-31T23:59:50',
    ElapsedRaw: '',
    Elapsed: '01:00:00',
    State: 'COMPLETED',
    AllocTRES: 'billing=64,cpu=64,gres/gpu:h100=16,gres/gpu=16,mem=1T,node=2',
    ReqTRES: '',
    NNodes: '',
    ...over,
  }
  return HEADER.split('|')
    .map((name) => fields[name] ?? '')
    .join('|')
}

function read(...lines: string[]) {
  const trace = parseTrace([HEADER, ...lines].join('\n'))
  assert.ok(trace.ok, trace.ok ? '' : formatProblems('t', trace.problems))
  return trace
}

test('a job of sacct is read: its GPUs, its nodes, who had it, how long it ran', () => {
  const { jobs, problems } = read(line('12'), line('13_4', { Submit: '2026-02-01T00:00:00', Account: '' }))
  assert.deepEqual(problems, [])
  const job = { line: 2, submitMs: 0, gpus: 16, durationMs: 3_600_000, user: 'ada', project: 'moe' }
  const rest = { priority: null, gpusPerNode: 8, checkpointMs: null, model: null }
  assert.deepEqual(jobs, [
    { id: '12', ...job, ...rest },
    { id: '13_4', ...job, ...rest, line: 3, submitMs: 10_000, project: null },
  ])
})

const ELAPSED: readonly (readonly [Readonly<Record<string, string>>, number])[] = [
  [{ Elapsed: '05:06' }, 306],
  [{ Elapsed: '1-02:03:04' }, 93_784],
  [{ Elapsed: '10-00:00:00' }, 864_000],
  [{ Elapsed: 'nonsense', ElapsedRaw: '77' }, 77],
]
for (const [over, seconds] of ELAPSED)
  test(`elapsed ${JSON.stringify(over)} is ${seconds} s`, () => {
    assert.equal(read(line('1', over)).jobs[0]?.durationMs, seconds * 1_000)
  })

const GPUS: readonly (readonly [Readonly<Record<string, string>>, number, number | null])[] = [
  [{ AllocTRES: 'gres/gpu=3' }, 3, null],
  [{ AllocTRES: 'gres/gpu:a100=4,gres/gpu:v100=2,node=3' }, 6, 2],
  [{ AllocTRES: '', ReqTRES: 'cpu=1,gres/gpu=8,node=1' }, 8, 8],
  [{ AllocTRES: 'gres/gpu=10', NNodes: '4' }, 10, null],
  [{ AllocTRES: 'gres/gpu=10,gres/gpumem=80G', NNodes: '5' }, 10, 2],
]
for (const [over, gpus, gpusPerNode] of GPUS)
  test(`GPUs of ${JSON.stringify(over)}`, () => {
    const [job] = read(line('1', over)).jobs
    assert.deepEqual([job?.gpus, job?.gpusPerNode], [gpus, gpusPerNode])
  })

test('steps, what has no GPU, what never ran and what has not ended are left out, and counted', () => {
  const { jobs, notes, leftOutLines, brokenLines } = read(
    line('1'),
    line('1.batch'),
    line('1.extern', { Submit: 'Unknown', AllocTRES: '' }),
    line('7_[3-9%2]', { State: 'PENDING', Elapsed: '00:00:00', AllocTRES: '' }),
    line('2', { State: 'RUNNING' }),
    line('3', { AllocTRES: 'cpu=4' }),
    line('4', { State: 'CANCELLED by 1000', Elapsed: '00:00:00' }),
    line('5', { State: 'CANCELLED by 1000' }),
    line('6', { State: 'TIMEOUT' }),
  )
  assert.deepEqual(
    jobs.map(({ id }) => id),
    ['1', '5', '6'],
  )
  assert.equal(brokenLines, 0)
  assert.equal(leftOutLines, 6)
  assert.deepEqual(notes, [
    '2 lines left out: steps',
    '2 lines left out: jobs that have not ended',
    '1 line left out: jobs without GPUs',
    '1 line left out: jobs that never ran',
  ])
})

const BROKEN: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
  [{ Submit: 'Unknown' }, /Submit is no moment: Unknown/],
  [{ Submit: '2026-13-45T00:00:00' }, /Submit is no moment/],
  [{ Elapsed: '1:2' }, /Elapsed is no time: 1:2/],
  [{ Elapsed: '900-00:00:00' }, /Elapsed is more than/],
  [{ AllocTRES: 'gres/gpu=many' }, /AllocTRES has gres\/gpu=many/],
  [{ AllocTRES: 'gres/gpu=999999999' }, /AllocTRES has gres/],
]
for (const [over, message] of BROKEN)
  test(`a broken line of sacct: ${JSON.stringify(over)}`, () => {
    assert.match(formatProblems('t', read(line('1', over), line('2')).problems), message)
  })

test('a header without what is needed is refused, and one bar more at the end is not', () => {
  const short = parseTrace('JobID|User|State\n1|ada|COMPLETED')
  assert.equal(short.ok, false)
  assert.deepEqual(
    short.problems.map(({ message }) => message),
    [
      'there is no column Submit',
      'there is no column ElapsedRaw or Elapsed',
      'there is no column AllocTRES or ReqTRES',
    ],
  )
  const parsable = parseTrace(`${HEADER}|\n${line('1')}|`)
  assert.ok(parsable.ok)
  assert.equal(parsable.jobs.length, 1)
  assert.deepEqual(parsable.notes, [])
})
