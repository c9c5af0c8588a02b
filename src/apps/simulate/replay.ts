// Replays a trace with the loops of production under virtual time: one process that leads, no faults, calls that take no time. Loops
// are woken by what happens, not by timers: a submit wakes place, a placement launch, an end observe. What is not bound to a moment, the
// logs and the books, is looked at every few hours. So weeks of a quiet cluster cost nothing but their books.
import { accountTurn } from '../../control/account.ts'
import type { Control } from '../../control/control.ts'
import { launchTurn } from '../../control/launch.ts'
import { keepLead } from '../../control/lead.ts'
import { followLogs } from '../../control/logs.ts'
import { observeTurn } from '../../control/observe.ts'
import { placeTurn } from '../../control/place.ts'
import type { TraceCluster, TraceJob } from '../../domain/trace.ts'
import { ReplayWorld } from './replay-world.ts'

/** Of virtual time. The books of a cell are the same whenever they are made. */
const ACCOUNT_EVERY_MS = 6 * 3_600_000
/** Of real time: how often others get their turn, and the progress is told. */
const BREATH_MS = 50

export type ReplayOptions = {
  readonly jobs: readonly TraceJob[]
  readonly cluster: TraceCluster
  readonly seed: number
  readonly progress: (done: number, virtualMs: number) => void
}

export type Replayed = { readonly world: ReplayWorld; readonly wallMs: number }

export async function replay(options: ReplayOptions): Promise<Replayed> {
  const begin = performance.now()
  const world = new ReplayWorld(options.cluster, options.seed, options.jobs)
  const { timeline, control } = world
  await lead(control)
  await observeTurn(control)
  const due: TraceJob[] = []
  for (const job of options.jobs) timeline.after(job.submitMs, () => void due.push(job))
  let accountDue = false
  const again = (): void => {
    accountDue = true
    if (world.tables.live.size > 0 || world.submitted < options.jobs.length) timeline.after(ACCOUNT_EVERY_MS, again)
  }
  timeline.after(ACCOUNT_EVERY_MS, again)
  let breath = begin
  for (let at = timeline.nextAt(); at !== null; at = timeline.nextAt()) {
    while (timeline.nextAt() === at) timeline.step()
    await moment(world, due.splice(0))
    if (accountDue) await account(world)
    accountDue = false
    world.look()
    if (performance.now() - breath < BREATH_MS) continue
    options.progress(world.done, timeline.now() - world.begin)
    await new Promise((resolve) => void setImmediate(resolve))
    breath = performance.now()
  }
  await account(world)
  world.look()
  world.atRest()
  options.progress(world.done, timeline.now() - world.begin)
  return { world, wallMs: Math.round(performance.now() - begin) }
}

/** What happened at one moment, and all that follows from it at that moment. */
async function moment(world: ReplayWorld, due: readonly TraceJob[]): Promise<void> {
  const { control, cluster } = world
  await lead(control)
  for (const job of due) await world.submit(job)
  const ended = cluster.takeEnded()
  if (ended > 0) await world.turns('observe', observeTurn)
  if (ended > 0 || due.length > 0) await placeAndStart(world)
}

async function placeAndStart(world: ReplayWorld): Promise<void> {
  const reports = await world.turns('place', (control) => world.timed(() => placeTurn(control)))
  world.note()
  if (reports.every((report) => (report?.placed.length ?? 0) === 0)) return
  await launchTurn(world.control)
  // It sees them run. That rings for a place too, and nothing came free: it is not answered.
  await world.turns('observe', observeTurn)
}

async function account({ control, store, timeline }: ReplayWorld): Promise<void> {
  await lead(control)
  // One look reads to the end, the next one knows that nothing follows; what is complete is forgotten, some at a time.
  await followLogs(control)
  do await followLogs(control)
  while ((await store.attemptsToForget()).length > 0)
  for (let [before, due] = ['', '-']; due !== before && due !== '';) {
    before = due
    await accountTurn(control)
    due = (await store.booksDue(timeline.now(), null)).join()
  }
}

/** Nobody else is there to take it; it only has to be kept. */
const lead = (control: Control): Promise<boolean> =>
  keepLead(control, { holder: 'replay', force: false, rebase: () => 0 })
