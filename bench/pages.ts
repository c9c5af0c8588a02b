// Pages of a real control plane in a real Chromium, for the benchmarks.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { Browser, Page } from 'playwright-core'
import { openPage } from '../test/browser/browser.ts'
import type { Home } from '../test/parts/plimsoll.ts'
import { clientOf } from './parts.ts'

/** A browser that was never here, signed in: a session's secret is a token like any other. */
export async function signedIn(browser: Browser, home: Home): Promise<{ page: Page; url: string }> {
  const { url, token } = clientOf(home)
  const { page } = await openPage(browser, url, { width: 1440, height: 1000, scheme: 'light' })
  await page.context().addCookies([{ name: 'plimsoll_session', value: token, url }])
  return { page, url }
}

const ASSETS = fileURLToPath(new URL('../src/web/dist/assets/', import.meta.url))

/** Scripts of the pages by their names, compressed. */
const compressedKb = (names: Iterable<string>): number =>
  [...names].reduce((sum, name) => sum + gzipSync(readFileSync(join(ASSETS, name))).length, 0) / 1000

/** All scripts of all pages. */
export function allScriptsKb(): number {
  const scripts = readdirSync(ASSETS).filter((name) => name.endsWith('.js'))
  if (scripts.length === 0) throw new Error('the pages are not built')
  return compressedKb(scripts)
}

/** The scripts that a page has asked for until now. */
export async function scriptsKb(page: Page): Promise<number> {
  const urls = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name))
  const names = urls.flatMap((url) => /\/assets\/([^/?]+\.js)$/.exec(url)?.[1] ?? [])
  if (names.length === 0) throw new Error('the page has no scripts')
  return compressedKb(new Set(names))
}

// Both are driven from inside: what a driver asks of the page from outside would be work of the page, too.

/** Three seconds of fast scrolling, with three jumps. */
export const scroll = (page: Page): Promise<void> =>
  page.locator('.grid-scroll').evaluate(async (box) => {
    for (let index = 0; index < 180; index += 1) {
      box.scrollTop += index % 60 === 59 ? 20_000 : 160
      await new Promise(requestAnimationFrame)
    }
  })

/** Three seconds of slow scrolling, as one reads: a line in each frame. */
export const scrollSlowly = (page: Page): Promise<void> =>
  page.locator('.grid-scroll').evaluate(async (box) => {
    for (let index = 0; index < 180; index += 1) {
      box.scrollTop += 28
      await new Promise(requestAnimationFrame)
    }
  })

/** A handle that is held is drawn over most of the steps and back. */
export async function scrub(page: Page, measure: (act: () => Promise<void>) => Promise<void>): Promise<void> {
  const box = await page.locator('.scrub').boundingBox()
  if (box === null) throw new Error('there is nothing to scrub')
  await page.mouse.move(box.x + box.width - 80, box.y + box.height / 2)
  await page.mouse.down()
  await measure(() =>
    page.locator('.scrub .u-over').evaluate(async (over) => {
      const { right, left, top } = over.getBoundingClientRect()
      const wide = right - left - 40
      for (let index = 0; index < 180; index += 1) {
        const away = wide * (1 - Math.abs(index - 90) / 90)
        const at = { bubbles: true, buttons: 1, clientX: right - 20 - away, clientY: top + 20 }
        over.dispatchEvent(new PointerEvent('pointermove', at))
        over.dispatchEvent(new MouseEvent('mousemove', at))
        await new Promise(requestAnimationFrame)
      }
    }),
  )
  await page.mouse.up()
}
