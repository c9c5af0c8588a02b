import { spawn, spawnSync } from 'node:child_process'
import { Home, pause, until } from '../test/parts/plimsoll.ts'
import { alertLatency } from './alerts.ts'
import { postings, report } from './books.ts'
import { submitStorm } from './budgets.ts'
import { expertTile } from './expert-tile.ts'
import { expertIngest, reporter } from './experts.ts'
import { fillDay, fillQueue } from './fill.ts'
import { firstView } from './first-view.ts'
import { gang, smallPods, watching, recoverPods } from './kubernetes.ts'
import { api, cpuTicks, inParallel, nodePid, quantile, rss, specOf } from './parts.ts'
import type { Result } from './run.ts'
import { runs10k } from './runs-10k.ts'
import { simulate } from './simulate.ts'
import { stepToPage } from './step-to-page.ts'
import { viewers } from './viewers.ts'

export const benches: Readonly<Record<string, () => Promise<Result>>> = {
  'submit-to-start': submitToStart,
  'small-runs': smallRuns,
  recover,
  idle,
  ledger,
  'runs-10k': runs10k,
  'first-view': firstView,
  'expert-tile': expertTile,
  viewers,
  'step-to-page': stepToPage,
  simulate,
  reporter,
  'expert-ingest': expertIngest,
  'alert-latency': alertLatency,
  'submit-storm': submitStorm,
  postings,
  report,
  'k8s-gang': gang,
  'k8s-small': smallPods,
  'k8s-watch': watching,
  'k8s-recover': recoverPods,
}

function runTrue(): Promise<number> {
  const begin = performance.now()
  return new Promise((resolve) => spawn('true').on('exit', () => resolve(performance.now() - begin)))
}

type Show = { state: string; attempts: { startedAt: string | null }[] }

async function submitToStart(): Promise<Result> {
  const home = new Home()
  try {
    await home.up()
    const ask = api(home)
    const samples: number[] = []
    for (let index = 0; index < 100; index += 1) {
      const asked = Date.now()
      const { id } = await ask<{ id: string }>('POST', '/runs', specOf(`start-${index}`, ['true']))
      let show: Show
      do {
        await pause(20)
        show = await ask<Show>('GET', `/runs/${id}`)
      } while (show.state !== 'succeeded')
      samples.push(Date.parse(show.attempts[0]?.startedAt ?? '') - asked)
    }
    const baseline: number[] = []
    for (let index = 0; index < 50; index += 1) baseline.push(await runTrue())
    return {
      work: '100 runs, one after the other, from the request to the start of the process (embedded PostgreSQL, idle)',
      unit: 'ms',
      samples,
      ours: quantile(samples, 0.5),
      baseline: quantile(baseline, 0.5),
      baselineIs: 'spawn of the same program without a control plane',
      rssMiB: rss(home),
      figures: [
        { name: 'p50', ours: quantile(samples, 0.5), unit: 'ms', limit: 250 },
        { name: 'p99', ours: quantile(samples, 0.99), unit: 'ms', limit: 1_000 },
      ],
    }
  } finally {
    await home.remove()
  }
}

async function smallRuns(): Promise<Result> {
  const count = 500
  const home = new Home()
  try {
    await home.up()
    const ask = api(home)
    const begin = performance.now()
    await inParallel(8, count, (index) => ask('POST', '/runs', specOf(`small-${index}`, ['true'])))
    let ended = 0
    while (ended < count) {
      await pause(100)
      ended = (await ask<{ runs: unknown[] }>('GET', `/runs?state=succeeded&limit=${count}`)).runs.length
    }
    const seconds = (performance.now() - begin) / 1_000
    const plain = performance.now()
    await inParallel(8, count, () => runTrue())
    const plainSeconds = (performance.now() - plain) / 1_000
    const books = await ask<{ capacityGpuMs: number; rows: { gpuMs: number }[] }>('GET', '/ledger?by=account')
    return {
      work: `${count} runs of true through the whole line on 8 slots, durable`,
      unit: 'runs/s',
      samples: [count / seconds],
      ours: count / seconds,
      baseline: count / plainSeconds,
      baselineIs: 'the same programs, 8 at a time, without a control plane',
      rssMiB: rss(home),
      figures: [
        { name: 'runs a second', ours: count / seconds, unit: 'runs/s', limit: 15, atLeast: true },
        {
          name: 'conservation error',
          ours: Math.abs(books.rows.reduce((sum, row) => sum + row.gpuMs, 0) - books.capacityGpuMs),
          unit: 'GPU-ms',
          limit: 0,
        },
      ],
    }
  } finally {
    await home.remove()
  }
}

