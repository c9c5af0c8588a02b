// What one replay has: virtual time, the simulated store, a cluster that does what the trace says, the checkers, and what is written down
// on the way. Nothing here decides who gets what.
import { candidatesOf } from '../../core/admit/admit.ts'
import { planPlacements } from '../../core/place/place.ts'
import { readSpool } from '../../adapters/system/spool.ts'
import type { Control } from '../../control/control.ts'
import { placeSettings } from '../../control/place.ts'
import { draft, submit } from '../../control/requests/submit.ts'
import type { RequestContext } from '../../control/requests/context.ts'
import type { ClusterName } from '../../domain/ids.ts'
import type { Principal } from '../../domain/principal.ts'
import type { WaitReason } from '../../domain/reasons.ts'
import type { Durations } from '../../domain/settings.ts'
import { DEFAULT_DURATIONS, DEFAULT_LOG_BYTES_MAX } from '../../domain/settings.ts'
import type { TraceCluster, TraceJob } from '../../domain/trace.ts'
import { durationMs, epochMs } from '../../domain/units.ts'
import type { Chance } from '../../ports/chance.ts'
import type { LoopName } from '../../ports/doorbell.ts'
import type { Store } from '../../ports/store.ts'
import { SeededChance } from '../../sim/chance.ts'
import { checkLost } from '../../sim/checkers/lost.ts'
import { Watch } from '../../sim/checkers/watch.ts'
import { ReplayCluster } from '../../sim/replay/cluster.ts'
import { gangOf, specOf } from '../../sim/replay/gang.ts'
import { replayTables } from '../../sim/replay/tables.ts'
import { simulatedStore } from '../../sim/store.ts'
import { Timeline } from '../../sim/timeline.ts'
import { DEFAULT_THRESHOLDS } from '../../domain/thresholds.ts'

/** A whole number of cells, so that the first hour of a trace is not cut. */
export const BEGIN = epochMs(1_800_000_000_000)

/**
 * Of production, but for two things: nodes are never silent here, so their heartbeats are not written, and the logs are read to the end
 * before each look at the books, so that no cell has to wait for a late word.
 */
const FOREVER = durationMs(100 * 365 * 86_400_000)
const DURATIONS: Durations = {
  ...DEFAULT_DURATIONS,
  persistMs: FOREVER,
  blindAfterMs: durationMs(4 * FOREVER),
  nodeLostAfterMs: durationMs(5 * FOREVER),
  fenceAfterMs: durationMs(5 * FOREVER),
  cellSettleMs: durationMs(0),
}

/** Each writes at least one bite of what the one before left. */
const TURNS_MAX = 1_000

export type RefusedJob = { readonly job: TraceJob; readonly reason: WaitReason; readonly message: string }

/** No reporter speaks in a replay. */
const NO_MAIL = { said: [], answered: [] }

export class ReplayWorld {
  readonly timeline = new Timeline(BEGIN)
  readonly tables
  readonly store: Store
  readonly cluster: ReplayCluster
  readonly control: Control
  readonly shape: TraceCluster
  readonly begin = BEGIN
  readonly jobOf = new Map<string, TraceJob>()
  readonly refused: RefusedJob[] = []
  readonly violations: string[] = []
  /** Real time that each decision took. */
  readonly decideMs: number[] = []
  /** Runs that wait, whenever that changes. */
  readonly queue: { readonly at: number; readonly runs: number; readonly gpus: number }[] = []
  submitted = 0
  readonly #watch: Watch
  readonly #context: RequestContext
  readonly #verdicts = new Map<string, { readonly reason: WaitReason; readonly message: string } | null>()
  readonly #rung = new Set<LoopName>()
  #decides = false
  #decideFrom = 0

  constructor(shape: TraceCluster, seed: number, jobs: readonly TraceJob[]) {
    this.shape = shape
    this.tables = replayTables(jobs)
    this.cluster = new ReplayCluster(shape, this.timeline, (run) => this.#job(run))
    const { store } = simulatedStore(this.timeline, DURATIONS, this.tables)
    this.store = store
    const silent = (): void => {}
    this.control = {
      store: this.#timing(store),
      clusters: new Map([[this.cluster.name, this.cluster]]),
      clock: this.timeline,
      doorbell: { ring: (loop) => void this.#rung.add(loop) },
      chance: inOrder(new SeededChance(seed)),
      log: { info: silent, warn: silent, error: silent },
      settings: { durations: DURATIONS, logBytesMax: DEFAULT_LOG_BYTES_MAX, thresholds: DEFAULT_THRESHOLDS },
      health: new Map(),
      ingest: null,
      readSpool,
      alerting: null,
      lead: { epoch: null, until: epochMs(0) },
    }
    this.#watch = new Watch(this.tables, this.cluster, NO_MAIL, {
      blindAfterMs: DURATIONS.blindAfterMs,
      graceMs: DURATIONS.graceMs,
      fenceAfterMs: DURATIONS.fenceAfterMs,
      now: () => this.timeline.now(),
      trueTime: (at) => at,
      clocksAreTrue: () => true,
    })
    this.tables.watch = (commit) => this.#watch.commit(commit)
    const secrets = { create: noSecrets, hash: noSecrets, signing: noSecrets }
    this.#context = { control: this.control, defaultCluster: shape.name as ClusterName, peaks: new Map(), secrets }
  }

