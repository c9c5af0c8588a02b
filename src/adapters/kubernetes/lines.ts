// Lines of a stream of bytes. Whoever reads messages takes whole ones only: what follows the last line end of a stream that was cut is half
// a message. In a log that has ended it is what the process said last, and often why it ended.

const LINE_END = 10

/**
 * `cut`: the line is too long to be held, and goes on in the next piece. `rest`: the stream ended behind it without a line end, so that
 * nobody knows whether it is whole.
 */
export type Piece = {
  readonly bytes: Uint8Array
  /** A line begins with it. */
  readonly begins: boolean
  readonly ends: 'line' | 'cut' | 'rest'
}

export async function* linesOf(chunks: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  for await (const { bytes, ends } of piecesOf(chunks, bytesMax)) {
    if (ends === 'cut') throw new Error(`a line has more than ${bytesMax} bytes`)
    if (ends === 'line') yield decoder.decode(bytes)
  }
}

/** Where a line is cut depends on its bytes alone and not on how they come, so that whoever reads it again counts the same pieces. */
export async function* piecesOf(chunks: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<Piece> {
  let held: Uint8Array[] = []
  let length = 0
  let begins = true
  const joined = (): Uint8Array => (held.length === 1 && held[0] !== undefined ? held[0] : Buffer.concat(held))
  for await (const chunk of chunks) {
    for (let from = 0; from < chunk.length;) {
      const lineEnd = chunk.indexOf(LINE_END, from)
      const to = Math.min(lineEnd === -1 ? chunk.length : lineEnd, from + bytesMax + 1 - length)
      held.push(to === chunk.length ? chunk.slice(from) : chunk.subarray(from, to))
      length += to - from
      from = to
      if (length > bytesMax) {
        const bytes = joined()
        const at = wholeCharacters(bytes, bytesMax)
        yield { bytes: bytes.subarray(0, at), begins, ends: 'cut' }
        held = [bytes.slice(at)]
        length -= at
        begins = false
      } else if (to === lineEnd) {
        yield { bytes: joined(), begins, ends: 'line' }
        held = []
        length = 0
        begins = true
        from += 1
      }
    }
  }
  if (length > 0) yield { bytes: joined(), begins, ends: 'rest' }
}

/** The place at `to` or before it where no character of UTF-8 is cut. */
export function wholeCharacters(bytes: Uint8Array, to: number): number {
  for (let at = to; at > to - 4 && at > 0; at -= 1) if (((bytes[at] ?? 0) & 0xc0) !== 0x80) return at
  return to
}
