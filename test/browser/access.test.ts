// Each page, light and dark, from a phone to a very wide screen: nothing scrolls sideways, nothing breaks the policy, nothing is asked of another
// host; and axe finds nothing where it looks, narrow and wide.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { buildPages, cannotRun, openPage, screenshot, startBrowser, tooWide, violations } from './browser.ts'
import type { SignInWays } from '../../src/web/api/documents.ts'
import { type FakeServer, type FakeWorld, startFakeServer } from './fake-server.ts'

const WIDTHS = [360, 768, 1280, 1440, 2560]
/** Enough for the same page with less on it, and for axe: between them the same things stand elsewhere. */
const FEW: readonly number[] = [360, 1440]
const HEIGHTS: Readonly<Record<number, number>> = { 360: 740, 768: 1024, 1280: 800, 1440: 900, 2560: 1440 }
const RUN = '/runs/r000000000000000'

type Place = {
  readonly name: string
  readonly world: FakeWorld
  readonly path: string
  readonly shows: string
  readonly signedOut?: true
  readonly ways?: SignInWays
  readonly widths?: readonly number[]
}

const PLACES: readonly Place[] = [
  { name: 'sign-in', world: 'many', path: '/', shows: 'text=Open the link', signedOut: true },
  {
    name: 'sign-in-provider',
    world: 'many',
    path: '/runs?q=moe',
    shows: 'a >> text=Sign in with The login of the laboratory',
    signedOut: true,
    ways: {
      takes: 'token',
      provider: { name: 'The login of the laboratory for machines', url: 'http://127.0.0.1:1/sign-in/oidc' },
      refusal: {
        message: `You are ada@lab.org, but none of your 3 groups (${'very-long-name-of-a-group-'.repeat(3)}) has a role here.`,
        whatToDo: 'ask #gpu-help for a group that has one',
      },
    },
  },
  { name: 'runs-none', world: 'none', path: '/runs', shows: 'text=There are no runs yet' },
  { name: 'runs-one', world: 'one', path: '/runs', shows: 'text=moe-671b-0' },
  { name: 'runs', world: 'many', path: '/runs', shows: 'text=moe-671b-0' },
  { name: 'runs-odd', world: 'odd', path: '/runs?group=flat', shows: 'text=<b>bold</b>' },
  { name: 'runs-nothing-found', world: 'many', path: '/runs?q=nothing', shows: 'text=No run matches' },
  { name: 'run', world: 'many', path: RUN, shows: 'text=Where the GPU-time went' },
  { name: 'run-queued', world: 'many', path: '/runs/r000000000000016', shows: 'text=in the queue' },
  { name: 'run-unheard', world: 'many', path: '/runs/r000000000000005', shows: '.fig >> text=unknown since' },
  { name: 'run-odd', world: 'odd', path: '/runs/r000000000000021', shows: 'text=State and why' },
  { name: 'experts', world: 'many', path: `${RUN}/experts`, shows: 'text=each layer sums to' },
  { name: 'experts-none', world: 'many', path: '/runs/r000000000000001/experts', shows: 'text=No expert load' },
  { name: 'log', world: 'many', path: `${RUN}/logs`, shows: 'text=iteration 3999/' },
  { name: 'log-search', world: 'many', path: `${RUN}/logs?q=words`, shows: 'text=line with words' },
  { name: 'config', world: 'many', path: `${RUN}/config?with=r000000000000001`, shows: 'text=places of the spec' },
  { name: 'statement', world: 'many', path: `${RUN}/statement`, shows: 'text=What came of it' },
  { name: 'events', world: 'many', path: `${RUN}/events`, shows: 'text=submitted' },
  { name: 'json', world: 'many', path: `${RUN}/json`, shows: 'text=plimsoll show -o json' },
  { name: 'now-none', world: 'none', path: '/', shows: 'text=Nothing needs a person', widths: FEW },
  { name: 'now-one', world: 'one', path: '/now', shows: 'text=Who holds them', widths: FEW },
  { name: 'now', world: 'many', path: '/now', shows: '.need >> text=one expert takes part in' },
  { name: 'now-odd', world: 'odd', path: '/now', shows: 'text=Placing is paused' },
  { name: 'nodes-none', world: 'none', path: '/nodes', shows: 'text=No machine was seen yet', widths: FEW },
  { name: 'nodes-one', world: 'one', path: '/nodes', shows: '.gr.line >> text=r01-n01', widths: FEW },
  { name: 'nodes', world: 'many', path: '/nodes?node=fake/r01-n08/1', shows: 'text=Way back' },
  { name: 'nodes-odd', world: 'odd', path: '/nodes?node=fake/r01-n08/1', shows: 'text=Way back' },
  { name: 'queue-none', world: 'none', path: '/queue', shows: 'text=Nothing waits', widths: FEW },
  { name: 'queue', world: 'many', path: '/queue', shows: 'text=would start now with' },
  { name: 'queue-odd', world: 'odd', path: '/queue', shows: 'text=Placing is paused' },
  { name: 'alerts-none', world: 'none', path: '/alerts', shows: 'text=Nothing fires', widths: FEW },
  { name: 'alerts-one', world: 'one', path: '/alerts', shows: 'text=No step for 23 min', widths: FEW },
  { name: 'alerts', world: 'many', path: '/alerts', shows: 'text=Show 51 more' },
  { name: 'alerts-odd', world: 'odd', path: '/alerts', shows: 'text=What a person should know', widths: FEW },
  { name: 'cost-none', world: 'none', path: '/cost', shows: 'text=Nothing was wasted', widths: FEW },
  { name: 'cost', world: 'many', path: '/cost', shows: 'text=What would stop most of it' },
  {
    name: 'cost-runs',
    world: 'many',
    path: '/cost?by=run&period=90d',
    shows: 'text=What would stop most of it',
    widths: FEW,
  },
  { name: 'cost-label', world: 'odd', path: '/cost?by=label', shows: 'text=By which label?', widths: FEW },
  { name: 'projects-none', world: 'none', path: '/projects', shows: 'text=No budget is set', widths: FEW },
  { name: 'projects', world: 'many', path: '/projects', shows: 'text=By policy 7' },
  { name: 'projects-odd', world: 'odd', path: '/projects', shows: 'text=By policy 7', widths: FEW },
  { name: 'audit-none', world: 'none', path: '/audit', shows: 'text=Nothing was done yet', widths: FEW },
  { name: 'audit', world: 'many', path: '/audit', shows: 'text=Show older ones' },
  { name: 'audit-odd', world: 'odd', path: '/audit', shows: 'text=Show older ones', widths: FEW },
  { name: 'settings-none', world: 'none', path: '/settings', shows: 'text=No token is in use', widths: FEW },
  { name: 'settings', world: 'many', path: '/settings', shows: 'text=token 0' },
  { name: 'settings-odd', world: 'odd', path: '/settings', shows: 'text=<b>bold</b>', widths: FEW },
  { name: 'not-found', world: 'many', path: '/runs/nobody', shows: 'text=There is no run' },
]

