// Alerts in the page of a real `up`: a channel to a small receiver is made, tested, told of a run that failed; somebody acknowledges and
// silences it. What a fake server can say better (other roles, many deliveries, text of strangers) is asked of one below.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { Browser, Locator, Page } from 'playwright-core'
import { Webhook } from 'standardwebhooks'
import { RULES } from '../../src/domain/finding.ts'
import { Home, until } from '../parts/plimsoll.ts'
import { buildPages, cannotRun, openPage, screenshot, startBrowser, violations, type Watched } from './browser.ts'
import { type FakeServer, startFakeServer } from './fake-server.ts'

type Message = { readonly id: string; readonly body: string; readonly headers: Record<string, string> }
type Told = { readonly type: string; readonly data: { readonly title: string } }

const FAILING = `name: broken
command: [python3, -c, "import sys; sys.exit(7)"]
resources: { nodes: 1, gpusPerNode: 1 }
restart: { user: 0, unknown: 0, infrastructure: 0 }
`

describe('alerts of a real up', { skip: cannotRun(), timeout: 280_000 }, () => {
  const got: Message[] = []
  const receiver = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
      got.push({ id: headers['webhook-id'] ?? '', body, headers })
      response.writeHead(204).end()
    })
  })
  let home: Home
  let browser: Browser
  let watched: Watched
  let page: Page
  before(async () => {
    buildPages()
    home = new Home('listen: { port: 0 }\nalerts: { allowNetworks: [127.0.0.1] }\n')
    browser = await startBrowser()
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
    await home.up()
    const link = await home.link()
    watched = await openPage(browser, new URL(link).origin, { width: 1440, height: 1000, scheme: 'light' })
    page = watched.page
    await page.goto(link)
  })
  after(async () => {
    await browser.close()
    receiver.closeAllConnections()
    receiver.close()
    await home.remove()
  })
  const seen = (what: Locator): Promise<void> => what.first().waitFor({ timeout: 30_000 })
  const group = (name: string): Locator => page.locator(`section[aria-label="${name}"]`)
  const panel = (heading: string): Locator => page.locator(`section:has(> header > #${heading})`)
  const press = (name: string, inside: Locator | Page = page): Promise<void> =>
    inside.getByRole('button', { name, exact: true }).first().click()
  const dialog = (): Locator => page.locator('dialog[open]')
  const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.textContent ?? '')

  test('an empty page teaches: nothing fires, nobody is told, nothing was sent', async () => {
    await page.getByRole('link', { name: 'Alerts', exact: true }).first().click()
    for (const words of ['Nothing fires', 'Nobody is told', 'Nothing was sent yet', 'Nothing is silenced'])
      await seen(page.locator(`text=${words}`))
    await screenshot(page, 'alerts-real-empty')
  })

  test('what the server refuses is said in the dialog, which keeps the focus and gives it back', async () => {
    await press('New channel…')
    await dialog().getByLabel('Name').fill('cloud')
    await dialog().getByLabel('Kind').selectOption('slack')
    await dialog().getByLabel('Address').fill('http://169.254.169.254/latest')
    await press('Make it', dialog())
    await seen(dialog().locator('[role=alert] >> text=169.254'))
    assert.deepEqual(await violations(page), [])
    for (let tabs = 0; tabs < 25; tabs += 1) {
      await page.keyboard.press('Tab')
      const inside = await page.evaluate(
        () => document.activeElement === document.body || document.activeElement?.closest('dialog') !== null,
      )
      assert.ok(inside, `after ${tabs + 1} tabs the focus is outside of the dialog`)
    }
    await page.keyboard.press('Escape')
    assert.equal(await dialog().count(), 0)
    assert.equal(await focused(), 'New channel…')
  })

  let secret = ''
  test('a channel is made; its secret is shown once', async () => {
    const { port } = receiver.address() as AddressInfo
    await page.keyboard.press('Enter')
    await dialog().getByLabel('Name').fill('oncall')
    await dialog().getByLabel('Address').fill(`http://127.0.0.1:${port}/in?key=hidden`)
    await page.keyboard.press('Enter')
    const field = dialog().getByLabel('Secret')
    await seen(field)
    secret = await field.inputValue()
    assert.match(secret, /^whsec_/)
    await press('Copy', dialog())
    await seen(dialog().locator('[role=status]:has-text("opied"), [role=status]:has-text("Ctrl")'))
    assert.deepEqual(await violations(page), [])
    await press('I have it', dialog())
    await seen(panel('h-r').locator(`tr:has-text("oncall") >> text=127.0.0.1:${port}`))
    const html = await page.content()
    assert.ok(!html.includes('whsec_') && !html.includes('key='), 'a secret is in the page')
  })

  test('its test arrives, signed, and the delivery stands there with its answer', async () => {
    await press('Test oncall')
    await seen(panel('h-d').locator('tr:has-text("test of channel oncall") >> text=answered 204'))
    await seen(panel('h-r').locator('tr:has-text("oncall") >> text=answered 204'))
    const [message] = got
    assert.ok(message)
    const told = new Webhook(secret).verify(message.body, message.headers) as Told
    assert.equal(told.type, 'dev.plimsoll.test.v1')
  })

  test('a run that fails comes by itself, with who was told, what to do and its evidence', async () => {
    home.say('submit', home.file('broken.yaml', FAILING), '--yes')
    const row = group('Firing').locator('li:has-text("broken")')
    await seen(row.locator('text=run-failed'))
    await seen(row.locator('text=told oncall'))
    assert.match((await row.locator('.cost').textContent()) ?? '', /GPU-h/)
    assert.notEqual(await row.locator('.do2').textContent(), '')
    await until('the receiver was told', () => got.some(({ body }) => body.includes('run-failed')))
    await seen(panel('h-d').locator('tr:has-text("broken") >> text=answered 204'))
    await screenshot(page, 'alerts-real-firing')
  })

  test('axe finds nothing at 360 and 1440 px, light and dark, and nothing is wider than the page', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      for (const width of [360, 1440]) {
        await page.setViewportSize({ width, height: 900 })
        assert.deepEqual(await violations(page), [], `${colorScheme}, ${width} px`)
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0)
        await screenshot(page, `alerts-real-${colorScheme}-${width}`)
      }
    }
    await page.emulateMedia({ colorScheme: 'light' })
  })

  test('somebody acknowledges it with a note, and lets it go', async () => {
    await press('Acknowledge…', group('Firing'))
    await dialog().getByLabel(/^Note/).fill('looking at node 7')
    await screenshot(page, 'alerts-real-acknowledge')
    await page.keyboard.press('Enter')
    await seen(group('Acknowledged').locator('text=looking at node 7'))
    await seen(page.locator('text=Nothing fires'))
    await until('the focus is not lost', async () => (await focused()) === 'What a person should know')
    await press('Let go', group('Acknowledged'))
    await seen(group('Firing').locator('text=broken'))
    await seen(page.locator('[role=status] >> text=Nobody looks at run-failed any more'))
  })

  test('it is silenced for a while with a reason, and the silence is ended', async () => {
    await press('Silence…', group('Firing'))
    await seen(dialog().locator('text=run-failed of run default/broken'))
    assert.deepEqual(await violations(page), [])
    await dialog().getByLabel('For').selectOption('1 hour')
    await dialog().getByLabel('Reason').fill('it is known')
    await screenshot(page, 'alerts-real-silence')
    await page.keyboard.press('Enter')
    await seen(group('Silenced').locator('text=it is known'))
    await seen(panel('h-s').locator('tr:has-text("run-failed of run default/broken") >> text=now 1 alert'))
    await press('Unsilence…', panel('h-s'))
    await seen(dialog().locator('text=now 1 alert'))
    await press('Unsilence', dialog())
    await seen(group('Firing').locator('text=broken'))
    await seen(page.locator('text=Nothing is silenced'))
  })

  test('what is over stands among the resolved', async () => {
    home.say('submit', home.file('broken.yaml', FAILING.replace('sys.exit(7)', 'print(1)')), '--yes')
    await seen(group('Resolved in the last 24 h').locator('text=broken'))
    await screenshot(page, 'alerts-real-resolved')
  })

  test('a channel is removed; a server that is away makes the page stale, not empty', async () => {
    await press('Remove oncall')
    await press('Remove', dialog())
    await seen(page.locator('text=Nobody is told'))
    assert.deepEqual(watched.complaints, [])
    await home.kill()
    await page.locator('main .stale >> text=stale since').waitFor({ timeout: 60_000 })
    await seen(page.locator('text=What a person should know'))
  })
})

