// A program that a test keeps running. It dies with the process that started it, also when that one is killed: the kernel sends it a
// SIGKILL then. What it says goes to a file, whose end is shown when it does not start.
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** For stopping it as tests need it: a crash is `stop('SIGKILL')`, a hang is `signal('SIGSTOP')` and later `signal('SIGCONT')`. */
export type Program = {
  readonly name: string
  readonly logFile: string
  start(): void
  /** Ends it and waits until it is gone; one that does not obey within ten seconds is killed. */
  stop(signal?: NodeJS.Signals): Promise<void>
  signal(signal: NodeJS.Signals): void
  /** The exit code or signal, once it has ended. */
  ended(): string | null
  /** While it runs. */
  pid(): number | null
}

const STOP_MS_MAX = 10_000

/** Not started yet. */
export function program(
  name: string,
  argv: readonly string[],
  options: {
    readonly logFile: string
    readonly env?: Readonly<Record<string, string>>
    readonly cwd?: string
    /** It is the child of what is started, which only enters its namespaces and waits for it: signals are meant for the child. */
    readonly entered?: boolean
  },
): Program {
  let child: ChildProcess | null = null
  let ended: string | null = null
  const pid = (): number | null => {
    const own = ended === null ? (child?.pid ?? null) : null
    return options.entered === true && own !== null ? (childOf(own) ?? own) : own
  }
  const send = (signal: NodeJS.Signals): void => {
    const to = pid()
    if (to !== null && alive(to)) process.kill(to, signal)
  }
  return {
    name,
    logFile: options.logFile,
    start() {
      if (child !== null && ended === null) throw new Error(`${name} is running`)
      const log = openSync(options.logFile, 'a')
      const started = spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], {
        stdio: ['ignore', log, log],
        // Ctrl-C is for us: we end them in order.
        detached: true,
        env: { ...process.env, ...options.env },
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      })
      closeSync(log)
      child = started
      ended = null
      started.on('error', (error) => void (ended = error.message))
      started.on('exit', (code, signal) => void (ended = signal ?? `exit code ${code}`))
      // A test file ends when its tests have: the programs must not keep it alive, and die with it.
      started.unref()
    },
    async stop(signal = 'SIGTERM') {
      const running = child
      if (running === null || ended !== null) return
      running.ref()
      const gone = new Promise<void>((resolve) => running.once('exit', () => resolve()))
      send('SIGCONT')
      send(signal)
      const late = setTimeout(() => send('SIGKILL'), STOP_MS_MAX)
      await gone
      clearTimeout(late)
    },
    signal: send,
    ended: () => ended,
    pid,
  }
}

/** Asks again until the answer is a value. Throws with the end of the log when the program has ended or the time is over. */
export async function until<T>(
  what: string,
  msMax: number,
  ask: () => Promise<T | null> | T | null,
  watched: readonly Program[] = [],
  waitMsMax = 250,
): Promise<T> {
  const deadline = performance.now() + msMax
  let failed: unknown
  for (let wait = 20; ; wait = Math.min(waitMsMax, wait * 1.3)) {
    try {
      const answer = await ask()
      if (answer !== null) return answer
    } catch (error) {
      failed = error
    }
    const dead = watched.find((each) => each.ended() !== null)
    if (dead !== undefined) throw new Error(`${dead.name} ended (${dead.ended()}): ${endOf(dead.logFile)}`)
    if (performance.now() > deadline) {
      const logs = watched.map((each) => `\n${each.name}: ${endOf(each.logFile)}`).join('')
      throw new Error(`${what} did not come within ${msMax / 1000} s${logs}`, { cause: failed })
    }
    await sleep(wait)
  }
}

const endOf = (file: string): string => readFileSync(file, 'utf8').slice(-2_000)

/**
 * A lock between processes, and what releases it; null when another has it and we do not wait. It is the kernel's and belongs to a child
 * that ends when we do, also when we are killed: its input is then closed.
 */
export function takeLock(path: string, how: 'wait' | 'at once'): Promise<(() => void) | null> {
  return new Promise((resolve, reject) => {
    const args = [...(how === 'wait' ? [] : ['--nonblock']), path, 'sh', '-c', 'echo held; exec cat']
    const holder = spawn('flock', args, { stdio: ['pipe', 'pipe', 'inherit'] })
    holder.on('error', reject)
    // One is what it says when the lock is taken.
    holder.on('exit', (code) => (code === 1 ? resolve(null) : reject(new Error(`flock ${path} ended with ${code}`))))
    holder.stdout.once('data', () => {
      holder.unref()
      for (const stream of [holder.stdin, holder.stdout]) (stream as { unref?: () => void }).unref?.()
      resolve(() => holder.stdin.end())
    })
  })
}

/** Whether it runs. A zombie has ended, though nobody has asked for its exit code yet. */
export function alive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Of a process that has one child, that child. */
export function childOf(pid: number): number | null {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return Number(children.trim().split(' ')[0]) || null
}
