// kill -9 of the whole control plane, PostgreSQL included, at random moments of a real training run that fails on the way: each worker
// of each attempt starts once, the run ends, and the books are exact.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Home, pause, root, until } from '../parts/plimsoll.ts'
import { torchBin } from '../parts/python.ts'

const KILLS = Number(process.env.PLIMSOLL_TEST_KILLS ?? 30)
const SEED = Number(process.env.PLIMSOLL_TEST_SEED ?? Date.now() % 100_000)

type Runs = { runs: { id: string; name: string; state: string }[] }
type Statement = {
  state: string
  heldGpuMs: number
  provisionalGpuMs: number
  byAccount: Record<string, number>
  attempts: unknown[]
  tokens: number | null
}
type Ledger = { capacityGpuMs: number; rows: { account: string; gpuMs: number }[] }

const ENDED = new Set(['succeeded', 'failed', 'cancelled', 'suspended'])

test(
  `${KILLS} kills of everything in one run (PLIMSOLL_TEST_SEED=${SEED} repeats the moments)`,
  { timeout: Math.max(900_000, KILLS * 30_000) },
  async () => {
    const bin = await torchBin()
    const home = new Home('listen: { port: 0 }\n', { PATH: `${bin}:${process.env.PATH ?? ''}` })
    const random = generator(SEED)
    try {
      const launches = join(home.folder, 'launches')
      const spec = home.file(
        'crash.yaml',
        `name: crash
project: demo
workdir: ${join(root, 'examples', 'moe')}
command: [torchrun, "--nnodes=$PLIMSOLL_NODES", "--nproc-per-node=$PLIMSOLL_GPUS_PER_NODE", "--node-rank=$PLIMSOLL_NODE_RANK",
          "--master-addr=$MASTER_ADDR", "--master-port=$MASTER_PORT", train.py, "--iterations=400", "--save-interval=25", "--exit-code-at=60:3"]
env: { MOE_LAUNCH_LOG: ${launches} }
resources: { nodes: 2, gpusPerNode: 1 }
training: { framework: megatron, sequenceLength: 128 }
`,
      )
      await home.up()
      home.document('submit', spec, '--yes', '--idempotency-key', 'crash')
      let kills = 0
      for (; kills < KILLS; kills += 1) {
        await pause(50 + random() * 1_200)
        await home.kill(kills % 2 === 1)
        await pause(random() * 300)
        await home.up()
      }
      await until('the run ends', () => home.document<Runs>('runs').runs.every((run) => ENDED.has(run.state)), 300_000)
      await until(
        'its books are posted',
        () => home.document<Statement>('statement', 'crash').provisionalGpuMs === 0,
        60_000,
      )

      const statement = home.document<Statement>('statement', 'crash')
      assert.equal(statement.state, 'succeeded')
      const lines = readFileSync(launches, 'utf8').trim().split('\n')
      const starts = lines.map((line) => line.split(' ').slice(0, 3).join(' '))
      assert.equal(new Set(starts).size, starts.length, `a rank was started twice:\n${lines.join('\n')}`)
      assert.equal(starts.length, 2 * statement.attempts.length, 'each worker of each attempt left its mark')
      assert.equal(sum(Object.values(statement.byAccount)), statement.heldGpuMs)
      assert.ok((statement.byAccount.lost ?? 0) > 0, 'the work after the last checkpoint of the failed attempt is lost')
      assert.equal(statement.tokens, 400 * 8 * 128)
      const ledger = home.document<Ledger>('ledger', '--by', 'account')
      assert.equal(sum(ledger.rows.map((row) => row.gpuMs)), ledger.capacityGpuMs)
    } finally {
      await home.remove()
    }
  },
)

const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0)

/** mulberry32: small, and the same on every machine. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
