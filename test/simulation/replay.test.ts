// Traces replayed: one that is computed by hand, many of chance, and what must be so of each.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { documentOfReplay } from '../../src/apps/simulate/replay-document.ts'
import type { ReplayWorld } from '../../src/apps/simulate/replay-world.ts'
import { replay } from '../../src/apps/simulate/replay.ts'
import { DOCUMENTS } from '../../src/contract/documents.ts'
import type { TraceCluster, TraceJob } from '../../src/domain/trace.ts'
import { gpusOfCluster, nodesOf } from '../../src/domain/trace.ts'
import { durationMs } from '../../src/domain/units.ts'
import { finishedRuns } from '../../src/sim/replay/measure.ts'

type Row = readonly [id: string, submitS: number, gpus: number, durationS: number, over?: Partial<TraceJob>]

const jobsOf = (rows: readonly Row[]): TraceJob[] =>
  rows.map(([id, submitS, gpus, durationS, over], index) => ({
    id,
    line: index + 2,
    submitMs: durationMs(submitS * 1_000),
    gpus,
    durationMs: durationMs(durationS * 1_000),
    user: null,
    project: null,
    priority: null,
    gpusPerNode: null,
    checkpointMs: null,
    model: null,
    ...over,
  }))

const cluster = (racks: readonly number[], gpusPerNode: number): TraceCluster => ({
  name: 'test',
  gpuModel: 'gpu',
  gpusPerNode,
  racks,
})

const run = (rows: readonly Row[], shape: TraceCluster, seed = 1) =>
  replay({ jobs: jobsOf(rows), cluster: shape, seed, progress: () => {} })

const LINES = { seed: 1, skippedLines: 0, leftOutLines: 0 }

/** Start and end of each job in seconds. */
function times(world: ReplayWorld): Record<string, readonly [number, number]> {
  const finished = finishedRuns(world.tables, world.begin)
  return Object.fromEntries(
    finished.map((each) => [each.run.name, [each.startMs / 1_000, each.endMs / 1_000] as const]),
  )
}

test('the schedule of a small trace is the one that is computed by hand', async () => {
  const rows: Row[] = [
    ['a', 0, 8, 100],
    ['b', 10, 8, 50],
    ['c', 20, 4, 30],
    ['d', 30, 4, 60],
    ['e', 40, 8, 10],
  ]
  const replayed = await run(rows, cluster([1, 1], 4))
  assert.deepEqual(times(replayed.world), {
    a: [0, 100],
    b: [100, 150],
    c: [150, 180],
    d: [150, 210],
    e: [210, 220],
  })
  const document = documentOfReplay(replayed, LINES)
  assert.deepEqual(DOCUMENTS['trace-replay'].parse(document), document)
  const { jobs, finished, refused, makespanS, jctS, waitS, allocatedRatio, preemptions, lostGpuS, spread, violations } =
    document
  assert.deepEqual(
    { jobs, finished, refused, makespanS, jctS, waitS, allocatedRatio, preemptions, lostGpuS, spread, violations },
    {
      jobs: 5,
      finished: 5,
      refused: 0,
      makespanS: 220,
      jctS: { mean: 152, p50: 160, p90: 180, p99: 180, max: 180 },
      waitS: { mean: 102, p50: 120, p90: 170, p99: 170, max: 170 },
      allocatedRatio: Number((1640 / 1760).toFixed(6)),
      preemptions: 0,
      lostGpuS: 0,
      spread: { used: 2, minimum: 2 },
      violations: 0,
    },
  )
})

test('a gang that does not fit is passed over, and a higher class goes first', async () => {
  const rows: Row[] = [
    ['holds', 0, 4, 100],
    ['wide', 10, 8, 50],
    ['small', 20, 4, 30],
    ['urgent', 60, 8, 5, { priority: 'critical' }],
  ]
  const { world } = await run(rows, cluster([2], 4))
  assert.deepEqual(times(world), { holds: [0, 100], small: [20, 50], urgent: [100, 105], wide: [105, 155] })
})

test('what no empty cluster could start is refused with the reason of the decision', async () => {
  const rows: Row[] = [
    ['fits', 0, 8, 10],
    ['wide', 1, 9, 10],
    ['tall', 2, 8, 10, { gpusPerNode: 8 }],
  ]
  const replayed = await run(rows, cluster([2], 4))
  const { finished, refused, refusedJobs, violations } = documentOfReplay(replayed, LINES)
  assert.deepEqual([finished, refused, violations], [1, 2, 0])
  assert.deepEqual(
    refusedJobs.map(({ id, reason }) => [id, reason]),
    [
      ['wide', 'capacity'],
      ['tall', 'capacity'],
    ],
  )
  assert.match(refusedJobs[0]?.message ?? '', /3 x 3 GPUs are wanted.*can never start/)
})

