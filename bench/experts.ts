// What expert load costs: the training thread that says it, and the control plane that stores it.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { Home, root, until } from '../test/parts/plimsoll.ts'
import { torchBin } from '../test/parts/python.ts'
import { withDatabase } from './fill.ts'
import { api, quantile, rss, specOf } from './parts.ts'
import type { Result } from './run.ts'

const LAYERS = 58
const EXPERTS = 256
const TOP_K = 8
/** Of one step of a DeepSeek-V3-sized run: 15,360 sequences of 4,096. */
const TOKENS = 15_360 * 4_096
/** One whole block of the second level of roll-ups, and what has to come behind it. */
const STEPS = 1_024 + 128
const PER_BATCH = 9

type Batch = { readonly body: Buffer; readonly frames: readonly Uint32Array[] }

export async function expertIngest(): Promise<Result> {
  const home = new Home()
  try {
    await home.up()
    const ask = api(home)
    const told = join(home.folder, 'told')
    const say = `env > ${told}.new; mv ${told}.new ${told}; exec sleep 3600`
    await ask('POST', '/runs', specOf('experts', ['sh', '-c', say]))
    await until('the job says where reports go', () => existsSync(told))
    const environment = readFileSync(told, 'utf8')
    const valueOf = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(environment)?.[1] ?? ''
    const [url, token, attempt] = ['INGEST_URL', 'INGEST_TOKEN', 'ATTEMPT'].map((name) => valueOf(`PLIMSOLL_${name}`))
    const batches = prepared()
    const samples: number[] = []
    const begin = performance.now()
    for (const { body, frames } of batches) {
      const asked = performance.now()
      const response = await fetch(`${url}/ingest/v1/facts`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'plimsoll-attempt': attempt ?? '',
          'content-type': 'application/json',
          'content-encoding': 'gzip',
        },
        body: new Uint8Array(body),
      })
      const { accepted } = (await response.json()) as { accepted?: number }
      if (accepted !== frames.length)
        throw new Error(`a batch of ${frames.length} frames: ${response.status}, ${accepted} taken`)
      samples.push((performance.now() - asked) / frames.length)
    }
    const seconds = (performance.now() - begin) / 1_000
    const { bytes, baseline } = await withDatabase(home.path, async (database) => {
      const count = async (text: string): Promise<number> =>
        Number((await database.query<{ n: number }>({ text, values: [] }))[0]?.n)
      await until(
        'the roll-ups are built',
        async () => (await count(`select count(*) as n from expert_rollup where level = 10`)) === 1,
        300_000,
      )
      const stored = await count(
        `select sum(pg_total_relation_size(name::regclass)) as n
         from unnest(array['expert_frame', 'expert_measure', 'expert_rollup', 'expert_layers', 'expert_pending']) name`,
      )
      await database.query({ text: 'create table plain (step bigint primary key, counts jsonb not null)', values: [] })
      const some = batches.slice(0, 32)
      const started = performance.now()
      for (const [index, { frames }] of some.entries())
        await database.transaction('write', async (tx) => {
          for (const [place, counts] of frames.entries())
            await tx.query({
              text: 'insert into plain values ($1, $2)',
              values: [index * PER_BATCH + place, JSON.stringify([...counts])],
            })
        })
      return { bytes: stored, baseline: (some.length * PER_BATCH * 1_000) / (performance.now() - started) }
    })
    const rate = STEPS / seconds
    return {
      work: `${STEPS} frames of ${LAYERS} x ${EXPERTS} counts of a 63-million-token step, in batches of ${PER_BATCH} as a reporter sends them, one after the other through HTTP into PostgreSQL, durable; measures and roll-ups built meanwhile`,
      unit: 'frames/s',
      samples: samples.map((ms) => 1_000 / ms),
      ours: rate,
      baseline,
      baselineIs:
        'the same counts as jsonb, a row a step, written to the same server without HTTP, measures or roll-ups',
      rssMiB: rss(home),
      figures: [
        { name: 'frames a second', ours: rate, unit: 'frames/s', limit: 50, atLeast: true },
        {
          name: 'stored bytes a step (frames, measures, roll-ups, indexes)',
          ours: bytes / STEPS,
          unit: 'B',
          limit: 47_000,
        },
        { name: 'answer to a batch, p99', ours: quantile(samples, 0.99) * PER_BATCH, unit: 'ms', limit: 1_000 },
      ],
    }
  } finally {
    await home.remove()
  }
}

