// What a person does with the pages about the whole installation: finds a machine, takes it out and brings it back, and the like.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { buildPages, cannotRun, openPage, startBrowser, violations } from './browser.ts'
import { type FakeServer, startFakeServer } from './fake-server.ts'
import { rowOf } from './fake-world.ts'

describe('pages about the installation', { skip: cannotRun() }, () => {
  let browser: Browser
  let fake: FakeServer
  before(async () => {
    buildPages()
    browser = await startBrowser()
    fake = await startFakeServer('many')
  })
  beforeEach(() => {
    fake.world = 'many'
    fake.role = 'admin'
    fake.changes.length = 0
    fake.bodies.length = 0
  })
  after(async () => {
    await browser.close()
    await fake.close()
  })

  /** A page at a path; whatever it must not do fails the test. */
  const at = async (path: string, use: (page: Page) => Promise<void>): Promise<void> => {
    const { page, complaints } = await openPage(browser, fake.url, {
      width: 1440,
      height: 900,
      scheme: 'light',
      zone: 'Europe/Berlin',
    })
    await page.goto(`${fake.url}${path}`)
    await use(page)
    assert.deepEqual(complaints, [])
    await page.close()
  }
  const seen = (page: Page, what: string): Promise<void> => page.locator(what).first().waitFor()

  test('the first page says what needs a person, worst first, and leads to where it is seen', async () => {
    await at('/', async (page) => {
      await page.waitForURL('**/now')
      await seen(page, '.need >> nth=0 >> text=one expert takes part in 98.4 %')
      await seen(page, '.need >> nth=0 >> text=98.1 GPU-h')
      await seen(page, '.need >> nth=2 >> text=14 nodes are lost')
      assert.equal(await page.locator('.need').count(), 8)
      await page.click('text=Show 8 more')
      assert.equal(await page.locator('.need').count(), 16)
      await seen(page, '.need >> text=user:lin asks for 4,000 GPU-h more in post-training@2026-11')
      await page.click('text=Open experts')
      await page.waitForURL('**/runs/r0*/experts')
    })
  })

  test('the rail says how much holds, waits, is away and needs a person, and nothing of what there is none of', async () => {
    await at('/projects', async (page) => {
      const said = (name: string): Promise<string | null> =>
        page.locator(`.rail nav a:has(span:text-is("${name}"))`).textContent()
      await seen(page, '.rail .n.hot')
      assert.equal(await said('Alerts'), 'Alerts4')
      assert.match((await said('Queue')) ?? '', /^Queue[\d,]+$/)
      assert.match((await said('Nodes')) ?? '', /^Nodes[\d,]+$/)
      assert.equal(await said('Cost'), 'Cost')
    })
    fake.world = 'none'
    await at('/projects', async (page) => {
      await seen(page, '.rail nav a')
      await page.waitForLoadState('networkidle')
      assert.equal(await page.locator('.rail .n').count(), 0)
    })
  })

  test('now: every GPU stands in one account, and they sum to those that there are', async () => {
    await at('/now', async (page) => {
      await seen(page, 'h2 >> text=Every GPU')
      const parts = await page.locator('section:has(#h-every) .legend > span:not(.eq) b').allTextContents()
      const sum = parts.reduce((all, text) => all + Number(text.replaceAll(',', '')), 0)
      assert.equal(sum.toLocaleString('en-US'), await page.locator('section:has(#h-every) .eq b').textContent())
    })
  })

  test('now: what a run says comes without a reload, and silence says since when', async () => {
    await at('/now', async (page) => {
      const first = page.locator('section:has(#h-who) tbody tr').first()
      const name = (await first.locator('a.run b').textContent()) ?? ''
      const ended = { ...rowOf(Number(name.split('-').at(-1)), Date.now()), message: 'told by the stream' }
      // Nothing is told to a page whose stream is not open yet.
      await seen(page, '.live:not(.late)')
      fake.say('row', ended)
      await seen(page, 'section:has(#h-who) >> text=told by the stream')
      fake.silence(true)
      await seen(page, '.live.late >> text=stale since')
      fake.silence(false)
      await seen(page, '.live:not(.late)')
    })
  })

  test('cost: the parts of the statement add up to what is printed, and each grouping has the same sum', async () => {
    await at('/cost?period=last-month', async (page) => {
      await seen(page, 'text=accounts = capacity, difference 0 GPU-ms')
      const number = (text: string | null): number => Number((text ?? '').replaceAll(',', ''))
      const rows = await page
        .locator('.books tbody tr:not(.part)')
        .evaluateAll((lines) => lines.map((line) => [line.className, line.children[1]?.textContent ?? ''] as const))
      const sums = rows.filter(([kind]) => kind === 'sum').map(([, text]) => number(text))
      const held = rows
        .slice(
          0,
          rows.findIndex(([kind]) => kind === 'sum'),
        )
        .map(([, text]) => number(text))
      const others = rows.filter(([kind]) => kind === 'sub').map(([, text]) => number(text))
      const total = (values: readonly number[]): number => Math.round(10 * values.reduce((all, each) => all + each, 0))
      assert.equal(total(held), Math.round(10 * (sums[0] ?? 0)))
      assert.equal(total([sums[0] ?? 0, ...others]), Math.round(10 * (sums[1] ?? 0)))
      for (const by of ['User', 'Run', 'GPU model']) {
        await page.click(`fieldset[aria-label="Group by"] >> text="${by}"`)
        await seen(page, `th >> text="${by}"`)
        await seen(page, 'text=in every grouping')
      }
    })
  })

  test('cost: labels are asked for by their key, and the table is saved with integers', async () => {
    await at('/cost?by=label', async (page) => {
      await seen(page, 'text=By which label?')
      await page.fill('input[list=labels]', 'goal')
      await page.keyboard.press('Enter')
      await page.waitForURL('**label=goal')
      await seen(page, 'td >> text=without goal')
      const load = async (format: string): Promise<{ readonly name: string; readonly bytes: Buffer }> => {
        const [download] = await Promise.all([page.waitForEvent('download'), page.click(`.files >> text="${format}"`)])
        const parts: Buffer[] = await (await download.createReadStream()).toArray()
        return { name: download.suggestedFilename(), bytes: Buffer.concat(parts) }
      }
      const lines = (await load('CSV')).bytes.toString().split('\n')
      assert.equal(lines[0], 'project,label:goal,account,gpu_ms,micros,currency')
      assert.ok(lines.some((line) => /^[a-z-]+,(v4|routing),[a-z]+,\d+,\d+,USD$/.test(line)))
      assert.equal((await load('Parquet')).bytes.subarray(0, 4).toString(), 'PAR1')
      const focus = await load('FOCUS')
      assert.equal(focus.name, 'ledger.focus.csv')
      assert.match(focus.bytes.toString(), /^BilledCost,BillingAccountId,/)
    })
  })

  test('cost: runs stand beside published ones with their FLOPs, and who is left out is counted', async () => {
    await at('/cost', async (page) => {
      const panel = page.locator('section:has(#h-compare)')
      await seen(page, 'section:has(#h-compare) >> text=DeepSeek-V3')
      assert.equal(await panel.locator('tbody tr').count(), 5)
      await seen(page, 'section:has(#h-compare) >> text=the tokens of DeepSeek-V3 for a GPU-hour')
      await seen(page, 'section:has(#h-compare) >> text=214 runs without training.model')
      // Of two GPU models there is no one peak.
      assert.equal(await panel.locator('tbody tr:nth-child(2) td:last-child').textContent(), 'unknown')
      await panel.locator('a.run').first().click()
      await page.waitForURL('**/runs/r0*')
    })
    fake.world = 'one'
    await at('/cost', async (page) => {
      await seen(page, 'section:has(#h-compare) >> text=No run of this time can be compared')
      await seen(page, 'section:has(#h-compare) >> text=Llama 3.1 405B')
    })
  })

  test('the audit log is read page by page, and looked through', async () => {
    await at('/audit', async (page) => {
      await seen(page, 'text=100 of the newest 100')
      await page.click('text=Show older ones')
      await seen(page, 'text=200 of the newest 200')
      await page.fill('main input[type=search]', 'node-lost run.submit')
      await page.waitForFunction(() => {
        const rows = [...document.querySelectorAll('.audit tbody tr')].map((row) => row.textContent ?? '')
        return rows.length > 0 && rows.every((row) => row.includes('node-lost') && row.includes('run.submit'))
      })
    })
    fake.role = 'member'
    await at('/audit', (page) => seen(page, 'text=The audit log is not yours to read'))
  })

  test('a token is made with a role, a project and an end, its secret is shown once, and it is revoked', async () => {
    await at('/settings', async (page) => {
      await page.click('text=New token…')
      await page.fill('dialog input[name=name]', 'ci')
      await page.selectOption('dialog select[name=role]', 'viewer')
      await page.fill('dialog input[name=project]', 'pretraining')
      await page.selectOption('dialog select[name=life]', { label: '7 days' })
      await page.click('dialog >> text=Make it')
      await seen(page, 'dialog .secret >> text=plimsoll_fake_secret')
      assert.deepEqual(fake.changes, ['POST /api/v1/tokens 1'])
      assert.deepEqual(JSON.parse(fake.bodies[0] ?? ''), {
        name: 'ci',
        subject: 'lin',
        role: 'viewer',
        project: 'pretraining',
        ttlMs: 7 * 86_400_000,
      })
      await page.click('text=I have it')
      await page.locator('dialog[open]').waitFor({ state: 'detached' })
      assert.equal(await page.locator('text=plimsoll_fake_secret').count(), 0)
      await page.click('[aria-label="Revoke token 4…"]')
      await seen(page, 'dialog >> text=Whoever asks with it is refused')
      await page.click('dialog .btn.first')
      await page.locator('dialog[open]').waitFor({ state: 'detached' })
      assert.equal(fake.changes[1], 'DELETE /api/v1/tokens/t4 1')
    })
    fake.role = 'lead'
    await at('/settings', (page) => seen(page, 'text=Tokens are an admin’s'))
  })

  test('keys alone go to a page, to a run by its name, and do an action', async () => {
    await at('/queue', async (page) => {
      await seen(page, 'h1 >> text=Queue')
      await page.keyboard.press('Control+k')
      await seen(page, 'dialog.palette [role=option]')
      await page.keyboard.type('nod')
      await page.keyboard.press('Enter')
      await page.waitForURL('**/nodes')
      await page.keyboard.press('Control+k')
      await page.keyboard.type('olmoe-7b-ablate-6')
      await seen(page, '[role=option] >> text=olmoe-7b-ablate-6')
      assert.deepEqual(await violations(page), [])
      await page.keyboard.press('Enter')
      await page.waitForURL('**/runs/r0*')
      await page.keyboard.press('Meta+k')
      await page.keyboard.type('dark theme')
      await page.keyboard.press('Enter')
      assert.equal(await page.getAttribute('html', 'data-theme'), 'dark')
      await page.keyboard.press('Control+k')
      await seen(page, 'dialog.palette [role=option]')
      await page.keyboard.press('ArrowUp')
      await seen(page, '[role=option][aria-selected=true] >> text=Sign out')
      assert.deepEqual(await violations(page), [])
      await page.keyboard.press('Escape')
      await page.locator('dialog[open]').waitFor({ state: 'detached' })
    })
  })

  test('what is typed before the palette is there is its first word, and no key of the page', async () => {
    await at('/now', async (page) => {
      // The page reads it by itself as well, when it has nothing else to do.
      const pressed = Promise.withResolvers<void>()
      await page.route('**/assets/palette-*.js', async (route) => {
        await pressed.promise
        await page.keyboard.type('aud t')
        await route.continue()
      })
      await seen(page, 'h1 >> text=Now')
      await page.keyboard.press('Control+k')
      pressed.resolve()
      await seen(page, '[role=option] >> text=Audit')
      assert.notEqual(await page.getAttribute('html', 'data-theme'), 'dark')
    })
  })

  test('on a phone the pages that do not fit below are behind one more', async () => {
    const { page, complaints } = await openPage(browser, fake.url, { width: 360, height: 740, scheme: 'light' })
    await page.goto(`${fake.url}/now`)
    await page.click('.tabbar summary')
    await page.click('.tabbar .more >> text=Nodes')
    await page.waitForURL('**/nodes')
    await seen(page, '.tabbar summary[aria-current=page] >> text=Nodes')
    assert.equal(await page.locator('.tabbar details[open]').count(), 0)
    assert.deepEqual(complaints, [])
    await page.close()
  })

  test('of four thousand nodes only those in view exist, worst first, and one is found by its name', async () => {
    await at('/nodes', async (page) => {
      await seen(page, 'text=4,096 nodes, worst first')
      assert.ok((await page.locator('.gr.line').count()) < 60)
      await seen(page, '.gr.line >> nth=0 >> text=lost')
      await page.fill('main input[type=search]', 'r02-n08')
      await page.waitForURL('**/nodes?q=r02-n08')
      await seen(page, 'text=1 node, worst first')
      await seen(page, '.legend .eq >> text=32,768')
    })
  })

  test('a node is taken out of service after a question and with a reason', async () => {
    await at('/nodes?q=r01-n01', async (page) => {
      await page.click('.gr.line .as-link')
      await page.waitForURL('**node=fake/r01-n01/1')
      await page.click('.side >> text=Cordon…')
      await seen(page, 'dialog >> text=what runs there may finish')
      await page.fill('dialog input', 'fan is loud')
      await page.keyboard.press('Enter')
      await page.locator('dialog[open]').waitFor({ state: 'detached' })
      assert.deepEqual(fake.changes, ['POST /api/v1/nodes/fake%2Fr01-n01%2F1/cordon 1'])
      assert.deepEqual(fake.bodies, ['{"reason":"fan is loud"}'])
    })
  })

  test('who may not take nodes out is not offered it', async () => {
    fake.role = 'viewer'
    await at('/nodes?node=fake/r01-n08/1', async (page) => {
      await seen(page, '.side >> text=Operators and admins can cordon it')
      assert.equal(await page.locator('.deeds').count(), 0)
    })
  })

  test('each run that waits says why and what would start it; of many only those that are asked about cost the server', async () => {
    await at('/queue', async (page) => {
      await seen(page, 'text=480 runs wait for')
      await seen(page, '.q >> nth=1 >> text=would start now with')
      await seen(page, '.q >> nth=1 >> text=90 % by')
      assert.ok((await page.locator('.q-place').count()) < 40)
      await page.click('text=What would start it? >> nth=0')
      await seen(page, '.q-place >> nth=6 >> text=would start now with')
      await page.click('.q-place >> nth=0 >> a.run')
      await page.waitForURL('**/runs/r0*')
    })
  })

  test('placing is paused with a reason, and not offered to who may not', async () => {
    await at('/queue', async (page) => {
      await page.click('text=Pause…')
      await page.fill('dialog input', 'upgrade')
      await page.click('dialog .btn.first')
      await page.locator('dialog[open]').waitFor({ state: 'detached' })
      assert.deepEqual(fake.changes, ['POST /api/v1/queue/pause 1'])
      assert.deepEqual(fake.bodies, ['{"reason":"upgrade"}'])
    })
    fake.role = 'member'
    fake.world = 'odd'
    await at('/queue', async (page) => {
      await seen(page, 'text=An operator can resume it')
      assert.equal(await page.locator('text=Resume…').count(), 0)
      await seen(page, 'text=Quotas stand in the policy')
    })
  })

  for (const [path, ms] of [
    ['/nodes', 60_000],
    ['/now', 60_000],
    ['/cost', 240_000],
  ] as const) {
    test(`${path} says since when its numbers are old where the server does not answer any more`, async () => {
      const { page } = await openPage(browser, fake.url, { width: 1440, height: 900, scheme: 'light' })
      await page.clock.install()
      await page.goto(`${fake.url}${path}`)
      await seen(page, 'text=as of')
      fake.failing = true
      await page.clock.runFor(ms)
      await seen(page, '.head .stale >> text=stale since')
      fake.failing = false
      await page.close()
    })
  }
})
