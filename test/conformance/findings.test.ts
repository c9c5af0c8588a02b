// What detectors look at and what they found, in both stores: a run that stalls is found, told once, priced, and over when it goes on.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { detectTurn } from '../../src/control/detect.ts'
import type { Control } from '../../src/control/control.ts'
import { rowsOf } from '../../src/control/views/table.ts'
import type { FactBody } from '../../src/domain/fact.ts'
import { logSource, reporterSource, reporterStream } from '../../src/domain/fact.ts'
import { nodeId, runOf } from '../../src/domain/fixture.ts'
import type { AttemptId, WorkerId } from '../../src/domain/ids.ts'
import { DEFAULT_DURATIONS, DEFAULT_LOG_BYTES_MAX } from '../../src/domain/settings.ts'
import { DEFAULT_THRESHOLDS } from '../../src/domain/thresholds.ts'
import { epochMs } from '../../src/domain/units.ts'
import type { FindingsQuery } from '../../src/ports/detect-store.ts'
import type { Store } from '../../src/ports/store.ts'
import type { Bench } from '../parts/stores.ts'
import { openSimulated, PostgresBenches } from '../parts/stores.ts'
import { appendOf, factOf, filled, itemOf, placing, stepAt, T0 } from './things.ts'

let benches: PostgresBenches
before(async () => {
  benches = await PostgresBenches.start()
})
after(() => benches.stop())

const MIN = 60_000
const PAGE: FindingsQuery = { projects: null, run: null, open: null, before: null, limit: 10 }

/** A run on two GPUs of one node that runs since T0. */
async function running(store: Store): Promise<{ attempt: AttemptId; worker: WorkerId }> {
  await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
  const world = await store.world(new Map())
  const [run, node] = [world.runs.get(runOf(1).id), world.nodes.get(nodeId('n1'))]
  assert.ok(run !== undefined && node !== undefined)
  const { attempt, claims, item } = placing(run, [node], 0)
  await store.commit(null, [item])
  const startedAt = epochMs(T0)
  await store.commit(null, [
    itemOf('start', [
      { kind: 'attempt', attempt: { ...attempt, state: { kind: 'running' }, startedAt } },
      ...claims.map((claim) => ({ kind: 'claim' as const, claim: { ...claim, startedAt } })),
      { kind: 'run', run: { ...run, state: { kind: 'running', attempt: attempt.id }, attempts: 1 } },
    ]),
  ])
  const [worker] = attempt.placement.workers
  assert.ok(worker !== undefined)
  return { attempt: attempt.id, worker: worker.id }
}

/** What a turn asks for of a process. Another one has read nothing yet. */
async function processOn({ store, clock }: Bench): Promise<Control> {
  const epoch = await store.takeLead('me', 10 ** 9, true)
  const settings = {
    durations: DEFAULT_DURATIONS,
    logBytesMax: DEFAULT_LOG_BYTES_MAX,
    thresholds: DEFAULT_THRESHOLDS,
  }
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a turn asks of it
  return {
    store,
    clock,
    settings,
    log,
    clusters: new Map(),
    health: new Map(),
    lead: { epoch, until: epochMs(10 ** 15) },
  } as unknown as Control
}

/** The log says these steps, one every ten seconds, and is read up to `heardTo`. */
async function says(store: Store, attempt: AttemptId, worker: WorkerId, steps: readonly number[], heardTo: number) {
  const offset = (await store.logCursors())[0]?.offset ?? 0
  const facts = steps.map((step) => factOf(worker, attempt, offset + step, T0 + step * 10_000, stepAt(step)))
  const append = appendOf(worker, attempt, offset, 'x', facts)
  await store.appendLogs([{ ...append, observedTo: epochMs(T0 + heardTo) }], DEFAULT_LOG_BYTES_MAX)
}

const countTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1)

