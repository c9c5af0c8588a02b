// A control plane in processes of its own, on a home that is removed afterwards, for tests that treat it as a user or a vandal would.
import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../', import.meta.url))
const program = join(root, 'bin', 'plimsoll.mjs')

export type Said = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

export class Home {
  readonly folder = mkdtempSync(join(tmpdir(), 'plimsoll-test-'))
  readonly path = join(this.folder, 'home')
  readonly env: NodeJS.ProcessEnv
  #up: ChildProcess | null = null

  /** A free port, so that tests and a person's own `up` do not meet. */
  constructor(config = 'listen: { port: 0 }\n', env: Readonly<Record<string, string>> = {}) {
    mkdirSync(this.path, { mode: 0o700 })
    writeFileSync(join(this.path, 'config.yaml'), config)
    this.env = { ...process.env, ...env, PLIMSOLL_HOME: this.path }
  }

  file(name: string, text: string): string {
    const path = join(this.folder, name)
    writeFileSync(path, text)
    return path
  }

  say(...args: string[]): Said {
    const ran = spawnSync(process.execPath, [program, ...args], {
      env: this.env,
      encoding: 'utf8',
      timeout: 60_000,
      maxBuffer: 2 ** 26,
    })
    return { code: ran.status, stdout: ran.stdout, stderr: ran.stderr }
  }

  // The caller says what document the command promises; the tests of the documents are elsewhere.
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters
  document<Document>(...args: string[]): Document {
    const said = this.say(...args, '-o', 'json')
    if (said.code !== 0) throw new Error(`${args.join(' ')}: exit ${said.code}, ${said.stderr}`)
    return JSON.parse(said.stdout) as Document
  }

  /** Starts `up` in a process group of its own and waits until it answers. */
  async up(...args: string[]): Promise<void> {
    // A file, not a pipe: supervisors outlive `up`, and whoever reads a pipe would wait for them.
    const said = openSync(join(this.folder, 'said'), 'a')
    this.#up = spawn(process.execPath, [program, 'up', ...args], {
      env: this.env,
      detached: true,
      stdio: ['ignore', 'ignore', said],
    })
    closeSync(said)
    await until(`up answers on ${this.path}`, () => {
      if (this.#up?.exitCode != null)
        throw new Error(`up ended: ${readFileSync(join(this.folder, 'said'), 'utf8').slice(-2_000)}`)
      return this.say('runs', '-o', 'json').code === 0
    })
  }

  /** The link that signs a browser in, as the newest `up` printed it. */
  async link(): Promise<string> {
    const find = (): string | undefined =>
      [...readFileSync(join(this.folder, 'said'), 'utf8').matchAll(/^.*pages: (http\S+)/gm)].at(-1)?.[1]
    await until('up prints a link', () => find() !== undefined)
    return find() ?? ''
  }

  /** Where the API is, and the token of whoever started it. */
  client(): { readonly url: string; readonly token: string } {
    return JSON.parse(readFileSync(join(this.path, 'client.json'), 'utf8')) as { url: string; token: string }
  }

  /** What `up` wrote into its log. */
  log(): string {
    return readFileSync(join(this.path, 'plimsoll.log'), 'utf8')
  }

  /** kill -9 of the whole group of `up`; with `database` of PostgreSQL as well. */
  async kill(database = false): Promise<void> {
    const child = this.#up
    if (child?.pid === undefined) return
    tryKill(-child.pid)
    if (child.exitCode === null && child.signalCode === null)
      await new Promise((resolve) => child.once('exit', resolve))
    if (database) for (const pid of this.processes('postgres')) tryKill(pid)
    this.#up = null
  }

  async stop(): Promise<number | null> {
    const child = this.#up
    if (child?.pid === undefined) return null
    this.#up = null
    child.kill('SIGTERM')
    return new Promise((resolve) =>
      child.exitCode === null ? child.once('exit', (code) => resolve(code)) : resolve(child.exitCode),
    )
  }

  /** Processes that carry the home in their arguments or environment, and whose command line has the word. */
  processes(word = ''): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .filter((pid) => {
        try {
          const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
          return (
            command.includes(word) &&
            (command.includes(this.path) || readFileSync(`/proc/${pid}/environ`, 'utf8').includes(this.path))
          )
        } catch {
          return false
        }
      })
      .map(Number)
  }

  async remove(): Promise<void> {
    await this.kill(true)
    for (let pids = this.processes(); pids.length > 0; pids = this.processes()) {
      for (const pid of pids) tryKill(pid)
      await pause(50)
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself meanwhile.
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits for a condition, never for a time: what it waits for stands in the error. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 60_000,
): Promise<void> {
  for (const begin = performance.now(); !(await condition()); await pause(100)) {
    if (performance.now() - begin > withinMs) throw new Error(`${what}: not within ${withinMs} ms`)
  }
}
