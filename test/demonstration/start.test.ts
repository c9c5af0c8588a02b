// The main line as a user starts it: a real PostgreSQL, real supervisors, a real torchrun. The statement's accounts sum to what was
// held, the ledger's rows to the capacity, and nothing is left running.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

test(
  'up --demo --until-done trains the example, though a worker and PostgreSQL die on the way, and ends with a statement that adds up',
  { timeout: 1_500_000 },
  async () => {
    const home = mkdtempSync(join(tmpdir(), 'plimsoll-start-'))
    // A free port: a person's own `up` may hold the usual one.
    writeFileSync(join(home, 'config.yaml'), 'listen: { port: 0 }\n')
    let killed = false
    try {
      const { code, stdout, stderr } = await run(['up', '--demo', '--until-done', '-o', 'json'], home, (said) => {
        if (!/\bstep \d{2,}/.test(said) || killed) return
        killed = true
        const [pid] = readFileSync(join(home, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')
        process.kill(Number(pid), 'SIGKILL')
      })
      assert.ok(killed && stderr.includes('PostgreSQL had gone and was started again'), stderr)
      assert.equal(code, 0, stderr.slice(-2_000))
      const lines = stdout.trim().split('\n')
      assert.equal(lines.length, 1, 'stdout has the document and nothing else')
      const statement = JSON.parse(lines[0] ?? '') as Statement
      assert.equal(statement.state, 'succeeded')
      assert.ok(statement.heldGpuMs > 0)
      assert.equal(sum(statement.byAccount), statement.heldGpuMs)
      assert.equal(statement.provisionalGpuMs, 0)
      assert.ok((statement.byAccount.productive ?? 0) > 0)
      assert.equal(statement.tokens, 614_400)
      // The steps since the newest checkpoint were done twice, and one of the two was for nothing.
      assert.ok((statement.byAccount.lost ?? 0) > 0)
      assert.match(stderr, /killed on purpose/)
      // It pays for the slots that were kept for it between its attempts as well.
      assert.ok(statement.paidGpuMs > 0)
      assert.equal(statement.money?.currency, 'EUR')
      // What the reporter inside the job sent: every step of every layer, though the control plane's store was away for a while.
      const { experts } = statement
      assert.deepEqual([experts?.layers, experts?.experts, experts?.dead], [4, 16, 0])
      assert.ok((experts?.maxVio ?? -1) > 0 && (experts?.maxVio ?? 99) < 15)
      // Its own saves, its restart and its one failure are measured; it is too short to be told how often to save. Slots without a device
      // have no peak.
      const { mfuUnknown, checkpoints } = statement.efficiency
      assert.ok(mfuUnknown === null || mfuUnknown === 'no-peak', String(mfuUnknown))
      assert.equal(checkpoints.bestUnknown, 'too-short', JSON.stringify(checkpoints))
      assert.deepEqual([checkpoints.failures, checkpoints.intervalSteps], [1, 50])
      assert.ok((checkpoints.restartMs ?? 0) > 0 && checkpoints.saves >= 600 / 50)
      assert.deepEqual(processesOf(home), [])
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  },
)

test('on a machine with one GPU the demonstration has one worker, and trains', { timeout: 300_000 }, async () => {
  const home = mkdtempSync(join(tmpdir(), 'plimsoll-start-'))
  writeFileSync(join(home, 'config.yaml'), 'listen: { port: 0 }\n')
  // A fake, since there is no GPU here: the worker computes on the CPU.
  const row = '0, GPU-aa, NVIDIA H100 80GB HBM3, Disabled'
  const program = `#!/bin/sh\ncase "$1" in --query-gpu*) echo '${row}';; esac\n`
  writeFileSync(join(home, 'nvidia-smi'), program, { mode: 0o755 })
  const env = { PATH: `${home}:${process.env.PATH ?? ''}` }
  let asked = false
  try {
    const { code, stderr } = await run(
      ['up', '--demo', '--until-done'],
      home,
      (said, child) => {
        if (asked || !/running step \d/.test(said)) return
        asked = true
        child.kill('SIGTERM')
      },
      env,
    )
    assert.ok(asked, stderr)
    assert.match(stderr, /one GPU: the demonstration has one worker here instead of 2/)
    assert.equal(code, 130, stderr)
    assert.deepEqual(processesOf(home), [])
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
})

type Statement = {
  state: string
  heldGpuMs: number
  paidGpuMs: number
  provisionalGpuMs: number
  byAccount: Record<string, number>
  tokens: number
  money: { micros: number; currency: string } | null
  efficiency: {
    mfuUnknown: string | null
    checkpoints: {
      saves: number
      failures: number
      restartMs: number | null
      intervalSteps: number | null
      bestUnknown: string | null
    }
  }
  experts: { layers: number; experts: number; maxVio: number | null; dead: number } | null
}

const sum = (accounts: Record<string, number>): number =>
  Object.values(accounts).reduce((total, each) => total + each, 0)

function run(
  args: readonly string[],
  home: string,
  onSaid: (stderr: string, child: ChildProcess) => void,
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(root, 'bin', 'plimsoll.mjs'), ...args], {
      env: { ...process.env, ...env, PLIMSOLL_HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
      onSaid(stderr, child)
    })
    child.on('exit', (code) => resolve({ code, stdout, stderr }))
  })
}

/** Command lines of processes that carry the home in their arguments or environment. */
function processesOf(home: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8') + readFileSync(`/proc/${pid}/environ`, 'utf8')
        return text.includes(home)
          ? [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`]
          : []
      } catch {
        return []
      }
    })
}