describe('alerts of a fake server', { skip: cannotRun() }, () => {
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
  const at = async (world: FakeServer['world'], role: string, use: (page: Page) => Promise<void>): Promise<void> => {
    Object.assign(fake, { world, role })
    const { page, complaints } = await openPage(browser, fake.url, { width: 1440, height: 900, scheme: 'light' })
    await page.goto(`${fake.url}/alerts`)
    await page.locator('#h-f').waitFor()
    await use(page)
    assert.deepEqual(complaints, [])
    await page.close()
  }

  test('who may only read has no buttons, and reads why', async () => {
    await at('many', 'viewer', async (page) => {
      await page.locator('text=members of a project, its lead, operators and admins acknowledge').waitFor()
      await page.locator('text=Leads make channels for their projects').waitFor()
      const names = await page.getByRole('button').allTextContents()
      for (const name of [
        'Acknowledge…',
        'Silence…',
        'Let go',
        'Unsilence…',
        'New silence…',
        'New channel…',
        'Test',
        'Wake',
        'Remove…',
      ])
        assert.ok(!names.includes(name), `${name} is not theirs`)
    })
  })

  test('all of many are shown when asked for, and older deliveries are loaded', async () => {
    await at('many', 'admin', async (page) => {
      const firing = page.locator('section[aria-label="Firing"] > ul > li')
      assert.equal(await firing.count(), 30)
      await page.click('text=Show 51 more')
      assert.equal(await firing.count(), 81)
      const lines = page.locator('.deliveries tbody tr')
      for (const loaded of [50, 100]) {
        await until(`${loaded} deliveries`, async () => (await lines.count()) === loaded)
        await page.click('text=Load more')
      }
      await until('all 130 deliveries', async () => (await lines.count()) === 130)
      assert.equal(await page.locator('text=Load more').count(), 0)
    })
  })

  test('a channel by mail, of two rules and a project, is asked for in dark on a phone, and axe finds nothing', async () => {
    await at('many', 'admin', async (page) => {
      await page.emulateMedia({ colorScheme: 'dark' })
      await page.setViewportSize({ width: 360, height: 740 })
      await page.getByRole('button', { name: 'New channel…' }).click()
      const dialog = page.locator('dialog[open]')
      await dialog.getByLabel('Name').fill('owners')
      await dialog.getByLabel('Kind').selectOption('email')
      await dialog.getByLabel('Recipients').fill('ada@lab.org, grace@lab.org')
      await dialog.getByLabel(/^Project/).fill('vision')
      await dialog.locator('summary').click()
      for (const rule of RULES.filter((each) => each !== 'run-failed' && each !== 'gpus-idle'))
        await dialog.getByLabel(rule, { exact: true }).uncheck()
      await dialog.getByLabel(/Mondays/).check()
      assert.deepEqual(await violations(page), [])
      fake.bodies.length = 0
      await dialog.getByRole('button', { name: 'Make it' }).click()
      await dialog.locator('[role=alert]').waitFor()
      assert.deepEqual(JSON.parse(fake.bodies[0] ?? ''), {
        name: 'owners',
        project: 'vision',
        address: { kind: 'email', to: ['ada@lab.org', 'grace@lab.org'] },
        severity: 'warning',
        rules: ['gpus-idle', 'run-failed'],
        digest: true,
      })
    })
  })

  test('what waits is tried when somebody wakes the channel', async () => {
    await at('many', 'admin', async (page) => {
      fake.changes.length = 0
      await page.getByRole('button', { name: 'Wake finance' }).click()
      await until('it was asked', () => fake.changes.length > 0)
      assert.deepEqual(fake.changes, ['POST /api/v1/alerts/channels/finance/wake 1'])
      assert.equal(await page.getByRole('button', { name: 'Wake oncall' }).count(), 0)
    })
  })

  test('a part is one press away, and its heading has the focus', async () => {
    await at('many', 'admin', async (page) => {
      await page.locator('nav.tabs >> text=Rules').click()
      assert.equal(await page.evaluate(() => document.activeElement?.id), 'h-u')
      await until('it is in view', () => page.evaluate(() => scrollY > 0))
      await page.locator('#h-f').waitFor()
    })
  })

  test('text of strangers is text', async () => {
    await at('odd', 'admin', async (page) => {
      await page.locator('text=<b>bold</b>').first().waitFor()
      assert.equal(await page.locator('main img, main b:text-is("bold")').count(), 0)
      assert.equal(await page.title(), 'Alerts · Plimsoll')
    })
  })

  test('a refusal of a button is said where the button is', async () => {
    await at('many', 'admin', async (page) => {
      await page.locator('section[aria-label="Acknowledged"]').getByRole('button', { name: 'Let go' }).first().click()
      await page.locator('section:has(> header > #h-f) [role=alert]').waitFor()
    })
  })
})
