// Which ranks of a run report, how, and what their experts carry: the ear of its trainer. Whatever becomes of a report, training goes on.
import type { AttemptPlan } from '../domain/plan.ts'
import type { WorkerId } from '../domain/ids.ts'
import type { IngestAddress } from '../ports/cluster.ts'
import type { SeededChance } from './chance.ts'
import { Liar } from './liar.ts'
import type { Mail } from './mail.ts'
import type { Obeys } from './obedience.ts'
import { SimulatedReporter } from './reporter.ts'
import type { Timeline } from './timeline.ts'

/** What a trainer says on its way. `stepped` is false where the report of it had no room. */
export type Ear = {
  resumed(step: number): void
  stepped(step: number, durationMs: number): boolean
  saved(step: number): void
  /** What it is to do after this step, where somebody who was asked to obeys. */
  asked(step: number): { readonly slowMs: number; readonly exits: boolean } | null
  done(): void
  /** The process ends by itself: `then` once its reporters have said their last word. */
  ends(then: () => void): void
  /** The processes of a worker are told to end, and do. */
  terminated(worker: WorkerId): void
}

export const DEAF: Ear = {
  resumed() {},
  stepped: () => true,
  saved() {},
  asked: () => null,
  done() {},
  ends: (then) => then(),
  terminated() {},
}

export type Balance = 'even' | 'dead' | 'collapse'
export type Experts = {
  readonly layers: number
  readonly experts: number
  readonly topK: number
  readonly tokens: number
  readonly every: number
  readonly balance: Balance
}

/** How a run reports. */
export type Reporting = {
  readonly ranks: number
  readonly liars: number
  readonly paceMs: number
  readonly room: number
  /** The clock of a source may be off by hours: it does not jump. */
  readonly skewMs: number
  readonly forks: boolean
  readonly experts: Experts | null
  /** Null: its script never asks for directives. */
  readonly obeys: Obeys | null
}

/** Null: no rank of it reports. */
export function reportingOf(chance: SeededChance, obedience: SeededChance | null): Reporting | null {
  if (chance.happens(0.5)) return null
  const ranks = chance.pick([1, 1, 2, 3])
  const experts: Experts = {
    layers: chance.between(1, 3),
    experts: chance.pick([1, 4, 8]),
    topK: chance.pick([1, 2]),
    tokens: chance.pick([8, 64, 4_096]),
    every: chance.pick([1, 2, 5]),
    balance: chance.pick(['even', 'dead', 'collapse']),
  }
  return {
    ranks,
    liars: chance.happens(0.3) ? chance.between(1, ranks) : 0,
    paceMs: chance.pick([1_000, 5_000, 5_000, 30_000]),
    room: chance.pick([1, 20, 1_000]),
    skewMs: chance.pick([0, 0, 5_000, -7_200_000]),
    forks: chance.happens(0.2),
    experts: chance.happens(0.4) ? { ...experts, topK: Math.min(experts.topK, experts.experts) } : null,
    obeys: obedience?.happens(OBEYS) === true ? obeysOf(obedience) : null,
  }
}

const OBEYS = 0.9

const obeysOf = (chance: SeededChance): Obeys => ({
  manner: chance.pick([
    'saves',
    'saves',
    'saves',
    'saves slowly',
    'saves and exits',
    'lets it pass',
    'says nothing',
    'knows it not',
  ]),
  who: chance.pick(['first', 'last', 'all']),
  after: chance.pick([1, 1, 8]),
  slowMs: chance.pick([500, 5_000, 25_000]),
})

export type Outside = {
  readonly timeline: Timeline
  readonly chance: SeededChance
  readonly mail: Mail
  readonly lives: (worker: WorkerId) => boolean
  readonly reachable: (worker: WorkerId) => boolean
  /** A line on standard error, in the log of the worker. */
  readonly print: (worker: WorkerId, text: string) => void
  readonly tell: (text: string) => void
}

