// Steering and walls, by real processes: stop, suspend and resume, limits as a deadline, hard budgets, quota, the paused queue, cordons.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Home, until } from '../parts/plimsoll.ts'

type Run = { id: string; state: string; reason: string | null; message: string | null }
type Why = { reason: string | null; counterfactual: string | null }
type Budget = { id: string; limit: number; used: number; reserved: number; over: number }
type Ledger = { capacityGpuMs: number; rows: { gpuMs: number }[] }

const home = new Home()
before(async () => {
  await home.up()
  const policy = home.file(
    'policy.yaml',
    `defaultCluster: local
currency: EUR
projects:
  default: {}
  demo: {}
  small: { quotaGpus: 1 }
  walled: {}
budgets:
  demo-hours: { project: demo, gpuHours: 50, hard: true }
  demo-money: { project: demo, money: 5, hard: false }
  wall: { project: walled, gpuHours: 0.2, hard: true }
prices: { declared: 0.04 }
`,
  )
  home.document('policy', 'apply', policy)
})
after(() => home.remove())

function submit(name: string, command: string, more = ''): void {
  const file = home.file(
    `${name}.yaml`,
    `name: ${name}\ncommand: ${command}\nresources: { nodes: 1, gpusPerNode: 1 }\n${more}\n`,
  )
  home.document('submit', file, '--yes')
}
const show = (name: string): Run => home.document<Run>('show', name)
const reaches = (name: string, state: string): Promise<void> =>
  until(`${name} is ${state}`, () => show(name).state === state)

test('stop asks first: a run that saves on SIGTERM ends cancelled, with what it said', async () => {
  submit(
    'polite',
    JSON.stringify(['sh', '-c', 'trap "echo saved; exit 0" TERM; echo ready; while :; do sleep 0.1; done']),
  )
  await until('it is ready', () => home.say('logs', 'polite').stdout.includes('ready'))
  home.document('stop', 'polite')
  await reaches('polite', 'cancelled')
  await until('its last words are stored', () => home.say('logs', 'polite').stdout.includes('saved'))
})

/** Training as far as the reporter goes: a step every 50 ms, a checkpoint when it is asked for, a last word on SIGTERM. */
const OBEDIENT = `
import signal, sys, time
import plimsoll_reporter as plimsoll
saved = None
def end(*_):
    print('ends, saved', saved, flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
for step in range(1, 100000):
    time.sleep(0.05)
    plimsoll.step(step, loss=1.0, tokens=1)
    if plimsoll.should_checkpoint():
        saved = step
        plimsoll.checkpoint_durable(step, '/nowhere')
`

test('stop asks one who obeys for a checkpoint, and for the end when that is durable', async () => {
  const script = home.file('obedient.py', OBEDIENT)
  submit('obedient', JSON.stringify(['python3', script]))
  await until(
    'its steps are seen',
    () => (home.document<{ progress: { step: number | null } }>('show', 'obedient').progress.step ?? 0) > 3,
  )
  home.document('stop', 'obedient')
  await reaches('obedient', 'cancelled')
  await until('its last words are stored', () => /ends, saved \d+/.test(home.say('logs', 'obedient').stdout))
  const said = home.say('events', 'obedient').stdout
  assert.match(said, /asked for a checkpoint, then to end: stop/)
  assert.match(said, /asked to end: the checkpoint of step \d+ is durable/)
})

test('stop --now does not wait for one that ignores SIGTERM', async () => {
  submit('stubborn', JSON.stringify(['sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 0.1; done']))
  await until('it is ready', () => home.say('logs', 'stubborn').stdout.includes('ready'))
  home.document('stop', 'stubborn', '--now')
  await reaches('stubborn', 'cancelled')
})

test('suspend and resume: the next attempt is another one', async () => {
  submit('pausing', '[sleep, "300"]')
  await reaches('pausing', 'running')
  home.document('suspend', 'pausing')
  await reaches('pausing', 'suspended')
  home.document('resume', 'pausing')
  await until('its second attempt runs', () => {
    const run = home.document<Run & { attempts: unknown[] }>('show', 'pausing')
    return run.state === 'running' && run.attempts.length === 2
  })
  home.document('stop', 'pausing', '--now')
  await reaches('pausing', 'cancelled')
  assert.equal(home.say('resume', 'pausing').code, 3)
})

test('limits.time is a deadline that the supervisor keeps', async () => {
  submit('limited', '[sleep, "300"]', 'limits: { time: 3s }')
  await reaches('limited', 'failed')
  assert.match(show('limited').message ?? '', /limits\.time/)
})

test('a hard budget that cannot hold the need is the reason, and raising it is what would help', async () => {
  submit('too-dear', '[sleep, "300"]', 'project: walled')
  await until('it has its reason', () => show('too-dear').reason === 'budget')
  const why = home.document<Why>('why', 'too-dear')
  assert.match(why.counterfactual ?? '', /budget wall/)
  home.document('stop', 'too-dear')
})

