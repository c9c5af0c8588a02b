// What a person does with the pages: signs in, filters, opens, jumps, stops; and what a page does when the server falls silent.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { buildPages, cannotRun, openPage, screenshot, startBrowser } from './browser.ts'
import { CODE, type FakeServer, startFakeServer } from './fake-server.ts'
import { HTML, rowOf } from './fake-world.ts'

const RUN = '/runs/r000000000000000'

describe('pages', { skip: cannotRun() }, () => {
  let browser: Browser
  let fake: FakeServer
  before(async () => {
    buildPages()
    browser = await startBrowser()
    fake = await startFakeServer('many')
  })
  beforeEach(() => {
    fake.world = 'many'
    fake.signedIn = true
    fake.changes.length = 0
    fake.silence(false)
    fake.hang(false)
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

  test('a sign-in link becomes a session, and its code leaves the address', async () => {
    fake.signedIn = false
    await at(`/runs?q=moe#code=${CODE}`, async (page) => {
      await seen(page, 'text=moe-671b-0')
      assert.equal(new URL(page.url()).hash, '')
      assert.equal(new URL(page.url()).search, '?q=moe')
      assert.deepEqual(fake.changes, ['POST /api/v1/session 1'])
    })
  })

  test('a session that ends while a page is open brings the sign-in page', async () => {
    await at('/runs', async (page) => {
      await seen(page, 'text=moe-671b-0')
      fake.signedIn = false
      // The page may ask something by itself, and be told, before a person has done anything: then there is no field left.
      const signIn = seen(page, 'text=Open the link')
      await Promise.race([page.fill('input[type=search]', 'dense').catch(() => undefined), signIn])
      await signIn
    })
  })

  test('a code that is not known says so, and another one can be typed in', async () => {
    fake.signedIn = false
    await at('/#code=wrong', async (page) => {
      await seen(page, 'text=The code is not known')
      assert.equal(new URL(page.url()).hash, '')
      await page.fill('#code', `${fake.url}/#code=${CODE}`)
      await page.click('text=Sign in >> nth=-1')
      await seen(page, 'text=moe-671b-0')
    })
  })

  test('filters, columns and sorting stand in the address, and an address shows its list', async () => {
    await at('/runs', async (page) => {
      await seen(page, 'text=moe-671b-0')
      await page.keyboard.press('/')
      await page.keyboard.type('state:failed user:lin')
      await page.waitForURL('**/runs?state=failed&user=lin')
      await page.click('[role=columnheader] >> text=GPUs')
      await page.waitForURL('**sort=gpus')
      await page.click('summary:has-text("Columns")')
      await page.click('label:has-text("Loss")')
      await page.waitForURL('**columns=**')
      const address = page.url()
      // The list comes a moment after the address.
      await page.waitForFunction(() => {
        const states = [...document.querySelectorAll('.gr.line .st')].map((state) => state.textContent)
        return states.length > 3 && states.every((state) => state === 'failed')
      })
      await page.goto(address)
      await seen(page, '[role=columnheader] >> text=Loss')
      assert.equal(await page.inputValue('input[type=search]'), 'state:failed user:lin')
    })
  })

  test('a view is saved, shown and forgotten', async () => {
    await at('/runs?state=failed&user=lin', async (page) => {
      await page.click('text=+ Save this view')
      await page.fill('dialog input', 'my failures')
      await page.click('dialog >> text=Save >> nth=-1')
      await page.click('nav >> text=All')
      await page.click('nav >> text=my failures')
      await page.waitForURL('**/runs?state=failed&user=lin')
      await page.click('text=Forget this view')
      assert.equal(await page.locator('nav >> text=my failures').count(), 0)
    })
  })

  test('the keys go through the list and open a run', async () => {
    await at('/runs', async (page) => {
      await seen(page, 'text=moe-671b-0')
      await page.focus('[role=grid]')
      await page.keyboard.press('ArrowDown')
      await page.keyboard.press('ArrowDown')
      const active = await page.getAttribute('[role=grid]', 'aria-activedescendant')
      assert.equal(active, 'line-2')
      await page.keyboard.press('Enter')
      await page.waitForURL('**/runs/r0*')
      await seen(page, 'text=State and why')
    })
  })

  test('the last of 10,000 runs is a key away', async () => {
    await at('/runs?group=flat', async (page) => {
      await seen(page, 'text=moe-671b-0')
      await page.focus('[role=grid]')
      await page.keyboard.press('End')
      await seen(page, '.gr.line >> text=nightly-9999')
    })
  })

  test('two chosen runs are compared', async () => {
    await at('/runs', async (page) => {
      await seen(page, 'text=moe-671b-0')
      await page.click('.gr.line .box >> nth=0')
      await page.click('.gr.line .box >> nth=1')
      await page.click('.compare >> text=Compare')
      await seen(page, 'text=places of the spec')
    })
  })

  test('a change comes by itself, silence says since when, and the way back reads everything again', async () => {
    await at('/runs', async (page) => {
      await seen(page, 'text=moe-671b-0')
      await seen(page, '.live:not(.late)')
      fake.say('row', { ...rowOf(0, Date.now()), message: 'spike of the loss' })
      await seen(page, '.gr.line >> text=spike of the loss')
      fake.silence(true)
      await seen(page, '.live.late >> text=stale since')
      await screenshot(page, 'runs-stale')
      fake.silence(false)
      await seen(page, '.live:not(.late)')
      assert.equal(await page.locator('text=spike of the loss').count(), 0)
    })
  })

  test('a tab that slept for an hour says so, opens the stream anew by itself and reads everything again', async () => {
    const { page, complaints } = await openPage(browser, fake.url, { width: 1440, height: 900, scheme: 'light' })
    await page.clock.install()
    await page.goto(`${fake.url}/runs`)
    await seen(page, 'text=moe-671b-0')
    await seen(page, '.live:not(.late)')
    // Nothing fails: the connection is there, and nothing comes on it, as after the sleep of a machine.
    fake.hang(true)
    await page.clock.fastForward(3_600_000)
    await seen(page, '.live.late >> text=stale since')
    fake.world = 'one'
    fake.hang(false)
    await seen(page, '.live:not(.late)')
    await seen(page, '.eq >> text=1 run:')
    assert.deepEqual(complaints, [])
    await page.close()
  })

  test('HTML in names, users, messages and logs is text', async () => {
    fake.world = 'odd'
    await at('/runs?group=flat', async (page) => {
      await seen(page, `text=${HTML.slice(-11)}`)
      assert.equal(await page.locator('main img, main script').count(), 0)
      assert.equal(await page.title(), 'Runs · Plimsoll')
      await page.click('a[data-run=r000000000000001]')
      await seen(page, 'h1 >> text=<b>bold</b>')
      await page.click('nav >> text=Log')
      await seen(page, '.log >> text=<img src=x')
      assert.equal(await page.locator('main img').count(), 0)
      assert.ok((await page.title()).startsWith(HTML))
    })
  })

  test('a run whose attempt failed says what it was, the line as text, and what to try', async () => {
    await at(RUN, async (page) => {
      await seen(page, '.chip >> text=gpu-fault')
      await seen(page, 'mark >> text=GPU has fallen off the bus. <img src=x')
      await seen(page, 'text=What to try: cordon the node')
      assert.equal(await page.locator('main img').count(), 0)
    })
  })

  test('the log jumps to the first error, and a search goes back among the neighbours', async () => {
    await at(RUN, async (page) => {
      await page.click('text=Open the log at the first error')
      await page.waitForURL('**/logs?attempt=2&worker=0&offset=120000')
      await seen(page, '.log-line.first')
      await page.fill('input[type=search] >> nth=-1', 'words')
      await page.keyboard.press('Enter')
      await seen(page, 'text=line with words')
      await page.click('.log-line a >> nth=3')
      await page.waitForURL('**offset=130200')
    })
  })

  test('a log that is not stored any more says so, by a line that is no worker’s and at its end', async () => {
    await at(RUN, async (page) => {
      await page.route('**/api/v1/runs/*/logs?*', async (route) => {
        const answer = await route.fetch()
        const document = (await answer.json()) as { lines: { stream: string; text: string }[] }
        const last = { ...document.lines.at(-1), stream: 'plimsoll', text: 'plimsoll: from here on nothing' }
        const json = { ...document, lines: [...document.lines.slice(0, -1), last].slice(-3), complete: true, cut: true }
        await route.fulfill({ response: answer, json })
      })
      await page.click('nav >> text=Log')
      await seen(page, '.log-line .w >> text=plimsoll')
      await seen(page, 'text=What it printed after this is not stored')
    })
  })

  test('a run is stopped after a question, with the header that no other site can send', async () => {
    await at(RUN, async (page) => {
      await page.click('text=Stop…')
      await seen(page, 'dialog >> text=asked for a checkpoint')
      await page.click('dialog .btn.first')
      await page.locator('dialog[open]').waitFor({ state: 'detached' })
      assert.deepEqual(fake.changes, ['POST /api/v1/runs/r000000000000000/stop 1'])
    })
  })

  test('times are in the zone of the viewer, the UTC instant in the title', async () => {
    await at(RUN, async (page) => {
      const created = new Date(rowOf(0, Date.now()).createdAt)
      const text = await page.locator('dt:has-text("Submitted") + dd time').first().textContent()
      // The fake world is made anew at each request: a minute may have begun since.
      const wanted = [0, 60_000].map((ago) =>
        new Date(created.getTime() - ago).toLocaleTimeString('en-GB', {
          timeZone: 'Europe/Berlin',
          hour: '2-digit',
          minute: '2-digit',
        }),
      )
      assert.ok(
        wanted.some((want) => text?.endsWith(want)),
        `${text} is one of ${wanted.join(', ')}`,
      )
      assert.match((await page.locator('header time').first().getAttribute('title')) ?? '', /Z$/)
      await seen(page, 'header >> text=CET')
    })
  })

  test('experts: the keys scrub and move, the lists select, the files are saved', async () => {
    await at(`${RUN}/experts`, async (page) => {
      await seen(page, 'text=each layer sums to')
      await page.focus('[role=slider]')
      await page.keyboard.press('Shift+ArrowLeft')
      await seen(page, '.step-line >> text="Step 19,990"')
      // The first frame comes when another is looked at already: it must not take its place.
      const late = Promise.withResolvers<void>()
      await page.route('**/experts/frame?*step=1', async (route) => {
        await late.promise
        await route.continue()
      })
      await page.keyboard.press('Home')
      await seen(page, '.step-line >> text="Step 1"')
      await page.keyboard.press('l')
      await seen(page, '.step-line >> text="Step 20,000"')
      const answer = page.waitForResponse('**/experts/frame?*step=1')
      late.resolve()
      await (await answer).finished()
      await page.click('.lst >> text=37 · 114')
      await seen(page, 'h2 >> text=Layer 37, expert 114')
      await page.focus('.heat')
      await page.keyboard.press('ArrowRight')
      await seen(page, '.read >> text=expert 115')
      await page.waitForURL('**expert=115**')
      for (const [name, end] of [
        ['PNG', '.png'],
        ['CSV', '.csv'],
      ] as const) {
        const [download] = await Promise.all([page.waitForEvent('download'), page.click(`button:text-is("${name}")`)])
        assert.ok(download.suggestedFilename().endsWith(end))
      }
    })
  })

  test('experts: counts that do not add up are said before anything is drawn', async () => {
    await at(`${RUN}/experts`, async (page) => {
      await seen(page, 'text=each layer sums to')
      await page.route('**/api/v1/**/experts?*', async (route) => {
        const answer = await route.fetch()
        const document: object = await answer.json()
        const finding = { steps: 3, text: 'step 7: the experts of layer 3 counted 5', whatToDo: 'look at the script' }
        await route.fulfill({ response: answer, json: { ...document, finding } })
      })
      await page.reload()
      await seen(page, '[role=status] >> text=The counts of 3 steps do not add up')
      await seen(page, '[role=status] >> text=look at the script')
    })
  })

  test('the statement says how even the experts were, and leads to them', async () => {
    await at(`${RUN}/statement`, async (page) => {
      await seen(page, 'dd:has-text("MaxVio 1.40 in the worst layer") >> text=3 of 14,848 experts dead')
      await page.click('dd >> text=by layer and step')
      await page.waitForURL(`**${RUN}/experts**`)
      await page.goto(`${fake.url}/runs/r000000000000001/statement`)
      await seen(page, 'text=What came of it')
      assert.equal(await page.locator('dt:text-is("Experts")').count(), 0)
    })
  })

  test('the statement says MFU and the best checkpoint interval, or why they are not known', async () => {
    await at(`${RUN}/statement`, async (page) => {
      await seen(page, 'dd >> text=41.2\u202f% of peak in productive time')
      await seen(page, 'dd >> text=120 durable, one every 100 steps (10 min 05 s of training)')
      await seen(page, 'dd:has-text("69 steps (6 min 59 s)") >> text=0.005 GPU-h')
      await page.goto(`${fake.url}/runs/r000000000000019/statement`)
      await seen(page, 'dd >> text=unknown: no productive time is kept yet')
      await seen(page, 'dd >> text=unknown: no durable checkpoint was seen')
    })
  })

  test('the theme is switched by a key and kept', async () => {
    await at('/runs', async (page) => {
      await seen(page, 'text=moe-671b-0')
      await page.keyboard.press('t')
      assert.equal(await page.getAttribute('html', 'data-theme'), 'dark')
      await page.reload()
      await seen(page, 'text=moe-671b-0')
      assert.equal(await page.getAttribute('html', 'data-theme'), 'dark')
    })
  })
})
