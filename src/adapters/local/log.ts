// Reads a worker's log by offset. `log.N` begins where N bytes had been written before it: an offset names the same byte for ever,
// whatever was rotated away meanwhile.
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { LogSlice as Slice } from '../../ports/cluster.ts'
import { isMissing } from './directory.ts'

/** Whether more may follow, a folder does not say. */
type LogSlice = Omit<Slice, 'open'>

/** How much of a worker's log is kept: 256 MiB, of which the oldest sixteenth goes at a time. */
export type LogLimits = { readonly fileBytes: number; readonly files: number }
export const LOG_LIMITS: LogLimits = { fileBytes: 16 * 1024 * 1024, files: 16 }

// The supervisor cuts lines at 16 KiB; less room than for one of them would never move on.
const LINE_BYTES_MAX = 17 * 1024
const LINE_END = 10

/**
 * Whole lines from `asked` on; what is no longer there is skipped, which shows in the slice's offset. A negative offset counts from
 * the end, and the line it falls into is left out.
 */
export async function readLogSlice(folder: string, asked: number, bytesMax: number): Promise<LogSlice> {
  const room = Math.max(bytesMax, LINE_BYTES_MAX)
  if (asked >= 0) return readFrom(folder, asked, room)
  // From the byte before: if that one ends a line, the next one begins where it was asked for.
  const before = Math.max(0, (await lengthOf(folder)) + asked - 1)
  const { offset, bytes, nextOffset } = await readFrom(folder, before, room + 1)
  // Where older files are gone the slice begins with a line already.
  const skipped = offset === before && before > 0 ? bytes.indexOf(LINE_END) + 1 : 0
  return { offset: offset + skipped, bytes: bytes.subarray(skipped), nextOffset }
}

async function readFrom(folder: string, offset: number, room: number): Promise<LogSlice> {
  // A file may be rotated away between the list and its opening: then the list is read again, which is one file shorter.
  for (let turn = 0; turn < 3; turn += 1) {
    const begins = await filesOf(folder)
    const current = begins.findLastIndex((begin) => begin <= offset)
    const parts: Uint8Array[] = []
    let [start, from] = [offset, offset]
    for (const begin of begins.slice(Math.max(current, 0))) {
      // Across files, so that one call reads a tail whole; not across a hole, which shows in the next slice's offset.
      if (begin > from && from === start) start = from = begin
      const rest = room - (from - start)
      if (begin > from || rest <= 0) break
      const bytes = await readWholeLines(join(folder, `log.${begin}`), from - begin, rest)
      if (bytes === null) break
      parts.push(bytes)
      from += bytes.length
    }
    if (from > start) return { offset: start, bytes: Buffer.concat(parts), nextOffset: from }
    if (begins.length === 0 || current >= 0) break
  }
  return { offset, bytes: new Uint8Array(), nextOffset: offset }
}

/** Bytes ever written, those that were rotated away included. */
async function lengthOf(folder: string): Promise<number> {
  const newest = (await filesOf(folder)).at(-1)
  if (newest === undefined) return 0
  return newest + ((await stat(join(folder, `log.${newest}`)).catch(() => null))?.size ?? 0)
}

async function filesOf(folder: string): Promise<number[]> {
  try {
    const names = await readdir(folder)
    const begins = names.flatMap((name) => (/^log\.\d{1,15}$/.test(name) ? [Number(name.slice(4))] : []))
    return begins.sort((a, b) => a - b)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** Null where the file is not there any more. */
async function readWholeLines(path: string, position: number, room: number): Promise<Uint8Array | null> {
  try {
    await using file = await open(path)
    const buffer = new Uint8Array(room)
    const { bytesRead } = await file.read(buffer, 0, room, position)
    return buffer.subarray(0, buffer.subarray(0, bytesRead).lastIndexOf(LINE_END) + 1)
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}
