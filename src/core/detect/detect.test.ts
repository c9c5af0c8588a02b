import assert from 'node:assert/strict'
import { test } from 'node:test'
import { budgetOf, CLUSTER, claimOf, nodeId, runOf, specOf, t, worldOf } from '../../domain/fixture.ts'
import type { Finding } from '../../domain/finding.ts'
import { keyOf } from '../../domain/finding.ts'
import type { AttemptId, BudgetId } from '../../domain/ids.ts'
import { attemptIdOf, workerIdOf } from '../../domain/ids.ts'
import { micros } from '../../domain/units.ts'
import { decideFindings, REFRESH_MS } from './decide.ts'
import { DETECTORS, detect } from './detectors.ts'
import { ATTEMPT, expertsOf, factOf, lookOf, marksOf, runningOf, seen } from './fixture.ts'
import type { Series } from './look.ts'
import { unheard } from './look.ts'
import { budgetRates } from './rates.ts'
import { seriesFrom } from './series.ts'
import { RULES } from '../../domain/finding.ts'
import { durationText } from './words.ts'

const rules = (now: number, series: Partial<Series>): string[] => seen(now, series).map(({ rule }) => rule)
const steady = (count: number, value = 2): number[] => Array.from({ length: count }, (_, at) => value + (at % 3) * 0.01)
const MIN = 60_000
const stepAt = (at: number, source?: string) =>
  factOf(
    at,
    {
      kind: 'step',
      step: at,
      steps: 1,
      durationMs: null,
      samples: null,
      batch: null,
      total: null,
      loss: 1,
      tokens: null,
    },
    source,
  )

test('each rule has one detector', () => {
  assert.deepEqual(DETECTORS.flatMap((each) => each.rules).toSorted(), RULES.toSorted())
})

const ten = marksOf(steady(10))
const PROGRESS: readonly (readonly [what: string, now: number, series: Partial<Series>, rules: readonly string[]])[] = [
  ['steps come as they came', 105_000, { marks: ten }, []],
  ['three distances of ten seconds are less than the floor of two minutes', 200_000, { marks: ten }, []],
  ['silence beyond the floor', 100_000 + 2 * MIN + 1, { marks: ten }, ['no-progress']],
  ['a slow run is measured by its own pace', 600_000 + 2.5 * MIN, { marks: marksOf(steady(10), 60_000) }, []],
  ['and has it too', 600_000 + 3 * MIN + 1, { marks: marksOf(steady(10), 60_000) }, ['no-progress']],
  ['what its checkpoints took does not count', 100_000 + 3 * MIN, { marks: ten, phasesMs: 2 * MIN }, []],
  [
    'a checkpoint that goes on',
    100_000 + 20 * MIN,
    { marks: ten, phase: { phase: 'checkpoint', since: t(100_000) } },
    [],
  ],
  [
    'a checkpoint that never ends',
    100_001 + 30 * MIN,
    { marks: ten, phase: { phase: 'checkpoint', since: t(100_000) } },
    ['no-progress'],
  ],
  ['before its pace is known the limit is that of the first step', 20 * MIN, { marks: marksOf([1, 1]) }, []],
  ['nobody hears it: that is unknown, and no silence', 60 * MIN, { marks: ten, heardTo: null }, []],
  ['it was heard no further than its last step', 60 * MIN, { marks: ten, heardTo: t(100_000) }, []],
  ['it is done', 100_000 + 5 * MIN, { marks: ten, doneAt: t(100_000) }, []],
  ['it is done and holds its GPUs', 100_001 + 10 * MIN, { marks: ten, doneAt: t(100_000) }, ['gpus-idle']],
]
for (const [what, now, series, expected] of PROGRESS)
  test(`progress: ${what}`, () => assert.deepEqual(rules(now, series), expected))

test('a stall says since when, at what pace, and costs all its GPUs', () => {
  const [stall] = seen(400_000, { marks: ten })
  assert.equal(stall?.message, 'no step after step 10; its steps came every 10 s')
  assert.deepEqual([stall?.since, stall?.gpus, stall?.severity], [t(100_000), 16, 'critical'])
  assert.deepEqual(stall?.evidence, [{ what: 'last step', value: '10', at: t(100_000), worker: null }])
})

