// One seed in which everything happens side by side: two processes whose loops interleave call by call, people who ask beside them, and
// a world in which everything breaks (people.ts). Checkers look after every event; then the faults stop, and all must come to rest.
import { epochMs } from '../../domain/units.ts'
import { Wire } from '../../sim/faults.ts'
import { nature, calm, People } from './people.ts'
import { SimulatedProcess } from './process.ts'
import type { Pace } from './process.ts'
import { falseEnd } from './truth.ts'
import type { Outcome, SeedOptions } from './world.ts'
import { SimulatedWorld } from './world.ts'

const MINUTE_MS = 60_000
const FAULTS_MS = 10 * MINUTE_MS
/** A lost node comes back, its fence passes, what failed runs again, cells settle. */
const QUIET_MS_MAX = 240 * MINUTE_MS
/** Most of these find nobody who runs and obeys. */
const PRESSED_MAX = 40
const PACES: readonly Pace[] = [
  { place: 2_000, launch: 2_000, observe: 1_000, account: 5_000 },
  { place: 5_000, launch: 5_000, observe: 4_000, account: 15_000 },
  { place: 10_000, launch: 10_000, observe: 8_000, account: 30_000 },
]

export async function simulateInterleaved(seed: number, options: SeedOptions = {}): Promise<Outcome> {
  const world = new SimulatedWorld(seed, options)
  const { timeline, chance, faults } = world
  const bugs: string[] = []
  const bug = (error: unknown): void =>
    void bugs.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  const pace = chance.pick(PACES)
  const processes = ['one', 'two'].map((holder) => new SimulatedProcess({ world, holder, pace, bug }))
  const people = peopleOf(world, processes, bug)
  timeline.after(FAULTS_MS, () => {
    calm(world)
    world.story?.world('the faults stop')
    void people.heal()
  })
  const quietFrom = timeline.now() + FAULTS_MS
  let nextTruth = epochMs(quietFrom + MINUTE_MS)
  while (timeline.now() < quietFrom + QUIET_MS_MAX) {
    timeline.step()
    await drained()
    const [first] = bugs
    const problem = first ?? world.look()
    if (problem !== null) return world.outcome(problem)
    if (faults.on || timeline.now() < nextTruth) continue
    nextTruth = epochMs(timeline.now() + MINUTE_MS)
    const end = await falseEnd(world)
    if (end.kind === 'rest') return world.outcome(end.problem)
  }
  const end = await falseEnd(world)
  return world.outcome(`nothing moves any more: ${end.kind === 'moves' ? end.why : (end.problem ?? 'all is true')}`)
}

/** Until whatever the event set free has run: a macrotask comes after every microtask. */
const drained = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** People ask a process that does not lead, as the API does: it has a wire of its own, and never crashes. */
function peopleOf(
  world: SimulatedWorld,
  processes: readonly SimulatedProcess[],
  bug: (error: unknown) => void,
): People {
  const { timeline, chance, faults } = world
  const wire = new Wire({ timeline, chance, faults, alive: () => true, crash: null })
  const { clock, store, cluster } = world.view()
  const control = world.control({ clock, store: wire.wrap(store, 'store'), cluster }, (loop) => {
    for (const process of processes) process.ring(loop)
  })
  const people = new People(world, world.requests(control), bug)
  world.listen(control, bug)
  void people.begin()
  for (let wanted = chance.between(4, 16); wanted > 0; wanted -= 1)
    timeline.after(chance.between(1_000, FAULTS_MS / 2), () => void people.submit())
  for (let acts = chance.below(6); acts > 0; acts -= 1)
    timeline.after(chance.between(MINUTE_MS / 2, FAULTS_MS), () => void people.act())
  const { obedience } = world
  if (obedience !== null)
    for (let times = obedience.below(PRESSED_MAX); times > 0; times -= 1)
      timeline.after(obedience.between(MINUTE_MS / 2, FAULTS_MS), () => void people.press(obedience))
  nature(world, FAULTS_MS)
  return people
}
