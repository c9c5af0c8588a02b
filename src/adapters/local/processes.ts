// Processes are known by pid, start time and boot: a pid alone is soon somebody else's. What has lost its supervisor is found by the
// mark that every process of a worker carries in its environment.
import { readFileSync, readdirSync } from 'node:fs'
import type { WorkerId } from '../../domain/ids.ts'
import type { Fields } from './directory.ts'
import { numberField } from './directory.ts'

type ProcessSeen = { readonly parent: number; readonly start: number; readonly dead: boolean }

export const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()

/** Whether the process that `claim` or `pid` names still lives. A zombie does not: nobody is left to do anything. */
export function lives(named: Fields, boot: string): boolean {
  const pid = numberField(named, 'pid')
  if (pid === null || named.get('boot') !== boot) return false
  const seen = processSeen(pid)
  return seen !== null && !seen.dead && seen.start === numberField(named, 'start')
}

/**
 * SIGKILL to everything that carries the worker's mark, and to what descends from it. Returns how many were there: only a later
 * call that finds none says that they are gone.
 */
export function killMarked(worker: WorkerId): number {
  const children = new Map<number, number[]>()
  const found = new Set<number>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    const seen = processSeen(pid)
    if (seen === null || seen.dead) continue
    children.set(seen.parent, [...(children.get(seen.parent) ?? []), pid])
    if (markOf(pid) === worker) found.add(pid)
  }
  // A set grows while it is walked: descendants of descendants are visited too.
  for (const pid of found) for (const child of children.get(pid) ?? []) found.add(child)
  for (const pid of found) kill(pid)
  return found.size
}

/** The worker that a process belongs to; null where it carries no mark or may not be read. */
export function markOf(pid: number): string | null {
  const environment = readProc(pid, 'environ')
  if (environment === null) return null
  const mark = 'PLIMSOLL_WORKER='
  const entry = environment.split('\0').find((text) => text.startsWith(mark))
  return entry === undefined ? null : entry.slice(mark.length)
}

function processSeen(pid: number): ProcessSeen | null {
  const stat = readProc(pid, 'stat')
  if (stat === null) return null
  // The name stands in parentheses and may hold blanks and parentheses itself: fields count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { parent: Number(fields[1]), start: Number(fields[19]), dead: fields[0] === 'Z' || fields[0] === 'X' }
}

function readProc(pid: number, file: 'stat' | 'environ'): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return null // ended meanwhile, or another user's
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Ended meanwhile, or not ours to kill; the next look counts it again.
  }
}
