// The pages and the stream of changes: many windows of one browser, windows that nobody looks at, and what changes before it is watched.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { until } from '../parts/plimsoll.ts'
import { buildPages, cannotRun, startBrowser } from './browser.ts'
import { type FakeServer, startFakeServer } from './fake-server.ts'
import { rowOf, showOf } from './fake-world.ts'

const RUN = 'r000000000000000'
const LIVE = '.live:not(.late)'
const WAIT_MS_MAX = 20_000

describe('live', { skip: cannotRun() }, () => {
  let browser: Browser
  let fake: FakeServer
  let context: BrowserContext
  before(async () => {
    buildPages()
    browser = await startBrowser()
  })
  beforeEach(async () => {
    fake = await startFakeServer('many')
    context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  })
  const ended = async (): Promise<void> => {
    await context.close()
    await fake.close()
  }
  after(() => browser.close())

  const open = async (path: string): Promise<Page> => {
    const page = await context.newPage()
    await page.goto(`${fake.url}${path}`)
    return page
  }
  const seen = (page: Page, what: string): Promise<void> => page.locator(what).first().waitFor()
  const streams = (count: number): Promise<void> =>
    until(`${count} streams are open`, async () => fake.topics().length === count, WAIT_MS_MAX)

  test('nine windows have one stream, and when its window goes another takes over', async (t) => {
    t.after(ended)
    // The first one has the stream, and not whichever asks for it first.
    const pages = [await open('/runs')]
    for (const page of pages) await seen(page, LIVE)
    while (pages.length < 9) pages.push(await open('/runs'))
    for (const page of pages) {
      await seen(page, 'text=moe-671b-0')
      await seen(page, LIVE)
    }
    await streams(1)
    const say = async (message: string): Promise<void> => {
      fake.say('row', { ...rowOf(0, Date.now()), message })
      for (const page of pages) await seen(page, `.gr.line >> text=${message}`)
    }
    await say('told to all')
    await pages.shift()?.close()
    await streams(1)
    for (const page of pages) await seen(page, LIVE)
    // All read again once the new stream stands: what is told before that is read then.
    await until(
      'nobody shows what only the old stream told',
      async () =>
        (await Promise.all(pages.map((page) => page.locator('text=told to all').count()))).join('') === '00000000',
      WAIT_MS_MAX,
    )
    await say('told by another')
  })

  test('a window that shows a run has its document told, whichever window has the stream', async (t) => {
    t.after(ended)
    const list = await open('/runs')
    await seen(list, LIVE)
    const run = await open(`/runs/${RUN}`)
    await seen(run, LIVE)
    await until('the run is a topic', async () => fake.topics().join() === `runs,run:${RUN}`, WAIT_MS_MAX)
    const now = Date.now()
    fake.say('run', { ...showOf(rowOf(0, now), now), message: 'a document came' })
    await seen(run, 'text=a document came')
    await run.close()
    fake.say('beat', { observedAt: new Date().toISOString(), stale: false })
    await until('it is none any more', async () => fake.topics().join() === 'runs', WAIT_MS_MAX)
    await seen(list, LIVE)
  })

  test('a window that nobody looks at lets its stream go, and rereads when it is looked at', async (t) => {
    t.after(ended)
    const page = await open('/runs')
    await seen(page, 'text=moe-671b-0')
    await seen(page, LIVE)
    await look(page, false)
    await streams(0)
    await seen(page, '.live.late >> text=stale since')
    fake.world = 'one'
    fake.standing = false
    await look(page, true)
    // It does not wait for the stream.
    await seen(page, '.eq >> text=1 run:')
    await seen(page, '.live.late')
    await streams(1)
  })

  test('without locks, as on an address without https, each window has its own stream', async (t) => {
    t.after(ended)
    await context.addInitScript("Object.defineProperty(navigator, 'locks', { value: undefined })")
    const pages = [await open('/runs'), await open(`/runs/${RUN}`)]
    for (const page of pages) await seen(page, LIVE)
    assert.deepEqual(fake.topics().toSorted(), ['runs', `runs,run:${RUN}`])
    for (const page of pages) await look(page, false)
    await streams(0)
  })

  test('what changed before the reader of the server stood is read again, once', async (t) => {
    t.after(ended)
    fake.standing = false
    const page = await context.newPage()
    const asked: string[] = []
    page.on('request', (request) => asked.push(request.url()))
    await page.goto(`${fake.url}/runs`)
    await seen(page, 'text=moe-671b-0')
    await streams(1)
    assert.equal(await page.locator(LIVE).count(), 0)
    fake.world = 'one'
    fake.say('beat', { observedAt: new Date().toISOString(), stale: false })
    await seen(page, '.eq >> text=1 run:')
    await seen(page, LIVE)
    fake.say('beat', { observedAt: new Date().toISOString(), stale: false })
    // Another window of this browser comes to a stream that stands: it has nothing to read twice.
    const other = await context.newPage()
    other.on('request', (request) => asked.push(request.url()))
    await other.goto(`${fake.url}/runs`)
    await seen(other, LIVE)
    await seen(other, '.eq >> text=1 run:')
    // Three sections of the list: as they came first, once the reader stood, and those of the other window.
    assert.equal(asked.filter((url) => url.includes('/api/v1/table')).length, 3 * 3)
  })

  test('what could not be read again after a reset is read once it can be', async (t) => {
    t.after(ended)
    const page = await open('/runs')
    await seen(page, 'text=moe-671b-0')
    await seen(page, LIVE)
    let refused = 0
    page.on('response', (response) => void (refused += response.status() === 503 ? 1 : 0))
    fake.failing = true
    fake.say('reset', {})
    // Three sections of the list, and each is tried three times.
    await until('the page gives up', async () => refused >= 9, WAIT_MS_MAX)
    fake.failing = false
    fake.world = 'one'
    await seen(page, '.eq >> text=1 run:')
  })

  test('the document of a run comes, however fast its rows are told', async (t) => {
    t.after(ended)
    const page = await open('/runs')
    await seen(page, 'text=moe-671b-0')
    await seen(page, LIVE)
    // The stream that would bring the document never stands: rows say that there is a newer one.
    fake.standing = false
    await page.click('.gr.line a.run')
    await page.waitForURL(`**/runs/${RUN}`)
    await streams(2)
    await until('the run is read', async () => (await page.locator('main').textContent())?.includes('attempt') === true)
    fake.delayMs = 500
    let came = 0
    page.on('requestfinished', (request) => void (came += request.url().endsWith(`/api/v1/runs/${RUN}`) ? 1 : 0))
    const rows = setInterval(() => fake.say('row', rowOf(0, Date.now())), 100)
    t.after(() => clearInterval(rows))
    await until('the document came twice', async () => came >= 2, WAIT_MS_MAX)
  })

  test('a page that is stale becomes live by a beat alone', async (t) => {
    t.after(ended)
    const page = await open('/runs')
    await seen(page, 'text=moe-671b-0')
    await seen(page, LIVE)
    fake.stale = true
    fake.say('beat', { observedAt: new Date().toISOString(), stale: true })
    await seen(page, '.live.late >> text=stale since')
    fake.say('row', { ...rowOf(0, Date.now()), message: 'told while behind' })
    await seen(page, '.gr.line >> text=told while behind')
    assert.equal(await page.locator(LIVE).count(), 0)
    fake.stale = false
    fake.say('beat', { observedAt: new Date().toISOString(), stale: false })
    await seen(page, LIVE)
  })
})

/** A headless browser shows all its windows always: the page is told otherwise. */
async function look(page: Page, visible: boolean): Promise<void> {
  await page.evaluate(
    (value) => {
      Object.defineProperty(document, 'visibilityState', { value, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    },
    visible ? 'visible' : 'hidden',
  )
}
