// How much a page's main thread works for each frame: the time of its tasks by Chromium's own trace, summed between the ends of two
// frames. CPU time of the thread where the trace has it, since a busy machine makes wall time say more about others.
import type { Browser, Page } from 'playwright-core'

type TraceEvent = {
  readonly name: string
  readonly ph: string
  readonly pid: number
  readonly tid: number
  readonly ts: number
  readonly dur?: number
  readonly tdur?: number
  readonly cat: string
  readonly args?: { readonly name?: string }
}

export type Frames = {
  readonly frames: number
  readonly p50: number
  readonly p95: number
  readonly max: number
}

// As few as tell what is asked: each event that is recorded is work of the thread that is measured.
const CATEGORIES = ['disabled-by-default-devtools.timeline']

export async function workPerFrame(browser: Browser, page: Page, act: () => Promise<void>): Promise<Frames> {
  await browser.startTracing(page, { categories: CATEGORIES })
  await act()
  const trace = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] }
  return summed(trace.traceEvents)
}

export function summed(events: readonly TraceEvent[]): Frames {
  const complete = events.filter((event) => event.ph === 'X')
  // A frame ends on the main thread when it is handed over to be drawn. The page's own thread is the one that does so most.
  const commits = complete.filter((event) => event.name === 'Commit')
  const key = (event: TraceEvent): string => `${event.pid} ${event.tid}`
  const counts = new Map<string, number>()
  for (const event of commits) counts.set(key(event), (counts.get(key(event)) ?? 0) + 1)
  const thread = [...counts].toSorted((a, b) => b[1] - a[1])[0]?.[0]
  const ends = commits
    .filter((event) => key(event) === thread)
    .map((event) => event.ts)
    .toSorted((a, b) => a - b)
  const work = ends.map(() => 0)
  // The outermost tasks only: two categories tell of the same ones.
  let end = Number.NEGATIVE_INFINITY
  const tasks = complete.filter((event) => key(event) === thread && event.name.endsWith('RunTask'))
  for (const task of tasks.toSorted((a, b) => a.ts - b.ts || (b.dur ?? 0) - (a.dur ?? 0))) {
    if (task.ts < end) continue
    end = task.ts + (task.dur ?? 0)
    // A task belongs to the first frame that was handed over after its beginning.
    const frame = ends.findIndex((each) => each >= task.ts)
    if (frame >= 0) work[frame] = (work[frame] ?? 0) + (task.tdur ?? task.dur ?? 0) / 1000
  }
  // What came before the first frame is not all of it.
  const sorted = work.slice(1).toSorted((a, b) => a - b)
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { frames: sorted.length, p50: at(0.5), p95: at(0.95), max: sorted.at(-1) ?? Number.NaN }
}
