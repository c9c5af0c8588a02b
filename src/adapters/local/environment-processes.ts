// Runs the programs that looking for a Python and preparing one need, so that none of them outlives an abort or its time limit.
import { spawn } from 'node:child_process'

export type Env = Readonly<Record<string, string | undefined>>

export type Ended = {
  readonly code: number | null
  readonly timedOut: boolean
  readonly stdout: string
  readonly stderr: string
}

type RunOptions = {
  readonly env: Env
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** A descriptor that the process inherits as number 3. */
  readonly lock?: number
  readonly onLine?: ((line: string) => void) | undefined
}

/** Runs a program in a process group of its own, which an abort or the time limit kills as a whole. */
export async function run(argv: readonly string[], options: RunOptions): Promise<Ended> {
  options.signal?.throwIfAborted()
  const [file = '', ...rest] = argv
  const { promise, resolve: done, reject } = Promise.withResolvers<Ended>()
  const child = spawn(file, rest, {
    env: { ...options.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', ...(options.lock === undefined ? [] : [options.lock])],
  })
  let timedOut = false
  const end = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // Ended meanwhile.
    }
  }
  const limit = setTimeout(() => {
    timedOut = true
    end()
  }, options.timeoutMs)
  options.signal?.addEventListener('abort', end)
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    let begun = ''
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      said[name] = (said[name] + text).slice(-100_000)
      const lines = (begun + text).split(/[\r\n]/)
      begun = lines.pop() ?? ''
      for (const line of lines) options.onLine?.(line)
    })
  }
  child.on('error', (error) => done({ code: null, timedOut, stdout: '', stderr: error.message }))
  child.on('close', (code) => {
    if (options.signal?.aborted === true) reject(abortReason(options.signal))
    else done({ code, timedOut, ...said })
  })
  try {
    return await promise
  } finally {
    clearTimeout(limit)
    options.signal?.removeEventListener('abort', end)
  }
}

function abortReason(signal: AbortSignal): Error {
  const reason: unknown = signal.reason
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason })
}

/** The line that tells why, without the names and passwords that an address may carry. */
export function complaint(ended: Ended): string {
  const lines = (ended.stderr.trim() === '' ? ended.stdout : ended.stderr)
    .split('\n')
    .filter((line) => line.trim() !== '')
  const telling = lines.findLast((line) => /error|cannot|could not|no such|not found/i.test(line)) ?? lines.at(-1)
  const text = telling ?? (ended.code === null ? 'it was killed' : `it ended with ${ended.code} and said nothing`)
  return text
    .trim()
    .replaceAll(/\/\/[^/@\s]*@/g, '//')
    .slice(-400)
}

export const lastLine = (text: string): string => text.trim().split('\n').at(-1)?.trim() ?? ''
