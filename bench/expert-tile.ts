// Expert load of a long run: 10,000 steps of 58 layers of 256 experts, as the reports of jobs are stored.
import { reportStore } from '../src/adapters/postgres/reports.ts'
import { measureFrame } from '../src/core/experts/measures.ts'
import { type AttemptId, attemptIdOf, type RunId } from '../src/domain/ids.ts'
import { epochMs } from '../src/domain/units.ts'
import { cannotRun, startBrowser } from '../test/browser/browser.ts'
import { countsAt, EXPERTS, LAYERS, TOKENS } from '../test/browser/fake-world.ts'
import { workPerFrame } from '../test/browser/frames.ts'
import { Home, until } from '../test/parts/plimsoll.ts'
import { withDatabase } from './fill.ts'
import { scrub, signedIn } from './pages.ts'
import { api, quantile, rss, specOf, timesOf } from './parts.ts'
import type { Result } from './run.ts'

const STEPS = 10_000
/** So many frames differ; the others repeat them, with their own rows. */
const FRAMES = 64
const ASKED = 40
const DRAWN = 7

export async function expertTile(): Promise<Result> {
  const why = cannotRun()
  if (why !== false) throw new Error(why)
  const home = new Home()
  const browser = await startBrowser()
  try {
    await home.up()
    const ask = api(home)
    const { id } = await ask<{ id: RunId }>('POST', '/runs', specOf('experts', ['true']))
    await until('the run ends', async () => (await ask<{ state: string }>('GET', `/runs/${id}`)).state === 'succeeded')
    const baseline = await fillFrames(home.path, attemptIdOf(id, 1))
    const tile = (): Promise<unknown> => ask('GET', `/runs/${id}/experts?points=500`)
    await timesOf(3, tile)
    const samples = await timesOf(ASKED, tile)
    const frames = await timesOf(ASKED, (index) =>
      ask('GET', `/runs/${id}/experts/frame?step=${1 + ((index * 251) % STEPS)}`),
    )
    const drawn: number[] = []
    let work = Number.NaN
    for (let index = 0; index < DRAWN; index += 1) {
      const { page, url } = await signedIn(browser, home)
      await page.goto(`${url}/runs/${id}`)
      await page.locator('text=Where the GPU-time went').waitFor()
      drawn.push(
        await page.evaluate(async () => {
          const begin = performance.now()
          const tab = [...document.querySelectorAll('a')].find((link) => link.textContent === 'Experts')
          tab?.click()
          const isDrawn = (): boolean =>
            document.querySelector('.scrub canvas') !== null &&
            document.querySelector('.heat-foot')?.textContent?.includes('each layer sums to') === true
          while (!isDrawn()) await new Promise(requestAnimationFrame)
          return performance.now() - begin
        }),
      )
      if (index === DRAWN - 1)
        await scrub(page, async (act) => {
          work = (await workPerFrame(browser, page, act)).p95
        })
      await page.context().close()
    }
    return {
      work: `all ${STEPS} steps of ${LAYERS} layers x ${EXPERTS} experts as one tile by the API, ${ASKED} times; then the page from the click to the picture, and 3 s of scrubbing in Chromium`,
      unit: 'ms',
      samples,
      ours: quantile(samples, 0.5),
      baseline,
      baselineIs: 'reading the measures of all steps from the same PostgreSQL, with nothing made of them',
      rssMiB: rss(home),
      figures: [
        { name: 'tile', ours: quantile(samples, 0.5), unit: 'ms', limit: 300 },
        { name: 'one step whole', ours: quantile(frames, 0.5), unit: 'ms', limit: 300 },
        { name: 'from the click to the picture', ours: quantile(drawn, 0.5), unit: 'ms', limit: 1_000 },
        { name: 'main thread a frame, scrubbing, p95', ours: work, unit: 'ms', limit: 8 },
      ],
    }
  } finally {
    await browser.close()
    await home.remove()
  }
}

/** Stores the first frames as reports are stored, repeats them for the other steps; gives how long the measures take to be read. */
export async function fillFrames(home: string, attempt: AttemptId): Promise<number> {
  let read: number[] = []
  await withDatabase(home, async (database) => {
    const begin = Date.now() - STEPS * 1_000
    await reportStore(database, measureFrame).saveReport({
      attempt,
      rank: 0,
      process: '0123456789abcdef',
      startedAt: epochMs(begin),
      reporter: 'bench',
      obeys: [],
      receivedAt: epochMs(begin),
      facts: [],
      frames: Array.from({ length: FRAMES }, (_, index) => ({
        step: index + 1,
        at: epochMs(begin + index * 1_000),
        layers: Array.from({ length: LAYERS }, (_layer, layer) => `decoder.layers.${layer + 3}.mlp.router`),
        experts: EXPERTS,
        tokens: TOKENS,
        topK: 8,
        flags: [],
        counts: countsAt(index * 300),
      })),
    })
    for (const [table, rest] of [
      [
        'expert_frame',
        'rank, process, started_at, at + (s - step) * 1000, experts, tokens, top_k, flags, counts, ends',
      ],
      ['expert_measure', 'at + (s - step) * 1000, ranks, measures, unconserved'],
    ] as const) {
      await database.query({
        text: `insert into ${table} select attempt, s, layers, ${rest}
               from ${table} join generate_series(${FRAMES + 1}, ${STEPS}) s on step = (s - 1) % ${FRAMES} + 1 where attempt = $1`,
        values: [attempt],
      })
    }
    // What a write keeps beside its frames: how far they reach, and which blocks are to be built.
    await database.query({
      text: `update expert_layers set last_step = $2, frames = $2, last_at = $3 where attempt = $1`,
      values: [attempt, STEPS, begin + STEPS * 1_000],
    })
    await database.query({
      text: `insert into expert_pending (attempt, layers, level, block, touched, at)
             select attempt, layers, 8, step / 256, 0, max(at) from expert_measure where attempt = $1
             group by attempt, layers, step / 256 on conflict do nothing`,
      values: [attempt],
    })
    await database.query({ text: 'analyze', values: [] })
    const text = 'select step, at, measures from expert_measure where attempt = $1 order by step'
    read = await timesOf(10, () => database.query({ text, values: [attempt] }))
  })
  return quantile(read, 0.5)
}
