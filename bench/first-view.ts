// From the address to the first run on the screen, with 10,000 runs in the store, in a browser that was never here.
import type { Browser, Page } from 'playwright-core'
import { cannotRun, startBrowser } from '../test/browser/browser.ts'
import { Home } from '../test/parts/plimsoll.ts'
import { allScriptsKb, scriptsKb, signedIn } from './pages.ts'
import { quantile, rss } from './parts.ts'
import type { Result } from './run.ts'
import { fillRuns } from './runs-10k.ts'

const VIEWS = 9

/** The same rows in a page without any framework: what no page that shows them can do without. */
const PLAIN = `<!doctype html><meta charset="utf-8"><title>plain</title><table></table><script>
fetch('/api/v1/table?limit=200&sort=created&order=desc').then((answer) => answer.json()).then(({ rows }) => {
  const table = document.querySelector('table')
  for (const row of rows) {
    const line = table.insertRow()
    for (const text of [row.state, row.name, row.gpus, row.heldGpuMs, row.user, row.createdAt]) line.insertCell().textContent = text
  }
})</script>`

export async function firstView(): Promise<Result> {
  const why = cannotRun()
  if (why !== false) throw new Error(why)
  const home = new Home()
  const browser = await startBrowser()
  try {
    await home.up()
    await fillRuns(home)
    const samples: number[] = []
    const plain: number[] = []
    let scripts = 0
    for (let index = 0; index < VIEWS; index += 1) {
      samples.push(
        await viewed(browser, home, '/runs', '.gr.line >> text=training-', async (page) => {
          scripts = Math.max(scripts, await scriptsKb(page))
        }),
      )
      plain.push(await viewed(browser, home, '/plain', 'td >> text=queued-'))
    }
    return {
      work: '10,000 runs in the store: from the address to the first run on the screen, nothing cached',
      unit: 'ms',
      samples,
      ours: quantile(samples, 0.5),
      baseline: quantile(plain, 0.5),
      baselineIs:
        'a page of ten lines without a framework that reads 200 rows from the same server and writes them as a table',
      rssMiB: rss(home),
      figures: [
        { name: 'first view', ours: quantile(samples, 0.5), unit: 'ms', limit: 1_000 },
        { name: 'scripts of the first view, compressed', ours: scripts, unit: 'kB', limit: 250 },
        { name: 'scripts of all pages, compressed', ours: allScriptsKb(), unit: 'kB', limit: null },
      ],
    }
  } finally {
    await browser.close()
    await home.remove()
  }
}

async function viewed(
  browser: Browser,
  home: Home,
  path: string,
  seen: string,
  look: (page: Page) => Promise<void> = async () => {},
): Promise<number> {
  const { page, url } = await signedIn(browser, home)
  await page.route('**/plain', (route) => route.fulfill({ contentType: 'text/html', body: PLAIN }))
  const begin = performance.now()
  await page.goto(`${url}${path}`, { waitUntil: 'commit' })
  await page.locator(seen).first().waitFor()
  const ms = performance.now() - begin
  await look(page)
  await page.context().close()
  return ms
}
