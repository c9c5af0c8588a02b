// What the processes of a deployment (controller, api, migrate) have in common: one file of settings, a database by its address, a key,
// and a name that they share. They have no home and no cluster of their own machine.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { keysOf } from '../../adapters/system/attempt-token.ts'
import type { Connection } from '../../adapters/postgres/pool.ts'
import type { Control } from '../../control/control.ts'
import type { Log } from '../../ports/log.ts'
import { alertingOf } from './alerting.ts'
import { connectionTo } from './connection.ts'
import type { Files } from './files.ts'
import { readSettingsFile } from './files.ts'
import type { ClusterFile } from './kubernetes.ts'
import { kubernetesClusters, readClusters } from './kubernetes.ts'
import { Exit } from './say.ts'
import type { Part, Service } from './service.ts'
import { startService } from './service.ts'

export type Deployment = {
  /** The file of settings. */
  readonly file: string
  readonly files: Files
  readonly id: string
  readonly connection: Connection
  readonly clusters: readonly ClusterFile[]
}

/** What needs no database. */
export function readClusterSettings(config: string | null): Omit<Deployment, 'connection'> {
  const named = config ?? process.env.PLIMSOLL_CONFIG ?? null
  if (named === null)
    throw new Exit(2, 'no file of settings is named: write --config FILE, or set PLIMSOLL_CONFIG to its path')
  const file = resolve(named)
  if (!existsSync(file)) throw new Exit(2, `there is no file ${file} of settings`)
  const files = readSettingsFile(file)
  const { deployment, clusters } = files.config
  if (deployment.id === null)
    throw new Exit(2, `${file}: deployment.id names this control plane, the same in all its processes: it is missing`)
  if (clusters.length === 0) throw new Exit(2, `${file}: clusters names no file: runs would have nowhere to go`)
  const read = readClusters(clusters.map((each) => resolve(dirname(file), each)))
  return { file, files: withDefaultCluster(files, read), id: deployment.id, clusters: read }
}

/** Everything that can be wrong with the settings is said before anything is started. */
export function readDeployment(config: string | null): Deployment {
  const settings = readClusterSettings(config)
  const { file, files } = settings
  const fromEnvironment = process.env.PLIMSOLL_DATABASE_URL
  const url = fromEnvironment ?? files.config.database.url
  if (url === null)
    throw new Exit(2, `${file}: there is no database: set PLIMSOLL_DATABASE_URL, or database.url in this file`)
  const where = fromEnvironment === undefined ? `${file}: database.url` : 'PLIMSOLL_DATABASE_URL'
  return { ...settings, connection: connectionTo(url, where) }
}

/** The policy that comes with the program names the cluster of `up`: here the first of ours is meant. */
function withDefaultCluster(files: Files, clusters: readonly ClusterFile[]): Files {
  const names = clusters.map(({ config }) => config.name)
  const [first] = names
  if (first === undefined || names.includes(files.policy.defaultCluster)) return files
  return {
    ...files,
    policy: { ...files.policy, defaultCluster: first },
    policyDocument: { ...Object(files.policyDocument), defaultCluster: first as string },
  }
}

/** The deployment keys, the newest first. */
export function readKeys({ file, files }: Deployment): Uint8Array[] {
  const { keyFile } = files.config.deployment
  if (keyFile === null)
    throw new Exit(2, `${file}: deployment.keyFile is missing: from the key in it the tokens of attempts are derived`)
  const path = resolve(dirname(file), keyFile)
  if (!existsSync(path)) throw new Exit(2, `${file}: there is no file ${path} (at /deployment/keyFile)`)
  const keys = keysOf(readFileSync(path, 'utf8'))
  if (keys.length === 0)
    throw new Exit(2, `${path} has no key: it needs a line of 64 hexadecimal digits, as openssl rand -hex 32 prints it`)
  return keys
}

export function startPart(
  deployment: Deployment,
  options: {
    readonly part: Exclude<Part, { kind: 'whole' }>
    readonly log: Log
    readonly ingest: Control['ingest']
    readonly use: 'run' | 'ask' | 'know'
  },
): Promise<Service> {
  const { log } = options
  const { file, files, id, connection, clusters } = deployment
  return startService({
    connection,
    poolMax: files.config.database.poolMax,
    redisUrl: files.config.queue.url,
    settings: {
      durations: files.config.durations,
      logBytesMax: files.config.retention.logsPerRun,
      thresholds: files.thresholds,
    },
    timersMs: files.config.loops,
    retention: files.config.retention,
    defaultCluster: files.policy.defaultCluster,
    peaks: files.peaks,
    home: id,
    part: options.part,
    log,
    ingest: options.ingest,
    clusters: (clock) =>
      kubernetesClusters({
        clusters,
        controlPlane: id,
        clock,
        use: options.use,
        log: (level, fields, message) => log[level]({ ...fields }, message),
      }),
    prepare: async () => {},
    alerting: alertingOf({
      config: files.config,
      file,
      keys: readKeys(deployment),
      // A deployment has an address for people, which the settings name; without it, that of a forwarded port.
      pages: () => `http://localhost:${files.config.listen.port}`,
      log,
    }),
  })
}
