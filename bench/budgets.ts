// A storm of submits against one hard budget: what is promised never goes beyond it, and everybody gets an answer.
import { Home, pause } from '../test/parts/plimsoll.ts'
import { api, quantile, rss, specOf } from './parts.ts'
import type { Result } from './run.ts'

const SUBMITS = 1_000
/** Room for about forty of them. */
const LIMIT_HOURS = 1
const POLICY = {
  defaultCluster: 'local',
  currency: 'EUR',
  projects: { default: {} },
  budgets: { wall: { project: 'default', gpuHours: LIMIT_HOURS, hard: true, period: 'month' } },
  prices: {},
}

type Budget = { id: string; limit: number; used: number; reserved: number; over: number }

export async function submitStorm(): Promise<Result> {
  const home = new Home(`listen: { port: 0 }
local: { slots: 64 }
durations: { reserveSlice: 80s, checkpoint: 4s, grace: 5s }
`)
  try {
    await home.up()
    const ask = api(home)
    await ask('PUT', '/policy', POLICY)
    const asked = async (one: (index: number) => Promise<unknown>): Promise<number[]> =>
      Promise.all(
        Array.from({ length: SUBMITS }, async (_, index) => {
          const begin = performance.now()
          await one(index)
          return performance.now() - begin
        }),
      )
    const plain = await asked(() => ask('GET', '/queue'))
    let worst = -Infinity
    let most = 0
    const over = new AbortController()
    const watch = (async () => {
      while (!over.signal.aborted) {
        for (const each of (await ask<{ budgets: Budget[] }>('GET', '/budgets')).budgets) {
          worst = Math.max(worst, each.used + each.reserved - each.over - each.limit)
          most = Math.max(most, each.used + each.reserved)
        }
        await pause(50)
      }
    })()
    const samples = await asked((index) => ask('POST', '/runs', specOf(`storm-${index}`, ['sleep', '30'])))
    // Until the wall stands: some turns of placing after the last answer.
    await pause(10_000)
    over.abort()
    await watch
    if (most === 0) throw new Error('nothing was promised: the storm met no budget')
    return {
      work: `${SUBMITS} submits at once against one hard budget of ${LIMIT_HOURS} GPU-hours a month, ${(most / 3_600_000).toFixed(2)} of them promised`,
      unit: 'ms',
      samples,
      ours: quantile(samples, 0.99),
      baseline: quantile(plain, 0.99),
      baselineIs: `p99 of ${SUBMITS} requests at once that only read the empty queue`,
      rssMiB: rss(home),
      figures: [
        { name: 'promised beyond the limit', ours: Math.max(0, worst), unit: 'GPU-ms', limit: 0 },
        { name: 'p99 of the answer', ours: quantile(samples, 0.99), unit: 'ms', limit: 2_000 },
      ],
    }
  } finally {
    await home.remove()
  }
}
