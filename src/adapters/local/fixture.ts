// For the tests of this folder: a cluster in a home of its own, with real processes. Whatever a test leaves behind is killed at its
// end, and found by its mark.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { AttemptId, ClusterName, ProjectName, WorkerId } from '../../domain/ids.ts'
import { attemptIdOf, nodeIdOf, runIdFrom, workerIdOf } from '../../domain/ids.ts'
import type { AttemptPlan, EndRequest } from '../../domain/plan.ts'
import type { EpochMs } from '../../domain/units.ts'
import { durationMs, epochMs, plusMs } from '../../domain/units.ts'
import type { Cluster, IngestAddress, WorkerSeen } from '../../ports/cluster.ts'
import type { LocalClusterOptions } from './cluster.ts'
import { createLocalCluster } from './cluster.ts'
import { readFields, workerFolder } from './directory.ts'
import { bootId, killMarked, lives, markOf } from './processes.ts'

export const PYTHON = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim()

type Launched = { readonly plan: AttemptPlan; readonly attempt: AttemptId; readonly worker: WorkerId }
type Exited = Extract<WorkerSeen, { phase: 'exited' }>

export type World = {
  readonly home: string
  readonly folder: (worker: WorkerId) => string
  readonly options: LocalClusterOptions
  readonly cluster: Cluster & { close(): Promise<void> }
  readonly logged: string[]
  /** What a test has done to the home, undone when its processes are gone. */
  readonly undo: (() => void)[]
  /** Another control plane on the same home: what the next start is. */
  readonly again: () => Promise<Cluster>
  readonly now: () => EpochMs
  readonly plan: (command: readonly string[], change?: Partial<AttemptPlan>, workers?: number) => AttemptPlan
  readonly launch: (
    command: readonly string[],
    change?: Partial<AttemptPlan>,
    more?: { deadlineInMs?: number; ingest?: IngestAddress },
  ) => Promise<Launched>
  readonly end: (attempt: AttemptId, graceMs: number) => Promise<void>
  readonly seen: (worker: WorkerId) => Promise<WorkerSeen | undefined>
  readonly exited: (worker: WorkerId) => Promise<Exited>
  /** The text of the worker's log without times, as `stdout text`; parts of a line are joined. */
  readonly text: (worker: WorkerId) => Promise<string[]>
  readonly supervisorPid: (worker: WorkerId) => number
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a name of a cluster is any word
const LOCAL = 'local' as ClusterName
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a name of a project too
const DEFAULT = 'default' as ProjectName

export const bootMs = (): number => Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000
// A leader's clock that is far from this machine's: whatever takes the wall clock for it is seen.
const LEADER_MS = 2_000_000_000_000
const now = (): EpochMs => epochMs(Math.round(LEADER_MS + bootMs()))

export async function localWorld(t: TestContext, change: Partial<LocalClusterOptions> = {}): Promise<World> {
  const home = mkdtempSync(join(tmpdir(), 'plimsoll-local-'))
  const logged: string[] = []
  const undo: (() => void)[] = []
  const options: LocalClusterOptions = {
    name: LOCAL,
    home,
    clock: { now },
    bootMs,
    python: PYTHON,
    declaredSlots: 4,
    nodeName: 'localhost',
    nodeCondition: () => ({ kind: 'ready' }),
    baseEnv: { PATH: process.env['PATH'], HOME: home },
    extraPath: () => null,
    log: (_level, _fields, message) => logged.push(message),
    ...change,
  }
  const cluster = await createLocalCluster(options)
  const clusters = [cluster]
  const folder = (worker: WorkerId): string => workerFolder(home, worker)
  const attempts: AttemptId[] = []
  t.after(async () => {
    for (const attempt of attempts) clean(home, attempt)
    for (const one of clusters) await one.close()
    for (const step of undo) step()
    rmSync(home, { recursive: true, force: true })
    for (const attempt of attempts) assert.deepEqual(marked(attempt), [], 'a test left processes behind')
  })

  function plan(command: readonly string[], other: Partial<AttemptPlan> = {}, workers = 1): AttemptPlan {
    const run = runIdFrom(now(), Math.floor(Math.random() * 2 ** 30))
    const attempt = attemptIdOf(run, 1)
    attempts.push(attempt)
    return {
      attempt,
      run,
      project: DEFAULT,
      name: 'a-run',
      cluster: options.name,
      image: null,
      kubernetes: null,
      command,
      env: {},
      secrets: [],
      workdir: home,
      folder: null,
      checkpointDir: join(home, 'checkpoints'),
      masterAddress: '127.0.0.1',
      masterPort: 20_000 + Math.floor(Math.random() * 10_000),
      gpusPerNode: 1,
      workers: Array.from({ length: workers }, (_, index) => ({
        id: workerIdOf(attempt, index),
        index,
        node: nodeIdOf(options.name, 'localhost', 1),
        nodeName: 'localhost',
        slots: [index],
      })),
      graceMs: durationMs(5_000),
      ...other,
    }
  }

  const world: World = {
    home,
    folder,
    options,
    cluster,
    logged,
    undo,
    now,
    plan,
    again: async () => {
      const next = await createLocalCluster(options)
      clusters.push(next)
      return next
    },
    launch: async (command, other, { deadlineInMs, ingest } = {}) => {
      const made = plan(command, other)
      const deadlineAt = deadlineInMs === undefined ? null : plusMs(now(), deadlineInMs)
      await cluster.launch(made, deadlineAt, ingest ?? null)
      return { plan: made, attempt: made.attempt, worker: workerIdOf(made.attempt, 0) }
    },
    end: (attempt, graceMs) => {
      const request: EndRequest = { attempt, graceMs: durationMs(graceMs), askedAt: now() }
      return cluster.end(request)
    },
    seen: async (worker) => (await cluster.observe()).workers.find((one) => one.worker === worker),
    exited: (worker) =>
      until(`${worker} has exited`, async () => {
        const one = await world.seen(worker)
        return one?.phase === 'exited' ? one : null
      }),
    text: async (worker) => joined(Buffer.from(await wholeLog(cluster, worker)).toString('utf8')),
    supervisorPid: (worker) => {
      const pid = Number(readFields(join(folder(worker), 'claim'))?.get('pid'))
      // A signal to 0 would go to our own process group, and to whatever started the tests.
      assert.ok(pid > 1, `the supervisor of ${worker} has claimed`)
      return pid
    },
  }
  return world
}

/** Asks until the answer is not null; an answer that does not come in time is a failure. */
export async function until<T>(what: string, ask: () => T | null | Promise<T | null>, boundMs = 30_000): Promise<T> {
  for (const started = performance.now(); performance.now() - started < boundMs;) {
    const answer = await ask()
    if (answer !== null) return answer
    const { promise, resolve } = Promise.withResolvers<void>()
    setTimeout(resolve, 5)
    await promise
  }
  throw new assert.AssertionError({ message: `not seen within ${boundMs} ms: ${what}` })
}

/** Processes that live and carry the mark of a worker of this attempt. */
export function marked(attempt: AttemptId): number[] {
  return pids().filter((pid) => markOf(pid)?.startsWith(`${attempt}-`))
}

/** A zombie is not: whether and when it is reaped is the business of whoever inherits it. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

const pids = (): number[] => readdirSync('/proc').map(Number).filter(Number.isInteger)

export async function wholeLog(cluster: Cluster, worker: WorkerId): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for (let offset = 0; ;) {
    const slice = await cluster.readLog(worker, offset, 1 << 20)
    if (slice.bytes.length === 0) return Buffer.concat(parts)
    parts.push(slice.bytes)
    offset = slice.nextOffset
  }
}

function joined(log: string): string[] {
  const whole: string[] = []
  const open = new Map<string, string>()
  for (const line of log.split('\n')) {
    const [, stream, tag, text] = /^\S+ (stdout|stderr) ([PF]) ([^]*)$/.exec(line) ?? []
    if (stream === undefined) continue
    open.set(stream, (open.get(stream) ?? '') + (text ?? ''))
    if (tag !== 'F') continue
    whole.push(`${stream} ${open.get(stream)}`)
    open.delete(stream)
  }
  return whole
}

function clean(home: string, attempt: AttemptId): void {
  for (const worker of [0, 1, 2, 3].map((index) => workerIdOf(attempt, index))) {
    const claim = readFields(join(workerFolder(home, worker), 'claim'))
    if (claim !== null && lives(claim, bootId())) process.kill(Number(claim.get('pid')), 'SIGKILL')
    for (let turn = 0; turn < 100 && killMarked(worker) > 0; turn += 1);
  }
}
