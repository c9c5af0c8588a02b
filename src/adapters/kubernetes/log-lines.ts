// A pod's log as the API tells it, in the lines that every log of ours has: CRI lines, `time stream P|F text`. The API does not say
// which stream a line came from. A mark, `time/n`, stands for "after the n-th line of that time": by it reading goes on after a restart. The
// pieces of a line that is too long each count as one, with the time of the line.
import type { Piece } from './lines.ts'
import { piecesOf, wholeCharacters } from './lines.ts'

const LINE = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ?([\s\S]*)$/
/** What the supervisor of the local cluster cuts at, and CRI runtimes too. */
const TEXT_BYTES_MAX = 16 * 1024

export type Mark = { readonly time: string; readonly count: number }

export function markOf(text: string | null): Mark | null {
  const [, time, count] = /^(\S+)\/(\d+)$/.exec(text ?? '') ?? []
  return time === undefined || count === undefined ? null : { time, count: Number(count) }
}

export const markText = ({ time, count }: Mark): string => `${time}/${count}`

/** The time in UTC with nine digits, so that times compare as text; null: the line has none. */
export function timed(line: string): { readonly time: string; readonly text: string } | null {
  const [, seconds, fraction = '', zone, text] = LINE.exec(line) ?? []
  if (seconds === undefined || zone === undefined || text === undefined) return null
  const utc = zone === 'Z' || zone === '+00:00' ? seconds : new Date(`${seconds}${zone}`).toISOString().slice(0, 19)
  return { time: `${utc}.${fraction.padEnd(9, '0')}Z`, text }
}

export type TimedPiece = { readonly time: string; readonly text: string; readonly ends: Piece['ends'] }

/** A log as the API gives it. What has no time is no line of the container: the kubelet says there what it could not read. */
export async function* timedPieces(chunks: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<TimedPiece> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  let time: string | null = null
  for await (const { bytes, begins, ends } of piecesOf(chunks, bytesMax)) {
    let text = decoder.decode(bytes)
    if (begins) {
      const read = timed(text)
      time = read?.time ?? null
      text = read?.text ?? ''
    }
    if (time !== null) yield { time, text, ends }
  }
}

/** One line of the API as CRI lines, each ended. `isWhole`: nothing more of the line comes. */
export function criLines(time: string, text: string, isWhole: boolean): Uint8Array {
  const bytes = Buffer.from(text)
  const end = isWhole ? 'F' : 'P'
  if (bytes.length <= TEXT_BYTES_MAX) return Buffer.from(`${time} stdout ${end} ${text}\n`)
  const parts: Uint8Array[] = []
  for (let from = 0, to = 0; from < bytes.length; from = to) {
    const isLast = from + TEXT_BYTES_MAX >= bytes.length
    to = isLast ? bytes.length : wholeCharacters(bytes, from + TEXT_BYTES_MAX)
    parts.push(Buffer.from(`${time} stdout ${isLast ? end : 'P'} `), bytes.subarray(from, to), Buffer.from('\n'))
  }
  return Buffer.concat(parts)
}

/** Leaves out what was read before a mark; the first line says whether something was lost in between. */
export class Resume {
  readonly #mark: Mark | null
  #left: number
  #passed: boolean

  constructor(mark: Mark | null) {
    this.#mark = mark
    this.#left = mark?.count ?? 0
    this.#passed = mark === null
  }

  /** `lost`: the lines that the mark stands for are not there any more, so others may be missing too. */
  take(time: string): 'skip' | 'take' | 'lost' {
    if (this.#passed || this.#mark === null) return 'take'
    if (time < this.#mark.time) return 'skip'
    if (time === this.#mark.time && this.#left > 0) {
      this.#left -= 1
      return 'skip'
    }
    this.#passed = true
    return this.#left === this.#mark.count ? 'lost' : 'take'
  }
}
