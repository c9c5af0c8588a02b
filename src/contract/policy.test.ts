import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseGpus } from './catalogue.ts'
import { parsePolicy, parsePolicyValue } from './policy.ts'

const read = (path: string): string => readFileSync(new URL(`../../config/${path}`, import.meta.url), 'utf8')

function problemsOf(text: string): string[] {
  const parsed = parsePolicy(text)
  if (parsed.ok) return []
  return parsed.problems.map(({ line, column, pointer, message, hint }) =>
    [`${line}:${column}`, pointer, message, ...(hint === null ? [] : [`[${hint}]`])].join(' '),
  )
}

test('the seed has its projects, its budgets, and prices of the catalogue only', () => {
  const parsed = parsePolicy(read('policy/seed.yaml'))
  assert.ok(parsed.ok)
  const { policy } = parsed
  assert.deepEqual(
    policy.projects.map(({ name, quotaGpus }) => [name, quotaGpus]),
    [
      ['default', null],
      ['demo', null],
    ],
  )
  assert.deepEqual(
    policy.budgets.map(({ project, unit, hard, limit }) => [project, unit.kind, hard, limit]),
    [
      ['demo', 'gpu-ms', true, 180_000_000],
      ['demo', 'money', false, 5_000_000],
    ],
  )
  const known = new Set(parseGpus(read('catalogue/gpus.json')).map(({ id }) => id))
  for (const { gpuModel, price } of policy.prices) {
    assert.ok(known.has(gpuModel), `${gpuModel} is priced and not in the catalogue`)
    assert.equal(price.currency, 'EUR')
  }
  assert.equal(policy.prices.find(({ gpuModel }) => gpuModel === 'declared')?.price.microsPerGpuHour, 40_000)
  assert.ok(parsePolicyValue(parsed.document).ok, 'the document that is stored is a policy again')
})

test('what is wrong is said with its place', () => {
  const text = [
    'defaultCluster: local',
    'currency: EUR',
    'projects:',
    '  a: { parent: b }',
    '  b: { parent: a }',
    '  pretraining: { parent: pretrainin }',
    '  self: { parent: self }',
    'budgets:',
    '  x: { project: pretrainig, money: 0.12, gpuHours: 3 }',
    '  y: { project: a }',
    '',
  ]
  assert.deepEqual(problemsOf(text.join('\n')), [
    '4:16 /projects/a/parent project a is its own ancestor',
    '5:16 /projects/b/parent project b is its own ancestor',
    '6:26 /projects/pretraining/parent there is no project pretrainin [did you mean pretraining?]',
    '7:19 /projects/self/parent project self is its own ancestor',
    '9:3 /budgets/x must have either gpuHours or money',
    '9:17 /budgets/x/project there is no project pretrainig [did you mean pretraining?]',
    '10:3 /budgets/y must have either gpuHours or money',
  ])
  const fields = 'defaultCluster: local\ncurrency: euro\nprojects: { a: { quota: 3 }, a: {} }\n'
  assert.deepEqual(problemsOf(fields), ['3:30 /projects/a a was given before, in line 3'])
  const values =
    'defaultCluster: local\ncurrency: euro\nprojects: { a: { quota: 3 } }\nbudgets: { b: { project: a, money: 0.1234567 } }\nprices: { h200: -1 }\n'
  assert.deepEqual(problemsOf(values), [
    '2:11 /currency must be a currency code such as EUR',
    '3:18 /projects/a/quota there is no key quota here [known are parent, quotaGpus, maxPriority]',
    '4:36 /budgets/b/money must be a decimal number of at least 0 with at most six places',
    '5:17 /prices/h200 must be a decimal number of at least 0 with at most six places',
  ])
})

test('a budget is of a project, a user or a label, or of a run of a project', () => {
  const head = 'defaultCluster: local\ncurrency: EUR\nprojects: { a: {} }\n'
  const parsed = parsePolicy(
    `${head}budgets:\n  ada: { user: ada, gpuHours: 1 }\n  core: { project: a, label: team=core, money: 5 }\n  moe: { project: a, run: moe, gpuHours: 2 }\n`,
  )
  assert.ok(parsed.ok)
  assert.deepEqual(
    parsed.policy.budgets.map(({ id, project, user, label, run }) => [id, project, user, label, run]),
    [
      ['ada', null, 'ada', null, null],
      ['core', 'a', null, { key: 'team', value: 'core' }, null],
      ['moe', 'a', null, null, 'moe'],
    ],
  )
  assert.deepEqual(
    problemsOf(
      `${head}budgets:\n  x: { gpuHours: 1 }\n  y: { user: ada, run: moe, gpuHours: 1 }\n  z: { label: team, gpuHours: 1 }\n`,
    ),
    [
      '5:3 /budgets/x must name a project, a user or a label: whom it covers',
      '6:24 /budgets/y/run needs the project of the run beside it',
      '7:15 /budgets/z/label must be a key and a value, such as team=vision',
    ],
  )
})

