// The cluster of a replay, behind the port that real clusters have. Nothing fails and every call takes no time: a gang starts when it is
// launched and ends after the duration that its trace gives it. Between the two it says nothing but its checkpoints, where the trace
// knows them, since weeks of steps would be millions of events.
import type { AttemptId, ClusterName, RunId, WorkerId } from '../../domain/ids.ts'
import { attemptOfWorker } from '../../domain/ids.ts'
import type { AttemptPlan, EndRequest } from '../../domain/plan.ts'
import type { TraceCluster, TraceJob } from '../../domain/trace.ts'
import { nodesOf } from '../../domain/trace.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { Cluster, ClusterSeen, LogSlice, NodeSeen, WorkerExit, WorkerSeen } from '../../ports/cluster.ts'
import type { Silence } from '../checkers/blind.ts'
import { LogBytes } from '../log-bytes.ts'
import type { Timeline } from '../timeline.ts'
import { nodeName, racksByNode } from './gang.ts'

/** A job that saves oftener says so at larger distances: what it computes does not change. */
const CHECKPOINTS_MAX = 500
const NOTHING = new Uint8Array(0)

type Gang = { readonly plan: AttemptPlan; readonly startedAt: EpochMs; ended: boolean }

export class ReplayCluster implements Cluster {
  readonly name: ClusterName
  readonly checkpointRoot = '/ckpt'
  /** For checkers: every start, who runs, when that changed. No node is ever silent. */
  readonly starts: WorkerId[] = []
  readonly running = new Set<WorkerId>()
  readonly silences: readonly Silence[] = []
  readonly forgottenLogs: { readonly worker: WorkerId; readonly bytes: number }[] = []
  readonly promises = new Map<AttemptId, number>()
  moves = 0
  /** Gangs that ended since somebody asked. */
  #ended = 0
  readonly #timeline: Timeline
  readonly #jobOf: (run: RunId) => TraceJob
  readonly #nodes: readonly NodeSeen[]
  readonly #seen = new Map<WorkerId, WorkerSeen>()
  readonly #gangs = new Map<AttemptId, Gang>()
  readonly #logs = new Map<WorkerId, LogBytes>()

  constructor(cluster: TraceCluster, timeline: Timeline, jobOf: (run: RunId) => TraceJob) {
    this.name = cluster.name as ClusterName
    this.#timeline = timeline
    this.#jobOf = jobOf
    const nodes = nodesOf(cluster)
    const racks = racksByNode(cluster)
    this.#nodes = Array.from({ length: nodes }, (_, index) => ({
      name: nodeName(index, nodes),
      gpuModel: cluster.gpuModel,
      slots: cluster.gpusPerNode,
      declared: true,
      place: { rack: `rack-${racks.get(nodeName(index, nodes)) ?? 0}`, block: null },
      foreign: 0,
      condition: { kind: 'ready' as const },
    }))
  }

  takeEnded(): number {
    const ended = this.#ended
    this.#ended = 0
    return ended
  }

  masterAddress(attempt: string): string {
    return `${attempt}-0`
  }

  async observe(): Promise<ClusterSeen> {
    return { observedAt: this.#timeline.now(), nodes: this.#nodes, workers: [...this.#seen.values()] }
  }

  watch(): () => void {
    return () => {}
  }

  async launch(plan: AttemptPlan): Promise<void> {
    if (this.#gangs.has(plan.attempt)) return
    const startedAt = this.#timeline.now()
    this.#gangs.set(plan.attempt, { plan, startedAt, ended: false })
    this.moves += 1
    for (const { id } of plan.workers) {
      this.starts.push(id)
      this.running.add(id)
      this.#seen.set(id, { worker: id, phase: 'running', startedAt })
    }
    const { durationMs: wanted, checkpointMs } = this.#jobOf(plan.run)
    // A process takes time: the books know no holding without any.
    const durationMs = Math.max(1, wanted)
    if (checkpointMs !== null) this.#save(plan, durationMs, Math.max(checkpointMs, durationMs / CHECKPOINTS_MAX))
    this.#timeline.after(durationMs, () => this.#end(plan.attempt, { kind: 'code', code: 0 }, 'itself'))
  }

  /** One step from each checkpoint to the next, so that the books see what was done and not that nothing was said. */
  #save(plan: AttemptPlan, durationMs: number, everyMs: number): void {
    const worker = plan.workers[0]?.id
    if (worker === undefined) return
    const steps = Math.ceil(durationMs / everyMs)
    for (let step = 1; step <= steps; step += 1) {
      const at = Math.min(durationMs, step * everyMs)
      this.#timeline.after(at, () => {
        if (this.#gangs.get(plan.attempt)?.ended !== false) return
        const took = Math.round(at - (step - 1) * everyMs)
        this.#print(
          worker,
          ` [now] iteration ${step}/ ${steps} | consumed samples: ${step} | elapsed time per iteration (ms): ${took}.0 | global batch size: 1 | number of skipped iterations: 0 | number of nan iterations: 0 |`,
        )
        this.#print(worker, `  successfully saved checkpoint from iteration ${step} to /ckpt`)
      })
    }
  }

  #print(worker: WorkerId, text: string): void {
    const log = this.#logs.get(worker) ?? new LogBytes()
    this.#logs.set(worker, log)
    log.append(`${new Date(this.#timeline.now()).toISOString()} stdout F ${text}\n`)
  }

  #end(attempt: AttemptId, exit: WorkerExit, cause: 'itself' | 'stop'): void {
    const gang = this.#gangs.get(attempt)
    if (gang === undefined || gang.ended) return
    gang.ended = true
    this.#ended += 1
    this.moves += 1
    const { startedAt } = gang
    for (const { id } of gang.plan.workers) {
      this.running.delete(id)
      const endedAt = this.#timeline.now()
      this.#seen.set(id, { worker: id, phase: 'exited', startedAt, endedAt, exit, cause, message: null })
    }
  }

  /** No run of a replay has a limit or a hard budget. */
  async deadline(): Promise<void> {}

  async end(request: EndRequest): Promise<void> {
    this.#end(request.attempt, { kind: 'signal', signal: 'SIGTERM' }, 'stop')
  }

  async readLog(id: WorkerId, offset: number, bytesMax: number): Promise<LogSlice> {
    const bytes = this.#logs.get(id)?.bytes() ?? NOTHING
    const from = offset < 0 ? Math.max(0, bytes.length + offset) : offset
    const cut = bytes.subarray(from, from + bytesMax)
    const whole = cut.subarray(0, cut.lastIndexOf(10) + 1)
    return { offset: from, bytes: whole, nextOffset: from + whole.length, open: this.running.has(id) }
  }

  /** Its name stays known: a launch that comes late starts nothing. */
  async forget(attempt: AttemptId): Promise<void> {
    for (const { id } of this.#gangs.get(attempt)?.plan.workers ?? []) {
      if (attemptOfWorker(id) !== attempt) continue
      this.forgottenLogs.push({ worker: id, bytes: this.#logs.get(id)?.bytes().length ?? 0 })
      this.#seen.delete(id)
      this.#logs.delete(id)
    }
  }
}
