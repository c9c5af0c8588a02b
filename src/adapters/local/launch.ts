// Makes the directory of each worker and starts its supervisor. Only the supervisor's claim says that a worker was launched: to come
// here twice, or in two processes, or after a crash at any line, starts nothing twice.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { isAbsolute, join } from 'node:path'
import type { AttemptPlan, PlannedWorker } from '../../domain/plan.ts'
import { substitute, workerVariables } from '../../domain/plan.ts'
import type { IngestAddress } from '../../ports/cluster.ts'
import { chooseDevices, devicesOf } from './devices.ts'
import { codeOf, makeFolder, replaceFile, workerFolder } from './directory.ts'
import type { Gpus } from './gpus.ts'
import type { LogLimits } from './log.ts'

export type LaunchOptions = {
  readonly home: string
  readonly python: string
  readonly baseEnv: Readonly<Record<string, string | undefined>>
  readonly extraPath: () => string | null
  /** A folder from which jobs may import the reporter. */
  readonly reporterPath: string | null
  readonly logLimits: LogLimits
}

/** What supervisor.py reads: its names are known there. */
type SupervisorPlan = {
  readonly worker: string
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly workdir: string
  /** Not for the supervisor: what a later launch must not give to another worker. */
  readonly devices: readonly string[]
  readonly deadlineBootMs: number | null
  readonly graceMs: number
  readonly secrets: readonly { readonly name: string; readonly variable: string; readonly path: string }[]
  readonly refusal: string | null
  readonly logFileBytes: number
  readonly logFiles: number
}

const SUPERVISOR = join(import.meta.dirname, 'supervisor.py')
const SECRET = /^[a-z0-9][a-z0-9.-]{0,62}$/

export const isClaimed = (home: string, worker: PlannedWorker): boolean =>
  existsSync(join(workerFolder(home, worker.id), 'claim'))

/** Writes what the supervisors will read. All of it before the first of them is started, so that an end finds every worker. */
export async function prepare(
  options: LaunchOptions,
  plan: AttemptPlan,
  workers: readonly PlannedWorker[],
  context: {
    readonly deadlineBootMs: number | null
    readonly ingest: IngestAddress | null
    readonly gpus: Gpus | null
    /** Devices of all workers that are prepared or live, these included. */
    readonly held: () => Set<string>
  },
): Promise<void> {
  const first = workers.find((worker) => worker.index === 0)
  // Asked once: a second look could be in the way of the program that the first launch is just starting.
  const isNew = first !== undefined && !existsSync(join(workerFolder(options.home, first.id), 'plan.json'))
  const taken = isNew && (await isTaken(plan.masterPort))
  const noCheckpoints = await makeCheckpointFolder(plan.checkpointDir)
  // From here on without a pause, so that a launch beside this one finds these devices held.
  const held = context.held()
  for (const worker of workers) for (const id of devicesOf(workerFolder(options.home, worker.id))) held.delete(id)
  for (const worker of workers) {
    const devices = context.gpus === null ? [] : chooseDevices(worker, context.gpus.devices, held)
    for (const id of devices) held.add(id)
    const refusal = taken
      ? `port ${plan.masterPort} (MASTER_PORT) is in use on this machine (EADDRINUSE); the next attempt draws another`
      : (missingDevice(worker, context.gpus, devices) ?? badSecret(plan) ?? noCheckpoints)
    const folder = workerFolder(options.home, worker.id)
    makeFolder(folder)
    const content = supervisorPlan(options, plan, worker, { ...context, devices, refusal })
    replaceFile(join(folder, 'plan.json'), `${JSON.stringify(content)}\n`)
  }
}

/** Why it could not be made, for the worker's message. What is no absolute path is not ours to make: an object store's address. */
async function makeCheckpointFolder(path: string): Promise<string | null> {
  if (!isAbsolute(path)) return null
  try {
    await mkdir(path, { recursive: true })
    return null
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return `the checkpoint directory ${path} could not be made: ${why}`
  }
}

