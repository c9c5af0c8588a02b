// The simulated cluster: nodes, workers and logs in virtual time, behind the port that real clusters have. Its workers are trainers that
// print what Megatron prints, save checkpoints, resume from them, and fail where chance says so. It keeps what every start was, so
// that a checker can see whether one happened twice.
import type { AttemptId, ClusterName, RunId, WorkerId } from '../domain/ids.ts'
import { attemptOfWorker } from '../domain/ids.ts'
import type { AttemptPlan, EndRequest } from '../domain/plan.ts'
import type { EpochMs } from '../domain/units.ts'
import type { Cluster, ClusterSeen, LogSlice, NodeSeen, WorkerExit, WorkerSeen } from '../ports/cluster.ts'
import { Fault } from '../ports/fault.ts'
import type { SeededChance } from './chance.ts'
import type { Timeline } from './timeline.ts'

export type ClusterShape = { readonly nodes: number; readonly slots: number }

/** What a run does in this world. */
export type Trainer = {
  readonly steps: number
  readonly stepMs: number
  readonly saveEvery: number
  /** The chance that an attempt fails on its way. */
  readonly failure: number
}

type Worker = {
  readonly id: WorkerId
  readonly node: string
  phase: 'claimed' | 'running' | 'exited'
  startedAt: EpochMs | null
  endedAt: EpochMs | null
  exit: WorkerExit
  cause: 'itself' | 'stop' | 'deadline'
  isGone: boolean
  isEnding: boolean
  log: string
}

const TERMINATED: WorkerExit = { kind: 'signal', signal: 'SIGTERM' }
const START_MS = 800
const SETUP_MS = 3_000

export class SimulatedCluster implements Cluster {
  readonly name: ClusterName
  /** Every start of a process, by worker: each may happen once. */
  readonly starts: WorkerId[] = []
  readonly #timeline: Timeline
  readonly #chance: SeededChance
  readonly #shape: ClusterShape
  readonly #trainer: (run: RunId) => Trainer
  readonly #workers = new Map<WorkerId, Worker>()
  readonly #ended = new Set<AttemptId>()
  readonly #deadlines = new Map<AttemptId, EpochMs | null>()
  /** The newest durable step of a run: the checkpoint directory outlives every attempt. */
  readonly #checkpoints = new Map<RunId, number>()
  readonly #silent = new Set<string>()

  constructor(
    name: ClusterName,
    timeline: Timeline,
    chance: SeededChance,
    shape: ClusterShape,
    trainer: (run: RunId) => Trainer,
  ) {
    this.name = name
    this.#timeline = timeline
    this.#chance = chance
    this.#shape = shape
    this.#trainer = trainer
  }

  /** A node whose word does not reach us; what runs on it runs on. */
  silence(node: string, silent: boolean): void {
    if (silent) this.#silent.add(node)
    else this.#silent.delete(node)
  }

  /** A node that starts anew: nothing of its workers is left, and nobody saw how they ended. */
  reboot(node: string): void {
    for (const worker of this.#workers.values()) {
      if (worker.node !== node || worker.endedAt !== null) continue
      worker.endedAt = this.#timeline.now()
      worker.isGone = true
    }
  }

