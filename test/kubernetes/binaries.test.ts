// The cache of programs: built once whoever asks, never half, and a reason where there is none.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, test } from 'node:test'
import type { Binaries, Missing } from './binaries.ts'

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-binaries-'))
const cache = join(folder, 'cache')
const code = (name: string): string =>
  `import { findBinaries } from '${new URL('binaries.ts', import.meta.url).href}'\n` +
  `process.stdout.write(JSON.stringify(await findBinaries(['${name}'])))`

type Answer = { readonly found: Binaries<'pause' | 'kubectl'> | Missing; readonly said: string }

/** Asks for a program in a process of its own, with a cache of its own. The smallest one is built in a second. */
function ask(name: 'pause' | 'kubectl', env: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise((resolve) => {
    const child = start(name, env)
    let [found, said] = ['', '']
    child.stdout.on('data', (bytes: Buffer) => (found += bytes.toString()))
    child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()))
    child.on('close', () => resolve({ found: JSON.parse(found) as Answer['found'], said }))
  })
}
const start = (name: string, env: Readonly<Record<string, string>> = {}) =>
  spawn(process.execPath, ['--input-type=module', '--eval', code(name)], {
    env: { ...process.env, PLIMSOLL_CACHE: cache, KUBEBUILDER_ASSETS: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })

const go = spawnSync('go', ['version']).status === 0
describe('programs', { skip: !go && 'there is no go' }, () => {
  beforeEach(() => rmSync(cache, { recursive: true, force: true }))
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('three who ask at once build it once, and each is told of it', async () => {
    const answers = await Promise.all([ask('pause'), ask('pause'), ask('pause')])
    const paths = answers.map(({ found }) => (found.kind === 'found' ? found.paths.pause : found.why))
    assert.equal(new Set(paths).size, 1)
    assert.ok(statSync(paths[0] ?? '').size > 500_000)
    const builds = answers.map(({ said }) => said).filter((said) => /building pause/.test(said))
    assert.equal(builds.length, 1)
    assert.match(builds[0] ?? '', /pause built in \d+ s/)
    assert.equal((await ask('pause')).said, '')
  })

  test('one that is killed while it builds leaves nothing that the next takes for whole', async () => {
    const child = start('pause')
    const ended = new Promise((resolve) => child.on('exit', resolve))
    await new Promise((resolve) => child.stderr.once('data', resolve))
    child.kill('SIGKILL')
    await ended
    const [made = ''] = readdirSync(cache)
    assert.equal(existsSync(join(cache, made, 'pause')), false)
    const { found } = await ask('pause')
    assert.ok(found.kind === 'found')
    assert.equal(spawnSync('timeout', ['0.2', found.paths.pause]).status, 124)
    assert.equal(existsSync(join(cache, made, '.building')), false)
  })

  test('those that KUBEBUILDER_ASSETS has come first, the rest is ours', async () => {
    const assets = join(folder, 'assets')
    mkdirSync(assets)
    writeFileSync(join(assets, 'kubectl'), '#!/bin/sh\n')
    chmodSync(join(assets, 'kubectl'), 0o755)
    const { found } = await ask('kubectl', { KUBEBUILDER_ASSETS: assets })
    assert.ok(found.kind === 'found')
    assert.equal(found.paths.kubectl, join(assets, 'kubectl'))
    const other = await ask('pause', { KUBEBUILDER_ASSETS: assets })
    assert.ok(other.found.kind === 'found' && other.found.paths.pause.startsWith(cache))
  })

  test('without Go, or when it does not compile, the reason is a value', async () => {
    const some = join(folder, 'some')
    mkdirSync(some)
    const without = async (): Promise<string> => {
      const { found } = await ask('pause', { PATH: some })
      assert.ok(found.kind === 'missing')
      return found.why
    }
    assert.match(await without(), /there is no flock and no setpriv/)
    for (const name of ['flock', 'setpriv']) symlinkSync(`/usr/bin/${name}`, join(some, name))
    assert.match(await without(), /pause is not there and cannot be built: there is no go/)
    const broken = await ask('pause', { GOOS: 'nothing' })
    assert.ok(broken.found.kind === 'missing')
    assert.match(broken.found.why, /pause could not be built: .*nothing/)
  })
})