test('a wrong price hides nothing that is wrong between projects and budgets', () => {
  const text = [
    'defaultCluster: local',
    'currency: EUR',
    'projects: { a: { parent: b }, b: { parent: c }, c: { parent: b }, d: 3 }',
    'budgets: { x: { project: zz }, y: 3 }',
    'prices: { h200: -1 }',
    '',
  ]
  assert.deepEqual(problemsOf(text.join('\n')), [
    '3:44 /projects/b/parent project b is its own ancestor',
    '3:62 /projects/c/parent project c is its own ancestor',
    '3:70 /projects/d must be a mapping, not 3',
    '4:12 /budgets/x must have either gpuHours or money',
    '4:26 /budgets/x/project there is no project zz [known are a, b, c, d]',
    '4:35 /budgets/y must be a mapping, not 3',
    '5:17 /prices/h200 must be a decimal number of at least 0 with at most six places',
  ])
})

test('safety: exactly the projects on a cycle are their own ancestors', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(12), { minLength: 1, maxLength: 12 }), (parents) => {
      const parentOf = (each: number): number => parents[each] ?? -1
      const projects = Object.fromEntries(
        parents.map((parent, each) => [`p${each}`, parent < parents.length ? { parent: `p${parent}` } : {}]),
      )
      const parsed = parsePolicyValue({ defaultCluster: 'l', currency: 'EUR', projects })
      const expected = parents.flatMap((parent, start) => {
        let at = parent
        for (let steps = 0; steps <= parents.length && at !== start; steps += 1) at = parentOf(at)
        return at === start ? [`/projects/p${start}/parent`] : []
      })
      const found = parsed.ok ? [] : parsed.problems.map(({ pointer }) => pointer)
      assert.deepEqual(found.toSorted(), expected.toSorted())
    }),
  )
})

test('safety: GPU-hours become milliseconds exactly, rounded down', () => {
  fc.assert(
    fc.property(fc.nat({ max: 10 ** 9 }), fc.nat({ max: 999_999 }), (whole, part) => {
      const amount = `${whole}.${String(part).padStart(6, '0')}`
      const parsed = parsePolicyValue({
        defaultCluster: 'l',
        currency: 'EUR',
        projects: { a: {} },
        budgets: { b: { project: 'a', gpuHours: amount } },
      })
      assert.ok(parsed.ok)
      const exact = (BigInt(whole) * 1_000_000n + BigInt(part)) * 3_600_000n
      assert.equal(BigInt(parsed.policy.budgets[0]?.limit ?? -1), exact / 1_000_000n)
    }),
  )
})

test('safety: nothing that is sent makes it throw', () => {
  fc.assert(
    fc.property(fc.anything(), fc.string(), (value, text) => {
      for (const parsed of [parsePolicyValue(value), parsePolicy(text)])
        if (!parsed.ok) assert.ok(parsed.problems.length > 0)
    }),
  )
})

test('a budget has a period, a window or neither, and a price counts from a day on', () => {
  const base = { defaultCluster: 'local', currency: 'EUR', projects: { lab: {} } }
  const budgets = {
    monthly: { project: 'lab', gpuHours: 1, period: 'month' },
    grant: { project: 'lab', money: 5, from: '2026-01-01', to: '2026-07-01' },
    all: { project: 'lab', gpuHours: 1 },
  }
  const parsed = parsePolicyValue({
    ...base,
    budgets,
    prices: { h200: 3, 'h100-sxm': { '2026-01-01': 2.5, '2026-07-01': '2.75' } },
  })
  assert.ok(parsed.ok)
  const [from, to] = [Date.parse('2026-01-01'), Date.parse('2026-07-01')]
  assert.deepEqual(
    parsed.policy.budgets.map(({ period }) => period),
    [{ kind: 'every', every: 'month' }, { kind: 'window', series: null, from, to }, null],
  )
  assert.deepEqual(
    parsed.policy.prices.map(({ gpuModel, since, price }) => [gpuModel, since, price.microsPerGpuHour]),
    [
      ['h200', 0, 3_000_000],
      ['h100-sxm', from, 2_500_000],
      ['h100-sxm', to, 2_750_000],
    ],
  )
  assert.deepEqual(
    problemsOf(
      [
        'defaultCluster: local',
        'currency: EUR',
        'projects: { lab: {} }',
        'budgets:',
        '  a: { project: lab, gpuHours: 1, period: year }',
        '  b: { project: lab, gpuHours: 1, from: 2026-01-01 }',
        '  c: { project: lab, gpuHours: 1, from: 2026-02-30, to: 2026-03-01 }',
        '  d: { project: lab, gpuHours: 1, from: 2026-03-01, to: 2026-03-01 }',
        '  e: { project: lab, gpuHours: 1, from: 2026-03-01, to: 2026-04-01, period: day }',
        'prices: { h100-sxm: {}, h200: { tomorrow: 2 } }',
        '',
      ].join('\n'),
    ),
    [
      '5:43 /budgets/a/period must be one of day, week, month, quarter',
      '6:3 /budgets/b must have both from and to, or neither',
      '7:41 /budgets/c/from must be a day such as 2026-11-01',
      '8:57 /budgets/d/to must be a day after from: the first that does not count',
      '9:77 /budgets/e/period cannot stand beside from and to',
      '10:21 /prices/h100-sxm must have a day and a price',
      '10:43 /prices/h200/tomorrow must be a day such as 2026-11-01',
    ],
  )
})