async function recover(): Promise<Result> {
  const home = new Home()
  try {
    await home.up()
    await fillQueue(home.path, 10_000)
    const samples: number[] = []
    for (let index = 0; index < 5; index += 1) {
      const ask = api(home)
      // What runs now is stopped by the next decision only if that decision is made on the whole store.
      await ask('POST', '/queue/pause', { reason: 'bench' })
      await home.kill()
      const begin = performance.now()
      await home.up()
      const again = api(home)
      await again('POST', '/queue/resume', { reason: '' })
      await until(
        'a run is placed',
        async () => (await again<{ runs: unknown[] }>('GET', '/runs?state=running&limit=1')).runs.length > 0,
      )
      samples.push(performance.now() - begin)
      await again('POST', '/queue/pause', { reason: 'bench' })
      await until('nothing runs', async () => {
        const held = await again<{ nodes: { held: number }[] }>('GET', '/nodes')
        for (const state of ['running', 'starting', 'admitted']) {
          const { runs } = await again<{ runs: { id: string }[] }>('GET', `/runs?state=${state}`)
          for (const run of runs) await again('POST', `/runs/${run.id}/stop`, { now: true })
        }
        return held.nodes.every((node) => node.held === 0)
      })
    }
    return {
      work: 'kill -9 of the control plane to the first run placed and started, with 10,000 runs in the store, same home (the start of the program and its polling included)',
      unit: 'ms',
      samples,
      ours: quantile(samples, 0.5),
      baseline: await nodeStart(home),
      baselineIs: 'start of the command line, which every probe pays too',
      rssMiB: rss(home),
      figures: [{ name: 'recover', ours: quantile(samples, 0.5), unit: 'ms', limit: 5_000 }],
    }
  } finally {
    await home.remove()
  }
}

async function nodeStart(home: Home): Promise<number> {
  const begin = performance.now()
  home.say('runs', '--limit', '1', '-o', 'json')
  return performance.now() - begin
}

async function idle(): Promise<Result> {
  const seconds = 30
  const home = new Home()
  try {
    await home.up()
    await pause(5_000)
    const pid = nodePid(home)
    const before = cpuTicks(pid)
    await pause(seconds * 1_000)
    const share = (cpuTicks(pid) - before) / seconds
    const resident = rss(home) ?? Number.NaN
    return {
      work: `an idle control plane for ${seconds} s`,
      unit: 'MiB',
      samples: [resident],
      ours: resident,
      baseline: emptyNode(),
      baselineIs: 'resident memory of a Node that does nothing',
      rssMiB: rss(home),
      figures: [
        { name: 'resident memory of Node', ours: resident, unit: 'MiB', limit: 250 },
        { name: 'CPU of one core', ours: share, unit: '%', limit: 2 },
      ],
    }
  } finally {
    await home.remove()
  }
}

function emptyNode(): number {
  const said = spawnSync(process.execPath, ['-e', 'console.log(process.memoryUsage.rss())'], { encoding: 'utf8' })
  return Number(said.stdout) / 2 ** 20
}

async function ledger(): Promise<Result> {
  const home = new Home()
  try {
    await home.up()
    await fillDay(home.path, 10_000)
    const ask = api(home)
    const samples: number[] = []
    const errors: number[] = []
    let bytes = 0
    for (let index = 0; index < 7; index += 1) {
      const begin = performance.now()
      const document = await ask<{ capacityGpuMs: number; rows: { gpuMs: number }[] }>('GET', '/ledger?by=account')
      samples.push(performance.now() - begin)
      errors.push(Math.abs(document.rows.reduce((sum, row) => sum + row.gpuMs, 0) - document.capacityGpuMs))
      bytes = JSON.stringify(document).length
    }
    return {
      work: `the books of a day of 10,000 attempts by account (${bytes} bytes)`,
      unit: 'GPU-ms',
      samples: errors,
      ours: Math.max(...errors),
      baseline: 0,
      baselineIs: 'books that add up',
      rssMiB: rss(home),
      figures: [
        { name: 'conservation error', ours: Math.max(...errors), unit: 'GPU-ms', limit: 0 },
        { name: 'statement of a day', ours: quantile(samples, 0.5), unit: 'ms', limit: 1_000 },
      ],
    }
  } finally {
    await home.remove()
  }
}
