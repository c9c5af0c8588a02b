// Sign-in by a real identity provider in a real browser, against `plimsoll up`: there, back, and what each of its people sees.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { CLIENT, CLIENT_SECRET, type RunningProvider, startIdentityProvider } from '../parts/identity-provider.ts'
import { Home } from '../parts/plimsoll.ts'
import { cannotRun, openPage, screenshot, startBrowser, tooWide, violations } from './browser.ts'

const GRANTS = [
  '{ group: platform, role: admin, project: null }',
  '{ group: researchers, role: member, project: default }',
].join(', ')

describe('sign-in by a provider', { skip: cannotRun(), timeout: 300_000 }, () => {
  let idp: RunningProvider
  let home: Home
  let browser: Browser
  let origin: string
  before(async () => {
    idp = await startIdentityProvider()
    const oidc = `issuer: '${idp.issuer}', name: Lab login, clientId: ${CLIENT}, contact: '#gpu-help', grants: [${GRANTS}]`
    home = new Home(`listen: { port: 0 }\nsignIn: { oidc: { ${oidc} } }\n`, {
      PLIMSOLL_OIDC_CLIENT_SECRET: CLIENT_SECRET,
    })
    browser = await startBrowser()
    await home.up()
    origin = new URL(await home.link()).origin
    idp.accounts.set('ada', { email: 'ada@lab.org', email_verified: true, groups: ['platform'] })
    idp.accounts.set('bob', { email: 'bob@lab.org', email_verified: true, groups: ['researchers'] })
    idp.accounts.set('eve', { email: 'eve@lab.org', email_verified: true, groups: ['chess'] })
  })
  after(async () => {
    await browser.close()
    await home.remove()
    await idp.close()
  })

  /** Complaints about the provider's own pages are none. */
  const ours = (complaints: readonly string[]): string[] =>
    complaints.filter((each) => !each.startsWith(`asked ${idp.issuer}`))
  const chosen = async (page: Page, account: string): Promise<void> => {
    await page.click('text=Sign in with Lab login')
    await page.locator('text=Who are you?').waitFor()
    assert.equal(new URL(page.url()).origin, idp.issuer)
    await page.click(`button:text-is("${account}")`)
  }

  for (const scheme of ['light', 'dark'] as const)
    for (const width of [360, 1440] as const)
      test(`there and back, and refused, ${scheme}, ${width} px`, async () => {
        if (scheme === 'light' && width === 360) {
          // Before it answers: the page says so, and the other way stays.
          const early = await openPage(browser, origin, { width, height: 740, scheme })
          await early.page.goto(`${origin}/runs`)
          await early.page.click('text=Sign in with Lab login')
          await early.page.locator('text=Lab login does not answer.').waitFor()
          assert.equal(early.page.url(), `${origin}/now`)
          await early.page.context().close()
          idp.open(origin)
        }
        const looked = async (page: Page, name: string): Promise<void> => {
          await screenshot(page, `oidc-${name}-${scheme}-${width}`)
          assert.deepEqual(await violations(page), [], name)
          assert.deepEqual(await tooWide(page), [], name)
          assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), name)
        }
        const { page, complaints } = await openPage(browser, origin, { width, height: 900, scheme })
        await page.goto(`${origin}/runs?q=moe`)
        await page.locator('text=Sign in with Lab login').waitFor()
        await looked(page, 'ways')
        await chosen(page, 'eve')
        await page.locator('text=your group (chess) has no role here').waitFor()
        await page.locator('text=ask #gpu-help').waitFor()
        assert.equal(page.url(), `${origin}/now`, 'no code is left in the address')
        await looked(page, 'refused')
        // The provider knows her, and asks again all the same: she may be somebody else, too.
        await chosen(page, 'bob')
        await page.locator('h1 >> text=Now').waitFor()
        await page.context().close()
        assert.deepEqual(ours(complaints), [])

        const second = await openPage(browser, origin, { width, height: 900, scheme })
        await second.page.goto(`${origin}/runs?q=moe`)
        await chosen(second.page, 'ada')
        await second.page.locator('h1 >> text=Runs').waitFor()
        assert.equal(second.page.url(), `${origin}/runs?q=moe`)
        assert.equal(await second.page.evaluate(() => document.cookie), '', 'no script reads a cookie')
        await second.page.goto(`${origin}/settings`)
        await second.page.locator('dd >> text=ada@lab.org').waitFor()
        await second.page.locator('dd >> text=admin everywhere').waitFor()
        // Out, and in again without a question of the provider.
        await second.page.click('.deeds >> text=Sign out')
        await second.page.click('text=Sign in with Lab login')
        await second.page.locator('h1 >> text=Now').waitFor()
        assert.deepEqual(ours(second.complaints), [])
        await second.page.context().close()
      })

  test('a member by a group sees what a member may', async () => {
    const { page, complaints } = await openPage(browser, origin, { width: 1440, height: 900, scheme: 'light' })
    await page.goto(`${origin}/settings`)
    await chosen(page, 'bob')
    await page.locator('dd >> text=member of default').waitFor()
    await page.locator('text=Tokens are an admin’s').waitFor()
    assert.deepEqual(ours(complaints), [])
    await page.context().close()
  })

  test('each way in and out is counted', async () => {
    const { token } = home.client()
    const text = await (await fetch(`${origin}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text()
    for (const outcome of ['signed-in', 'sign-in-no-group', 'sign-in-provider-away'])
      assert.match(text, new RegExp(`plimsoll_sign_ins_total\\{outcome="${outcome}"\\} [1-9]`))
  })

  test('each way in and out is in the audit log, and no code or secret in the log', () => {
    const { entries } = home.document<{ entries: readonly { verb: string; actor: string }[] }>('audit')
    const said = new Set(entries.map(({ verb, actor }) => `${verb} ${actor}`))
    for (const each of [
      'session.create user:ada@lab.org',
      'session.create user:bob@lab.org',
      'session.end user:ada@lab.org',
      'session.refuse rule:sign-in',
    ])
      assert.ok(said.has(each), `${each} in ${[...said].join(', ')}`)
    const log = home.log()
    assert.match(log, /a sign-in was refused/)
    assert.doesNotMatch(log, new RegExp(`${CLIENT_SECRET}|code=|eyJ`))
  })
})
