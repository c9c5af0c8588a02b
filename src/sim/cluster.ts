// The simulated cluster: nodes, workers and logs in virtual time, behind the port that real clusters have. Its workers are trainers
// (trainer.ts). It keeps what every start was, which processes live and when nodes were silent, so that checkers can compare what the
// control plane believes with what is so.
import type { AttemptId, ClusterName, RunId, WorkerId } from '../domain/ids.ts'
import { attemptOfWorker } from '../domain/ids.ts'
import type { AttemptPlan, EndRequest } from '../domain/plan.ts'
import type { EpochMs } from '../domain/units.ts'
import type { Clock } from '../ports/clock.ts'
import type {
  Cluster,
  ClusterSeen,
  IngestAddress,
  LogSlice,
  NodeSeen,
  WorkerExit,
  WorkerSeen,
} from '../ports/cluster.ts'
import { Fault } from '../ports/fault.ts'
import type { SeededChance } from './chance.ts'
import type { Silence } from './checkers/blind.ts'
import { LogBytes } from './log-bytes.ts'
import type { Ear, Outside as Reporters } from './reporting.ts'
import { DEAF } from './reporting.ts'
import type { Timeline } from './timeline.ts'
import type { Trainer } from './trainer.ts'
import { train } from './trainer.ts'
import type { Worker } from './worker.ts'
import { seenOf } from './worker.ts'

export type ClusterShape = { readonly nodes: number; readonly slots: number }

/** What a reporter has of the process that it is in. */
type Life = Pick<Reporters, 'lives' | 'reachable' | 'print'>

type Machine = { slots: number; foreign: number; condition: NodeSeen['condition'] }

const NOTHING = new Uint8Array(0)
const TERMINATED: WorkerExit = { kind: 'signal', signal: 'SIGTERM' }
const START_MS = 800
/** Lists that a server which lags behind may still answer with. */
const LOOKS_KEPT = 8
const LAG_MS_MAX = 30_000
const BROKEN_CHECKPOINT = 0.1
/** So long the controller of another program takes to make a pod, and a node that is heard again to start one. */
const POD_MS_MAX = 6_000
const REFUSED = 0.02

export class SimulatedCluster implements Cluster {
  readonly name: ClusterName
  readonly checkpointRoot = '/ckpt'
  /** Every start of a process, by worker: each may happen once. */
  readonly starts: WorkerId[] = []
  /** Processes that live, seen or not. */
  readonly running = new Set<WorkerId>()
  readonly silences: Silence[] = []
  /** Goes up whenever a process begins or ends. */
  moves = 0
  /** Told what happens, for whoever tells the story. */
  tell: (text: string) => void = () => {}
  /** How long the log of each worker was when its remains were removed. */
  readonly forgottenLogs: { readonly worker: WorkerId; readonly bytes: number }[] = []
  /** When the processes of each attempt were first asked to end. */
  readonly signals = new Map<AttemptId, number>()
  /** By when each trainer will have made its next step. */
  readonly promises = new Map<AttemptId, number>()
  /** What reports of an attempt; null: nobody does. */
  reporters: (plan: AttemptPlan, ingest: IngestAddress, life: Life) => Ear | null = () => null
  readonly #timeline: Timeline
  readonly #wall: Clock
  readonly #chance: SeededChance
  readonly #trainer: (run: RunId) => Trainer
  readonly #machines = new Map<string, Machine>()
  readonly #workers = new Map<WorkerId, Worker>()
  readonly #gangs = new Map<AttemptId, Worker[]>()
  readonly #ended = new Set<AttemptId>()
  readonly #forgotten = new Set<AttemptId>()
  readonly #deadlines = new Map<AttemptId, EpochMs | null>()
  /** The durable steps of a run, the newest last: the checkpoint directory outlives every attempt. */
  readonly #checkpoints = new Map<RunId, number[]>()
  readonly #ears = new Map<AttemptId, Ear>()
  readonly #silent = new Map<string, Silence>()
  readonly #looks: ClusterSeen[] = []
  /** Where workers are pods: what their controller draws from. Null where they are processes that a launch starts at once. */
  readonly #pods: SeededChance | null
  /** What an API server shows of pods on nodes that are silent: what their kubelets said last. */
  readonly #frozen = new Map<WorkerId, WorkerSeen>()

