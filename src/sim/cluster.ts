// The simulated cluster: nodes, workers and logs in virtual time, behind the port that real clusters have. Its workers are trainers
// (trainer.ts). It keeps what every start was, which processes live and when nodes were silent, so that checkers can compare what the
// control plane believes with what is so.
import type { AttemptId, ClusterName, RunId, WorkerId } from '../domain/ids.ts'
import { attemptOfWorker } from '../domain/ids.ts'
import type { AttemptPlan, EndRequest } from '../domain/plan.ts'
import type { Taint, TaintPolicy } from '../domain/taint.ts'
import type { EpochMs } from '../domain/units.ts'
import type { Clock } from '../ports/clock.ts'
import type { Cluster, ClusterSeen, IngestAddress, LogSlice, WorkerExit, WorkerSeen } from '../ports/cluster.ts'
import { Fault } from '../ports/fault.ts'
import type { SeededChance } from './chance.ts'
import type { Silence } from './checkers/blind.ts'
import type { ClusterShape, Machine } from './machines.ts'
import { Machines } from './machines.ts'
import type { Ear, Outside as Reporters } from './reporting.ts'
import { DEAF } from './reporting.ts'
import type { Timeline } from './timeline.ts'
import type { Trainer } from './trainer.ts'
import { train } from './trainer.ts'
import type { Worker } from './worker.ts'
import { newWorker, seenOf } from './worker.ts'

/** What a reporter has of the process that it is in. */
type Life = Pick<Reporters, 'lives' | 'reachable' | 'print'>

