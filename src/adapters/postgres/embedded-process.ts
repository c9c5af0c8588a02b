// What is known of a running server without asking it: its postmaster.pid and its entry in /proc. A pid alone proves nothing: after a
// reboot or in a new container it belongs to somebody else, and a killed server stays a zombie until its parent takes notice.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

export type Postmaster = {
  readonly pid: number
  readonly port: number
  readonly socket: string
  /** `starting`, `ready`, `stopping`, `standby`; empty in the first moment. */
  readonly status: string
}

export const pidFile = (data: string): string => join(data, 'postmaster.pid')

export function readPostmaster(data: string): Postmaster | null {
  let lines: string[]
  try {
    lines = readFileSync(pidFile(data), 'utf8').split('\n')
  } catch {
    return null
  }
  const pid = Number.parseInt(lines[0] ?? '', 10)
  if (!Number.isInteger(pid) || pid < 2) return null
  return { pid, port: Number.parseInt(lines[3] ?? '', 10), socket: lines[4] ?? '', status: (lines[7] ?? '').trim() }
}

/** Whether `pid` is a living process of the server of this data directory: PostgreSQL makes that its working directory. */
export function servesData(pid: number, data: string): boolean {
  if (!existsSync('/proc/self/stat')) return servesDataByPs(pid, data)
  if (isZombie(pid)) return false
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === data
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    if (code === 'ENOENT' || code === 'ESRCH') return false
    // Root in a container without CAP_SYS_PTRACE may not look into a process of `nobody`. Its command line is open to all, and to
    // take a living server for a dead one would be the worse mistake.
    const words = titleOf(pid).split('\0')
    return words[words.indexOf('-D') + 1] === data
  }
}

/** The children of a server that was killed hard. They notice it, but one in a long query late, and until then none can start. */
export function orphansOf(data: string): number[] {
  if (!existsSync('/proc/self/stat')) return []
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
  return pids.filter((pid) => servesData(pid, data) && titleOf(pid).startsWith('postgres: '))
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !isZombie(pid)
  } catch {
    return false
  }
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has just ended, which is what a signal is sent for.
  }
}

function isZombie(pid: number): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).startsWith('Z')
  } catch {
    return false
  }
}

function titleOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

function servesDataByPs(pid: number, data: string): boolean {
  const told = spawnSync('ps', ['-o', 'stat=,command=', '-p', String(pid)], { encoding: 'utf8' }).stdout ?? ''
  return !told.trimStart().startsWith('Z') && told.includes('postgres') && told.includes(data)
}
