// What operators load into Prometheus and Grafana (config/monitoring), held to a running server: a real Prometheus reads it, knows every name and
// label, evaluates each rule, and finds something for each panel.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parse } from 'yaml'
import { epochMs } from '../../src/domain/units.ts'
import { root, until } from '../parts/plimsoll.ts'
import type { Prometheus } from '../parts/prometheus.ts'
import { prometheusLacks, promtool, startPrometheus } from '../parts/prometheus.ts'
import type { Served } from '../parts/served.ts'
import { serve } from '../parts/served.ts'
import { PostgresBenches } from '../parts/stores.ts'
import { ADMIN, NOW, twoProjects } from '../parts/two-projects.ts'

const folder = join(root, 'config', 'monitoring')
const rules = join(folder, 'rules.yaml')
const lacks = prometheusLacks()
const options = lacks === null ? {} : { skip: lacks }
const STEPS = ['place', 'launch', 'observe', 'logs', 'account', 'experts', 'tell', 'detect', 'deliver']

let benches: PostgresBenches
let served: Served
let token: string
let prometheus: Prometheus | null = null

before(async () => {
  benches = await PostgresBenches.start()
  served = await serve(benches, NOW)
  await twoProjects(served)
  await channelsInTrouble()
  token = await served.token({ role: 'viewer', project: null, subject: 'prometheus' })
  for (const step of STEPS) {
    await served.metrics.turn(step, async () => {})
    await served.metrics.turn(step, () => Promise.reject(new Error('x'))).catch(() => {})
  }
  for (const kind of ['webhook', 'slack'])
    for (const outcome of ['delivered', 'failed'] as const) served.metrics.tried(kind, outcome)
  for (const outcome of ['signed-in', 'sign-in-no-group'] as const) served.metrics.signedIn(outcome)
  if (lacks === null) prometheus = await startPrometheus({ target: served.url, token, rules })
})
after(async () => {
  await prometheus?.stop()
  await served.close()
  await benches.stop()
})

/** One channel that fails, and one that its receiver turned off. */
async function channelsInTrouble(): Promise<void> {
  const { alerting, lead } = served.control
  assert.ok(alerting !== null && lead.epoch !== null)
  for (const [name, off] of [
    ['alpha-oncall', null],
    ['beta-oncall', '410 Gone'],
  ] as const) {
    const channel = (await alerting.store.channels()).find((each) => each.name === name)
    const next = await alerting.store.nextNotice(channel?.id ?? '')
    assert.ok(channel !== undefined && next !== null)
    const delivery = { notice: next.notice.id, try: 1, at: epochMs(NOW), tookMs: 1, ok: false, said: '503' }
    const then = { state: 'pending', failures: 1, retryAt: null, off } as const
    assert.ok(await alerting.store.tried(lead.epoch, channel.id, delivery, then))
  }
  await served.alerts.createChannel(ADMIN, {
    name: 'slack',
    project: null,
    address: { kind: 'slack', url: 'https://hooks.test/y' },
    severity: 'warning',
    rules: null,
    digest: false,
  })
}

type Rule = { readonly alert: string; readonly expr: string; readonly annotations: Readonly<Record<string, string>> }
const allRules = (): Rule[] =>
  (parse(readFileSync(rules, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules)

type Panel = {
  readonly title: string
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[]
}
const panels = (): (Panel & { readonly file: string })[] =>
  readdirSync(join(folder, 'dashboards')).flatMap((file) =>
    (JSON.parse(readFileSync(join(folder, 'dashboards', file), 'utf8')) as { panels: Panel[] }).panels.map((panel) => ({
      ...panel,
      file,
    })),
  )

/** Every expression with the labels that its texts name. */
const expressions = (): { what: string; expr: string; told: string[] }[] => [
  ...allRules().map(({ alert, expr, annotations }) => ({
    what: alert,
    expr,
    told: [
      ...Object.values(annotations)
        .join(' ')
        .matchAll(/\$labels\.(\w+)/g),
    ].map(([, name = '']) => name),
  })),
  ...panels().flatMap(({ file, title, targets }) =>
    targets.map(({ expr, legendFormat }) => ({
      what: `${file}: ${title}`,
      expr: expr.replaceAll('$__rate_interval', '1m'),
      told: [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, name = '']) => name),
    })),
  ),
]