  /** Processes that live, seen or not. */
  running(): WorkerId[] {
    return [...this.#workers.values()].filter((worker) => this.#lives(worker.id)).map((worker) => worker.id)
  }

  nodeNames(): string[] {
    return Array.from({ length: this.#shape.nodes }, (_, index) => `node-${index}`)
  }

  masterAddress(attempt: string): string {
    return `${attempt}-0`
  }

  async observe(): Promise<ClusterSeen> {
    const seen = (node: string): boolean => !this.#silent.has(node)
    return {
      observedAt: this.#timeline.now(),
      nodes: this.nodeNames()
        .filter(seen)
        .map((name): NodeSeen => ({
          name,
          gpuModel: 'simulated',
          slots: this.#shape.slots,
          declared: true,
          foreign: 0,
          condition: { kind: 'ready' },
        })),
      workers: [...this.#workers.values()].filter((worker) => seen(worker.node)).map((worker) => this.#seen(worker)),
    }
  }

  #seen(worker: Worker): WorkerSeen {
    if (worker.isGone) return { worker: worker.id, phase: 'gone' }
    if (worker.phase === 'claimed' || worker.startedAt === null) {
      return worker.endedAt === null
        ? { worker: worker.id, phase: 'claimed' }
        : {
            worker: worker.id,
            phase: 'exited',
            startedAt: null,
            endedAt: worker.endedAt,
            exit: worker.exit,
            cause: worker.cause,
            message: null,
          }
    }
    if (worker.endedAt === null) return { worker: worker.id, phase: 'running', startedAt: worker.startedAt }
    return {
      worker: worker.id,
      phase: 'exited',
      startedAt: worker.startedAt,
      endedAt: worker.endedAt,
      exit: worker.exit,
      cause: worker.cause,
      message: null,
    }
  }

  watch(): () => void {
    return () => {}
  }

  async launch(plan: AttemptPlan, deadlineAt: EpochMs | null): Promise<void> {
    if (!this.#deadlines.has(plan.attempt)) await this.deadline(plan.attempt, deadlineAt)
    for (const { id, nodeName } of plan.workers) {
      // What a silent node does not hear is told to it by the next launch.
      if (this.#workers.has(id) || this.#silent.has(nodeName)) continue
      const void_ = this.#ended.has(plan.attempt)
      const now = this.#timeline.now()
      const worker: Worker = {
        id,
        node: nodeName,
        phase: void_ ? 'exited' : 'claimed',
        startedAt: null,
        endedAt: void_ ? now : null,
        exit: void_ ? { kind: 'code', code: 143 } : { kind: 'code', code: 0 },
        cause: void_ ? 'stop' : 'itself',
        isGone: false,
        isEnding: false,
        log: '',
      }
      this.#workers.set(id, worker)
      if (!void_) this.#timeline.after(this.#chance.between(1, START_MS - 1), () => this.#begin(worker, plan))
    }
  }

  #begin(worker: Worker, plan: AttemptPlan): void {
    if (worker.endedAt !== null) return
    this.starts.push(worker.id)
    worker.phase = 'running'
    worker.startedAt = this.#timeline.now()
    // Training begins when the last one has come.
    if (plan.workers.every((each) => this.#lives(each.id))) this.#train(plan)
  }

  /** One attempt from its resume step to its end, a step at a time. */
  #train(plan: AttemptPlan): void {
    const trainer = this.#trainer(plan.run)
    const resumed = this.#checkpoints.get(plan.run) ?? 0
    const failAt = this.#chance.happens(trainer.failure) ? resumed + this.#chance.between(1, trainer.steps) : Infinity
    const last = plan.workers.at(-1)?.id
    const first = plan.workers[0]?.id
    if (first === undefined || last === undefined) return
    this.#timeline.after(SETUP_MS, () => {
      if (resumed > 0) this.#print(first, `  successfully loaded checkpoint from /ckpt at iteration ${resumed}`)
      this.#step(plan, trainer, resumed + 1, failAt, first, last)
    })
  }

  #step(plan: AttemptPlan, trainer: Trainer, step: number, failAt: number, first: WorkerId, last: WorkerId): void {
    const jitter = this.#chance.between(0, Math.floor(trainer.stepMs / 10))
    this.#timeline.after(trainer.stepMs + jitter, () => {
      if (!plan.workers.every((worker) => this.#lives(worker.id))) return
      if (step >= failAt) return this.#exitAll(plan.attempt, { kind: 'code', code: 1 }, 'itself')
      this.#print(
        last,
        ` [now] iteration ${step}/ ${trainer.steps} | consumed samples: ${step * 8} | elapsed time per iteration (ms): ${trainer.stepMs}.0 | global batch size: 8 | lm loss: 2.5E+00 | loss scale: 1.0 | number of skipped iterations: 0 | number of nan iterations: 0 |`,
      )
      if (step % trainer.saveEvery === 0) {
        this.#checkpoints.set(plan.run, step)
        this.#print(first, `saving checkpoint at iteration ${step} to /ckpt in torch format`)
        this.#print(first, `  successfully saved checkpoint from iteration ${step} to /ckpt`)
      }
      if (step >= trainer.steps) {
        this.#print(first, '[after training is done] datetime: now')
        return this.#exitAll(plan.attempt, { kind: 'code', code: 0 }, 'itself')
      }
      return this.#step(plan, trainer, step + 1, failAt, first, last)
    })
  }

  #lives(id: WorkerId): boolean {
    const worker = this.#workers.get(id)
    return worker !== undefined && worker.startedAt !== null && worker.endedAt === null
  }

  #print(id: WorkerId, text: string): void {
    const worker = this.#workers.get(id)
    if (worker !== undefined && worker.endedAt === null)
      worker.log += `${new Date(this.#timeline.now()).toISOString()} stdout F ${text}\n`
  }

  #exitAll(attempt: AttemptId, exit: WorkerExit, cause: Worker['cause']): void {
    for (const worker of this.#workersOf(attempt)) this.#exit(worker, exit, cause)
  }

  #exit(worker: Worker, exit: WorkerExit, cause: Worker['cause']): void {
    if (worker.endedAt !== null) return
    worker.phase = 'exited'
    worker.endedAt = this.#timeline.now()
    worker.exit = exit
    worker.cause = cause
  }

  #workersOf(attempt: AttemptId): Worker[] {
    return [...this.#workers.values()].filter((worker) => attemptOfWorker(worker.id) === attempt)
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
    this.#ended.add(request.attempt)
    const grace = Math.min(request.graceMs, this.#chance.between(10, 2_000))
    for (const worker of this.#workersOf(request.attempt)) {
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
    const bytes = new TextEncoder().encode(this.#workers.get(id)?.log ?? '')
    const from = offset < 0 ? Math.max(0, bytes.length + offset) : offset
    const cut = bytes.subarray(from, from + bytesMax)
    const whole = cut.subarray(0, cut.lastIndexOf(10) + 1)
    return { offset: from, bytes: whole, nextOffset: from + whole.length }
  }

  async forget(attempt: AttemptId): Promise<void> {
    // Whatever cannot be reached, or lives, is not forgotten.
    const workers = this.#workersOf(attempt)
    if (workers.some((worker) => worker.endedAt === null || this.#silent.has(worker.node))) {
      throw new Fault('cluster-unreachable', `${attempt} still has workers`, { retryable: true })
    }
    for (const worker of workers) this.#workers.delete(worker.id)
  }
}
