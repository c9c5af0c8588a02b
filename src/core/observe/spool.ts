// The spool of a reporter in the log of its worker: a batch of ingest/v1 that nobody took, packed and cut into marked lines
// (docs/ingest-v1.md). Lines of several processes may be mixed; a batch is whole when its last part has come and no other is missing.
import type { AttemptId } from '../../domain/ids.ts'
import { SPOOL_PARTS_MAX } from '../../domain/limits.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { LogLine } from './log.ts'

/** A packed batch, and when its last line came. */
export type Spooled = { readonly packed: string; readonly at: EpochMs }

const MARK = 'plimsoll-spool/1 '
const PART =
  /^plimsoll-spool\/1 (r[0-9a-z]{16}-\d{1,9}) ([0-9a-f]{16}) (\d{1,9}) (\d{1,2})\/(\d{1,2}) ([A-Za-z0-9+/]{1,4000}={0,2})\s*$/

/**
 * The batches whose last part lies at `from` or later. Only lines that name the attempt count: a job may print the log of another
 * one. `isTorn`: the beginning of one lies further up.
 */
export function spooledIn(
  attempt: AttemptId,
  lines: readonly LogLine[],
  from: number,
): { readonly batches: readonly Spooled[]; readonly isTorn: boolean } {
  const parts = new Map<string, string>()
  const batches: Spooled[] = []
  let isTorn = false
  for (const line of lines) {
    const read = partOf(line)
    if (read === null || read.attempt !== attempt) continue
    parts.set(`${read.batch} ${read.part}`, read.text)
    if (read.part < read.of || line.offset < from) continue
    const whole = Array.from({ length: read.of }, (_, index) => parts.get(`${read.batch} ${index + 1}`))
    if (whole.includes(undefined)) isTorn = true
    else batches.push({ packed: whole.join(''), at: line.at })
  }
  return { batches, isTorn }
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
