// What people do in the other world, through the requests of production: they submit, steer, cordon, pause, forget and change the
// policy. Whoever gets no answer asks once more, with the same key.
import type { Answer } from '../../domain/refusal.ts'
import { isEnded } from '../../domain/run.ts'
import { epochMs } from '../../domain/units.ts'
import { Fault } from '../../ports/fault.ts'
import type { Requests } from '../../ports/requests.ts'
import type { SeededChance } from '../../sim/chance.ts'
import { ADA, changedPolicy, specOf } from '../../sim/workload.ts'
import type { SimulatedWorld } from './world.ts'

type Bug = (error: unknown) => void
type Act = (requests: Requests) => Promise<Answer<unknown>>

export class People {
  readonly #world: SimulatedWorld
  readonly #requests: Requests
  readonly #bug: Bug
  #submitted = 0

  constructor(world: SimulatedWorld, requests: Requests, bug: Bug) {
    this.#world = world
    this.#requests = requests
    this.#bug = bug
  }

  async submit(): Promise<void> {
    const { chance, shape } = this.#world
    const name = `run-${this.#submitted}`
    this.#submitted += 1
    const spec = specOf(chance, name, shape)
    await this.#ask(
      `submits ${name}`,
      (requests) => requests.submit(ADA, spec, { key: name, hash: name }),
      chance.happens(0.2),
    )
  }

  /** One act of chance. */
  async act(): Promise<void> {
    const { chance } = this.#world
    const acts = [
      () => this.#steer(),
      () => this.#steer(),
      () => this.#cordon(),
      () => this.#pause(),
      () => this.#forget(),
      () => this.#changePolicy(),
    ]
    await chance.pick(acts)()
  }

  async #steer(): Promise<void> {
    const { chance, tables } = this.#world
    const runs = [...tables.runs.values()].filter((run) => !isEnded(run.state))
    if (runs.length === 0) return
    const run = chance.pick(runs)
    const how = run.state.kind === 'suspended' ? 'resume' : chance.pick(['stop', 'stop now', 'suspend'] as const)
    await this.#ask(`asks to ${how} ${run.id}`, (requests) => {
      if (how === 'resume') return requests.resume(ADA, run.id)
      return how === 'suspend' ? requests.suspend(ADA, run.id) : requests.stop(ADA, run.id, how === 'stop now')
    })
  }

  /** Somebody ends a run whose script obeys, and cannot wait for its checkpoint; or a machine cannot. */
  async press(chance: SeededChance): Promise<void> {
    const { tables, mail, timeline, cluster, faults } = this.#world
    const obeying = [...tables.liveAttempts.values()].filter(
      ({ id, state }) => state.kind === 'running' && mail.obeying.has(id),
    )
    if (obeying.length === 0) return
    const { run, placement } = chance.pick(obeying)
    const stop = (now: boolean): Promise<void> =>
      this.#ask(`asks to stop ${run}${now ? ' now' : ''}`, (requests) => requests.stop(ADA, run, now))
    const suspend = (): Promise<void> => this.#ask(`suspends ${run}`, (requests) => requests.suspend(ADA, run))
    const silence = async (): Promise<void> => {
      const { nodeName } = chance.pick(placement.workers)
      if (faults.on) cluster.silence(nodeName, true)
      timeline.after(chance.pick([20_000, this.#world.durations.nodeLostAfterMs + MINUTE_MS]), () =>
        cluster.silence(nodeName, false),
      )
    }
    const reboot = async (): Promise<void> => {
      if (faults.on) cluster.reboot(chance.pick(placement.workers).nodeName)
    }
    const next = chance.pick([null, null, null, () => stop(true), () => stop(false), silence, reboot])
    if (next !== null) timeline.after(chance.between(1_000, 20_000), () => void next())
    await chance.pick([() => stop(false), suspend, suspend, () => this.#changePolicy()])()
  }

  async #cordon(): Promise<void> {
    const { chance, cluster, timeline } = this.#world
    const node = chance.pick(cluster.nodeNames())
    const cordon = (on: boolean): Promise<void> =>
      this.#ask(on ? `cordons ${node}` : `uncordons ${node}`, (requests) => requests.cordon(ADA, node, on, 'repair'))
    timeline.after(chance.between(5_000, 120_000), () => void cordon(false))
    await cordon(true)
  }

  async #pause(): Promise<void> {
    const { chance, timeline } = this.#world
    const pause = (on: boolean): Promise<void> =>
      this.#ask(on ? 'pauses the queue' : 'lets the queue go on', (requests) => requests.pauseQueue(ADA, on, 'upgrade'))
    timeline.after(chance.between(5_000, 90_000), () => void pause(false))
    await pause(true)
  }

  async #forget(): Promise<void> {
    const { chance, cluster } = this.#world
    const node = chance.pick(cluster.nodeNames())
    await this.#ask(`forgets ${node}`, (requests) => requests.forgetNode(ADA, node, 'it went to another cluster'))
  }

  async #changePolicy(): Promise<void> {
    const policy = changedPolicy(this.#world.policy, this.#world.chance)
    await this.#ask('changes limits, quotas and prices', (requests) => requests.applyPolicy(ADA, policy, {}, null))
  }

  /** The first policy, before there is anybody to have one changed. */
  async begin(): Promise<void> {
    await this.#ask('writes the policy', (requests) => requests.applyPolicy(ADA, this.#world.policy, {}, null))
  }

  /** Whatever was taken out of service goes back, and the queue goes on: what waits then waits for another reason. */
  async heal(): Promise<void> {
    const { cluster, tables } = this.#world
    if (tables.queue.paused) await this.#ask('lets the queue go on', (requests) => requests.pauseQueue(ADA, false, ''))
    for (const node of cluster.nodeNames()) {
      const cordoned = [...tables.nodes.values()].some((each) => each.name === node && each.cordon !== null)
      if (cordoned) await this.#ask(`uncordons ${node}`, (requests) => requests.cordon(ADA, node, false, ''))
    }
  }

  async #ask(what: string, act: Act, twice = false): Promise<void> {
    const { story, timeline, chance } = this.#world
    for (let tried = 0; tried < TRIES; tried += 1) {
      try {
        story?.world(`ada ${what}`)
        const answer = await act(this.#requests)
        if (!answer.ok) story?.world(`ada is refused: ${answer.message}`)
        if (!twice || tried > 0) return
      } catch (error) {
        if (!(error instanceof Fault)) return this.#bug(error)
        await timeline.wait(chance.between(100, 5_000))
      }
    }
  }
}