/** Series as the server tells them: of each name the labels, and of each label the values. */
async function scrape(): Promise<Map<string, Map<string, Set<string>>>> {
  const answer = await fetch(`${served.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })
  const series = new Map<string, Map<string, Set<string>>>()
  for (const line of (await answer.text()).split('\n')) {
    const [, name = '', inside = ''] = /^([a-z_]\w*)(?:\{(.*)\})? \S+$/.exec(line) ?? []
    if (name === '') continue
    const labels = series.get(name) ?? new Map<string, Set<string>>()
    series.set(name, labels)
    for (const [, label = '', value = ''] of inside.matchAll(/(\w+)="([^"]*)"/g))
      labels.set(label, (labels.get(label) ?? new Set()).add(value))
  }
  return series
}

const WORDS = new Set(
  'sum max min count avg by on and or unless without ignoring bool rate increase absent time vector histogram_quantile'.split(
    ' ',
  ),
)
/** What Prometheus adds to every series that it reads. */
const ADDED = ['instance', 'job']
/** Values that a server without loops and without lost nodes does not show. */
const ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  state: ['running', 'suspect', 'lost'],
  severity: ['warning'],
  le: ['+Inf'],
}

test('rules and dashboards name no metric, label or value that a server does not have', async () => {
  const series = await scrape()
  for (const { what, expr, told } of expressions()) {
    const known = new Set(ADDED)
    let rest = expr
    for (const [whole, name = '', inside = ''] of expr.matchAll(
      /\b((?:plimsoll|process|nodejs)_\w+)(?:\{([^}]*)\})?/g,
    )) {
      const labels = series.get(name)
      assert.ok(labels !== undefined, `${what}: nothing is called ${name}`)
      for (const label of labels.keys()) known.add(label)
      for (const [, label = '', value = ''] of inside.matchAll(/(\w+)(?:=~|!=|!~|=)"([^"]*)"/g)) {
        const values = [...(labels.get(label) ?? []), ...(ELSEWHERE[label] ?? [])]
        assert.ok(labels.has(label), `${what}: ${name} has no ${label}`)
        for (const each of value.split('|'))
          assert.ok(values.includes(each), `${what}: ${name} has no ${label} ${each}`)
      }
      rest = rest.replace(whole, ' ')
    }
    for (const [, list = ''] of rest.matchAll(/\b(?:by|on|ignoring|without) \(([^)]*)\)/g))
      for (const label of list.split(', ')) assert.ok(known.has(label), `${what}: nothing of it has ${label}`)
    for (const label of told) assert.ok(known.has(label), `${what}: its text names ${label}`)
    // What is left is words of the language: no name of a metric slipped through.
    const words = rest.replaceAll(/\b(?:by|on|ignoring|without) \([^)]*\)|\[\w+\]/g, ' ').match(/[a-zA-Z_]\w*/g) ?? []
    for (const word of words) assert.ok(WORDS.has(word), `${what}: what is ${word}?`)
  }
  assert.ok(allRules().length >= 15 && panels().length >= 20)
})

test('every metric of Plimsoll but those that a rule cannot use stands in a rule or a panel', async () => {
  const used = new Set(expressions().flatMap(({ expr }) => expr.match(/plimsoll_\w+/g) ?? []))
  const page = readFileSync(join(root, 'docs', 'metrics.md'), 'utf8')
  const documented = [...page.matchAll(/^\| `(plimsoll_\w+)`/gm)].map(([, name = '']) => name)
  assert.deepEqual(
    documented.filter((name) => !used.has(name) && !used.has(`${name}_bucket`)),
    [],
  )
})

test('promtool takes the rules, and each fires where its test says', options, () => {
  for (const args of [
    ['check', 'rules', rules],
    ['test', 'rules', join(folder, 'rules.test.yaml')],
  ]) {
    const ran = spawnSync(promtool(), args, { encoding: 'utf8' })
    assert.equal(ran.status, 0, `${ran.stdout}${ran.stderr}`)
  }
  const tested = readFileSync(join(folder, 'rules.test.yaml'), 'utf8')
  for (const { alert } of allRules()) assert.ok(tested.includes(alert), `no test of ${alert}`)
})

test(
  'a real Prometheus reads a server, evaluates every rule, and finds something for every panel',
  options,
  async () => {
    const api = prometheus
    assert.ok(api !== null)
    type Vector = { readonly result: readonly { readonly value: readonly [number, string] }[] }
    const query = async (expr: string): Promise<Vector['result']> =>
      ((await api.get(`query?query=${encodeURIComponent(expr)}`)) as Vector).result
    // Twice at least: a rate needs two.
    await until(
      'it was read twice',
      async () => Number((await query('count_over_time(plimsoll_leader[1m])'))[0]?.value[1]) >= 2,
      30_000,
    )
    assert.equal((await query('up{job="plimsoll"}'))[0]?.value[1], '1')
    assert.equal((await query('plimsoll_findings{rule="run-failed"}'))[0]?.value[1], '2')
    type Groups = {
      readonly groups: readonly { readonly rules: readonly { name: string; health: string; lastError?: string }[] }[]
    }
    const evaluated = async () => ((await api.get('rules')) as Groups).groups.flatMap((group) => group.rules)
    await until(
      'every rule is evaluated',
      async () => (await evaluated()).every(({ health }) => health !== 'unknown'),
      30_000,
    )
    for (const { name, health, lastError } of await evaluated()) assert.equal(health, 'ok', `${name}: ${lastError}`)
    for (const { file, title, targets } of panels())
      for (const { expr } of targets)
        assert.notDeepEqual(
          await query(expr.replaceAll('$__rate_interval', '1m')),
          [],
          `${file}: ${title} shows nothing`,
        )
  },
)