test('a run that never took a step is told where steps are expected, and not where nobody can read them', () => {
  const { run } = runningOf({})
  assert.deepEqual(rules(31 * MIN, {}), [])
  const [never] = seen(31 * MIN, {}, { run: { ...run, progressExpected: true } })
  assert.match(never?.message ?? '', /no step was seen within 30 min of the start of its last worker/)
  assert.deepEqual(seen(30 * MIN, {}, { run: { ...run, progressExpected: true } }), [])
})

test('a spec turns each watcher off', () => {
  const stalled = {
    marks: [...ten, ...marksOf([null, null, null, null]).map((mark) => ({ ...mark, at: t(100_500), step: 11 }))],
  }
  assert.deepEqual(rules(500_000, stalled), ['no-progress', 'loss-not-finite'])
  const watch = { stall: 'off', loss: 'off', experts: 'off' } as const
  const experts = [expertsOf(50, [{ maxVio: 9.9, dead: 3 }])]
  assert.deepEqual(rules(500_000, { ...stalled, experts }).length, 4)
  assert.deepEqual(seen(500_000, { ...stalled, experts }, { spec: specOf({ watch }) }), [])
})

const LOSSES: readonly (readonly [what: string, losses: readonly (number | null)[], rules: readonly string[]])[] = [
  ['is there', steady(64), []],
  ['was never there', [null, null, null, null, null, null], []],
  ['is missing twice', [...steady(10), null, null], []],
  ['is missing three times', [...steady(10), null, null, null], ['loss-not-finite']],
  ['is told every fourth step only', [1, null, null, null, 1, null, null, null, 1, null, null, null, null], []],
  [
    'is told every fourth step, and then no more',
    [1, null, null, null, 1, null, null, null, 1, null, null, null, null, null, null, null],
    ['loss-not-finite'],
  ],
  ['goes up and stays', [...steady(48), ...steady(16, 4)], ['loss-diverged']],
  ['has one spike', [...steady(56), 30, ...steady(8)], []],
  ['goes up within its noise', [...Array.from({ length: 48 }, (_, at) => 2 + (at % 5)), ...steady(16, 5)], []],
  ['goes up by less than a fifth', [...steady(48), ...steady(16, 2.3)], []],
  ['goes up before there is enough to compare with', [...steady(31), ...steady(16, 4)], []],
  ['comes down', Array.from({ length: 64 }, (_, at) => 10 - at / 10), []],
]
for (const [what, losses, expected] of LOSSES)
  test(`the loss ${what}`, () => {
    const marks = marksOf(losses)
    assert.deepEqual(rules(marks.length * 10_000, { marks }), expected)
  })

const even = { maxVio: 0.2, dead: 0 }
/** With 64 experts and top-6 an even share of the tokens is 0.094; a MaxVio of 9 is 0.9375. */
const EXPERTS: readonly (readonly [what: string, set: ReturnType<typeof expertsOf>, rules: readonly string[]])[] = [
  ['are even', expertsOf(50, [even, even]), []],
  ['collapse into one', expertsOf(5, [even, { maxVio: 9, dead: 0 }]), ['experts-collapsed']],
  ['were so for four steps only', expertsOf(4, [{ maxVio: 9, dead: 0 }]), []],
  ['are uneven', expertsOf(50, [{ maxVio: 5, dead: 0 }]), []],
  ['are all in use anyway', expertsOf(50, [{ maxVio: 0, dead: 0 }], { experts: 4, topK: 4 }), []],
  ['are dead', expertsOf(50, [even, { maxVio: 1, dead: 2 }]), ['experts-dead']],
  ['are dead for 49 steps only', expertsOf(49, [{ maxVio: 1, dead: 2 }]), []],
  ['got no token at all', expertsOf(50, [{ maxVio: Number.NaN, dead: Number.NaN }]), []],
]
for (const [what, set, expected] of EXPERTS)
  test(`experts ${what}`, () => assert.deepEqual(rules(0, { experts: [set] }), expected))

test('a collapse names the worst layer and says how many more there are', () => {
  const sick = { maxVio: 9, dead: 0 }
  const [collapse] = seen(60_000, { experts: [expertsOf(5, [sick, even, { maxVio: 9.5, dead: 0 }])] })
  assert.equal(
    collapse?.message,
    'one expert takes part in 98.4 % of the tokens of layer layers.2 (and the same is so in 1 more of its layers), in each of the last 5 reported steps',
  )
  assert.equal(collapse?.subject.part, 'layers.0')
})

