// The spool of a reporter in the log of its worker: a batch of ingest/v1 that nobody took, packed and cut into marked lines
// (docs/ingest-v1.md). Lines of several processes may be mixed; a batch is whole when its last part has come and no other is missing.
import type { AttemptId } from '../../domain/ids.ts'
import { SPOOL_OPEN_CHARS_MAX, SPOOL_PARTS_MAX } from '../../domain/limits.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { LogLine } from './log.ts'

/** A packed batch, and when its last line came. */
export type Spooled = { readonly packed: string; readonly at: EpochMs }

const MARK = 'plimsoll-spool/1 '
const PART =
  /^plimsoll-spool\/1 (r[0-9a-z]{16}-\d{1,9}) ([0-9a-f]{16}) (\d{1,9}) (\d{1,2})\/(\d{1,2}) ([A-Za-z0-9+/]{1,4000}={0,2})\s*$/

/**
 * The batches that are whole with these lines, and the parts of others: `before` are those that earlier lines left, of which the oldest go
 * where they become too many. Only lines that name the attempt count: a job may print the log of another one.
 */
export function spooledIn(
  attempt: AttemptId,
  before: string,
  lines: readonly LogLine[],
): { readonly batches: readonly Spooled[]; readonly open: string } {
  const parts = new Map<string, string>()
  for (const part of before.split('\n')) if (part !== '') parts.set(part.slice(0, part.lastIndexOf(' ')), part)
  const batches: Spooled[] = []
  for (const line of lines) {
    const read = partOf(line)
    if (read === null || read.attempt !== attempt) continue
    const nameOf = (part: number): string => `${read.batch} ${part}/${read.of}`
    parts.set(nameOf(read.part), `${nameOf(read.part)} ${read.text}`)
    if (read.part < read.of) continue
    const names = Array.from({ length: read.of }, (_, index) => nameOf(index + 1))
    const whole = names.flatMap((name) => parts.get(name) ?? [])
    for (const name of names) parts.delete(name)
    if (whole.length === read.of)
      batches.push({ packed: whole.map((part) => part.slice(part.lastIndexOf(' ') + 1)).join(''), at: line.at })
  }
  return { batches, open: newest([...parts.values()]) }
}

function newest(parts: readonly string[]): string {
  let chars = 0
  const from = parts.findLastIndex((part) => (chars += part.length + 1) > SPOOL_OPEN_CHARS_MAX)
  return parts.slice(from + 1).join('\n')
}

/** What people see of a log: a spool is none of their business. */
export function withoutSpool(lines: readonly LogLine[]): LogLine[] {
  return lines.flatMap((line) => {
    const mark = line.text.indexOf(MARK)
    if (mark < 0 || !PART.test(line.text.slice(mark))) return [line]
    // An unfinished line of the script may stand before it, or what a launcher puts there.
    const text = line.text.slice(0, mark)
    return text === '' || /^\[[a-z]+\d+\]:\s?$/.test(text) ? [] : [{ ...line, text }]
  })
}

type Part = {
  readonly attempt: string
  readonly batch: string
  readonly part: number
  readonly of: number
  readonly text: string
}

function partOf(line: LogLine): Part | null {
  const mark = line.text.indexOf(MARK)
  if (mark < 0 || line.partial) return null
  const [, attempt, source, batch, part, of, text] = PART.exec(line.text.slice(mark)) ?? []
  if (attempt === undefined || text === undefined) return null
  const read = { attempt, batch: `${source} ${batch}`, part: Number(part), of: Number(of), text }
  return read.part >= 1 && read.part <= read.of && read.of <= SPOOL_PARTS_MAX ? read : null
}