/** Made before the clock runs. Loads differ by expert (CV 0.3) and wander by step (3 %). */
function prepared(): Batch[] {
  const random = seeded(7)
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const base = Float64Array.from({ length: LAYERS * EXPERTS }, () => Math.exp(0.3 * normal()))
  const layers = Array.from({ length: LAYERS }, (_, layer) => `model.layers.${layer}.mlp`)
  const batches: Batch[] = []
  for (let step = 0; step < STEPS;) {
    const frames: Uint32Array[] = []
    const facts: object[] = []
    for (; frames.length < PER_BATCH && step < STEPS; step += 1) {
      const counts = countsOf(base.map((each) => each * Math.exp(0.03 * normal())))
      frames.push(counts)
      facts.push({
        seq: step + 1,
        at: Date.now(),
        kind: 'experts',
        step,
        layers,
        experts: EXPERTS,
        counts: Buffer.from(counts.buffer).toString('base64'),
        tokens: TOKENS,
        topK: TOP_K,
        flags: ['summed'],
      })
    }
    const batch = {
      version: 1,
      source: '00000000000000aa',
      startedAt: Date.now(),
      sentAt: Date.now(),
      rank: 0,
      reporter: 'bench',
      obeys: [],
      facts,
    }
    batches.push({ body: gzipSync(JSON.stringify(batch), { level: 1 }), frames })
  }
  return batches
}

/** Each layer sums to tokens x top-k. */
function countsOf(loads: Float64Array): Uint32Array {
  const counts = new Uint32Array(LAYERS * EXPERTS)
  for (let layer = 0; layer < LAYERS; layer += 1) {
    const own = loads.subarray(layer * EXPERTS, (layer + 1) * EXPERTS)
    const total = own.reduce((sum, each) => sum + each, 0)
    let left = TOKENS * TOP_K
    for (let expert = 0; expert < EXPERTS - 1; expert += 1) {
      const count = Math.round(((own[expert] ?? 0) / total) * TOKENS * TOP_K)
      counts[layer * EXPERTS + expert] = count
      left -= count
    }
    counts[(layer + 1) * EXPERTS - 1] = left
  }
  return counts
}

/** The same numbers in each call. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

type Reported = {
  readonly work: string
  readonly ours: number
  readonly p99: number
  readonly baseline: number
  readonly baselineIs: string
  readonly n: number
  readonly samples: readonly number[]
  readonly sent: { readonly taken: number; readonly gaps: number }
}

export async function reporter(): Promise<Result> {
  const python = join(await torchBin(), 'python')
  const ran = spawnSync(python, [join(root, 'src', 'reporter', 'bench.py'), '--first', '--samples'], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  if (ran.status !== 0) throw new Error(`bench.py: exit ${ran.status}, ${ran.stderr}`)
  const { work, ours, p99, baseline, baselineIs, samples, sent } = JSON.parse(ran.stdout) as Reported
  return {
    work,
    unit: 'us',
    samples,
    ours,
    baseline,
    baselineIs,
    rssMiB: null,
    figures: [
      { name: 'CPU time of the training thread, median', ours, unit: 'us a step', limit: 50 },
      { name: 'p99', ours: p99, unit: 'us a step', limit: 1_000 },
      { name: 'facts lost', ours: sent.gaps, unit: 'facts', limit: 0 },
    ],
  }
}
