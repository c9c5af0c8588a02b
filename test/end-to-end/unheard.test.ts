// Jobs that end while the control plane is away: what their reporters could not send stands in their logs, so that nothing is missing
// when it is back.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Home, until } from '../parts/plimsoll.ts'

type Run = { state: string; progress: { step: number } | null }
type Statement = {
  tokens: number | null
  provisionalGpuMs: number
  heldGpuMs: number
  byAccount: Record<string, number>
}
type Experts = { frames: number }
type Logs = { lines: { text: string }[] }

const STEPS = 40
const SCRIPT = `
import signal, sys, os, time
import plimsoll_reporter as plimsoll
for step in range(1, ${STEPS + 1}):
    time.sleep(0.1)
    plimsoll.step(step, tokens=8)
    plimsoll.experts(step, [[4, 4], [8, 0]], tokens=8, top_k=1)
    print('step', step, flush=True)
    if step == 5:
        open(sys.argv[1], 'w').close()
        # Goes on when the control plane is gone.
        while not os.path.exists(sys.argv[2]):
            time.sleep(0.05)
plimsoll.checkpoint_durable(${STEPS}, 'nowhere')
print('the last line', flush=True)
exec(sys.argv[3])
`
const ENDS: Readonly<Record<string, string>> = {
  returns: 'plimsoll.done()',
  raises: 'raise ValueError',
  terminated: 'os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)',
  // What a durable checkpoint keeps was written when it became durable.
  killed: 'time.sleep(2); os.kill(os.getpid(), signal.SIGKILL)',
}

const home = new Home()
before(() => home.up())
after(() => home.remove())

const ended = (name: string): boolean =>
  readdirSync(join(home.path, 'work'), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith(name))
    .length === Object.keys(ENDS).length

test('whichever way a job ends while nobody listens, all its tokens and frames are in the books', async () => {
  const script = home.file('train.py', SCRIPT)
  const go = join(home.folder, 'go')
  for (const [name, end] of Object.entries(ENDS))
    home.document(
      'submit',
      home.file(
        `${name}.yaml`,
        `name: ${name}
command: [python3, ${script}, ${join(home.folder, name)}, ${go}, ${JSON.stringify(end)}]
resources: { nodes: 1, gpusPerNode: 1 }
restart: { infrastructure: 0, unknown: 0, user: 0 }
`,
      ),
      '--yes',
    )
  for (const name of Object.keys(ENDS))
    await until(`${name} is heard`, () => (home.document<Run>('show', name).progress?.step ?? 0) >= 5)
  await home.kill(true)
  home.file('go', '')
  await until('all jobs have ended', () => ended('/exit'))
  await home.up()
  for (const name of Object.keys(ENDS)) {
    await until(`${name} has ended`, () => !['running', 'stopping'].includes(home.document<Run>('show', name).state))
    const statement = (): Statement => home.document<Statement>('statement', name)
    await until(`${name} is posted`, () => statement().provisionalGpuMs === 0)
    const { tokens, heldGpuMs, byAccount } = statement()
    assert.equal(tokens, STEPS * 8, name)
    assert.equal(
      Object.values(byAccount).reduce((sum, each) => sum + each, 0),
      heldGpuMs,
    )
    // Of a process that is killed the frames are lost; marks and checkpoints are not.
    const { frames } = home.document<Experts>('experts', name)
    if (name === 'killed') assert.ok(frames >= 4 && frames < STEPS, `${frames}`)
    else assert.equal(frames, STEPS, name)
    const { lines } = home.document<Logs>('logs', name)
    assert.ok(lines.some(({ text }) => text === 'the last line'))
    assert.ok(lines.every(({ text }) => !text.includes('plimsoll-spool')))
  }
})
