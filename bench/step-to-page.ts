// From a step that a real process prints to the same step on the page of its run, in a real Chromium, with nothing in between but us.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { cannotRun, startBrowser } from '../test/browser/browser.ts'
import { Home, until } from '../test/parts/plimsoll.ts'
import { signedIn } from './pages.ts'
import { quantile, rss, startTraining, stepsFile } from './parts.ts'
import type { Result } from './run.ts'

const STEPS = 60
/** No pause is a part of another one or of a second, so that no period of ours is always met at the same place. */
const PAUSES_S = [0.93, 1.37, 1.71, 1.13, 2.09, 1.51, 0.77]

export async function stepToPage(): Promise<Result> {
  const why = cannotRun()
  if (why !== false) throw new Error(why)
  const home = new Home()
  const browser = await startBrowser()
  try {
    await home.up()
    const told = join(home.folder, 'told')
    const [id = ''] = await startTraining(home, 1, PAUSES_S, told)
    const { page, url } = await signedIn(browser, home)
    await page.goto(`${url}/runs/${id}`)
    await page.locator('text=/step [0-9]+ of 100,000/').first().waitFor()
    await page.evaluate(() => {
      const seen: Record<string, number> = {}
      Object.assign(globalThis, { seen })
      const look = (): void => {
        const step = /step ([\d,]+) of 100,000/.exec(document.querySelector('main')?.textContent ?? '')?.[1]
        // What the page says is on the screen with the next frame.
        if (step !== undefined) requestAnimationFrame(() => (seen[step.replaceAll(',', '')] ??= Date.now()))
      }
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true })
    })
    const first = printed(told).size
    await until(`${STEPS} more steps are printed`, () => printed(told).size >= first + STEPS, 300_000)
    const seen = await page.evaluate(() => (globalThis as unknown as { seen: Record<string, number> }).seen)
    // A step that another one overtook on the way was never on the page; the one that overtook it was, and is later.
    const shown = Object.entries(seen).map(([step, at]) => ({ step: Number(step), at }))
    const samples = [...printed(told)]
      .filter(([step]) => step > first + 1 && step < first + STEPS - 2)
      .map(([step, at]) => Math.min(...shown.filter((each) => each.step >= step).map((each) => each.at)) - at)
    const pipe = await throughPipe(home)
    return {
      work: `${samples.length} steps that a process printed every 0.8 to 2 s, each until it was on the page of its run`,
      unit: 'ms',
      samples,
      ours: quantile(samples, 0.5),
      baseline: quantile(pipe, 0.5),
      baselineIs: 'the same lines read from the pipe of the same program, with nothing in between',
      rssMiB: rss(home),
      figures: [{ name: 'step to page, median', ours: quantile(samples, 0.5), unit: 'ms', limit: 1_000 }],
    }
  } finally {
    await browser.close()
    await home.remove()
  }
}

/** When each step was printed, by the clock of this machine. */
const printed = (told: string): ReadonlyMap<number, number> =>
  new Map(
    readFileSync(told, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(' ').map(Number) as [number, number]),
  )

async function throughPipe(home: Home): Promise<number[]> {
  const told = join(home.folder, 'piped')
  const child = spawn('python3', ['-B', stepsFile(home), '0.05', told], { stdio: ['ignore', 'pipe', 'inherit'] })
  const read: number[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes('iteration')) read.push(Date.now())
    if (read.length === 40) break
  }
  child.kill()
  const at = printed(told)
  return read.flatMap((seen, index) => {
    const said = at.get(index + 1)
    return said === undefined ? [] : [Math.max(0, seen - said)]
  })
}