const HOUR = 3_600_000
const lookAtBudget = (over: Parameters<typeof budgetOf>[1], burnPerHour: number | null) =>
  detect(lookOf(0, [], { budgets: [{ budget: budgetOf('b', { limit: 100 * HOUR, ...over }), burnPerHour, runs: 2 }] }))
const told = (over: Parameters<typeof budgetOf>[1], burnPerHour: number | null): string[] =>
  lookAtBudget(over, burnPerHour).map(({ rule, severity, subject }) => `${rule} ${subject.part} ${severity}`)

test('each part of a budget that is used is told, and that it is soon gone', () => {
  assert.deepEqual(told({ used: 49 * HOUR }, 0), [])
  assert.deepEqual(told({ used: 50 * HOUR }, 0), ['budget-used 50 % warning'])
  assert.deepEqual(told({ used: 100 * HOUR }, 10 * HOUR), [
    'budget-used 50 % warning',
    'budget-used 80 % warning',
    'budget-used 90 % warning',
    'budget-used 100 % critical',
  ])
  assert.deepEqual(
    lookAtBudget({ used: 85 * HOUR }, 0).map(({ message }) => message.slice(0, message.indexOf(':'))),
    [50, 80].map((part) => `85 % of budget b is used (told from ${part} % on)`),
  )
  assert.deepEqual(told({ used: 10 * HOUR }, 3 * HOUR), [])
  assert.deepEqual(told({ used: 10 * HOUR }, 4 * HOUR), ['budget-forecast  warning'])
  assert.deepEqual(told({ used: 10 * HOUR }, 60 * HOUR), ['budget-forecast  critical'])
  assert.deepEqual(told({ used: 10 * HOUR, hard: false }, 60 * HOUR), ['budget-forecast  warning'])
  assert.deepEqual(told({ used: 10 * HOUR }, null), [], 'without a price nobody can say')
  const [forecast] = lookAtBudget({ used: 10 * HOUR }, 4 * HOUR)
  assert.equal(forecast?.message, 'budget b is used up in about 22 h 30 min, if what runs now goes on')
})

test('a budget with a period that goes faster than its time is told, and one that will outlast its period is not', () => {
  const window = (elapsed: number) =>
    ({ kind: 'window', series: null, from: t(-elapsed * 1_000 * HOUR), to: t((1 - elapsed) * 1_000 * HOUR) }) as const
  const half = (used: number, burn = 0): string[] => told({ used: used * HOUR, period: window(0.3) }, burn)
  assert.deepEqual(half(37), [])
  assert.deepEqual(half(38), ['burn-above-plan  warning'])
  assert.deepEqual(told({ used: 9 * HOUR, period: window(0.01) }, 0), [], 'too little to say anything')
  assert.deepEqual(told({ used: 38 * HOUR }, 0), [], 'without a period there is no plan')
  const [found] = lookAtBudget({ used: 38 * HOUR, period: window(0.3) }, 0)
  assert.equal(
    found?.message,
    '38 % of budget b is used in 30 % of its time: 38.0000 GPU-hours, where an even share would be 30.0000 GPU-hours',
  )
  assert.deepEqual(told({ used: 49 * HOUR, period: window(0.999) }, 40 * HOUR), [], 'its period ends before')
  assert.deepEqual(told({ used: 40 * HOUR, period: window(0.95) }, 40 * HOUR), ['budget-forecast  critical'])
})

test('what a budget spends an hour is the price of all slots that its runs hold, holds included', () => {
  const budgets = ['hours', 'euros'] as BudgetId[]
  const run = runOf(1, { budgets })
  const price = { microsPerGpuHour: micros(2_000_000), currency: 'EUR' }
  const worker = workerIdOf(attemptIdOf(run.id, 1), 0)
  const world = worldOf({
    runs: [run, runOf(2)],
    budgets: [budgetOf('hours'), budgetOf('euros', { unit: { kind: 'money', currency: 'EUR' } })],
    claims: [
      claimOf(nodeId('n1'), worker, [0, 1, 2], { price }),
      claimOf(nodeId('n2'), `restart:${run.id}`, [0], { price }),
      claimOf(nodeId('n2'), workerIdOf(attemptIdOf(runOf(2).id, 1), 0), [1]),
    ],
  })
  const rates = budgetRates(world).map(({ burnPerHour, runs }) => [burnPerHour, runs])
  assert.deepEqual(rates, [
    [4 * HOUR, 1],
    [8_000_000, 1],
  ])
  const unpriced = { ...world, claims: [claimOf(nodeId('n1'), worker, [0])] }
  assert.deepEqual(
    budgetRates(unpriced).map(({ burnPerHour }) => burnPerHour),
    [HOUR, null],
  )
  assert.equal(world.clusters.has(CLUSTER), true)
})

