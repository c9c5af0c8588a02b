// `npm run cluster` as a person sees it.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { findBinaries } from './binaries.ts'
import { PLANE_BINARIES } from './control-plane.ts'

const file = fileURLToPath(new URL('person.ts', import.meta.url))
const cluster = (...args: readonly string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [file, ...args], { encoding: 'utf8' })

test('help names every option and starts nothing', () => {
  const { status, stdout } = cluster('--help')
  assert.equal(status, 0)
  for (const option of ['--nodes', '--gpus-per-node', '--real-node']) assert.match(stdout, new RegExp(option))
})

for (const [args, says] of [
  [['--nodes', 'many'], /--nodes is a whole number from 0 to 5000, not "many"/],
  [['--nodes', '-1'], /--nodes/],
  [['--nodes', '5001'], /from 0 to 5000/],
  [['--gpus-per-node', '1.5'], /--gpus-per-node is a whole number/],
  [['--gpus'], /--gpus/],
  [['surplus'], /surplus/],
] as const) {
  test(`${args.join(' ')} is refused with exit code 2`, () => {
    const { status, stdout, stderr } = cluster(...args)
    assert.equal(status, 2)
    assert.equal(stdout, '')
    assert.match(stderr, says)
  })
}

const found = await findBinaries(PLANE_BINARIES)
describe('cluster', { skip: found.kind === 'missing' && found.why }, () => {
  test('it says how to reach it, has the nodes that were asked for, and leaves nothing after Ctrl-C', async (t) => {
    const child = spawn(process.execPath, [file, '--nodes', '5', '--gpus-per-node', '4'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill('SIGKILL'))
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve))
    const said = await new Promise<string>((resolve, reject) => {
      let text = ''
      child.on('exit', (code) => reject(new Error(`it ended with ${code}: ${text}`)))
      child.stdout.on('data', (bytes: Buffer) => {
        text += bytes.toString()
        if (text.includes('Ctrl-C')) resolve(text)
      })
    })
    const kubeconfig = /KUBECONFIG=(\S+)/.exec(said)?.[1] ?? ''
    const kubectl = /alias kubectl=(\S+)/.exec(said)?.[1] ?? ''
    const columns = 'custom-columns=NAME:.metadata.name,GPUS:.status.allocatable.nvidia\\.com/gpu'
    const nodes = spawnSync(kubectl, [`--kubeconfig=${kubeconfig}`, 'get', 'nodes', '--no-headers', '-o', columns], {
      encoding: 'utf8',
    })
    assert.deepEqual(
      nodes.stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/\s+/)),
      [0, 1, 2, 3, 4].map((index) => [`node-${index}`, '4']),
      nodes.stderr,
    )
    child.kill('SIGINT')
    assert.equal(await ended, 0)
    assert.equal(existsSync(dirname(kubeconfig)), false)
  })
})
