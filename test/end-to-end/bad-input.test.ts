// What goes wrong on a user's machine: each has a message that says what to do, nothing is lost, nothing crashes.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Home, until } from '../parts/plimsoll.ts'

type Run = { id: string; name: string; state: string; message: string | null }
type Ledger = { capacityGpuMs: number; rows: { gpuMs: number }[] }

const home = new Home()
before(() => home.up())
after(() => home.remove())

const specOf = (name: string, command: string): string =>
  home.file(
    `${name}.yaml`,
    `name: ${name}\ncommand: ${command}\nresources: { nodes: 1, gpusPerNode: 1 }\nrestart: { unknown: 0 }\n`,
  )

async function ended(name: string): Promise<Run> {
  const show = () => home.document<Run>('show', name)
  await until(`${name} ends`, () => ['succeeded', 'failed', 'cancelled'].includes(show().state))
  return show()
}

test('a spec with errors names all of them with their places and submits nothing', () => {
  const file = home.file('bad.yaml', 'name: Bad Name\ncomand: [true]\nresources: { node: 1 }\npriority: hihg\n')
  const said = home.say('submit', file, '--yes')
  assert.equal(said.code, 2)
  for (const place of [':1:', ':2:', ':3:', ':4:']) assert.ok(said.stderr.includes(place), `${place} in ${said.stderr}`)
  assert.match(said.stderr, /did you mean/)
  assert.equal(home.document<{ runs: Run[] }>('runs').runs.length, 0)
})

test('a file that is not there, a command that is not there, a run that is not there', () => {
  assert.equal(home.say('submit', '/no/such/file.yaml', '--yes').code, 2)
  assert.equal(home.say('no-such-command').code, 2)
  assert.equal(home.say('show', 'no-such-run').code, 4)
})

test('a script that does not exist ends the run with the reason, and is not tried again', async () => {
  home.document('submit', specOf('missing', '[/no/such/program]'), '--yes')
  const run = await ended('missing')
  assert.equal(run.state, 'failed')
  assert.match(run.message ?? '', /no\/such\/program|127/)
})

test('a command that exits at once fails with its exit code', async () => {
  home.document('submit', specOf('at-once', '[sh, -c, "exit 7"]'), '--yes')
  const run = await ended('at-once')
  assert.equal(run.state, 'failed')
  assert.match(run.message ?? '', /exit code 7/)
})

test('bytes that are no text, and a line of 10 MB, are kept and harm nothing', async () => {
  const script = `python3 -c "import sys; sys.stdout.buffer.write(bytes([255, 254, 10])); sys.stdout.buffer.write(b'x' * 10000000 + bytes([10])); print('after')"`
  home.document('submit', specOf('bytes', JSON.stringify(['sh', '-c', script])), '--yes')
  assert.equal((await ended('bytes')).state, 'succeeded')
  await until('the log is stored', () => home.say('logs', 'bytes').stdout.includes('after'))
  const line = home
    .say('logs', 'bytes')
    .stdout.split('\n')
    .find((each) => each.startsWith('xxx'))
  assert.equal(line?.length, 10_000_000, 'the long line comes whole, though in pieces')
})

test('a second up on the same home is refused and says who runs', () => {
  const said = home.say('up')
  assert.equal(said.code, 3)
  assert.match(said.stderr, /another plimsoll up runs .*process \d+/)
})

test('a port in use is named with what to do', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  const other = new Home(`listen: { port: ${port} }\n`)
  try {
    const said = other.say('up')
    assert.equal(said.code, 1)
    assert.match(said.stderr, new RegExp(`port ${port} .* in use`))
    assert.match(said.stderr, /config\.yaml/)
  } finally {
    server.close()
    await other.remove()
  }
})

