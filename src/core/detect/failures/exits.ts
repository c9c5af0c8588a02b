// How a rank ended. Under torchrun any death of a child ends the agent with 1: what it was stands in the agent's report, as
// `failed (exitcode: -9) local_rank: 0 (pid: 71) of binary: python` and below "Root Cause (first observed failure)" as `exitcode  : -9 (pid: 71)`.
import type { TailLine } from './hits.ts'

const SIGNALS: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  4: 'SIGILL',
  6: 'SIGABRT',
  7: 'SIGBUS',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  15: 'SIGTERM',
}

/** Python tells -n for a signal, a shell 128 + n. */
export function signalOf(code: number): string | null {
  return SIGNALS[code < 0 ? -code : code - 128] ?? null
}

const ROOT_CAUSE = /Root Cause \(first observed failure\)/
const IN_BLOCK = /^\s*exitcode\s*: (-?\d+)/
const FAILED = /\bfailed \(exitcode: (-?\d+)\)/

/** The exit code of the rank that an agent saw fail first; a report of its root cause counts for more than the line before it. */
export function ownCode(lines: readonly TailLine[]): { readonly code: number; readonly index: number } | null {
  let found: { readonly code: number; readonly index: number } | null = null
  let inBlock = false
  for (const [index, { text }] of lines.entries()) {
    inBlock ||= ROOT_CAUSE.test(text)
    const code = (inBlock ? IN_BLOCK : FAILED).exec(text)?.[1]
    if (code === undefined) continue
    if (inBlock) return { code: Number(code), index }
    found ??= { code: Number(code), index }
  }
  return found
}