function supervisorPlan(
  options: LaunchOptions,
  plan: AttemptPlan,
  worker: PlannedWorker,
  context: {
    readonly deadlineBootMs: number | null
    readonly ingest: IngestAddress | null
    readonly gpus: Gpus | null
    readonly devices: readonly string[]
    readonly refusal: string | null
  },
): SupervisorPlan {
  // The token is handed over in the environment only: it is never stored, and never part of a command line that others can list.
  const { PLIMSOLL_INGEST_TOKEN: _, ...variables } = workerVariables(plan, worker.index, context.ingest)
  const asked = Object.entries(plan.env).map(([name, value]) => [name, substitute(value, variables)] as const)
  const env: Record<string, string> = { PYTHONUNBUFFERED: '1', ...Object.fromEntries(asked) }
  const path = [options.extraPath(), env['PATH'] ?? options.baseEnv['PATH'] ?? '/usr/local/bin:/usr/bin:/bin']
  return {
    worker: worker.id,
    argv: plan.command.map((word) => substitute(word, variables)),
    env: {
      ...env,
      ...visibleDevices(context.gpus, context.devices),
      ...variables,
      PATH: path.filter((part) => part !== null).join(':'),
      ...reporter(options, context.ingest, env['PYTHONPATH']),
    },
    workdir: plan.workdir ?? plan.folder ?? workerFolder(options.home, worker.id),
    devices: context.devices,
    deadlineBootMs: context.deadlineBootMs,
    graceMs: plan.graceMs,
    secrets: plan.secrets.map((name) => ({
      name,
      variable: name.toUpperCase().replace(/[^A-Z0-9]/g, '_'),
      path: join(options.home, 'secrets', name),
    })),
    refusal: context.refusal,
    logFileBytes: options.logLimits.fileBytes,
    logFiles: options.logLimits.files,
  }
}

/** `import plimsoll_reporter` works in a job that has somewhere to report to; its own modules come first. */
function reporter(
  { reporterPath, baseEnv }: LaunchOptions,
  ingest: IngestAddress | null,
  asked: string | undefined,
): Record<string, string> {
  if (ingest === null || reporterPath === null) return {}
  const own = asked ?? baseEnv['PYTHONPATH'] ?? ''
  return { PYTHONPATH: own === '' ? reporterPath : `${own}:${reporterPath}` }
}

/**
 * Devices by their own ids: indices change when one falls off the bus. AMD's HIP layer knows indices only, counted among what the
 * layer below it shows, so that one gets the ids.
 */
function visibleDevices(gpus: Gpus | null, devices: readonly string[]): Record<string, string> {
  if (gpus === null) return {}
  const ids = devices.join(',')
  if (gpus.vendor === 'nvidia') return { CUDA_VISIBLE_DEVICES: ids }
  return { ROCR_VISIBLE_DEVICES: ids, HIP_VISIBLE_DEVICES: devices.map((_, index) => index).join(',') }
}

function missingDevice(worker: PlannedWorker, gpus: Gpus | null, devices: readonly string[]): string | null {
  if (gpus === null || devices.length === worker.slots.length) return null
  const slot = worker.slots.find((index) => gpus.devices[index] === undefined)
  return slot === undefined
    ? `${worker.slots.length} GPUs were planned, but other runs of this machine hold all but ${devices.length}`
    : `slot ${slot} was planned, but this machine has ${gpus.devices.length} GPUs now`
}

function badSecret(plan: AttemptPlan): string | null {
  const bad = plan.secrets.find((name) => !SECRET.test(name))
  return bad === undefined
    ? null
    : `${JSON.stringify(bad)} is no name of a secret: small letters, digits, dots and dashes`
}

/** Starts a supervisor that outlives us. It inherits the base environment, which therefore is never stored. */
export async function startSupervisor(
  options: LaunchOptions,
  worker: PlannedWorker,
  ingest: IngestAddress | null,
): Promise<void> {
  const folder = workerFolder(options.home, worker.id)
  const errors = openSync(join(folder, 'supervisor.err'), 'a', 0o600)
  try {
    const child = spawn(options.python, ['-I', '-S', SUPERVISOR, folder], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'ignore', errors],
      env: inherited(options.baseEnv, ingest),
    })
    child.unref()
    await once(child, 'spawn')
  } catch (error) {
    throw new Error(`the supervisor of ${worker.id} could not be started with ${options.python}`, { cause: error })
  } finally {
    closeSync(errors)
  }
}

/** Our own variables are not for the worker: a token of ours would let it act as us, and a mark would make it somebody's child. */
function inherited(
  baseEnv: LaunchOptions['baseEnv'],
  ingest: IngestAddress | null,
): Record<string, string | undefined> {
  const others = Object.entries(baseEnv).filter(([name]) => !name.startsWith('PLIMSOLL_'))
  return { ...Object.fromEntries(others), ...(ingest === null ? {} : { PLIMSOLL_INGEST_TOKEN: ingest.token }) }
}

async function isTaken(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port)
    await once(server, 'listening')
    return false
  } catch (error) {
    return codeOf(error) === 'EADDRINUSE'
  } finally {
    server.close()
  }
}