describe('access', { skip: cannotRun() }, () => {
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

  for (const place of PLACES) {
    for (const scheme of ['light', 'dark'] as const) {
      test(`${place.name}, ${scheme}, from a phone to a wall`, async () => {
        fake.world = place.world
        fake.signedIn = place.signedOut !== true
        fake.ways = place.ways ?? { takes: 'link', provider: null, refusal: null }
        const { page, complaints } = await openPage(browser, fake.url, { width: 1440, height: 900, scheme })
        await page.goto(`${fake.url}${place.path}`)
        // Where things stand is of both themes the same: the dark one is looked at narrow and wide.
        for (const width of scheme === 'dark' ? FEW : (place.widths ?? WIDTHS)) {
          await page.setViewportSize({ width, height: HEIGHTS[width] ?? 900 })
          await page.locator(place.shows).first().waitFor()
          await screenshot(page, `${place.name}-${scheme}-${width}`)
          if (FEW.includes(width)) assert.deepEqual(await violations(page), [], `at ${width} px`)
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
          assert.ok(wide <= 0, `the page is ${wide} px wider than ${width} px`)
          assert.deepEqual(await tooWide(page), [], `at ${width} px`)
        }
        assert.deepEqual(complaints, [])
        await page.close()
      })
    }
  }
})