const TRIES = 3
/** So often somebody deletes the node of a machine that is silent then. */
const REMOVED = 0.5
const MINUTE_MS = 60_000

/** Silence from seconds to longer than a node may be silent, machines out of order, a store that is away or fails over, a clock that steps. */
export function nature(world: SimulatedWorld, faultsMs: number): void {
  const { chance, removals, timeline, cluster, faults, database, story } = world
  const some = (most: number, act: () => void): void => {
    for (let times = chance.below(most + 1); times > 0; times -= 1)
      timeline.after(chance.between(MINUTE_MS / 2, faultsMs - MINUTE_MS / 2), act)
  }
  const long = world.durations.nodeLostAfterMs + MINUTE_MS
  const lengths = [20_000, 80_000, long, long, long]
  some(4, () => {
    const node = chance.pick(cluster.nodeNames())
    cluster.silence(node, true)
    const reboots = chance.happens(0.3)
    if (removals.happens(REMOVED))
      timeline.after(removals.between(0, long), () => {
        if (faults.on) cluster.remove(node)
      })
    timeline.after(chance.pick(lengths), () => {
      if (reboots) cluster.reboot(node)
      cluster.silence(node, false)
    })
  })
  some(2, () => {
    const node = chance.pick(cluster.nodeNames())
    const reason = chance.pick(['preparing-environment', 'nodes-not-ready'] as const)
    story?.world(`${node} is not ready: ${reason}`)
    const sick = reason === 'nodes-not-ready' ? ({ unhealthy: true } as const) : {}
    cluster.change(node, { condition: { kind: 'not-ready', reason, message: 'it is being looked after', ...sick } })
    timeline.after(chance.between(5_000, 90_000), () => {
      story?.world(`${node} is ready`)
      cluster.change(node, { condition: { kind: 'ready' } })
    })
  })
  some(2, () => {
    const node = chance.pick(cluster.nodeNames())
    const foreign = chance.below(3)
    story?.world(`strangers use ${foreign} GPUs of ${node}`)
    cluster.change(node, { foreign })
  })
  some(1, () => {
    const node = chance.pick(cluster.nodeNames())
    story?.world(`a GPU of ${node} falls off the bus`)
    cluster.change(node, { slots: world.shape.slots - 1 })
  })
  some(1, () => {
    story?.world('the store does not answer')
    faults.storeDownUntil = epochMs(timeline.now() + chance.between(1_000, MINUTE_MS))
  })
  some(1, () => {
    story?.world('the store fails over: what is asked now is written or lost, and nobody is told which')
    faults.failOverUntil = epochMs(timeline.now() + chance.between(500, 5_000))
  })
  // Most seeds have true clocks: only there can everything be compared with what was so.
  if (chance.happens(0.25))
    some(2, () => {
      const ms = chance.pick([-240_000, -90_000, -3_000, 5_000, 45_000, 400_000])
      story?.world(`the clock of the database's machine steps by ${ms} ms`)
      database.step(ms)
      faults.staleLook = 0
    })
}

/** The world is well again. */
export function calm({ faults, cluster, timeline, shape, mail }: SimulatedWorld): void {
  faults.on = false
  mail.faults = false
  faults.storeDownUntil = timeline.now()
  faults.failOverUntil = timeline.now()
  for (const node of cluster.nodeNames()) {
    cluster.silence(node, false)
    cluster.change(node, { condition: { kind: 'ready' }, slots: shape.slots, foreign: 0 })
  }
}
