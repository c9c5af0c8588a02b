// One seed turn by turn: two processes take whole turns one after the other, in an order of chance, and any call may be the last one of
// its process. It reaches further than the interleaved one, and sees less between two calls.
import { accountTurn } from '../../control/account.ts'
import type { Control } from '../../control/control.ts'
import { keepLead } from '../../control/lead.ts'
import { followLogs } from '../../control/logs.ts'
import { observeTurn } from '../../control/observe.ts'
import { placeTurn } from '../../control/place.ts'
import type { Store } from '../../ports/store.ts'
import type { BaseClock } from '../../sim/clocks.ts'
import { calm, People } from './people.ts'
import { falseEnd } from './truth.ts'
import type { Outcome, SeedOptions } from './world.ts'
import { SimulatedWorld } from './world.ts'

const MINUTE_MS = 60_000
const TICK_MS = 1_000
const QUIET_TICK_MS = 5_000
const FAULTS_MS = 12 * MINUTE_MS
const QUIET_MS_MAX = 240 * MINUTE_MS
const CRASH = 0.01

class Crash extends Error {}

export async function simulateSeed(seed: number, options: SeedOptions = {}): Promise<Outcome> {
  const world = new SimulatedWorld(seed, options)
  const { chance, timeline, faults, cluster } = world
  const processes = [processOf(world), processOf(world)]
  const bugs: unknown[] = []
  const bug = (error: unknown): void => void bugs.push(error)
  const api = world.control(world.view())
  const people = new People(world, world.requests(api), bug)
  world.listen(api, bug)
  await people.begin()
  let wanted = chance.between(4, 16)
  const begin = timeline.now()
  while (timeline.now() < begin + FAULTS_MS + QUIET_MS_MAX) {
    if (faults.on && timeline.now() >= begin + FAULTS_MS) {
      calm(world)
      world.story?.world('the faults stop')
      await people.heal()
    }
    world.events += advance(world, faults.on ? TICK_MS : QUIET_TICK_MS)
    if (wanted > 0 && chance.happens(0.05)) {
      await people.submit()
      wanted -= 1
    }
    if (faults.on) await trouble(world, people)
    for (const [index, process] of processes.entries()) {
      // A paused process: its lease runs out, and the other one takes over.
      if (faults.on && chance.happens(0.1)) continue
      if (!(await tick(process, world))) processes[index] = processOf(world)
    }
    if (bugs.length > 0) throw bugs[0]
    const problem = world.look()
    if (problem !== null) return world.outcome(problem)
    if (faults.on || wanted > 0 || !chance.happens(0.1)) continue
    const end = await falseEnd(world)
    if (end.kind === 'rest') return world.outcome(end.problem)
  }
  const end = await falseEnd(world)
  const left = cluster.running.size
  return world.outcome(`not everything ended: ${end.kind === 'moves' ? end.why : (end.problem ?? `${left} run`)}`)
}

async function trouble({ chance, cluster, obedience, removals }: SimulatedWorld, people: People): Promise<void> {
  if (chance.happens(0.01)) cluster.silence(chance.pick(cluster.nodeNames()), true)
  if (chance.happens(0.05)) for (const node of cluster.nodeNames()) cluster.silence(node, false)
  if (removals.happens(0.01)) cluster.remove(removals.pick(cluster.nodeNames()))
  if (chance.happens(0.01)) await people.act()
  if (obedience?.happens(0.04) === true) await people.press(obedience)
}

/** Runs what is due within the next `ms`, and says how many events that were. */
function advance({ timeline }: SimulatedWorld, ms: number): number {
  const until = timeline.now() + ms
  timeline.after(ms, () => {})
  let events = 0
  for (let next = timeline.nextAt(); next !== null && next <= until; next = timeline.nextAt()) {
    timeline.step()
    events += 1
  }
  return events
}

type Process = { readonly control: Control; readonly clock: BaseClock }

function processOf(world: SimulatedWorld): Process {
  const { clock, store, cluster } = world.view()
  return { control: world.control({ clock, store: faulty(store, world), cluster }), clock }
}

/** All loops of one process, in an order of chance; false when it crashed on the way. */
async function tick({ control, clock }: Process, world: SimulatedWorld): Promise<boolean> {
  const { chance, faults, story } = world
  const turns = [observeTurn, followLogs, placeTurn, (each: Control) => world.launch(each), accountTurn]
  try {
    await keepLead(control, { holder: 'simulated', force: false, rebase: (now) => clock.rebase(now) })
    while (turns.length > 0) {
      const [turn] = turns.splice(chance.below(turns.length), 1)
      if (!faults.on || chance.happens(0.9)) await turn?.(control)
    }
    return true
  } catch (error) {
    if (!(error instanceof Crash)) throw error
    story?.world(`a process crashes ${error.message}`)
    faults.crashes += 1
    return false
  }
}

/** Any call may be the last one of its process, before it had its effect or after. */
function faulty(store: Store, { chance, faults }: SimulatedWorld): Store {
  return new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return async (...args: unknown[]) => {
        if (faults.on && chance.happens(CRASH / 2)) throw new Crash(`before ${String(name)}`)
        const result: unknown = await Reflect.apply(method, target, args)
        if (faults.on && chance.happens(CRASH / 2)) throw new Crash(`after ${String(name)}`)
        return result
      }
    },
  })
}
