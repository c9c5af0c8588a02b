// On a machine with NVIDIA GPUs and a Python that has PyTorch with CUDA on the path: what all other tests have to imitate. `npm run
// test:gpu` runs it; nothing else does, for the machines that test this have no GPU.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Home, root, until } from '../parts/plimsoll.ts'

type Nodes = {
  nodes: { name: string; gpuModel: string; declared: boolean; gpus: number; held: number; foreign: number }[]
}
type Run = { id: string; state: string }
type Why = { state: string; reason: string; message: string }
type Statement = {
  state: string
  heldGpuMs: number
  byAccount: Record<string, number>
  tokens: number
  efficiency: { mfuProductive: number | null; mfuUnknown: string | null }
  experts: { layers: number; experts: number; dead: number } | null
}

const asked = spawnSync('nvidia-smi', ['--query-gpu=uuid,name', '--format=csv,noheader'], { encoding: 'utf8' })
const devices = (asked.stdout ?? '')
  .split('\n')
  .flatMap((line) => (line.startsWith('GPU-') ? [line.split(',')[0] ?? ''] : []))
const skip = devices.length === 0 ? 'nvidia-smi tells of no GPU' : false

const specOf = (name: string, code: string): string =>
  JSON.stringify({
    version: 1,
    name,
    project: 'default',
    command: ['python3', '-u', '-c', code],
    resources: { nodes: 1, gpusPerNode: 1 },
    restart: { user: 0, unknown: 0, infrastructure: 0 },
  })

describe('a machine with GPUs', { skip, timeout: 600_000 }, () => {
  let home: Home
  before(async () => {
    home = new Home()
    await home.up()
    await until('the GPUs are known', () => home.document<Nodes>('nodes').nodes.length > 0, 90_000)
  })
  after(() => home.remove())
  const node = (): Nodes['nodes'][number] | undefined => home.document<Nodes>('nodes').nodes[0]
  const submit = (name: string, code: string): string => {
    const file = home.file(`${name}.yaml`, specOf(name, code))
    return home.document<Run>('submit', file, '--yes').id
  }
  const stateOf = (run: string): string => home.document<Run>('show', run).state

  test('its GPUs are those that nvidia-smi names, and the catalogue knows the model', () => {
    const seen = node()
    assert.equal(seen?.gpus, devices.length)
    assert.equal(seen.declared, false)
    const catalogue = readFileSync(join(root, 'config', 'catalogue', 'gpus.json'), 'utf8')
    assert.ok(catalogue.includes(seen.gpuModel), `${seen.gpuModel} is not in the catalogue`)
    const doctor = home.say('doctor', '-o', 'json').stdout
    assert.ok(doctor.includes('"gpus"') && !doctor.includes('no NVIDIA GPU answers'), doctor)
  })

  test('a worker sees the device that it holds, alone, and computes on it', async () => {
    const code =
      'import os, torch; x = torch.ones(1 << 20, device="cuda"); ' +
      'print("sees", torch.cuda.device_count(), os.environ["CUDA_VISIBLE_DEVICES"], float(x.sum()))'
    const run = submit('sees', code)
    await until('it ends', () => !['queued', 'starting', 'running'].includes(stateOf(run)), 120_000)
    const { stdout } = home.say('logs', run)
    const [, count, id, sum] = /sees (\d+) (\S+) (\S+)/.exec(stdout) ?? []
    assert.deepEqual([count, sum], ['1', '1048576.0'], stdout)
    assert.ok(devices.includes(id ?? ''), stdout)
    assert.equal(stateOf(run), 'succeeded')
  })

  test('our own workers are no strangers', async () => {
    const run = submit('long', 'import torch, time; torch.ones(1, device="cuda"); print("holds"); time.sleep(600)')
    await until('it computes', () => home.say('logs', run).stdout.includes('holds'), 120_000)
    // Two rounds of looks at the processes of the devices.
    const begin = performance.now()
    await until(
      'a minute',
      () => {
        assert.equal(node()?.foreign, 0)
        return performance.now() - begin > 65_000
      },
      120_000,
    )
    assert.equal(node()?.held, 1)
    home.say('stop', run, '--now')
    await until('it is gone', () => node()?.held === 0)
  })

  test('a GPU on which a stranger computes is given to nobody, `why` says so, and is given when he has gone', async () => {
    const strangers = devices.map((id) =>
      spawn('python3', ['-c', 'import torch, time; torch.ones(1, device="cuda"); time.sleep(600)'], {
        env: { ...process.env, CUDA_VISIBLE_DEVICES: id },
        stdio: 'ignore',
      }),
    )
    try {
      await until('they are seen', () => node()?.foreign === devices.length, 120_000)
      const run = submit('waits', 'import torch; print(torch.ones(1, device="cuda"))')
      await until('it waits', () => home.document<Why>('why', run).state === 'queued')
      const why = home.document<Why>('why', run)
      process.stdout.write(`why: ${JSON.stringify(why)}\n`)
      assert.match(why.message, /others than Plimsoll use/)
      for (const stranger of strangers) stranger.kill('SIGKILL')
      await until('it ends', () => stateOf(run) === 'succeeded', 120_000)
    } finally {
      for (const stranger of strangers) stranger.kill('SIGKILL')
    }
  })
})

test(
  'the demonstration trains on the GPUs that are here, comes back from its checkpoint, and its MFU is known',
  { skip, timeout: 600_000 },
  async () => {
    const home = new Home()
    try {
      const begin = performance.now()
      const ran = spawnSync(
        process.execPath,
        [join(root, 'bin', 'plimsoll.mjs'), 'up', '--demo', '--until-done', '-o', 'json'],
        { env: home.env, encoding: 'utf8', timeout: 500_000, maxBuffer: 2 ** 26 },
      )
      assert.equal(ran.status, 0, ran.stderr.slice(-4_000))
      const statement = JSON.parse(ran.stdout) as Statement
      process.stdout.write(`${Math.round(performance.now() - begin)} ms: ${ran.stdout.trim()}\n`)
      assert.equal(statement.state, 'succeeded')
      assert.equal(
        Object.values(statement.byAccount).reduce((a, b) => a + b, 0),
        statement.heldGpuMs,
      )
      // 600 iterations of 4 sequences of 128 tokens for each worker: one where there is one GPU.
      assert.equal(statement.tokens, 307_200 * Math.min(2, devices.length))
      assert.ok((statement.byAccount.lost ?? 0) > 0)
      assert.deepEqual([statement.experts?.layers, statement.experts?.experts], [4, 16])
      assert.ok((statement.efficiency.mfuProductive ?? 0) > 0, `MFU: ${statement.efficiency.mfuUnknown}`)
    } finally {
      await home.remove()
    }
  },
)