test('within a hard budget the reserve is given back and what was used stays', async () => {
  submit('fits', '[sleep, "2"]', 'project: walled\nlimits: { time: 20s }')
  await reaches('fits', 'succeeded')
  const wall = home.document<{ budgets: Budget[] }>('budgets').budgets.find((each) => each.id === 'wall')
  assert.ok(wall !== undefined && wall.used >= 2_000 && wall.used < 60_000, JSON.stringify(wall))
  assert.equal(wall.reserved, 0)
  assert.equal(wall.over, 0)
})

test('a quota lets one run through and names itself to the other', async () => {
  submit('first', '[sleep, "300"]', 'project: small')
  await reaches('first', 'running')
  submit('second', '[sleep, "1"]', 'project: small')
  await until('it has its reason', () => show('second').reason === 'quota')
  home.document('stop', 'first', '--now')
  await reaches('second', 'succeeded')
})

test('a paused queue and a cordoned node let nothing start, and say so', async () => {
  home.document('queue', 'pause', '--reason', 'test')
  submit('held-back', '[sleep, "1"]')
  await until('it has its reason', () => show('held-back').reason === 'paused')
  home.document('nodes', 'cordon', 'localhost', '--reason', 'test')
  home.document('queue', 'resume')
  await until('it has the other reason', () => show('held-back').reason === 'nodes-not-ready')
  assert.match(home.document<Why>('why', 'held-back').counterfactual ?? '', /uncordoned/)
  home.document('nodes', 'uncordon', 'localhost')
  await reaches('held-back', 'succeeded')
})

test('a node that holds a run is not forgotten; a free one is, and comes back as another incarnation', async () => {
  submit('keeps-it', '[sleep, "300"]')
  await reaches('keeps-it', 'running')
  const refused = home.say('nodes', 'forget', 'localhost', '-o', 'json')
  assert.equal(refused.code, 3)
  assert.match(refused.stderr, /holds slots of node/)
  home.document('stop', 'keeps-it', '--now')
  await reaches('keeps-it', 'cancelled')
  const { node } = home.document<{ node: string }>('nodes', 'forget', 'localhost', '--reason', 'test')
  assert.match(node, /\/localhost\/1$/)
  const ids = () => home.document<{ nodes: { id: string }[] }>('nodes').nodes.map((each) => each.id)
  await until('it is registered anew', () => ids().some((id) => id.endsWith('/localhost/2')))
  submit('on-the-new-one', '["true"]')
  await reaches('on-the-new-one', 'succeeded')
})

test('an idempotency key gives the same run once, and refuses another one', () => {
  const file = home.file('once.yaml', 'name: once\ncommand: ["true"]\nresources: { nodes: 1, gpusPerNode: 1 }\n')
  const first = home.document<Run>('submit', file, '--yes', '--idempotency-key', 'k')
  assert.equal(home.document<Run>('submit', file, '--yes', '--idempotency-key', 'k').id, first.id)
  assert.equal(home.say('submit', file, '--yes', '--idempotency-key', 'k', '--set', 'priority=low').code, 3)
})

test('after all of it every GPU-millisecond is in one account, and the audit log has who did what', () => {
  for (const by of ['account', 'project,account', 'run', 'gpu,user', 'label:team']) {
    const ledger = home.document<Ledger>('ledger', '--by', by)
    assert.equal(
      ledger.rows.reduce((sum, row) => sum + row.gpuMs, 0),
      ledger.capacityGpuMs,
      by,
    )
  }
  const verbs = new Set(
    home.document<{ entries: { verb: string }[] }>('audit', '--limit', '200').entries.map((each) => each.verb),
  )
  for (const verb of [
    'run.submit',
    'run.stop',
    'run.suspend',
    'run.resume',
    'queue.pause',
    'node.cordon',
    'policy.apply',
  ])
    assert.ok(verbs.has(verb), verb)
})

test('a token may do what its role says and no more', () => {
  const nowhere = home.say('token', 'create', 'x', '--role', 'viewer', '--subject', 'ada', '--project', 'nope')
  assert.deepEqual([nowhere.code, /there is no project nope/.test(nowhere.stderr)], [3, true])
  const { secret } = home.document<{ secret: string }>(
    'token',
    'create',
    'reader',
    '--role',
    'viewer',
    '--subject',
    'ada',
    '--project',
    'default',
  )
  const { url } = JSON.parse(readFileSync(join(home.path, 'client.json'), 'utf8')) as { url: string }
  Object.assign(home.env, { PLIMSOLL_TOKEN: secret, PLIMSOLL_URL: url })
  try {
    assert.equal(home.say('show', 'fits').code, 4, 'a run of another project is not found')
    assert.equal(home.say('show', 'limited').code, 0)
    assert.equal(home.say('stop', 'limited').code, 3)
    assert.equal(home.say('queue', 'pause').code, 3)
    assert.equal(home.say('policy', 'show').code, 3)
    const page = home.document<{ runs: { project: string }[] }>('runs', '--limit', '1')
    assert.deepEqual(
      page.runs.map((run) => run.project),
      ['default'],
      'a page is filled with what may be seen',
    )
  } finally {
    delete home.env.PLIMSOLL_TOKEN
    delete home.env.PLIMSOLL_URL
  }
})