  constructor(
    name: ClusterName,
    timeline: Timeline,
    wall: Clock,
    chance: SeededChance,
    shape: ClusterShape,
    trainer: (run: RunId) => Trainer,
    pods: SeededChance | null = null,
  ) {
    this.name = name
    this.#timeline = timeline
    this.#wall = wall
    this.#chance = chance
    this.#trainer = trainer
    this.#pods = pods
    for (let index = 0; index < shape.nodes; index += 1)
      this.#machines.set(`node-${index}`, { slots: shape.slots, foreign: 0, condition: { kind: 'ready' } })
  }

  /** A node whose word does not reach us; what runs on it runs on. */
  silence(node: string, silent: boolean): void {
    const open = this.#silent.get(node)
    if (silent === (open !== undefined)) return
    for (const worker of this.#workers.values())
      if (worker.node === node && this.#pods !== null)
        if (silent) this.#frozen.set(worker.id, seenOf(worker))
        else this.#frozen.delete(worker.id)
    this.tell(silent ? `${node} falls silent; what runs on it runs on` : `${node} is heard again`)
    if (open !== undefined) {
      open.to = this.#timeline.now()
      this.#silent.delete(node)
      return
    }
    const silence = { node, from: this.#timeline.now(), to: Infinity }
    this.silences.push(silence)
    this.#silent.set(node, silence)
  }

  /** A node that starts anew: nothing of its workers is left, and nobody saw how they ended. */
  reboot(node: string): void {
    this.tell(`${node} starts anew; its processes are gone without a word`)
    for (const worker of this.#workers.values()) {
      if (worker.node !== node || worker.endedAt !== null || worker.isGated) continue
      worker.isGone = true
      this.#ends(worker)
    }
  }

  /** A machine as it is from now on: fewer GPUs, slots that a stranger uses, out of order for a while. */
  change(node: string, change: Partial<Machine>): void {
    const machine = this.#machines.get(node)
    if (machine !== undefined) this.#machines.set(node, { ...machine, ...change })
  }

  nodeNames(): string[] {
    return [...this.#machines.keys()]
  }

  masterAddress(attempt: string): string {
    return `${attempt}-0`
  }

  async observe(): Promise<ClusterSeen> {
    const seen: ClusterSeen = {
      observedAt: this.#timeline.now(),
      nodes: [...this.#machines]
        .filter(([name]) => !this.#silent.has(name))
        .map(([name, machine]) => ({ name, gpuModel: 'simulated', declared: true, ...machine })),
      workers: [...this.#workers.values()]
        .filter((worker) => this.#pods !== null || !this.#silent.has(worker.node))
        .map((worker) => this.#frozen.get(worker.id) ?? seenOf(worker)),
    }
    this.#looks.push(seen)
    if (this.#looks.length > LOOKS_KEPT) this.#looks.shift()
    return seen
  }

  /** What an older look showed: the answer of a server that lags behind. */
  staleLook(): ClusterSeen | null {
    const recent = this.#looks.filter((look) => look.observedAt >= this.#timeline.now() - LAG_MS_MAX)
    return recent.length === 0 ? null : this.#chance.pick(recent)
  }

  watch(): () => void {
    return () => {}
  }

  async launch(plan: AttemptPlan, deadlineAt: EpochMs | null, ingest: IngestAddress | null): Promise<void> {
    if (this.#forgotten.has(plan.attempt)) return
    if (!this.#deadlines.has(plan.attempt)) await this.deadline(plan.attempt, deadlineAt)
    if (this.#pods !== null) return this.#launchPods(this.#pods, plan, ingest)
    for (const { id, nodeName } of plan.workers) {
      // What a silent node does not hear is told to it by the next launch.
      if (this.#workers.has(id) || this.#silent.has(nodeName)) continue
      const void_ = this.#ended.has(plan.attempt)
      const worker: Worker = {
        id,
        node: nodeName,
        startedAt: null,
        endedAt: void_ ? this.#timeline.now() : null,
        exit: void_ ? { kind: 'code', code: 143 } : { kind: 'code', code: 0 },
        cause: void_ ? 'stop' : 'itself',
        isGone: false,
        isEnding: false,
        isGated: false,
        log: new LogBytes(),
        clockMs: this.#wall.now() - this.#timeline.now(),
      }
      this.#workers.set(id, worker)
      const gang = this.#gangs.get(plan.attempt)
      if (gang === undefined) this.#gangs.set(plan.attempt, [worker])
      else gang.push(worker)
      if (!void_) this.#timeline.after(this.#chance.between(1, START_MS - 1), () => this.#begin(worker, plan, ingest))
    }
  }

  /** The first launch makes their Job, and its controller the pods, one by one; a later one lets them go once all are there. */
  #launchPods(chance: SeededChance, plan: AttemptPlan, ingest: IngestAddress | null): void {
    if (this.#ended.has(plan.attempt)) return
    const gang = this.#gangs.get(plan.attempt)
    if (gang === undefined) {
      const made: Worker[] = []
      this.#gangs.set(plan.attempt, made)
      for (const { id, nodeName } of plan.workers)
        this.#timeline.after(chance.between(1, POD_MS_MAX), () => this.#makePod(id, nodeName, made))
      return
    }
    if (gang.length < plan.workers.length || gang.some(({ endedAt }) => endedAt !== null)) return
    for (const worker of gang) {
      if (!worker.isGated) continue
      worker.isGated = false
      this.#timeline.after(chance.between(1, START_MS - 1), () => this.#begin(worker, plan, ingest))
    }
  }

  #makePod(id: WorkerId, node: string, gang: Worker[]): void {
    const attempt = attemptOfWorker(id)
    if (this.#ended.has(attempt) || this.#forgotten.has(attempt)) return
    const exit = { kind: 'code', code: 0 } as const
    const worker: Worker = {
      id,
      node,
      exit,
      startedAt: null,
      endedAt: null,
      cause: 'itself',
      isGone: false,
      isEnding: false,
      isGated: true,
      log: new LogBytes(),
      clockMs: this.#wall.now() - this.#timeline.now(),
    }
    this.#workers.set(id, worker)
    gang.push(worker)
  }

  /** Whether a server that has too much to do, or another writer before us, refuses a call: nothing of it was done. */
  refuses(): boolean {
    return this.#pods?.happens(REFUSED) === true
  }

  #begin(worker: Worker, plan: AttemptPlan, ingest: IngestAddress | null): void {
    if (worker.endedAt !== null) return
    // Its kubelet hears of it when the node is back.
    if (this.#pods !== null && this.#silent.has(worker.node))
      return this.#timeline.after(this.#pods.between(1, POD_MS_MAX), () => this.#begin(worker, plan, ingest))
    this.tell(`the process of ${worker.id} starts on ${worker.node}`)
    this.starts.push(worker.id)
    this.running.add(worker.id)
    this.moves += 1
    worker.startedAt = this.#timeline.now()
    // Training begins when the last one has come.
    if (plan.workers.every((each) => this.running.has(each.id))) this.#train(plan, ingest)
  }

  #train(plan: AttemptPlan, ingest: IngestAddress | null): void {
    const life: Life = {
      lives: (id) => this.running.has(id),
      reachable: (id) => !this.#silent.has(this.#workers.get(id)?.node ?? ''),
      print: (id, text) => this.#print(id, text, 'stderr'),
    }
    const ear = (ingest === null ? null : this.reporters(plan, ingest, life)) ?? DEAF
    this.#ears.set(plan.attempt, ear)
    train(plan, this.#trainer(plan.run), {
      timeline: this.#timeline,
      chance: this.#chance,
      durable: () => this.#durable(plan.run),
      save: (step) => this.#save(plan.run, step),
      allLive: () => plan.workers.every((worker) => this.running.has(worker.id)),
      print: (id, text) => this.#print(id, text),
      exit: (code) => this.#exitAll(plan.attempt, { kind: 'code', code }, 'itself'),
      ear,
      promise: (at) => void (at === null ? this.promises.delete(plan.attempt) : this.promises.set(plan.attempt, at)),
    })
  }

  /** One that took long may become durable after a later one. */
  #save(run: RunId, step: number): void {
    const saved = [...(this.#checkpoints.get(run) ?? []), step]
    this.#checkpoints.set(
      run,
      saved.toSorted((a, b) => a - b),
    )
  }

  hasCheckpoint(run: RunId, step: number): boolean {
    return this.#checkpoints.get(run)?.includes(step) === true
  }

  /** The newest checkpoint that can be read: now and then the newest one is broken. */
  #durable(run: RunId): number {
    const saved = this.#checkpoints.get(run) ?? []
    if (saved.length > 0 && this.#chance.happens(BROKEN_CHECKPOINT)) {
      this.tell(`the checkpoint of step ${saved.at(-1)} of ${run} cannot be read`)
      saved.pop()
    }
    return saved.at(-1) ?? 0
  }

  #print(id: WorkerId, text: string, stream: 'stdout' | 'stderr' = 'stdout'): void {
    const worker = this.#workers.get(id)
    if (worker === undefined || !this.running.has(id)) return
    const at = new Date(this.#timeline.now() + worker.clockMs).toISOString()
    worker.log.append(`${at} ${stream} F ${text}\n`)
  }

  #exitAll(attempt: AttemptId, exit: WorkerExit, cause: Worker['cause']): void {
    for (const worker of this.#gangs.get(attempt) ?? []) this.#exit(worker, exit, cause)
  }

  #exit(worker: Worker, exit: WorkerExit, cause: Worker['cause']): void {
    if (worker.endedAt !== null) return
    if (cause !== 'itself' && worker.startedAt !== null)
      this.#ears.get(attemptOfWorker(worker.id))?.terminated(worker.id)
    worker.exit = exit
    worker.cause = cause
    const how = exit.kind === 'code' ? `with code ${exit.code}` : `by ${exit.signal}`
    const why = cause === 'itself' ? '' : cause === 'stop' ? ', as it was asked to' : ', at its deadline'
    if (worker.startedAt !== null) this.tell(`the process of ${worker.id} ends ${how}${why}`)
    this.#ends(worker)
  }

  #ends(worker: Worker): void {
    this.promises.delete(attemptOfWorker(worker.id))
    worker.endedAt = this.#timeline.now()
    this.running.delete(worker.id)
    this.moves += 1
  }

  async deadline(attempt: AttemptId, deadlineAt: EpochMs | null): Promise<void> {
    this.#deadlines.set(attempt, deadlineAt)
    if (deadlineAt === null) return
    // Kept on the node itself: it holds for one that hears nothing, too.
    this.#timeline.at(deadlineAt, () => {
      const due = this.#deadlines.get(attempt) ?? null
      if (due !== null && due <= this.#timeline.now()) this.#exitAll(attempt, TERMINATED, 'deadline')
    })
  }

  /** A worker on a silent node hears nothing of it. */
  async end(request: EndRequest): Promise<void> {
    if (!this.signals.has(request.attempt)) this.signals.set(request.attempt, this.#timeline.now())
    this.#ended.add(request.attempt)
    const grace = Math.min(request.graceMs, this.#chance.between(10, this.#chance.pick([2_000, 20_000])))
    for (const worker of this.#gangs.get(request.attempt) ?? []) {
      if (worker.isGated) this.#exit(worker, TERMINATED, 'stop')
      if (worker.isEnding || this.#silent.has(worker.node)) continue
      worker.isEnding = true
      this.#timeline.after(grace, () => this.#exit(worker, TERMINATED, 'stop'))
    }
  }

  async readLog(id: WorkerId, offset: number, bytesMax: number): Promise<LogSlice> {
    const silent = this.#workers.get(id)?.node
    if (silent !== undefined && this.#silent.has(silent)) {
      throw new Fault('cluster-unreachable', `node ${silent} does not answer`, { retryable: true })
    }
    const bytes = this.#workers.get(id)?.log.bytes() ?? NOTHING
    const from = offset < 0 ? Math.max(0, bytes.length + offset) : offset
    const cut = bytes.subarray(from, from + bytesMax)
    // One line at least, however long: with less nobody would ever read on.
    const end = cut.includes(10) ? from + cut.lastIndexOf(10) : Math.max(from - 1, bytes.indexOf(10, from))
    const whole = bytes.subarray(from, end + 1)
    return {
      offset: from,
      bytes: whole,
      nextOffset: from + whole.length,
      open: this.#workers.get(id)?.endedAt === null,
    }
  }

  async forget(attempt: AttemptId): Promise<void> {
    // Whatever cannot be reached, or lives, is not forgotten.
    const workers = this.#gangs.get(attempt) ?? []
    if (workers.some((worker) => worker.endedAt === null || this.#silent.has(worker.node))) {
      throw new Fault('cluster-unreachable', `${attempt} still has workers`, { retryable: true })
    }
    for (const worker of workers) {
      this.#workers.delete(worker.id)
      this.#frozen.delete(worker.id)
      this.forgottenLogs.push({ worker: worker.id, bytes: worker.log.bytes().length })
    }
    // Its name is never used again: a launch that was under way all that time starts nothing.
    this.#forgotten.add(attempt)
    this.#gangs.delete(attempt)
    this.#ears.delete(attempt)
  }
}
