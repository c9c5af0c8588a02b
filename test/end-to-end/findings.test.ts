// A run that hangs under a real `up`: found by the thresholds of the operator's file, told wherever people look, and over when it ends.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Home, until } from '../parts/plimsoll.ts'

type Finding = { rule: string; runName: string; since: string; resolvedAt: string | null; gpuMs: number }
type Findings = { findings: Finding[] }
type Show = { findings: { kind: string; whatToDo: string }[] }
type Events = { events: { kind: string }[] }

const home = new Home('listen: { port: 0 }\nalerts: { thresholds: mine.yaml }\n')
const thresholds = join(home.path, 'mine.yaml')

before(async () => {
  writeFileSync(thresholds, 'progress: { silenceMin: 3s, marks: 3 }\n')
  await home.up()
})
after(() => home.remove())

const LINE =
  ' [2026-03-01 08:15:30.123456] iteration %8d/ 100 | consumed samples: %12d | elapsed time per iteration (ms): 200.0 | global batch size: 8 | lm loss: 2.5E+00 |'

test('a run that hangs is a finding with its cost, until it is stopped', async () => {
  const script = `import time\nfor i in range(1, 7):\n    print('${LINE}' % (i, 8 * i), flush=True)\n    time.sleep(0.2)\ntime.sleep(600)\n`
  home.file('train.py', script)
  const spec = home.file(
    'hang.yaml',
    'name: hang\ncommand: [python3, train.py]\nresources: { nodes: 1, gpusPerNode: 2 }\ntraining: { framework: megatron }\n',
  )
  home.document('submit', spec, '--yes')
  const open = (): Finding[] => home.document<Findings>('findings').findings
  await until('it is found', () => open().length > 0)
  const [found] = open()
  assert.deepEqual([found?.rule, found?.runName, found?.resolvedAt], ['no-progress', 'hang', null])
  assert.ok((found?.gpuMs ?? 0) >= 2 * 3_000)
  const show = home.document<Show>('show', 'hang')
  assert.deepEqual(
    show.findings.map(({ kind }) => kind),
    ['no-progress'],
  )
  assert.match(home.say('show', 'hang').stdout, /critical: no-progress, attempt 1, since .*no step after step 6/)
  home.document('stop', 'hang', '--now')
  await until('it is over', () => open().length === 0)
  const all = home.document<Findings>('findings', '--all', '--run', 'hang').findings
  assert.ok(all.length === 1 && all[0]?.resolvedAt !== null)
  const { events } = home.document<Events>('events', 'hang')
  assert.ok(events.some(({ kind }) => kind === 'no-progress') && events.some(({ kind }) => kind === 'finding-over'))
})

test('thresholds that are wrong, or not there, are said with their place, and nothing starts', async () => {
  await home.stop()
  writeFileSync(thresholds, 'progress: { silenceMin: soon }\n')
  const wrong = home.say('up')
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /mine\.yaml:1:25: must be a duration/)
  writeFileSync(join(home.path, 'config.yaml'), 'listen: { port: 0 }\nalerts: { thresholds: none.yaml }\n')
  const missing = home.say('up')
  assert.equal(missing.code, 2)
  assert.match(missing.stderr, /there is no file .*none\.yaml \(at \/alerts\/thresholds\)/)
})
