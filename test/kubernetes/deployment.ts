// The processes of a deployment as the chart would start them, beside a real control plane: one database, one file of settings, and as
// many controllers and apis as a test wants.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EmbeddedPostgres } from '../../src/adapters/postgres/embedded.ts'
import { startEmbeddedPostgres } from '../../src/adapters/postgres/embedded.ts'
import { root } from '../parts/plimsoll.ts'
import { freePorts } from '../parts/ports.ts'
import type { Program } from './processes.ts'
import { program, until } from './processes.ts'

const MAIN = join(root, 'src', 'apps', 'cli', 'main.ts')
const START_MS_MAX = 30_000

export type Process = Program & { readonly port: number; readonly ingestPort: number; checks(): Promise<Checks | null> }
type Checks = Readonly<Record<string, string>>

export class Deployment {
  readonly folder = mkdtempSync(join(tmpdir(), 'plimsoll-deployment-'))
  readonly secret = randomBytes(32).toString('hex')
  readonly #home: string
  #postgres: EmbeddedPostgres
  readonly #settings: string
  readonly processes: Process[] = []

  private constructor(home: string, postgres: EmbeddedPostgres, settings: string) {
    this.#home = home
    this.#postgres = postgres
    this.#settings = settings
    writeFileSync(join(this.folder, 'deployment.key'), `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 })
  }

  /** `cluster` and `settings` are the texts of the two files. */
  static async open(cluster: string, settings: string): Promise<Deployment> {
    const home = mkdtempSync(join(tmpdir(), 'plimsoll-deployment-postgres-'))
    const postgres = await startEmbeddedPostgres({ home, log: () => {} })
    const deployment = new Deployment(home, postgres, settings)
    deployment.setCluster(cluster)
    return deployment
  }

  /** For processes that start from now on. */
  setCluster(text: string): void {
    writeFileSync(join(this.folder, 'cluster.yaml'), text)
  }

  get databaseUrl(): string {
    const { host, user, database } = this.#postgres.connection
    return `postgres://${user}@localhost/${database}?host=${encodeURIComponent(host)}`
  }

  env(): Record<string, string> {
    return { PLIMSOLL_DATABASE_URL: this.databaseUrl, PLIMSOLL_BOOTSTRAP_TOKEN: this.secret }
  }

  #config(name: string, ports: readonly number[]): string {
    const [port, ingestPort, probePort] = ports
    const file = join(this.folder, `${name}.yaml`)
    const listen = `listen: { host: 127.0.0.1, port: ${port}, ingestPort: ${ingestPort}, probePort: ${probePort} }\n`
    writeFileSync(file, `${this.#settings}\n${listen}`)
    return file
  }

  /** Runs a command to its end. */
  say(...args: string[]) {
    const file = this.#config('commands', [0, 0, 0])
    const env = { ...process.env, ...this.env(), PLIMSOLL_CONFIG: file }
    const ran = spawnSync(process.execPath, [MAIN, ...args], { env, encoding: 'utf8', timeout: 60_000 })
    return { code: ran.status, stdout: ran.stdout, stderr: ran.stderr }
  }

  /** What a user says to an api, with the token of the first admin. */
  cli(api: Process, ...args: string[]) {
    const env = {
      ...process.env,
      PLIMSOLL_URL: `http://127.0.0.1:${api.port}`,
      PLIMSOLL_TOKEN: this.secret,
      PLIMSOLL_HOME: this.folder,
    }
    return spawnSync(process.execPath, [MAIN, ...args], { env, encoding: 'utf8', timeout: 60_000, maxBuffer: 2 ** 26 })
  }

  /** kill -9 of PostgreSQL, which is there again when this resolves. */
  async killDatabase(): Promise<void> {
    process.kill(this.#postgres.pid, 'SIGKILL')
    this.#postgres = await startEmbeddedPostgres({ home: this.#home, log: () => {} })
  }

  /** Starts one and waits until it says that it is ready. */
  async start(kind: 'controller' | 'api', name: string): Promise<Process> {
    const [port = 0, ingestPort = 0, probePort = 0] = await freePorts(3)
    const argv = [process.execPath, MAIN, kind, '--config', this.#config(name, [port, ingestPort, probePort])]
    const made = program(name, argv, { logFile: join(this.folder, `${name}.log`), env: this.env() })
    const asked = kind === 'api' ? port : probePort
    const checks = async (): Promise<Checks | null> => {
      const answer = await fetch(`http://127.0.0.1:${asked}/readyz`).catch(() => null)
      return answer?.ok === true ? ((await answer.json()) as { checks: Checks }).checks : null
    }
    const started = { ...made, port: asked, ingestPort, checks }
    this.processes.push(started)
    started.start()
    await until(`${name} is ready`, START_MS_MAX, checks, [started])
    return started
  }

  async close(): Promise<void> {
    for (const each of this.processes) await each.stop('SIGKILL')
    await this.#postgres.stop()
    for (const folder of [this.folder, this.#home]) rmSync(folder, { recursive: true, force: true })
  }
}
