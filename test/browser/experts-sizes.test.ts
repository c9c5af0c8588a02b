// The heat map of one expert, of none that got a token, and of 2,048: on a wide screen and on a phone.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import type { Experts } from '../../src/web/api/documents.ts'
import { buildPages, cannotRun, openPage, screenshot, startBrowser, tooWide } from './browser.ts'
import { type FakeServer, startFakeServer } from './fake-server.ts'
import { chance } from './fake-world.ts'

const RUN = '/runs/r000000000000000'
const LAYERS = 6
const TOKENS = 4_096

describe('experts of all sizes', { skip: cannotRun() }, () => {
  let browser: Browser
  let fake: FakeServer
  before(async () => {
    buildPages()
    browser = await startBrowser()
    fake = await startFakeServer('many')
  })
  after(async () => {
    await browser.close()
    await fake.close()
  })

  for (const [experts, width] of [
    [1, 1440],
    [1, 360],
    [2_048, 1280],
    [2_048, 1440],
    [2_048, 360],
  ] as const) {
    test(`${experts} experts on ${width} px: drawn, found by pointer and keys, nothing sideways`, async () => {
      const { page, complaints } = await openPage(browser, fake.url, { width, height: 900, scheme: 'light' })
      await answerWith(page, experts)
      await page.goto(`${fake.url}${RUN}/experts?layer=0&expert=0`)
      await page.locator('text=each layer sums to').waitFor()
      const drawn = await page.locator('.heat-cells').evaluate((canvas: HTMLCanvasElement) => {
        const pixels = new Uint32Array(
          canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data.buffer ?? new ArrayBuffer(),
        )
        return { columns: canvas.width, rows: canvas.height, colours: new Set(pixels).size }
      })
      assert.equal(drawn.rows, LAYERS)
      assert.ok(drawn.columns >= 1 && drawn.columns <= experts)
      assert.ok(experts === 1 ? drawn.colours === 1 : drawn.colours > 20, `${drawn.colours} colours`)
      const box = await page.locator('.heat-cells').boundingBox()
      assert.ok(box !== null && box.x + box.width <= width)
      await page.mouse.move(box.x + box.width - 0.5, box.y + box.height - 1)
      // Where several share a column, the first of them is named.
      const last = Math.floor((experts - 1) / Math.ceil(experts / drawn.columns)) * Math.ceil(experts / drawn.columns)
      await page.locator(`.read b:text-is("expert ${last}")`).waitFor()
      await page.mouse.move(0, 0)
      await page.focus('.heat')
      await page.keyboard.press('ArrowDown')
      await page.locator('.read >> text="Layer 1"').waitFor()
      const sideways = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)
      assert.equal(sideways, false)
      assert.deepEqual(await tooWide(page), [])
      // So few layers are a low picture: on a wide page one expert's history stands below it, not beside it.
      const [heat, one] = await Promise.all(
        ['#h-heat', '#h-one'].map((id) => page.locator(`.panel:has(> header ${id})`).boundingBox()),
      )
      assert.ok(heat && one && one.y >= heat.y + heat.height && Math.abs(one.width - heat.width) < 1)
      await screenshot(page, `experts-${experts}-${width}`)
      assert.deepEqual(complaints, [])
      await page.close()
    })
  }
})

async function answerWith(page: Page, experts: number): Promise<void> {
  const layers = Array.from({ length: LAYERS }, (_, layer) => `decoder.layers.${layer}.mlp.router`)
  const counts = Uint32Array.from({ length: LAYERS * experts }, (_, index) => Math.floor(1 + 60 * chance(index)))
  // What is missing to the sum is the first expert's.
  for (let layer = 0; layer < LAYERS; layer += 1) {
    const row = counts.subarray(layer * experts, (layer + 1) * experts)
    const others = row.subarray(1).reduce((sum, each) => sum + each, 0)
    row[0] = TOKENS * 32 - others
  }
  const each = layers.map(() => 0.5)
  const none = layers.map(() => [])
  const json = (name: string, fields: object) => ({ json: { schema: `plimsoll.${name}/v1`, ...fields } })
  const common = { run: 'r000000000000000', attempt: 3, layers, experts, topK: 32 }
  const buckets = [1, 2, 3].map((step) => ({ from: step, to: step, frames: 1 }))
  const rows = buckets.map(() => each)
  await page.route('**/api/v1/**/experts?*', (route) =>
    route.fulfill(
      json('experts', {
        ...common,
        set: 1,
        sets: [],
        firstStep: 1,
        lastStep: 3,
        frames: 3,
        buckets,
        maxVio: { min: rows, mean: rows, max: rows },
        cv: rows,
        entropy: rows,
        dead: rows,
        hot: rows,
        gaps: [],
        apart: null,
        finding: null,
      } satisfies Experts),
    ),
  )
  await page.route('**/api/v1/**/experts/frame?*', (route) =>
    route.fulfill(
      json('expert-frame', {
        ...common,
        step: 3,
        tokens: TOKENS,
        counts: Buffer.from(counts.buffer).toString('base64'),
        maxVio: layers.map((_, layer) => ((counts[layer * experts] ?? 0) * experts) / (TOKENS * 32) - 1),
        cv: each,
        entropy: each,
        dead: none,
        hot: none,
        observedAt: new Date().toISOString(),
      }),
    ),
  )
}