test('phases count whoever is in them, until the last one is out; a step ends all', () => {
  const begin = { kind: 'begin', phase: 'checkpoint' } as const
  const end = { kind: 'end', phase: 'checkpoint' } as const
  const steps = [stepAt(100), stepAt(200)]
  const both = [factOf(250, begin, 'log:a'), factOf(260, begin, 'log:b'), factOf(300, end, 'log:a')]
  assert.deepEqual(seriesFrom(steps, both).phase, { phase: 'checkpoint', since: t(260) })
  const over = seriesFrom(steps, [...both, factOf(400, end, 'log:b')])
  assert.deepEqual([over.phase, over.phasesMs], [null, 140])
  const next = seriesFrom([...steps, stepAt(500)], both)
  assert.deepEqual([next.phase, next.phasesMs, next.marks.length], [null, 0, 3])
  assert.equal(seriesFrom([...steps, factOf(210, { kind: 'done' })], []).doneAt, t(210))
})

test('a finding opens, keeps its beginning and its name, and is over when it is seen no more', () => {
  const look = (now: number, known: readonly Finding[], running = runningOf({ marks: ten, heardTo: t(now) })) => {
    const at = lookOf(now, [running])
    return decideFindings(new Map(known.map((each) => [keyOf(each), each])), detect(at), unheard(at), at.now)
  }
  const [opened, ...none] = look(300_000, [])
  assert.ok(opened !== undefined && none.length === 0)
  assert.equal(opened.id, `no-progress/${ATTEMPT}/${t(100_000)}`)
  assert.deepEqual([opened.since, opened.seenAt, opened.resolvedAt], [t(100_000), t(300_000), null])
  assert.equal(opened.gpuMs, 16 * 200_000)
  assert.deepEqual(look(305_000, [opened]), [], 'nothing new')
  const [later] = look(300_000 + REFRESH_MS, [{ ...opened, since: t(90_000) }])
  assert.deepEqual([later?.id, later?.since, later?.seenAt], [opened.id, t(90_000), t(300_000 + REFRESH_MS)])
  const [over] = look(
    500_000,
    [opened],
    runningOf({ marks: [...ten, { at: t(499_000), step: 11, loss: 1 }], heardTo: t(500_000) }),
  )
  assert.deepEqual([over?.resolvedAt, over?.seenAt, over?.gpuMs], [t(500_000), t(300_000), 16 * 400_000])
  const [ended] = look(500_000, [{ ...opened, subject: { ...opened.subject, attempt: 'r0-2' as AttemptId } }])
  assert.equal(ended?.rule, 'no-progress', 'that of an attempt which runs no more is over, and this one opens')
})

test('while nobody hears a run, what is open of it stays open', () => {
  const silent = runningOf({ marks: ten, heardTo: t(300_000) })
  const [opened] = decideFindings(new Map(), detect(lookOf(300_000, [silent])), new Set(), t(300_000))
  assert.ok(opened !== undefined)
  const blind = lookOf(900_000, [runningOf({ marks: ten, heardTo: t(100_000) })])
  assert.deepEqual(detect(blind), [])
  assert.deepEqual(decideFindings(new Map([[keyOf(opened), opened]]), [], unheard(blind), blind.now), [])
  assert.equal(decideFindings(new Map([[keyOf(opened), opened]]), [], new Set(), blind.now).length, 1)
})

test('durations for people', () => {
  assert.deepEqual([45_000, 119_000, 180_000, HOUR, 5.5 * HOUR, 51 * HOUR, 48 * HOUR].map(durationText), [
    '45 s',
    '119 s',
    '3 min',
    '1 h',
    '5 h 30 min',
    '2 d 3 h',
    '2 d',
  ])
})
