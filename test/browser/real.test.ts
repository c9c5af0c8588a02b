// The pages on the real thing: the demonstration as a user starts it, signed in by the link that it prints. What the fake server makes up
// elsewhere is true here: steps of a real training, counts of its router, a worker that was killed.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { Home, until } from '../parts/plimsoll.ts'
import { cannotRun, openPage, screenshot, startBrowser, type Watched } from './browser.ts'

/** An environment with PyTorch may have to be made first. */
const START_MS_MAX = 900_000
/** What waits for training or for a restart, on a machine that is busy with other things. */
const TRAINING_MS_MAX = 240_000

describe('pages of a real demonstration', { skip: cannotRun(), timeout: START_MS_MAX + 2 * TRAINING_MS_MAX }, () => {
  let home: Home
  let browser: Browser
  let watched: Watched
  let page: Page
  before(async () => {
    home = new Home()
    browser = await startBrowser()
    await home.up('--demo')
  })
  after(async () => {
    await browser.close()
    await home.remove()
  })
  const seen = (what: string, timeout = 30_000): Promise<void> => page.locator(what).first().waitFor({ timeout })
  const stepOnPage = async (): Promise<number> => {
    const said = (await page.locator('main').textContent()) ?? ''
    return Number(/step ([\d,]+) of 600/.exec(said)?.[1]?.replaceAll(',', '') ?? Number.NaN)
  }

  test('the printed link signs in once, and the list shows the run', async () => {
    const link = await home.link()
    watched = await openPage(browser, new URL(link).origin, { width: 1440, height: 1000, scheme: 'light' })
    page = watched.page
    await page.goto(link)
    // What opens first is the page of now: the run holds its GPUs as soon as it has any.
    await seen('h1 >> text=Now')
    await seen('main a.run >> text=moe-demo', START_MS_MAX)
    await screenshot(page, 'real-now')
    await page.click('nav >> text=Runs')
    await seen('.gr.line >> text=moe-demo')
    assert.equal(new URL(page.url()).hash, '')
    const other = await openPage(browser, new URL(link).origin, { width: 1440, height: 1000, scheme: 'light' })
    await other.page.goto(link)
    await other.page.locator('text=used up').waitFor()
    await other.page.context().close()
  })

  test('steps come by themselves', async () => {
    await page.click('.gr.line a.run')
    await seen('text=State and why')
    await page.evaluate(() => Object.assign(globalThis, { notReloaded: true }))
    await seen('text=/step [0-9]+ of 600/', START_MS_MAX)
    const first = await stepOnPage()
    await until('a later step is on the page', async () => (await stepOnPage()) > first, TRAINING_MS_MAX)
    assert.equal(await page.evaluate(() => 'notReloaded' in globalThis), true)
  })

  test('experts are the counts that the router reported: 4 layers of 16, each the sum of what was routed', async () => {
    await page.click('nav >> text=Experts')
    await seen('text=4 MoE layers × 16 experts')
    // 8 sequences of 128 tokens in each step, two experts for each.
    await seen('text=each layer sums to 2,048 = 1,024 tokens × 2')
    const [path, address] = [new URL(page.url()).pathname, new URL(page.url()).origin]
    const step = new URL(page.url()).searchParams.get('step') ?? ''
    const frame = await page.evaluate(
      async (url) => (await (await fetch(url)).json()) as { counts: string; step: number },
      `${address}/api/v1${path}/frame${step === '' ? '' : `?step=${step}`}`,
    )
    const bytes = Buffer.from(frame.counts, 'base64')
    const counts = Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readUInt32LE(index * 4))
    assert.equal(counts.length, 4 * 16)
    assert.equal(
      counts.reduce((sum, each) => sum + each, 0),
      4 * 2_048,
    )
  })

  test('the worker that was killed on purpose comes back as a second attempt, without a reload', async () => {
    await page.click('nav >> text=Overview')
    await seen('h1 ~ * >> text=attempt 2', TRAINING_MS_MAX)
    await until('a step after the restart is on the page', async () => (await stepOnPage()) > 200, TRAINING_MS_MAX)
    assert.equal(await page.evaluate(() => 'notReloaded' in globalThis), true)
    await screenshot(page, 'real-run')
  })

  test('the log of the first attempt is searched, and jumps to its first error', async () => {
    await page.click('nav >> text=Log')
    await page.selectOption('select >> nth=0', '1')
    await page.fill('input[type=search] >> nth=-1', 'iteration')
    await page.keyboard.press('Enter')
    await seen('.log-line mark')
    await page.click('text=First error')
    await page.waitForURL('**offset=**')
    await seen('.log-line.first')
  })

  test('the statement adds up while the run lives', async () => {
    await page.click('nav >> text=Statement')
    await seen('text=What came of it')
    const document = await page.evaluate(
      async (url) =>
        (await (await fetch(url)).json()) as { heldGpuMs: number; byAccount: Readonly<Record<string, number>> },
      `${new URL(page.url()).origin}/api/v1${new URL(page.url()).pathname}`,
    )
    assert.ok(document.heldGpuMs > 0)
    assert.equal(
      Object.values(document.byAccount).reduce((sum, each) => sum + each, 0),
      document.heldGpuMs,
    )
    assert.deepEqual(watched.complaints, [])
  })
})
