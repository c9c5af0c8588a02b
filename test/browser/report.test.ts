// The page of a replay in a browser: a hostile trace does nothing, nothing is asked of a network, and it fits a phone.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import axe from 'axe-core'
import { runTrace } from '../../src/apps/simulate/trace.ts'
import { parseClusterWords } from '../../src/contract/cluster-shape.ts'
import { parseTrace } from '../../src/contract/trace/trace.ts'
import type { Page } from 'playwright-core'
import { cannotRun, openPage, screenshot, startBrowser } from './browser.ts'

const TRACE = `id,submit_s,gpus,duration_s,user,project,model
"<script>document.title='owned'</script>",3000,24,3600,"<img src=x onerror=""document.title='owned'"">",a&b,"x""y"
wide,10,2048,100,eve,"</style><b>p","</title>"
${Array.from({ length: 40 }, (_, index) => `job-${index}-${'long'.repeat(8)},${index * 60},16,7200,eve,p,${'m'.repeat(60)}`).join('\n')}
`

test('the report of a hostile trace', { skip: cannotRun() }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-report-'))
  const browser = await startBrowser()
  try {
    const trace = parseTrace(TRACE)
    const shape = parseClusterWords('nodes=3,racks=2')
    assert.ok(trace.ok && shape.ok)
    const report = join(folder, 'report.html')
    const name = '<svg onload=alert(1)>.csv'
    assert.equal(await runTrace({ trace, name, cluster: shape.cluster, seed: 1, json: true, report }), 0)
    for (const scheme of ['light', 'dark'] as const)
      for (const width of [360, 1440]) {
        const url = pathToFileURL(report).href
        const { page, complaints } = await openPage(browser, url, { width, height: 900, scheme })
        page.on('dialog', () => complaints.push('a dialog was opened'))
        await page.goto(url)
        assert.equal(await page.title(), `${name}: trace replay`)
        assert.equal(await page.locator('script, img, iframe').count(), 0)
        assert.equal(await page.locator('svg').count(), 4)
        assert.equal(await page.locator('td', { hasText: "<script>document.title='owned'</script>" }).count(), 1)
        const wider = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
        assert.equal(wider, 0, `it scrolls sideways at ${width}`)
        assert.deepEqual(await foundByAxe(page), [])
        assert.deepEqual(complaints, [])
        await screenshot(page, `report-${scheme}-${width}`)
        await page.close()
      }
  } finally {
    await browser.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

async function foundByAxe(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  return page.evaluate(async () => {
    const { violations } = await (window as unknown as { axe: typeof axe }).axe.run()
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 120)}`))
  })
}
