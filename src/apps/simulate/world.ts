// One seed's world before anything happens in it: virtual time, the store, the cluster, the checkers, and the processes' view of them.
import { gzipSync } from 'node:zlib'
import { readSpool } from '../../adapters/system/spool.ts'
import type { Control } from '../../control/control.ts'
import { EFFECT_MS, leaseOutlasts } from '../../control/control.ts'
import { launchTurn } from '../../control/launch.ts'
import { measureFrame } from '../../core/experts/measures.ts'
import type { RequestContext } from '../../control/requests/context.ts'
import { requestsOf } from '../../control/requests/requests.ts'
import type { RunId } from '../../domain/ids.ts'
import type { Policy } from '../../domain/policy.ts'
import type { Durations } from '../../domain/settings.ts'
import { DEFAULT_LOG_BYTES_MAX } from '../../domain/settings.ts'
import { durationMs, epochMs } from '../../domain/units.ts'
import type { Requests } from '../../ports/requests.ts'
import type { Store } from '../../ports/store.ts'
import { SeededChance } from '../../sim/chance.ts'
import { Directives } from '../../sim/checkers/directives.ts'
import { Watch } from '../../sim/checkers/watch.ts'
import { BaseClock, SteppingClock } from '../../sim/clocks.ts'
import { SimulatedCluster } from '../../sim/cluster.ts'
import type { Faults } from '../../sim/faults.ts'
import { clusterSeenBy, faultsOf } from '../../sim/faults.ts'
import type { ClusterShape } from '../../sim/machines.ts'
import { Mail, networkOf } from '../../sim/mail.ts'
import type { Reporting } from '../../sim/reporting.ts'
import { earOf, reportingOf } from '../../sim/reporting.ts'
import type { Tables } from '../../sim/store.ts'
import { emptyTables, simulatedStore } from '../../sim/store.ts'
import { Story } from '../../sim/story.ts'
import { Timeline } from '../../sim/timeline.ts'
import type { Trainer } from '../../sim/trainer.ts'
import { CLUSTER, durationsOf, policyOf, shapeOf, trainerOf } from '../../sim/workload.ts'
import { ingestAddress, ingestOf, onlyReports } from './ingest.ts'
import { DEFAULT_THRESHOLDS } from '../../domain/thresholds.ts'

/** Shortly before midnight of UTC: a day turns in nearly every history. */
export const BEGIN = epochMs(Date.UTC(2027, 0, 14, 23, 50))

/** Their draws are their own, so that seeds in which nobody obeys stay as they are. */
const OBEDIENCE = 2 ** 33
/** Half of the worlds have pods, which a controller makes and which wait to be let go; the others have processes. */
const PODS = 2 ** 34
const ARE_PODS = 0.5
const OBEYS = 0.8
const CHECKPOINT_MS = 240_000
/** Machines that are turned off and deleted, in worlds that have pods: as those who obey. */
const REMOVALS = 2 ** 35
/** As those who obey: seeds without spools stay as they are. */
const SPOOLING = 2 ** 34
const SPOOLS = 0.6
/** In so many little is stored of what the workers of a run print. */
const LOG_LIMITS = 2 ** 35
const LIMITS_LOGS = 0.3
const LOG_BYTES_MAX = 64 * 1024
/** The port for reports is away so often, within so long, and for so long. */
const AWAY = 4
const AWAY_WITHIN_MS = 720_000
const AWAY_MS_MAX = 120_000

export type Outcome = {
  readonly seed: number
  readonly problem: string | null
  readonly runs: number
  readonly attempts: number
  readonly crashes: number
  readonly events: number
  readonly virtualMs: number
}

/** A mutation breaks something on purpose after an event, so that a checker is seen to catch it. */
export type Mutation = (tables: Tables, cluster: SimulatedCluster) => void

export type SeedOptions = {
  /** False: no checker looks, for whoever measures what they cost. */
  readonly watched?: boolean
  readonly mutate?: Mutation
  /** Takes the story of the seed, line by line. */
  readonly tell?: (line: string) => void
}

/** What one process has of the world. */
export type View = { readonly clock: BaseClock; readonly store: Store; readonly cluster: SimulatedCluster }