test('weeks of nothing cost little, a job without time ends, checkpoints become productive time', async () => {
  const rows: Row[] = [
    ['blink', 0, 1, 0],
    ['late', 40 * 86_400, 8, 36_000, { checkpointMs: durationMs(3_600_000) }],
  ]
  const { world, wallMs } = await run(rows, cluster([1], 8))
  assert.deepEqual(world.violations, [])
  assert.equal(world.done, 2)
  const productive = world.tables.postings.rows.reduce(
    (sum, row) => sum + (row.account === 'productive' ? row.gpuMs : 0),
    0,
  )
  // All but the millisecond in which it ends.
  assert.equal(productive, 8 * 35_999_999)
  // Without timers of production it is some tens of milliseconds; with them millions of turns.
  assert.ok(wallMs < 20_000, `${wallMs} ms`)
  assert.ok(world.decideMs.length <= 4)
})

test('one seed gives one history', async () => {
  const rows: Row[] = Array.from({ length: 30 }, (_, index): Row => [
    `j${index}`,
    index % 7,
    1 + (index % 11),
    5 + index,
  ])
  const text = async (seed: number): Promise<string> => {
    const { world } = await run(rows, cluster([2, 1], 4), seed)
    return JSON.stringify([...world.tables.attempts.values()], (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    )
  }
  assert.equal(await text(7), await text(7))
})

test('a broken promise is counted', async () => {
  const jobs = jobsOf([
    ['a', 0, 4, 1_000],
    ['b', 500, 4, 1_000],
  ])
  const { world } = await replay({ jobs, cluster: cluster([1], 8), seed: 1, progress: () => {} })
  const row = world.tables.postings.rows.at(-1)
  assert.ok(row !== undefined)
  world.tables.postings.append({ ...row, gpuMs: 1 })
  world.tables.writes += 1
  world.look()
  world.look()
  assert.equal(world.violations.length, 1)
  assert.match(world.violations[0] ?? '', /sums to/)
})

const traces = fc.record({
  racks: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
  gpusPerNode: fc.constantFrom(1, 4, 8),
  jobs: fc.array(
    fc.record({
      submitS: fc.oneof(fc.nat(50), fc.nat(20_000)),
      gpus: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 80 })),
      durationS: fc.oneof(fc.nat(100), fc.nat(40_000)),
      priority: fc.constantFrom(null, 'low', 'high'),
      project: fc.constantFrom(null, 'p', '<q>'),
      checkpointMs: fc.constantFrom(null, durationMs(60_000), durationMs(3_600_000)),
    }),
    { minLength: 1, maxLength: 25 },
  ),
})

test('safety and liveness: whatever the trace, every job is done or refused, and no slot has two gangs', async () => {
  await fc.assert(
    fc.asyncProperty(traces, async ({ racks, gpusPerNode, jobs }) => {
      const rows = jobs.map(({ submitS, gpus, durationS, ...over }, index): Row => [
        `j${index}`,
        submitS,
        gpus,
        durationS,
        over,
      ])
      const shape = cluster(racks, gpusPerNode)
      const { world } = await run(
        rows.toSorted((a, b) => a[1] - b[1]),
        shape,
      )
      assert.deepEqual(world.violations, [])
      const finished = finishedRuns(world.tables, world.begin)
      assert.equal(finished.length + world.refused.length, rows.length)
      for (const { job } of world.refused) assert.ok(job.gpus > gpusOfCluster(shape))
      checkSlots(world)
      let [work, longest] = [0, 0]
      for (const { run: each, gpus, submitMs, startMs, endMs } of finished) {
        const job = world.jobOf.get(each.id)
        assert.equal(endMs - startMs, Math.max(1, job?.durationMs ?? 0))
        assert.equal(submitMs, job?.submitMs)
        assert.ok(startMs >= submitMs)
        work += gpus * (job?.durationMs ?? 0)
        longest = Math.max(longest, submitMs + (job?.durationMs ?? 0))
      }
      const makespan = Math.max(0, ...finished.map(({ endMs }) => endMs))
      assert.ok(makespan >= longest && makespan * gpusOfCluster(shape) >= work)
    }),
    { numRuns: 60 },
  )
})

function checkSlots({ tables, shape }: ReplayWorld): void {
  const stretches = new Map<string, { from: number; to: number }[]>()
  for (const { placement, startedAt, endedAt } of tables.attempts.values())
    for (const { nodeName, slots } of placement.workers)
      for (const slot of slots) {
        assert.ok(slot < shape.gpusPerNode)
        const key = `${nodeName}#${slot}`
        stretches.set(key, [...(stretches.get(key) ?? []), { from: startedAt ?? 0, to: endedAt ?? Infinity }])
      }
  assert.ok(new Set([...stretches.keys()].map((key) => key.split('#')[0])).size <= nodesOf(shape))
  for (const [slot, held] of stretches) {
    const inOrder = held.toSorted((a, b) => a.from - b.from)
    for (const [index, { from }] of inOrder.entries())
      assert.ok(from >= (inOrder[index - 1]?.to ?? 0), `${slot} has two gangs at ${from}`)
  }
}