export function earOf(plan: AttemptPlan, address: IngestAddress, reporting: Reporting, outside: Outside): Ear {
  const { mail, chance } = outside
  mail.knows(plan.attempt, address.token)
  const world = plan.workers.length * plan.gpusPerNode
  const ranks = Array.from({ length: Math.min(reporting.ranks, world) }, (_, rank) => rank)
  const open = (rank: number): SimulatedReporter => reporterOf(plan, address, reporting, outside, rank)
  const reporters = ranks.map(open)
  const forkAt = reporting.forks ? chance.between(1, 40) : Infinity
  let steps = 0
  return {
    resumed(step) {
      for (const reporter of reporters) reporter.say('resumed', { step })
    },
    stepped(step, durationMs) {
      steps += 1
      let room = true
      for (const [rank, reporter] of reporters.entries()) {
        const said = reporter.say('step', { step, steps: 1, durationMs, loss: 2.5, tokens: 1_024, samples: step * 8 })
        room = said && room
        const { experts } = reporting
        if (experts !== null && step % experts.every === 0)
          reporter.say('experts', { step, ...loadOf(experts, step, chance) })
        if (steps !== forkAt) continue
        reporter.fork()
        outside.tell(`rank ${rank} of ${plan.attempt} goes on in another process`)
        reporters[rank] = open(rank)
        // What the new process counts of the same step takes the place of what the old one did.
        if (experts !== null) reporters[rank]?.say('experts', { step, ...loadOf(experts, step, chance) })
      }
      return room
    },
    asked(step) {
      const { obeys } = reporting
      if (obeys === null || steps < obeys.after) return null
      // All ranks save together, once one of them has heard of it.
      const asked = reporters.map((reporter) => reporter.isToSave())
      if (!asked.includes(true)) return null
      for (const reporter of reporters) reporter.saves(step)
      const { manner, slowMs } = obeys
      return { slowMs: manner === 'saves slowly' ? slowMs : 0, exits: manner === 'saves and exits' }
    },
    saved(step) {
      for (const reporter of reporters) {
        reporter.say('phase', { phase: 'checkpoint', edge: 'begin' })
        reporter.say('phase', { phase: 'checkpoint', edge: 'end' })
        reporter.say('checkpoint', { step, state: 'saved', path: null })
        reporter.say('checkpoint', { step, state: 'durable', path: '/ckpt' })
        reporter.durable(step)
      }
    },
    done() {
      for (const reporter of reporters) reporter.say('done', {})
    },
    ends(then) {
      if (mail.pack === null) {
        for (const reporter of reporters) reporter.ends()
        return then()
      }
      let talking = reporters.length
      const settled = (): void => {
        talking -= 1
        if (talking === 0) then()
      }
      for (const reporter of reporters) reporter.ends(settled)
    },
    terminated(worker) {
      for (const [rank, reporter] of reporters.entries()) if (workerOf(plan, rank) === worker) reporter.terminated()
    },
  }
}

function reporterOf(
  plan: AttemptPlan,
  address: IngestAddress,
  reporting: Reporting,
  outside: Outside,
  rank: number,
): SimulatedReporter {
  const { timeline, chance, mail, lives, reachable, print, tell } = outside
  const worker = workerOf(plan, rank)
  return new SimulatedReporter({
    timeline,
    chance,
    mail,
    spooling: mail.spooling,
    attempt: plan.attempt,
    token: address.token,
    rank,
    clockMs: reporting.skewMs,
    paceMs: rank === 0 ? reporting.paceMs : reporting.paceMs * 2,
    room: reporting.room,
    liar: rank < reporting.liars ? new Liar(chance, mail) : null,
    manner: asks(reporting, rank, plan.workers.length * plan.gpusPerNode) ? (reporting.obeys?.manner ?? null) : null,
    lives: () => lives(worker),
    reachable: () => reachable(worker),
    print: (text) => print(worker, text),
    tell,
  })
}

function workerOf(plan: AttemptPlan, rank: number): WorkerId {
  const worker = plan.workers[Math.floor(rank / plan.gpusPerNode)]?.id
  if (worker === undefined) throw new Error(`bug: ${plan.attempt} has no rank ${rank}`)
  return worker
}

function asks({ obeys, ranks }: Reporting, rank: number, world: number): boolean {
  if (obeys === null || obeys.who === 'all') return obeys !== null
  return rank === (obeys.who === 'first' ? 0 : Math.min(ranks, world) - 1)
}

/** From here on a router that collapses sends everything to the first experts. */
const COLLAPSE_FROM = 10

/** The load of one step: each token goes to top-k experts, so that every layer sums to tokens x top-k. */
function loadOf({ layers, experts, topK, tokens, balance }: Experts, step: number, chance: SeededChance) {
  const counts = new Uint32Array(layers * experts)
  const alive = balance === 'dead' && experts > topK ? experts - 1 : experts
  const some = balance === 'collapse' && step >= COLLAPSE_FROM ? topK : alive
  for (let layer = 0; layer < layers; layer += 1) {
    const each = Math.floor((tokens * topK) / some)
    for (let expert = 0; expert < some; expert += 1) counts[layer * experts + expert] = each
    const rest = layer * experts + chance.below(some)
    counts[rest] = (counts[rest] ?? 0) + tokens * topK - each * some
  }
  return {
    layers: Array.from({ length: layers }, (_, layer) => `layers.${layer}.mlp`),
    experts,
    counts: base64Of(counts),
    tokens,
    topK,
    flags: ['local'],
  }
}

function base64Of(counts: Uint32Array): string {
  let bytes = ''
  for (const count of counts)
    for (let shift = 0; shift < 32; shift += 8) bytes += String.fromCharCode((count >>> shift) & 0xff)
  return btoa(bytes)
}
