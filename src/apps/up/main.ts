// `plimsoll up`: one process with everything, on a home of its own. It holds the home's lock while it lives; PostgreSQL and the
// supervisors of workers are processes of their own, so that kill -9 of this one costs nothing but time.
import { statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { startEmbeddedPostgres } from '../../adapters/postgres/embedded.ts'
import { homeKeys } from '../../adapters/system/attempt-token.ts'
import { homeId } from '../../adapters/system/home-id.ts'
import { takeHomeLock } from '../../adapters/system/home-lock.ts'
import { createLog } from '../../adapters/system/log.ts'
import type { Principal } from '../../domain/principal.ts'
import { counted } from '../../domain/words.ts'
import { Fault } from '../../ports/fault.ts'
import { readSettings } from '../parts/files.ts'
import type { Service } from '../parts/service.ts'
import { alertingOf } from '../parts/alerting.ts'
import { startApi } from './api.ts'
import type { DemoFault } from './demo.ts'
import { Demonstration } from './demo.ts'
import type { Ingest } from '../parts/ingest.ts'
import { ingestPortOf, startIngest } from '../parts/ingest.ts'
import { keepPostgres } from './keep-postgres.ts'
import { kubernetesClusters, readClusters } from '../parts/kubernetes.ts'
import { findInterpreter, localCluster } from './local.ts'
import { oidcSettings, oidcSignIn } from '../parts/oidc.ts'
import { patient } from './patient.ts'
import { Exit, exitCodeOf, say } from '../parts/say.ts'
import { connectionTo } from '../parts/connection.ts'
import { Ending } from '../parts/ending.ts'
import { signInCodes } from './sign-in.ts'
import { startAll } from './start.ts'
import { builtPages } from './web.ts'

export type UpOptions = {
  readonly demo: boolean
  readonly untilDone: boolean
  readonly demoFault: DemoFault
  readonly stopRuns: boolean
  readonly home: string | null
  readonly database: string | null
  /** Files of clusters of Kubernetes, beside those of config.yaml. */
  readonly clusters: readonly string[]
  readonly json: boolean
}

/** Runs until it is told to end; returns the exit code. */
export const runUp = (options: UpOptions): Promise<number> => exitCodeOf(() => up(options))

async function up(options: UpOptions): Promise<number> {
  const home = resolve(options.home ?? process.env.PLIMSOLL_HOME ?? join(homedir(), '.plimsoll'))
  const files = readSettings(home)
  const oidc = oidcSettings(files.config, join(home, 'config.yaml'))
  const remote = readClusters([...files.config.clusters.map((file) => resolve(home, file)), ...options.clusters])
  const lock = await takeHomeLock(home)
  if (!lock.held) {
    const pid = lock.holder.pid === null ? '' : ` (process ${lock.holder.pid})`
    throw new Exit(
      3,
      `another plimsoll up runs on ${home}${pid}. Use it, stop it with Ctrl-C or kill ${lock.holder.pid ?? 'PID'}, or choose another --home.`,
    )
  }
  const logs = createLog(join(home, 'plimsoll.log'), files.config.log.level)
  const toLog = (level: 'info' | 'warn' | 'error', fields: object, message: string): void =>
    logs.log[level]({ ...fields }, message)
  const ending = new Ending()
  try {
    say(`home ${home}, log ${join(home, 'plimsoll.log')}`)
    if ((statSync(home).mode & 0o077) !== 0)
      say(`others can enter ${home}, which holds logs and checkpoints: chmod 700 ${home}`)
    const building = builtPages(home)
    const interpreter = await findInterpreter()
    const external = options.database ?? files.config.database.url
    let postgres = external === null ? await startEmbeddedPostgres({ home, log: toLog }) : null
    if (postgres?.adopted === true) say('PostgreSQL was still running and is used again')
    const demo = options.demo ? new Demonstration() : null
    let service: Service | null = null
    let ingest: Ingest | null = null
    // Known once the API listens.
    let pagesAt = 'http://127.0.0.1'
    try {
      const { listen } = files.config
      const port = ingestPortOf(listen)
      ingest = await startIngest({
        keys: homeKeys(home),
        host: listen.host,
        port,
        log: logs.pino.child({}, { level: 'warn' }),
      })
      service = await startAll({
        home,
        files,
        log: logs.log,
        connection: postgres?.connection ?? connectionTo(external ?? '', '--database'),
        ingest: ingest.address,
        alerting: alertingOf({
          config: files.config,
          file: join(home, 'config.yaml'),
          keys: homeKeys(home),
          pages: () => pagesAt,
          // Its own receiver, and nothing else of this machine for longer than it runs.
          allowNetworks: demo === null ? [] : ['127.0.0.1'],
          log: logs.log,
        }),
        clusters: async (clock) => [
          await localCluster({ home, clock, config: files.config, python: interpreter, demo, log: toLog }),
          ...(await kubernetesClusters({ clusters: remote, controlPlane: homeId(home), clock, log: toLog })),
        ],
      })
      ingest.open(service.requests)
      const who = principal()
      const signIn = signInCodes(service, who)
      const pages = await building
      const quiet = logs.pino.child({}, { level: 'warn' })
      const provider = oidcSignIn(service, oidc)
      const api = await startApi(service, files, home, quiet, who, { pages, signIn, provider })
      pagesAt = api.url
      const keeping = postgres === null ? null : keepPostgres(service, home, postgres, toLog)
      try {
        const link = pages === null ? null : `${api.url}/#code=${signIn.newCode()}`
        return await serve(options, service, { url: api.url, link }, demo, ending, home)
      } finally {
        await api.close()
        postgres = (await keeping?.stop()) ?? postgres
      }
    } finally {
      await demo?.hangUp()
      await ingest?.close()
      await service?.stop()
      await demo?.end()
      await postgres?.stop()
    }
  } finally {
    ending.end()
    logs.flush()
    lock.release()
  }
}

async function serve(
  options: UpOptions,
  service: Service,
  { url, link }: { readonly url: string; readonly link: string | null },
  demo: Demonstration | null,
  ending: Ending,
  home: string,
): Promise<number> {
  say(
    `up at ${url}; command line: node bin/plimsoll.mjs runs${process.env.PLIMSOLL_HOME === undefined && options.home === null ? '' : ` with PLIMSOLL_HOME=${home}`}`,
  )
  if (link !== null) say(`pages: ${link} (signs one browser in, once, within ten minutes)`)
  say('commands of runs are executed as this user: this is for people who trust each other')
  const who = principal()
  if (demo !== null) {
    const result = await demo.run(service, who, {
      untilDone: options.untilDone,
      json: options.json,
      asked: ending,
      fault: options.demoFault,
    })
    if (result.ended) return result.code
  } else {
    await ending.asked
  }
  if (options.stopRuns) await stopRuns(service, who)
  else await listRuns(service)
  return 0
}

/** Whoever started this process may do everything here: it runs as him. */
function principal(): Principal {
  return {
    kind: 'user',
    name: process.env.USER ?? process.env.LOGNAME ?? 'local',
    grants: [{ role: 'admin', project: null }],
  }
}

async function stopRuns(service: Service, who: Principal): Promise<void> {
  const world = await patient(() => service.store.world(service.control.health))
  for (const run of world.runs.values()) await patient(() => service.requests.stop(who, run.id, false))
  for (;;) {
    const now = await patient(() => service.store.world(service.control.health))
    if (now.attempts.size === 0) return
    await new Promise((resolvePause) => setTimeout(resolvePause, 200))
  }
}

/** Whoever asks to end waits so long for PostgreSQL. */
const LIST_MS = 3_000

/** Runs go on under their supervisors; whoever ends the control plane is told so. */
async function listRuns(service: Service): Promise<void> {
  const world = await patient(() => service.store.world(service.control.health), LIST_MS).catch((error: unknown) => {
    if (!(error instanceof Fault)) throw error
    say('which runs go on cannot be said while PostgreSQL does not answer; their supervisors keep what was reserved.')
    return null
  })
  if (world !== null && world.attempts.size === 0) return
  if (world !== null) {
    const runs = counted(world.attempts.size, 'run')
    say(`${runs} ${world.attempts.size === 1 ? 'goes' : 'go'} on without the control plane, within what was reserved:`)
  }
  for (const attempt of world?.attempts.values() ?? []) {
    const run = world?.runs.get(attempt.run)
    say(`  ${run?.project}/${run?.name} (${attempt.run}): ${run?.state.kind}`)
  }
  say('the next plimsoll up finds them; plimsoll up --stop-runs followed by Ctrl-C stops them')
}
