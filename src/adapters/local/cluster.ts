// The cluster of one node: this machine. It starts supervisors and reads what they write; the processes are theirs, so that all of
// this may die and training goes on (design: local).
import type { FSWatcher } from 'node:fs'
import { existsSync, readdirSync, watch as watchFolder } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { AttemptId, ClusterName, WorkerId } from '../../domain/ids.ts'
import { attemptOfWorker } from '../../domain/ids.ts'
import type { AttemptPlan, EndRequest } from '../../domain/plan.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Cluster, ClusterSeen, IngestAddress, LogSlice, NodeSeen } from '../../ports/cluster.ts'
import {
  attemptFolder,
  createFile,
  endedFile,
  isMissing,
  isWorker,
  makeFolder,
  readText,
  replaceFile,
  ring,
  workerFolder,
  workFolder,
} from './directory.ts'
import type { Gpus, Inventory } from './gpus.ts'
import { createInventory } from './gpus.ts'
import { devicesOf } from './devices.ts'
import type { LaunchOptions } from './launch.ts'
import { isClaimed, prepare, startSupervisor } from './launch.ts'
import type { LogLimits } from './log.ts'
import { LOG_LIMITS, readLogSlice } from './log.ts'
import { bootId } from './processes.ts'
import type { Workers } from './workers.ts'
import { createWorkers } from './workers.ts'

export type LocalClusterOptions = {
  readonly name: ClusterName
  readonly home: string
  readonly clock: Clock
  readonly bootMs: () => number
  /** The real interpreter: a shim costs 150 ms a start. */
  readonly python: string
  readonly declaredSlots: number
  /** Better not the host name: a laptop's changes with its network, and would leave a lost node behind each time. */
  readonly nodeName: string
  readonly nodeCondition: () => NodeSeen['condition']
  readonly baseEnv: Readonly<Record<string, string | undefined>>
  /** A folder put first in PATH when a command runs; asked at launch. */
  readonly extraPath: () => string | null
  readonly reporterPath?: string
  readonly log: (level: 'info' | 'warn' | 'error', fields: object, message: string) => void
  readonly logLimits?: LogLimits
}

const DEBOUNCE_MS = 5
const DEADLINE_JITTER_MS = 25
// A supervisor claims its worker within 50 ms, on a busy machine within some hundreds: so long a start is not repeated.
const STARTING_MS = 2_000
const SETTLE_MS = 500
const SETTLE_LOOK_MS = 5

export async function createLocalCluster(options: LocalClusterOptions): Promise<Cluster & { close(): Promise<void> }> {
  if (process.platform !== 'linux') throw new Error('the local cluster needs Linux: it knows processes by /proc')
  makeFolder(workFolder(options.home))
  const cluster = new LocalCluster(options)
  // The first answer of the GPUs takes seconds; whoever looks first should not wait for all of it.
  void cluster.warmUp()
  return cluster
}

class LocalCluster implements Cluster {
  readonly name: ClusterName
  readonly checkpointRoot: string
  readonly #options: LocalClusterOptions
  readonly #launch: LaunchOptions
  readonly #boot: string
  readonly #workers: Workers
  readonly #inventory: Inventory
  readonly #watchers = new Set<() => void>()
  readonly #launching = new Map<AttemptId, Promise<void>>()
  /** When a supervisor was started that we have not seen claiming its worker yet, in boot time. */
  readonly #starting = new Map<WorkerId, number>()