test('a database that is not there, and a queue that is none, are named with what to do', async () => {
  const socket = readFileSync(join(home.path, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')[4] ?? ''
  const rows: [string, number, RegExp][] = [
    [`database: { url: "postgres:///nowhere?host=${socket}" }`, 1, /refuses.*\n +(?:Create the database|See that)/],
    ['database: { url: "postgres://localhost:9/x" }', 1, /PostgreSQL does not answer/],
    ['queue: { url: "redis://localhost:9" }', 1, /Redis[^]*remove queue\.url|[^]*See that it runs/],
  ]
  for (const [setting, code, message] of rows) {
    const other = new Home(`listen: { port: 0 }\n${setting}\n`)
    try {
      const said = other.say('up')
      assert.equal(said.code, code, said.stderr)
      assert.match(said.stderr, message)
      assert.doesNotMatch(said.stderr, /\n +at /, 'no stack for a person at the terminal')
      assert.equal(existsSync(join(other.path, 'postgres')), setting.startsWith('queue'))
    } finally {
      await other.remove()
    }
  }
  const another = join(home.folder, 'another')
  const stranger = home.say('up', '--home', another, '--database', `postgres://plimsoll@/plimsoll?host=${socket}`)
  assert.equal(stranger.code, 1, stranger.stderr)
  assert.match(stranger.stderr, /belongs to another home/)
  assert.equal(home.say('runs').code, 0, 'whose it is leads on')
  const said = home.say('up', '--home', join(home.folder, 'other'), '--database', 'notaurl')
  assert.deepEqual([said.code, /--database is no address/.test(said.stderr)], [2, true])
})

test('an unknown setting is refused with its line', async () => {
  const other = new Home('listen: { port: 0 }\ndurations:\n  leese: 5s\n')
  try {
    const said = other.say('up')
    assert.equal(said.code, 2)
    assert.match(said.stderr, /config\.yaml:3:\d+: .*leese/)
  } finally {
    await other.remove()
  }
})

test('no Python is a message that says what to install', async () => {
  const tools = mkdtempSync(join(tmpdir(), 'plimsoll-tools-'))
  symlinkSync('/usr/bin/flock', join(tools, 'flock'))
  const other = new Home('listen: { port: 0 }\n', { PATH: tools })
  try {
    const said = other.say('up')
    assert.equal(said.code, 1)
    assert.match(said.stderr, /Python 3\.9/i)
  } finally {
    rmSync(tools, { recursive: true })
    await other.remove()
  }
})

test('no network for the environment ends the demonstration with what to do', async (t) => {
  if (spawnSync('python3', ['-c', 'import torch']).status === 0)
    return t.skip('a Python here has torch: nothing would be fetched')
  const nowhere = 'http://127.0.0.1:9/simple'
  const other = new Home('listen: { port: 0 }\n', {
    PIP_INDEX_URL: nowhere,
    UV_INDEX_URL: nowhere,
    UV_DEFAULT_INDEX: nowhere,
  })
  other.env.PLIMSOLL_CACHE = join(other.folder, 'cache')
  try {
    const said = other.say('up', '--demo', '--until-done')
    assert.equal(said.code, 1, said.stderr)
    assert.match(said.stderr, /network|index|reach/i)
    assert.match(said.stderr, /PLIMSOLL_PYTHON|again/)
  } finally {
    await other.remove()
  }
})

test('PostgreSQL killed under a running run: it is started again, the run ends, the books add up', async () => {
  home.document('submit', specOf('through', '[sleep, "6"]'), '--yes')
  await until('it runs', () => home.document<Run>('show', 'through').state === 'running')
  for (const pid of home.processes('postgres')) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It fell with its parent.
    }
  }
  await until('the API answers again', () => home.say('runs', '-o', 'json').code === 0)
  assert.equal((await ended('through')).state, 'succeeded')
  const ledger = home.document<Ledger>('ledger', '--by', 'account')
  assert.equal(
    ledger.rows.reduce((sum, row) => sum + row.gpuMs, 0),
    ledger.capacityGpuMs,
  )
})

test('the log has no token of the client', () => {
  const { token } = JSON.parse(readFileSync(join(home.path, 'client.json'), 'utf8')) as { token: string }
  assert.ok(token.length > 20)
  assert.ok(!readFileSync(join(home.path, 'plimsoll.log'), 'utf8').includes(token))
})