  get done(): number {
    return this.tables.runs.size - this.tables.live.size + this.refused.length
  }

  /** As a user of the trace submits it; what could never start is refused instead, since nobody is there to take it back. */
  async submit(job: TraceJob): Promise<void> {
    this.submitted += 1
    const who: Principal = { kind: 'user', name: job.user ?? 'trace', grants: [{ role: 'admin', project: null }] }
    const spec = specOf(job, this.shape)
    const never = await this.#neverStarts(who, job)
    if (never !== null) {
      this.refused.push({ job, ...never })
      return
    }
    const answer = await submit(this.#context, who, spec, null)
    if (!answer.ok) throw new Error(`bug: job ${job.id} was not taken: ${answer.message}`)
    this.jobOf.set(answer.value.run.id, job)
  }

  /** What the decision of production says of the job on an empty cluster, once for each shape. */
  async #neverStarts(who: Principal, job: TraceJob): Promise<{ reason: WaitReason; message: string } | null> {
    const { nodes, gpusPerNode } = gangOf(job, this.shape.gpusPerNode)
    const key = `${nodes} ${gpusPerNode}`
    const known = this.#verdicts.get(key)
    if (known !== undefined) return known
    const run = await draft(this.#context, who, specOf(job, this.shape))
    if (!run.ok) throw new Error(`bug: job ${job.id} could not be drafted: ${run.message}`)
    const seen = await this.store.world(this.control.health)
    const world = { ...seen, claims: [], attempts: new Map(), runs: new Map([[run.value.id, run.value]]) }
    const { report } = planPlacements(world, candidatesOf(world), placeSettings(this.control))
    const [waiting] = report.waiting
    const verdict = waiting === undefined ? null : { reason: waiting.reason, message: waiting.message }
    this.#verdicts.set(key, verdict)
    return verdict
  }

  #job(run: string): TraceJob {
    const job = this.jobOf.get(run)
    if (job === undefined) throw new Error(`bug: run ${run} is no job of the trace`)
    return job
  }

  /** A turn, and again while it says of itself that it has to look once more: a large commit is written in bites, and one may be stale. */
  async turns<Value>(loop: LoopName, turn: (control: Control) => Promise<Value>): Promise<Value[]> {
    const values: Value[] = []
    do {
      this.#rung.delete(loop)
      values.push(await turn(this.control))
    } while (this.#rung.has(loop) && values.length < TURNS_MAX)
    return values
  }

  /** How long the decision alone takes: from the world that it got to the commit that it asks for. */
  async timed<Value>(turn: () => Promise<Value>): Promise<Value> {
    this.#decides = true
    const value = await turn()
    this.#decided()
    this.#decides = false
    return value
  }

  #decided(): void {
    if (this.#decides && this.#decideFrom > 0) this.decideMs.push(performance.now() - this.#decideFrom)
    this.#decideFrom = 0
  }

  #timing(store: Store): Store {
    return {
      ...store,
      world: async (health) => {
        const world = await store.world(health)
        this.#decideFrom = performance.now()
        return world
      },
      commit: (epoch, items) => {
        this.#decided()
        return store.commit(epoch, items)
      },
    }
  }

  note(): void {
    let [runs, gpus] = [0, 0]
    for (const run of this.tables.live.values()) {
      if (run.state.kind !== 'queued') continue
      runs += 1
      gpus += run.resources.nodes * run.resources.gpusPerNode
    }
    const last = this.queue.at(-1)
    if (last?.runs !== runs || last.gpus !== gpus) this.queue.push({ at: this.timeline.now() - BEGIN, runs, gpus })
  }

  look(): void {
    const problem = this.#watch.look()
    if (problem !== null && !this.violations.includes(problem)) this.violations.push(problem)
  }

  /** When nothing happens any more, everything is given back and every book is closed. */
  atRest(): void {
    const { live, livingClaims, books } = this.tables
    const lost = checkLost(this.tables, new Set())
    if (lost !== null) this.violations.push(lost)
    for (const run of live.values())
      this.violations.push(`run ${run.name} neither finished nor was refused: ${run.state.kind}`)
    for (const claim of livingClaims.values())
      this.violations.push(`${claim.holder} still holds slots of ${claim.node}`)
    for (const each of books.values())
      if (!each.closed || each.dirtyFrom !== null) this.violations.push(`the books of ${each.attempt} are open`)
  }
}

/** Runs of one moment keep the order of the trace: their ids count up. What else is drawn comes from the seed. */
function inOrder(chance: SeededChance): Chance {
  let next = 0
  return { bits30: () => (next += 1), fraction: () => chance.fraction() }
}

const noSecrets = (): never => {
  throw new Error('bug: nobody has tokens in a replay')
}
