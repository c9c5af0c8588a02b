// Makes the pictures of the README: `npm run pictures`. They show a real demonstration, not invented numbers: it is started, a worker of
// it is killed as always, and what the pages then say is photographed, light and dark.
import { mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { Home, root, until } from '../parts/plimsoll.ts'
import { openPage, startBrowser } from './browser.ts'

const WAIT_MS_MAX = 900_000
const BYTES_MAX = 250_000
const WIDTH = 1440
const folder = join(root, 'docs', 'pictures')

/** Runs beside the demonstration, so that the list has more than one: one ends well, one fails, one waits for what is not there. */
const OTHERS = [
  [
    'tokenize',
    'version: 1\nname: tokenize\ncommand: [python3, -c, "print(1)"]\nresources: { nodes: 1, gpusPerNode: 1 }\n',
  ],
  [
    'evaluate',
    'version: 1\nname: evaluate\ncommand: [python3, -c, "import nothing_of_this_name"]\nresources: { nodes: 1, gpusPerNode: 2 }\n',
  ],
  ['pretrain', 'version: 1\nname: pretrain\ncommand: [python3, train.py]\nresources: { nodes: 2, gpusPerNode: 8 }\n'],
] as const

const home = new Home()
const browser = await startBrowser()
try {
  await home.up('--demo')
  for (const [name, spec] of OTHERS) home.say('submit', home.file(`${name}.yaml`, spec), '--yes')
  const link = await home.link()
  const { page } = await openPage(browser, new URL(link).origin, { width: WIDTH, height: 520, scheme: 'light' })
  await page.goto(link)
  await page.click('nav >> text=Runs')
  await page.locator('.gr.line >> text=moe-demo').waitFor({ timeout: WAIT_MS_MAX })
  await page.click('.gr.line a.run:has-text("moe-demo")')
  const said = async (): Promise<string> => (await page.locator('main').textContent()) ?? ''
  await until(
    'the second attempt trains',
    async () => {
      if (/attempt 2[^]*step (3|4|5)\d\d of 600/.test(await said())) return true
      // An attempt more, or its end before anybody looked: what is waited for does not come any more.
      const { state, attempts } = await page.evaluate(
        async () =>
          (await (await fetch(`/api/v1${location.pathname}`)).json()) as { state: string; attempts: readonly object[] },
      )
      if (attempts.length > 2 || ['succeeded', 'failed', 'cancelled'].includes(state))
        throw new Error(`the demonstration is ${state} in attempt ${attempts.length}: too late for its picture`)
      return false
    },
    WAIT_MS_MAX,
  )
  const address = new URL(page.url())
  await photograph(page, `${address.origin}/now`, '.legend >> text=productive', 'now', 760)
  await photograph(page, `${address.origin}/runs`, '.gr.line >> text=moe-demo', 'runs', 520)
  await photograph(page, address.href, 'text=Where the GPU-time went', 'run', 980)
  await photograph(page, `${address.href}/experts`, 'text=each layer sums to', 'experts', 780)
} finally {
  await browser.close()
  await home.remove()
}

async function photograph(page: Page, url: string, seen: string, name: string, height: number): Promise<void> {
  mkdirSync(folder, { recursive: true })
  await page.setViewportSize({ width: WIDTH, height })
  for (const scheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: scheme })
    await page.goto(url)
    await page.locator(seen).first().waitFor()
    // What is read after the first view (plots, histories) is in the picture, too.
    await page.waitForFunction(() => document.querySelector('.reading') === null)
    await page.evaluate(() => document.fonts.ready.then(() => null))
    const path = join(folder, `${name}-${scheme}.png`)
    await page.screenshot({ path })
    const { size } = statSync(path)
    process.stdout.write(`${path} ${Math.round(size / 1000)} kB\n`)
    if (size > BYTES_MAX) throw new Error(`${path} has ${size} bytes, and a page that has it should stay quick`)
  }
}
