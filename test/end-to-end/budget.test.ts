// A hard budget by a real process: the reserve is extended while there is something left, then the run is stopped at a checkpoint; and
// where nobody is there to stop it, the supervisor keeps the deadline.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Home, until } from '../parts/plimsoll.ts'

type Run = { state: string; reason: string | null }
type Budget = { id: string; limit: number; used: number; reserved: number; over: number }

const home = new Home(`listen: { port: 0 }
durations: { reserveSlice: 20s, checkpoint: 4s, grace: 5s }
`)
before(async () => {
  await home.up()
  const policy = home.file(
    'policy.yaml',
    `defaultCluster: local
currency: EUR
projects: { default: {}, demo: {}, walled: {}, alone: {} }
budgets:
  demo-hours: { project: demo, gpuHours: 50, hard: true }
  demo-money: { project: demo, money: 5, hard: false }
  wall: { project: walled, gpuHours: 0.01, hard: true }
  alone: { project: alone, gpuHours: 0.01, hard: true }
prices: { declared: 0.04 }
`,
  )
  home.document('policy', 'apply', policy)
})
after(() => home.remove())

const budget = (id: string): Budget => {
  const found = home.document<{ budgets: Budget[] }>('budgets').budgets.find((each) => each.id === id)
  assert.ok(found !== undefined)
  return found
}
/** What is booked has left the reserve. */
const promised = (id: string): number => budget(id).reserved + budget(id).used
const show = (name: string): Run => home.document<Run>('show', name)
const submit = (name: string, project: string): void => {
  const file = home.file(
    `${name}.yaml`,
    `name: ${name}\nproject: ${project}\ncommand: [sleep, "300"]\nresources: { nodes: 1, gpusPerNode: 1 }\n`,
  )
  home.document('submit', file, '--yes')
}

test('a run that outgrows its reserve gets what is left of the budget, and is stopped before the wall', async () => {
  submit('grows', 'walled')
  await until('its reserve is the whole budget', () => promised('wall') === 36_000)
  await until('it is suspended', () => show('grows').state === 'suspended')
  assert.equal(show('grows').reason, 'budget')
  const wall = budget('wall')
  assert.ok(wall.used >= 20_000 && wall.used <= wall.limit, JSON.stringify(wall))
  assert.deepEqual([wall.reserved, wall.over], [0, 0])
})

test('who runs asks for more, who pays grants it, and the run goes on by itself', async () => {
  assert.equal(show('grows').state, 'suspended')
  const asked = home.document<{ id: string; state: string }>(
    'budgets',
    'extend',
    'wall',
    '--by',
    '0.02',
    '--reason',
    'one more epoch',
  )
  assert.equal(asked.state, 'waiting')
  assert.equal(budget('wall').limit, 36_000)
  const granted = home.document<{ state: string; decidedBy: string }>(
    'budgets',
    'grant',
    asked.id,
    '--answer',
    'the last',
  )
  assert.equal(granted.state, 'granted')
  assert.equal(budget('wall').limit, 36_000 + 72_000)
  await until('it runs again', () => show('grows').state === 'running')
  const entries = home.document<{ entries: { verb: string; target: string }[] }>('audit').entries
  for (const verb of ['budget.extension.ask', 'budget.extension.grant'])
    assert.ok(
      entries.some((each) => each.verb === verb && each.target === 'wall'),
      verb,
    )
  assert.ok(entries.some(({ verb }) => verb === 'run.resume'))
  home.document('stop', 'grows')
})

test('while the control plane is dead the supervisor ends the run at its deadline, within the budget', async () => {
  submit('orphan', 'alone')
  await until('its reserve is the whole budget', () => promised('alone') === 36_000)
  await home.kill()
  await until('nothing of it runs', () => home.processes('sleep').length === 0)
  await home.up()
  await until('it is suspended', () => show('orphan').state === 'suspended')
  const alone = budget('alone')
  assert.ok(alone.used >= 20_000 && alone.used <= alone.limit, JSON.stringify(alone))
  assert.deepEqual([alone.reserved, alone.over], [0, 0])
})
