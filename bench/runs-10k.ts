// The list of 10,000 runs: what the API takes for each page of it, and what the main thread of a browser does for each frame of scrolling.
import { cannotRun, startBrowser } from '../test/browser/browser.ts'
import { workPerFrame } from '../test/browser/frames.ts'
import { Home } from '../test/parts/plimsoll.ts'
import { fillDay, fillQueue, fillSteps, withDatabase } from './fill.ts'
import { scroll, scrollSlowly, signedIn } from './pages.ts'
import { api, quantile, rss, startTraining, timesOf } from './parts.ts'
import type { Result } from './run.ts'

const ENDED = 9_488
const QUEUED = 504
const TRAINING = 8
const ASKED = 300

/** What the page asks for: each part of the list, far down, sorted in other ways, and searched. */
const QUERIES = [
  'state=admitted,starting,running,stopping&sort=created&order=desc',
  'state=queued,suspended&sort=created&order=desc',
  'state=succeeded,failed,cancelled&sort=created&order=desc',
  'state=succeeded,failed,cancelled&sort=created&order=desc&offset=5000',
  'state=succeeded,failed,cancelled&sort=created&order=desc&offset=9200',
  'sort=held&order=desc',
  'sort=name&order=asc&offset=3000',
  'sort=gpus&order=desc',
  'q=past-77&sort=created&order=desc',
  'q=bench&user=bench&sort=ended&order=desc',
] as const

/** 10,000 runs: most ended, some wait, eight train. */
export async function fillRuns(home: Home): Promise<void> {
  await fillDay(home.path, ENDED)
  await fillSteps(home.path)
  await startTraining(home, TRAINING, [0.5])
  await api(home)('POST', '/queue/pause', { reason: 'bench' })
  await fillQueue(home.path, QUEUED, ENDED + 1)
}

export async function runs10k(): Promise<Result> {
  const why = cannotRun()
  if (why !== false) throw new Error(why)
  const home = new Home()
  const browser = await startBrowser()
  try {
    await home.up()
    await fillRuns(home)
    const ask = api(home)
    const read = (index: number): Promise<unknown> =>
      ask('GET', `/table?limit=200&${QUERIES[index % QUERIES.length] ?? ''}`)
    await timesOf(2 * QUERIES.length, read)
    const samples = await timesOf(ASKED, read)
    let baseline: number[] = []
    await withDatabase(home.path, async (database) => {
      const text = 'select image from run_ended order by id desc limit 200'
      baseline = await timesOf(100, () => database.query({ text, values: [] }))
    })
    const { page, url } = await signedIn(browser, home)
    await page.goto(`${url}/runs`)
    await page.locator('.gr.line >> text=training-0').waitFor()
    const fast = await workPerFrame(browser, page, () => scroll(page))
    await page.locator('.grid-scroll').evaluate((box) => {
      box.scrollTop = 0
    })
    await page.locator('.gr.line >> text=training-0').waitFor()
    const slow = await workPerFrame(browser, page, () => scrollSlowly(page))
    return {
      work: `${ENDED + QUEUED + TRAINING} runs in the store, ${QUEUED} of them queued and ${TRAINING} training: ${ASKED} pages of 200 rows by the API, filtered, sorted and searched, then 3 s of scrolling in Chromium`,
      unit: 'ms',
      samples,
      ours: quantile(samples, 0.99),
      baseline: quantile(baseline, 0.99),
      baselineIs:
        'p99 of reading 200 rows of ended runs from the same PostgreSQL, with nothing computed, counted or searched',
      rssMiB: rss(home),
      figures: [
        { name: 'API p99', ours: quantile(samples, 0.99), unit: 'ms', limit: 50 },
        { name: 'main thread a frame, fast scroll, p95', ours: fast.p95, unit: 'ms', limit: 8 },
        { name: 'main thread a frame, slow scroll, p95', ours: slow.p95, unit: 'ms', limit: 8 },
      ],
    }
  } finally {
    await browser.close()
    await home.remove()
  }
}