  constructor(options: LocalClusterOptions) {
    const { home, clock, bootMs } = options
    this.name = options.name
    this.checkpointRoot = join(home, 'checkpoints')
    this.#options = options
    this.#launch = {
      ...options,
      logLimits: options.logLimits ?? LOG_LIMITS,
      reporterPath: options.reporterPath ?? null,
    }
    this.#boot = bootId()
    this.#workers = createWorkers({ home, clock, bootMs, boot: this.#boot })
    const isOurs = (worker: string): boolean => isWorker(worker) && existsSync(workerFolder(home, worker))
    this.#inventory = createInventory({ env: options.baseEnv, bootMs, isOurs, log: options.log })
  }

  async warmUp(): Promise<void> {
    await this.#inventory.current().catch(() => null)
  }

  async observe(): Promise<ClusterSeen> {
    const gpus = await this.#inventory.current()
    const workers = this.#workers.all()
    return { observedAt: this.#options.clock.now(), nodes: [this.#node(gpus)], workers }
  }

  #node(gpus: Gpus | null): NodeSeen {
    const { nodeName: name, declaredSlots, nodeCondition } = this.#options
    const condition = nodeCondition()
    if (gpus === null) {
      return { name, gpuModel: 'declared', slots: declaredSlots, declared: true, foreign: 0, condition }
    }
    const held = this.#heldDevices()
    return {
      name,
      gpuModel: gpus.model,
      slots: gpus.devices.length,
      declared: false,
      // What one of ours holds is counted there, even if a stranger computes on it as well: no slot is missing twice.
      foreign: gpus.devices.filter((device) => device.busy && !held.has(device.id)).length,
      condition:
        gpus.problem === null || condition.kind === 'not-ready'
          ? condition
          : { kind: 'not-ready', reason: 'nodes-not-ready', message: gpus.problem },
    }
  }

  #heldDevices(): Set<string> {
    const { home } = this.#options
    return new Set(this.#workers.living().flatMap((worker) => devicesOf(workerFolder(home, worker))))
  }

  watch(changed: () => void): () => void {
    let timer: NodeJS.Timeout | undefined
    const end = (): void => {
      clearTimeout(timer)
      watcher?.close()
      this.#watchers.delete(end)
    }
    const watcher = this.#watchFolder(() => {
      timer ??= globalThis.setTimeout(() => {
        timer = undefined
        changed()
      }, DEBOUNCE_MS)
    })
    this.#watchers.add(end)
    return end
  }

  /** One watch for all attempts: supervisors touch the folder of theirs. Watching the workers' would wake us for every log line. */
  #watchFolder(touched: () => void): FSWatcher | null {
    const blind = (error: unknown): void =>
      this.#options.log('warn', { error }, 'changes of workers are not noticed at once: the folder cannot be watched')
    try {
      return watchFolder(workFolder(this.#options.home), touched).on('error', blind)
    } catch (error) {
      blind(error)
      return null
    }
  }

  async launch(plan: AttemptPlan, deadlineAt: EpochMs | null, ingest: IngestAddress | null): Promise<void> {
    // A launch beside another of the same attempt would take the other's look at the master port for a stranger on it.
    const earlier = this.#launching.get(plan.attempt)
    const launch = (earlier ?? Promise.resolve())
      .catch(() => null)
      .then(() => this.#launchNow(plan, deadlineAt, ingest))
    this.#launching.set(plan.attempt, launch)
    try {
      await launch
    } finally {
      if (this.#launching.get(plan.attempt) === launch) this.#launching.delete(plan.attempt)
    }
  }

  async #launchNow(plan: AttemptPlan, deadlineAt: EpochMs | null, ingest: IngestAddress | null): Promise<void> {
    const { home, bootMs } = this.#options
    const gpus = await this.#inventory.current()
    for (const [worker, at] of this.#starting) if (bootMs() - at >= STARTING_MS) this.#starting.delete(worker)
    const workers = plan.workers.filter((worker) => !isClaimed(home, worker) && !this.#starting.has(worker.id))
    if (workers.length === 0) return
    await prepare(this.#launch, plan, workers, {
      deadlineBootMs: this.#toBoot(deadlineAt),
      ingest,
      gpus,
      held: () => this.#heldDevices(),
    })
    if (existsSync(endedFile(home, plan.attempt))) {
      for (const worker of workers) this.#forbid(worker.id)
      ring(home, plan.attempt)
      return
    }
    await Promise.all(
      workers.map(async (worker) => {
        await startSupervisor(this.#launch, worker, ingest)
        this.#starting.set(worker.id, bootMs())
      }),
    )
  }

  async deadline(attempt: AttemptId, deadlineAt: EpochMs | null): Promise<void> {
    const at = this.#toBoot(deadlineAt)
    for (const worker of this.#prepared(attempt)) {
      const told = Number(readText(join(workerFolder(this.#options.home, worker), 'deadline')) ?? Number.NaN)
      // The same moment comes out some milliseconds apart each time, since boot time is told in hundredths of a second.
      if (at === null || !(Math.abs(told - at) <= DEADLINE_JITTER_MS)) {
        this.#ask(worker, 'deadline', at === null ? 'none' : String(at))
      }
    }
  }

  async end({ attempt, graceMs }: EndRequest): Promise<void> {
    const { home } = this.#options
    makeFolder(attemptFolder(home, attempt))
    // First: a supervisor that claims its worker after we looked at it finds this and does not start.
    if (!existsSync(endedFile(home, attempt))) replaceFile(endedFile(home, attempt), '')
    for (const worker of this.#prepared(attempt)) {
      if (!this.#forbid(worker)) this.#ask(worker, 'stop', String(graceMs))
    }
    ring(home, attempt)
    await this.#settled(attempt)
  }

  /** A supervisor that claimed just before has started its program or not within some milliseconds: then no look shows less than is. */
  async #settled(attempt: AttemptId): Promise<void> {
    const until = performance.now() + SETTLE_MS
    while (performance.now() < until && this.#workers.of(attempt).some((seen) => seen.phase === 'claimed')) {
      await setTimeout(SETTLE_LOOK_MS)
    }
  }

  /** Claims a worker for nobody, so that it never starts. False where a supervisor has claimed it. */
  #forbid(worker: WorkerId): boolean {
    const at = this.#options.clock.now()
    const bootMs = Math.round(at - this.#workers.offsetMs())
    const ended = `code 143\ncause stop\nboot ${this.#boot}\nendedEpochMs ${at}\nendedBootMs ${bootMs}\n`
    const content = `void\n${ended}message it was asked to end before it started\n`
    return createFile(join(workerFolder(this.#options.home, worker), 'claim'), content)
  }

  /** Tells a supervisor something, once: a repeated request is no new one. */
  #ask(worker: WorkerId, file: 'stop' | 'deadline', content: string): void {
    const path = join(workerFolder(this.#options.home, worker), file)
    if (readText(path)?.trim() !== content) replaceFile(path, `${content}\n`)
  }

  /** All workers of a gang are on this machine. */
  masterAddress(): string {
    return '127.0.0.1'
  }

  async readLog(worker: WorkerId, offset: number, bytesMax: number): Promise<LogSlice> {
    const folder = workerFolder(this.#options.home, worker)
    const slice = await readLogSlice(folder, offset, bytesMax)
    if (slice.bytes.length > 0) return { ...slice, open: true }
    const seen = this.#workers.of(attemptOfWorker(worker)).find((each) => each.worker === worker)
    const open = seen?.phase === 'claimed' || seen?.phase === 'running'
    // Read once more after the look: what a process wrote on its way out is in it.
    return { ...(open ? slice : await readLogSlice(folder, offset, bytesMax)), open }
  }

  async forget(attempt: AttemptId): Promise<void> {
    const folder = attemptFolder(this.#options.home, attempt)
    if (!existsSync(folder)) return
    // A supervisor that is just being started must not find a worker to claim while we remove it.
    if (!existsSync(endedFile(this.#options.home, attempt))) replaceFile(endedFile(this.#options.home, attempt), '')
    const living = this.#workers.of(attempt).find((seen) => seen.phase === 'claimed' || seen.phase === 'running')
    if (living !== undefined) throw new Error(`${attempt} cannot be forgotten: its worker ${living.worker} still lives`)
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }

  async close(): Promise<void> {
    for (const end of this.#watchers) end()
    this.#inventory.close()
  }

  #prepared(attempt: AttemptId): WorkerId[] {
    try {
      const names = readdirSync(attemptFolder(this.#options.home, attempt)).filter(isWorker)
      return names.filter((worker) => attemptOfWorker(worker) === attempt)
    } catch (error) {
      if (isMissing(error)) return []
      throw error
    }
  }

  #toBoot(at: EpochMs | null): number | null {
    return at === null ? null : Math.round(at - this.#workers.offsetMs())
  }
}