for (const [name, open] of [
  ['simulated', openSimulated],
  ['PostgreSQL', (begin: number) => benches.open(begin)],
] as const) {
  describe(`findings in the ${name} store`, () => {
    const check = (what: string, body: (bench: Bench) => Promise<void>): void =>
      void test(what, async () => {
        const bench = await open(T0)
        try {
          await body(bench)
        } finally {
          await bench.close()
        }
      })

    check('a stall is found, told once, and over when the run goes on', async (bench) => {
      const { store, clock } = bench
      const { attempt, worker } = await running(store)
      const control = await processOn(bench)
      await says(store, attempt, worker, countTo(10), 100_000)
      clock.set(T0 + 101_000)
      await detectTurn(control)
      assert.deepEqual(await store.openFindings(), [])
      await says(store, attempt, worker, [], 5 * MIN)
      clock.set(T0 + 5 * MIN)
      await detectTurn(control)
      // Another process finds the same and opens nothing twice.
      await detectTurn(await processOn(bench))
      const [stall, ...others] = await store.openFindings()
      assert.ok(stall !== undefined && others.length === 0)
      assert.deepEqual(
        [stall.rule, stall.since, stall.gpuMs, stall.money?.micros],
        ['no-progress', T0 + 100_000, 200_000, 200_000],
      )
      const rows = async () => rowsOf(control, await store.runsOf([runOf(1).id]))
      assert.deepEqual((await rows())[0]?.finding, {
        kind: 'no-progress',
        severity: 'critical',
        text: stall.message,
      })
      await says(store, attempt, worker, [31], 310_000)
      clock.set(T0 + 311_000)
      await detectTurn(await processOn(bench))
      assert.deepEqual(await store.openFindings(), [])
      assert.equal((await rows())[0]?.finding, null)
      const [over] = await store.findings(PAGE)
      assert.deepEqual([over?.id, over?.resolvedAt], [stall.id, T0 + 311_000])
      const events = await store.events(runOf(1).id, 100, 0)
      assert.deepEqual(
        events.flatMap(({ kind }) => (kind.includes('pro') || kind.includes('over') ? [kind] : [])),
        ['no-progress', 'finding-over'],
      )
    })

    check('what is known of each attempt: its source, how far it is heard, its phases', async ({ store }) => {
      const { attempt, worker } = await running(store)
      assert.deepEqual((await store.hearing([attempt])).get(attempt)?.source ?? null, null)
      await says(store, attempt, worker, [1, 2, 3], 40_000)
      assert.deepEqual((await store.hearing([attempt])).get(attempt), {
        source: logSource(worker),
        heardTo: T0 + 40_000,
      })
      const report = (process: string, startedAt: number, sequence: number, body: FactBody) => ({
        attempt,
        rank: 0,
        process,
        startedAt: epochMs(startedAt),
        reporter: 'test',
        obeys: [],
        receivedAt: epochMs(startedAt + 1_000),
        frames: [],
        facts: [
          {
            source: reporterSource(attempt, 0, process),
            sequence,
            attempt,
            at: epochMs(startedAt + 500),
            sentAt: epochMs(startedAt + 500),
            body,
          },
        ],
      })
      await store.saveReport(report('a', T0 + 50_000, 1, stepAt(4)))
      await store.saveReport(report('b', T0 + 60_000, 1, { kind: 'begin', phase: 'checkpoint' }))
      assert.equal(reporterStream(attempt, 0), `rep:${attempt}:0`)
      assert.deepEqual((await store.hearing([attempt])).get(attempt), {
        source: reporterSource(attempt, 0, 'b'),
        heardTo: T0 + 61_000,
      })
      const phases = await store.phasesAfter([{ attempt, after: epochMs(T0 + 60_000) }], 10)
      assert.deepEqual(
        phases.get(attempt)?.map(({ body }) => body),
        [{ kind: 'begin', phase: 'checkpoint' }],
      )
      assert.equal(
        (await store.phasesAfter([{ attempt, after: epochMs(T0 + 60_500) }], 10)).get(attempt)?.length ?? 0,
        0,
      )
      const source = logSource(worker)
      const steps = async (from: number, limit: number) =>
        (await store.factsAfter([{ source, after: from }], limit)).get(source)?.map(({ sequence }) => sequence) ?? []
      assert.deepEqual(await steps(-1, 2), [2, 3])
      assert.deepEqual(await steps(2, 9), [3])
      assert.deepEqual(await steps(3, 9), [])
    })

    check('the newest measures of each set of layers, the oldest step first', async ({ store }) => {
      const { attempt } = await running(store)
      const frames = [1, 2, 3].map((step) => ({
        step,
        at: epochMs(T0 + step),
        layers: ['a'],
        experts: 2,
        counts: new Uint32Array([step, 1]),
        tokens: null,
        topK: 1,
        flags: [],
      }))
      await store.saveReport({
        attempt,
        rank: 0,
        process: '1',
        startedAt: epochMs(T0),
        reporter: 'test',
        obeys: [],
        receivedAt: epochMs(T0),
        facts: [],
        frames,
      })
      const [set, ...others] = await store.newestMeasures([attempt], 2)
      assert.ok(set !== undefined && others.length === 0)
      assert.deepEqual([set.attempt, set.names, set.experts, set.topK], [attempt, ['a'], 2, 1])
      assert.deepEqual(
        set.steps.map(({ step, values }) => [step, values[0]?.toFixed(3)]),
        [
          [2, '0.333'],
          [3, '0.500'],
        ],
      )
    })

    check('a page of findings: of a run, of projects, open or over, the newest first', async ({ store }) => {
      await filled(store, { nodes: [], runs: [] })
      const finding = (number: number, resolvedAt: number | null) => ({
        id: `f${number}`,
        rule: 'no-progress' as const,
        subject: { project: runOf(1).project, run: runOf(number).id, attempt: null, budget: null, part: '' },
        severity: 'warning' as const,
        since: epochMs(T0 + number),
        message: 'm',
        evidence: [],
        gpus: null,
        price: null,
        money: null,
        whatToTry: 'w',
        seenAt: epochMs(T0),
        gpuMs: null,
        resolvedAt: resolvedAt === null ? null : epochMs(resolvedAt),
      })
      const all = [finding(1, null), finding(2, T0 + 9), finding(3, null)]
      await store.commit(
        null,
        all.map((each) => itemOf(each.id, [{ kind: 'finding', finding: each }])),
      )
      const page = async (query: Partial<FindingsQuery>) =>
        (await store.findings({ ...PAGE, ...query })).map(({ id }) => id)
      assert.deepEqual(await page({}), ['f3', 'f2', 'f1'])
      assert.deepEqual(await page({ limit: 2 }), ['f3', 'f2'])
      assert.deepEqual(await page({ before: { since: epochMs(T0 + 2), id: 'f2' } }), ['f1'])
      assert.deepEqual(await page({ open: true }), ['f3', 'f1'])
      assert.deepEqual(await page({ open: false }), ['f2'])
      assert.deepEqual(await page({ run: runOf(2).id }), ['f2'])
      assert.deepEqual(await page({ projects: [] }), [])
      assert.deepEqual(await page({ projects: [runOf(1).project] }), ['f3', 'f2', 'f1'])
      const [one] = all
      assert.ok(one !== undefined)
      await store.commit(null, [
        itemOf('over', [{ kind: 'finding', finding: { ...one, resolvedAt: epochMs(T0 + 5) } }]),
      ])
      assert.deepEqual(await page({ open: true }), ['f3'])
      assert.deepEqual(
        (await store.openFindings()).map(({ id }) => id),
        ['f3'],
      )
    })
  })
}
