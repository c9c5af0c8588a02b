// Ends a server of ours: SIGINT is PostgreSQL's fast shutdown (SIGTERM would wait for the last client), then harder.
import { setTimeout as pause } from 'node:timers/promises'
import { PostgresFault } from './embedded-fault.ts'
import { servesData, signal } from './embedded-process.ts'

const POLL_MS = 5
/** The last checkpoint writes at most shared_buffers: 64 MB, seconds on a slow disk. */
const FAST_MS_MAX = 30_000
const IMMEDIATE_MS_MAX = 5_000
const KILLED_MS_MAX = 5_000

export async function endPostmaster(
  pid: number,
  data: string,
  log: (level: 'warn', fields: object, message: string) => void,
): Promise<void> {
  const steps = [
    ['SIGINT', FAST_MS_MAX],
    ['SIGQUIT', IMMEDIATE_MS_MAX],
    ['SIGKILL', KILLED_MS_MAX],
  ] as const
  for (const [name, waitMs] of steps) {
    if (!servesData(pid, data)) return
    if (name !== 'SIGINT')
      log('warn', { pid, signal: name }, 'PostgreSQL does not stop: it is ended harder, and recovers at its next start')
    signal(pid, name)
    if (await hasEnded(pid, data, waitMs)) return
  }
  throw new PostgresFault(
    'postgres-stop-failed',
    `PostgreSQL (pid ${pid}) does not end`,
    `Look at the process ${pid}: is it waiting for a disk?`,
  )
}

/** The file goes first and the process after it: only when that is over may another server start. */
async function hasEnded(pid: number, data: string, waitMs: number): Promise<boolean> {
  const until = performance.now() + waitMs
  while (performance.now() < until) {
    if (!servesData(pid, data)) return true
    await pause(POLL_MS)
  }
  return false
}
