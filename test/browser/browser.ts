// What the browser tests share: the pages built from this checkout, a Chromium, a page that reports what it must not do.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import axe from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'
import { chromiumOptions, findChromium } from '../parts/chromium.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Why the browser tests cannot run here, or false. */
export function cannotRun(): string | false {
  try {
    findChromium()
    return false
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Not where whoever runs all of the tests has done it already. */
export function buildPages(): void {
  if (process.env.PLIMSOLL_PAGES_BUILT === '1') return
  const vite = join(root, 'node_modules/vite/bin/vite.js')
  const built = spawnSync(
    process.execPath,
    [vite, 'build', '--config', 'src/web/vite.config.ts', '--logLevel', 'warn'],
    {
      cwd: root,
      encoding: 'utf8',
      timeout: 120_000,
    },
  )
  assert.equal(built.status, 0, `the pages could not be built: ${built.stderr}${built.stdout}`)
}

export const startBrowser = (): Promise<Browser> => chromium.launch(chromiumOptions())

export type Watched = { readonly page: Page; readonly complaints: string[] }

/** A page whose errors, broken policies and requests to other hosts are collected. */
export async function openPage(
  browser: Browser,
  origin: string,
  options: {
    readonly width: number
    readonly height: number
    readonly scheme: 'light' | 'dark'
    readonly zone?: string
  },
): Promise<Watched> {
  const page = await browser.newPage({
    viewport: { width: options.width, height: options.height },
    colorScheme: options.scheme,
    ...(options.zone === undefined ? {} : { timezoneId: options.zone }),
  })
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`))
  page.on('console', (message) => {
    // A refusal by the server is logged by the browser as an error; the page shows it.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text())
  })
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(origin) && !url.startsWith('blob:') && !url.startsWith('data:')) complaints.push(`asked ${url}`)
  })
  return { page, complaints }
}

/** Kept where PLIMSOLL_SCREENSHOTS names a folder. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env.PLIMSOLL_SCREENSHOTS
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
}

/**
 * What sticks out of its panel, and figures whose words are cut off. What scrolls or is cut within a panel is that part's own affair, and a
 * panel that contains its layout hides from the page that something sticks out of it.
 */
export function tooWide(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = []
    for (const panel of document.querySelectorAll('.panel, .figs')) {
      const { right } = panel.getBoundingClientRect()
      const look = (parent: Element): void => {
        for (const child of parent.children) {
          const style = getComputedStyle(child)
          if (child.matches('.vh, dialog') || style.position === 'absolute') continue
          const out = child.getBoundingClientRect().right - right
          if (out > 0.5) found.push(`${child.tagName} ${child.className} is ${out} px out of its panel`)
          else if (style.overflowX === 'visible' && child.tagName !== 'svg') look(child)
        }
      }
      look(panel)
    }
    for (const words of document.querySelectorAll('.fig dt, .fig dd'))
      if (words.scrollWidth > words.clientWidth) found.push(`cut off: ${words.textContent}`)
    return found
  })
}

/** What axe finds, as `rule: element`. A script tag would be stopped by the policy. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  return page.evaluate(async () => {
    const { violations: found } = await (window as unknown as { axe: typeof axe }).axe.run()
    return found.flatMap((each) => each.nodes.map((node) => `${each.id}: ${node.html.slice(0, 160)}`))
  })
}
