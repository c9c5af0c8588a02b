// A worker's log as both kinds of cluster give it: CRI lines, `time stream P|F text`. From bytes to facts and to lines for people;
// whatever the bytes are, nothing throws.
import type { Fact } from '../../domain/fact.ts'
import { FACTS_PER_LINE_MAX, logSource } from '../../domain/fact.ts'
import type { AttemptId, WorkerId } from '../../domain/ids.ts'
import { LOG_LINE_CHARS_PARSED_MAX } from '../../domain/limits.ts'
import type { EpochMs } from '../../domain/units.ts'
import { epochMs } from '../../domain/units.ts'
import type { Dialect } from './dialects/dialect.ts'

type Stream = 'stdout' | 'stderr' | 'plimsoll'

export type LogLine = {
  /** Byte offset of its first CRI line. */
  readonly offset: number
  readonly at: EpochMs
  /** `plimsoll`: a line of ours, which stands in what is stored alone. */
  readonly stream: Stream
  readonly text: string
  /** It goes on in the next slice. */
  readonly partial: boolean
}

const NEWLINE = 10
// eslint-disable-next-line no-control-regex
const ANSI = /\u001b\[[0-9;]*[A-Za-z]/g
/** What launchers put before a line: torchrun's `[default0]:`, `[rank0]:`. */
const PREFIX = /^\[(?:default|rank)\d+\]:\s?/

export const withoutEscapes = (text: string): string => text.replace(ANSI, '')

/** Cuts a slice into lines. Partial lines are joined. */
export function linesOf(bytes: Uint8Array, offset: number): LogLine[] {
  const decoder = new TextDecoder('utf-8')
  const lines: LogLine[] = []
  let open: { -readonly [Key in keyof LogLine]: LogLine[Key] } | null = null
  for (let from = 0; from < bytes.length;) {
    const newline = bytes.indexOf(NEWLINE, from)
    const to = newline === -1 ? bytes.length : newline
    const cri = criLine(decoder.decode(bytes.subarray(from, to)))
    const at = offset + from
    from = to + 1
    if (cri === null) continue
    // A line of ours goes on with nothing that a worker has begun.
    if (open !== null && cri.stream === 'plimsoll') {
      lines.push({ ...open, partial: false })
      open = null
    }
    open ??= { offset: at, at: cri.at, stream: cri.stream, text: '', partial: false }
    open.text += cri.text
    open.partial = cri.partial
    if (cri.partial) continue
    lines.push(open)
    open = null
  }
  if (open !== null) lines.push(open)
  return lines
}

function criLine(line: string): { at: EpochMs; stream: Stream; partial: boolean; text: string } | null {
  const first = line.indexOf(' ')
  const second = line.indexOf(' ', first + 1)
  const third = line.indexOf(' ', second + 1)
  if (first < 0 || second < 0) return null
  const at = Date.parse(line.slice(0, first))
  const stream = line.slice(first + 1, second)
  if (!Number.isSafeInteger(at)) return null
  if (stream !== 'stdout' && stream !== 'stderr' && stream !== 'plimsoll') return null
  const tag = third < 0 ? line.slice(second + 1) : line.slice(second + 1, third)
  return { at: epochMs(at), stream, partial: tag === 'P', text: third < 0 ? '' : line.slice(third + 1) }
}

/** The facts of the lines of one worker. The name of a fact is its place in the log, so reading twice gives the same facts. */
export function factsOf(
  worker: WorkerId,
  attempt: AttemptId,
  lines: readonly LogLine[],
  dialects: readonly Dialect[],
): Fact[] {
  const facts: Fact[] = []
  for (const line of lines) {
    let place = 0
    // A progress bar writes many lines into one, and a launcher may glue two together.
    for (const part of line.text.slice(0, LOG_LINE_CHARS_PARSED_MAX).split('\r')) {
      const text = withoutEscapes(part).replace(PREFIX, '')
      for (const dialect of dialects) {
        for (const body of dialect.read(text)) {
          if (place >= FACTS_PER_LINE_MAX) break
          facts.push({
            source: logSource(worker),
            sequence: line.offset * FACTS_PER_LINE_MAX + place,
            attempt,
            at: line.at,
            sentAt: line.at,
            body,
          })
          place += 1
        }
      }
    }
  }
  return facts
}