const TAINTS: TaintPolicy = {
  taint: { key: 'example.com/out', value: null, effect: 'NoSchedule' },
  nodes: ['cordoned', 'unhealthy'],
}
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
  /** Where workers are pods others place work too. */
  readonly taints: TaintPolicy | null
  /** The nodes that have the taint now. */
  tainted: ReadonlySet<string> = new Set()
  /** Every start of a process, by worker: each may happen once. */
  readonly starts: WorkerId[] = []
  /** Processes that live, seen or not. */
  readonly running = new Set<WorkerId>()
  readonly silences: readonly Silence[]
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
  readonly #machines: Machines
  readonly #workers = new Map<WorkerId, Worker>()
  readonly #gangs = new Map<AttemptId, Worker[]>()
  readonly #ended = new Set<AttemptId>()
  readonly #forgotten = new Set<AttemptId>()
  readonly #deadlines = new Map<AttemptId, EpochMs | null>()
  /** The durable steps of a run, the newest last: the checkpoint directory outlives every attempt. */
  readonly #checkpoints = new Map<RunId, number[]>()
  readonly #ears = new Map<AttemptId, Ear>()
  readonly #looks: ClusterSeen[] = []
  /** Where workers are pods: what their controller draws from. Null where they are processes that a launch starts at once. */
  readonly #pods: SeededChance | null
  /** What an API server shows of pods on nodes that are silent: what their kubelets said last. */
  readonly #frozen = new Map<WorkerId, WorkerSeen>()
  /** Pods that went with their node: no look shows them any more. */
  readonly #collected = new Set<WorkerId>()

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
    this.taints = pods === null ? null : TAINTS
    this.#machines = new Machines(timeline, shape)
    this.silences = this.#machines.silences
  }

  /** A node whose word does not reach us; what runs on it runs on. */
  silence(node: string, silent: boolean): void {
    if (!this.#machines.silence(node, silent)) return
    for (const worker of this.#workers.values())
      if (worker.node === node && this.#pods !== null)
        if (silent) this.#frozen.set(worker.id, seenOf(worker))
        else this.#frozen.delete(worker.id)
    this.tell(silent ? `${node} falls silent; what runs on it runs on` : `${node} is heard again`)
  }

  /** Somebody has turned a silent machine off, and deletes its node; where workers are processes nobody can say so. */
  remove(node: string): void {
    if (this.#pods === null || !this.#machines.isSilent(node) || this.#machines.isRemoved(node)) return
    this.#machines.remove(node)
    this.tell(`${node} is turned off and deleted; its pods are gone without a word`)
    for (const worker of this.#workers.values()) {
      if (worker.node !== node || worker.isGated) continue
      this.#collected.add(worker.id)
      if (worker.endedAt === null) this.#ends(worker)
    }
  }

  async goneNodes(nodes: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
    return new Map([...nodes].filter((node) => this.#machines.isRemoved(node)).map((node) => [node, 'was deleted']))
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

  #isSilent({ node }: Worker): boolean {
    return this.#machines.isSilent(node)
  }

  /** A machine as it is from now on: fewer GPUs, slots that a stranger uses, out of order for a while. */
  change(node: string, change: Partial<Machine>): void {
    this.#machines.change(node, change)
  }

  nodeNames(): string[] {
    return this.#machines.names()
  }

  masterAddress(attempt: string): string {
    return `${attempt}-0`
  }

  async observe(): Promise<ClusterSeen> {
    const seen: ClusterSeen = {
      observedAt: this.#timeline.now(),
      nodes: this.#machines.heard(),
      workers: [...this.#workers.values()]
        .filter((worker) => (this.#pods !== null || !this.#isSilent(worker)) && !this.#collected.has(worker.id))
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

  async keepOff(_: ReadonlySet<string>, tainted: ReadonlyMap<string, Taint>): Promise<void> {
    this.tainted = new Set(tainted.keys())
  }

  async launch(plan: AttemptPlan, deadlineAt: EpochMs | null, ingest: IngestAddress | null): Promise<void> {
    if (this.#forgotten.has(plan.attempt)) return
    if (!this.#deadlines.has(plan.attempt)) await this.deadline(plan.attempt, deadlineAt)
    if (this.#pods !== null) return this.#launchPods(this.#pods, plan, ingest)
    for (const { id, nodeName } of plan.workers) {
      // What a silent node does not hear is told to it by the next launch.
      if (this.#workers.has(id) || this.#machines.isSilent(nodeName)) continue
      const void_ = this.#ended.has(plan.attempt)
      const worker = newWorker(id, nodeName, this.#wall.now() - this.#timeline.now())
      if (void_)
        Object.assign(worker, { endedAt: this.#timeline.now(), exit: { kind: 'code', code: 143 }, cause: 'stop' })
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
    const worker = { ...newWorker(id, node, this.#wall.now() - this.#timeline.now()), isGated: true }
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
    if (this.#pods !== null && this.#isSilent(worker))
      return this.#timeline.after(this.#pods.between(1, POD_MS_MAX), () => this.#begin(worker, plan, ingest))
    // Deleted before its kubelet heard of it: it never starts.
    if (this.#pods !== null && this.#ended.has(plan.attempt)) return this.#exit(worker, TERMINATED, 'stop')
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
      reachable: (id) => !this.#machines.isSilent(this.#workers.get(id)?.node ?? ''),
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
      if (worker.isEnding || this.#isSilent(worker)) continue
      worker.isEnding = true
      this.#timeline.after(grace, () => this.#exit(worker, TERMINATED, 'stop'))
    }
  }

  async readLog(id: WorkerId, offset: number, bytesMax: number): Promise<LogSlice> {
    const silent = this.#workers.get(id)?.node
    if (silent !== undefined && this.#machines.isSilent(silent)) {
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
    if (workers.some((worker) => worker.endedAt === null || this.#isSilent(worker))) {
      throw new Fault('cluster-unreachable', `${attempt} still has workers`, { retryable: true })
    }
    for (const worker of workers) {
      this.#workers.delete(worker.id)
      this.#frozen.delete(worker.id)
      this.#collected.delete(worker.id)
      this.forgottenLogs.push({ worker: worker.id, bytes: worker.log.bytes().length })
    }
    // Its name is never used again: a launch that was under way all that time starts nothing.
    this.#forgotten.add(attempt)
    this.#gangs.delete(attempt)
    this.#ears.delete(attempt)
  }
}