export class SimulatedWorld {
  readonly chance: SeededChance
  readonly timeline = new Timeline(BEGIN)
  readonly database = new SteppingClock(this.timeline)
  readonly tables = emptyTables()
  readonly durations: Durations
  readonly logBytesMax: number
  readonly shape: ClusterShape
  readonly policy: Policy
  readonly cluster: SimulatedCluster
  readonly faults: Faults
  readonly mail: Mail
  /** Runs whose reporters cannot be trusted. */
  readonly lies = new Set<RunId>()
  /** Where some scripts obey directives: what they and the people who end them draw from; null where nobody does. */
  readonly obedience: SeededChance | null
  /** What those draw from who delete the nodes of silent machines. */
  readonly removals: SeededChance
  readonly watch: Watch
  readonly #directives: Directives
  readonly story: Story | null
  readonly #seed: number
  readonly #mutate: Mutation | null
  readonly #watched: boolean
  #mutated = -1
  events = 0

  constructor(seed: number, { mutate, tell, watched = true }: SeedOptions) {
    this.#seed = seed
    this.#mutate = mutate ?? null
    this.#watched = watched
    const chance = new SeededChance(seed)
    this.chance = chance
    const obedience = new SeededChance(seed + OBEDIENCE)
    this.obedience = obedience.happens(OBEYS) ? obedience : null
    this.removals = new SeededChance(seed + REMOVALS)
    const durations = durationsOf(chance)
    // In some seeds it may take longer than a node may be silent.
    const isPatient = this.obedience?.happens(0.3) === true
    this.durations = isPatient ? { ...durations, checkpointMs: durationMs(CHECKPOINT_MS) } : durations
    const limits = new SeededChance(seed + LOG_LIMITS)
    this.logBytesMax = limits.happens(LIMITS_LOGS) ? limits.below(LOG_BYTES_MAX) : DEFAULT_LOG_BYTES_MAX
    this.shape = shapeOf(chance)
    this.policy = policyOf(chance, this.shape)
    this.faults = faultsOf(chance, BEGIN)
    const trainers = new Map<RunId, Trainer>()
    const fate = chance.fork()
    const pods = new SeededChance(seed + PODS)
    this.cluster = new SimulatedCluster(
      CLUSTER,
      this.timeline,
      this.database,
      chance.fork(),
      this.shape,
      (run) => {
        const trainer = trainers.get(run) ?? trainerOf(fate, this.tables.runs.get(run)?.limits.timeMs ?? null)
        trainers.set(run, trainer)
        return trainer
      },
      pods.happens(ARE_PODS) ? pods : null,
    )
    this.mail = new Mail(this.timeline, chance.fork(), networkOf(chance))
    this.#spool(new SeededChance(seed + SPOOLING))
    if (chance.happens(0.8)) this.#hear(chance.fork())
    this.watch = new Watch(this.tables, this.cluster, this.mail, {
      blindAfterMs: this.durations.blindAfterMs,
      graceMs: this.durations.graceMs,
      fenceAfterMs: this.durations.fenceAfterMs,
      now: () => this.timeline.now(),
      trueTime: (at) => at - this.database.worstMs,
      clocksAreTrue: () => this.database.worstMs === 0,
    })
    this.#directives = new Directives(this.tables, this.cluster, this.mail, {
      blindAfterMs: this.durations.blindAfterMs,
      now: () => this.timeline.now(),
      clocksAreTrue: () => this.database.worstMs === 0,
      lies: this.lies,
    })
    this.story = tell === undefined ? null : new Story(this.tables, () => this.timeline.now(), tell)
    if (this.story !== null) this.cluster.tell = (text) => this.story?.world(text)
    if (!watched) return
    this.tables.watch = (commit) => {
      this.story?.commit(commit)
      this.watch.commit(commit)
      this.#directives.commit(commit)
    }
    this.tables.reported = (report) => {
      this.watch.report(report)
      this.#directives.report(report)
    }
  }

  /** In some seeds reporters leave in their logs what nobody takes, and the port is away now and then, while jobs go on and end. */
  #spool(chance: SeededChance): void {
    const { mail, timeline } = this
    if (!chance.happens(SPOOLS)) return
    mail.pack = (text) => gzipSync(text).toString('base64')
    mail.spooling = chance
    for (let times = chance.below(AWAY); times > 0; times -= 1)
      timeline.after(chance.between(0, AWAY_WITHIN_MS), () => {
        mail.awayUntil = timeline.now() + chance.between(1_000, AWAY_MS_MAX)
        this.story?.world('the port for reports is away')
      })
  }

  /** Some runs report, each in its own way; in some seeds none does. */
  #hear(chance: SeededChance): void {
    const { mail, timeline, cluster } = this
    const ways = new Map<RunId, Reporting | null>()
    cluster.reporters = (plan, ingest, life) => {
      const known = ways.get(plan.run)
      const way = known === undefined ? reportingOf(chance, this.obedience) : known
      ways.set(plan.run, way)
      if (way !== null && way.liars > 0) this.lies.add(plan.run)
      const outside = { timeline, mail, chance: chance.fork(), tell: (text: string) => cluster.tell(text), ...life }
      return way === null ? null : earOf(plan, ingest, way, outside)
    }
  }

  /** What reporters send arrives at this process. */
  listen(control: Control, bug: (error: unknown) => void): void {
    const store = onlyReports(control.store, bug)
    this.mail.deliver = ingestOf(this.requests({ ...control, store }), bug)
  }

  view(): View {
    const clock = new BaseClock(this.timeline, this.database)
    const settings = { blindAfterMs: this.durations.blindAfterMs, measure: measureFrame }
    const { store } = simulatedStore(clock, settings, this.tables, this.database)
    return { clock, store, cluster: clusterSeenBy(this.cluster, clock, this.chance, this.faults) }
  }

  /** What the loops of one process get; every ring is lost unless somebody hears it. */
  control({ clock, store, cluster }: View, ring: Control['doorbell']['ring'] = () => {}): Control {
    const silent = (): void => {}
    return {
      store,
      clusters: new Map([[cluster.name, cluster]]),
      clock,
      doorbell: { ring },
      chance: this.chance,
      log: { info: silent, warn: silent, error: silent },
      settings: { durations: this.durations, logBytesMax: this.logBytesMax, thresholds: DEFAULT_THRESHOLDS },
      health: new Map(),
      ingest: ingestAddress,
      readSpool,
      alerting: null,
      lead: { epoch: null, until: epochMs(0) },
    }
  }

  /** A launch turn; whether a leader acted in it is known only here. */
  async launch(control: Control): Promise<void> {
    const begin = this.timeline.now()
    const { epoch } = control.lead
    await launchTurn(control)
    if (epoch === this.tables.leader.epoch && epoch === control.lead.epoch && leaseOutlasts(control, EFFECT_MS))
      this.#directives.turn(begin)
  }

  /** What people ask, through the requests of production. */
  requests(control: Control): Requests {
    const noSecrets = (): never => {
      throw new Error('bug: nobody has tokens here')
    }
    const secrets: RequestContext['secrets'] = { create: noSecrets, hash: noSecrets, signing: noSecrets }
    return requestsOf({ control, defaultCluster: CLUSTER, peaks: new Map(), secrets })
  }

  /** After an event: the problem that a checker sees, or null. */
  look(): string | null {
    this.events += 1
    if (this.#mutated !== this.tables.writes) this.#mutate?.(this.tables, this.cluster)
    this.#mutated = this.tables.writes
    this.story?.look()
    return this.#watched ? (this.watch.look() ?? this.#directives.look()) : null
  }

  outcome(problem: string | null): Outcome {
    const { timeline, tables, faults, story } = this
    if (problem !== null) story?.world(`a checker says: ${problem}`)
    return {
      seed: this.#seed,
      problem: problem === null ? null : `${problem} (at ${timeline.now() - BEGIN} ms)`,
      runs: tables.runs.size,
      attempts: tables.attempts.size,
      crashes: faults.crashes,
      events: this.events,
      virtualMs: timeline.now() - BEGIN,
    }
  }
}
