// Lines of a stream of bytes. Whoever reads messages takes whole ones only: what follows the last line end of a stream that was cut is half
// a message. In a log that has ended it is what the process said last, and often why it ended.

const LINE_END = 10

/** `rest`: the stream ended behind it without a line end, so that nobody knows whether it is whole. */
export type Piece = { readonly bytes: Uint8Array; readonly ends: 'line' | 'rest' }

export async function* linesOf(chunks: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  for await (const { bytes, ends } of piecesOf(chunks, bytesMax)) if (ends === 'line') yield decoder.decode(bytes)
}

export async function* piecesOf(chunks: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<Piece> {
  let held: Uint8Array[] = []
  let length = 0
  const joined = (): Uint8Array => (held.length === 1 && held[0] !== undefined ? held[0] : Buffer.concat(held))
  for await (const chunk of chunks) {
    let from = 0
    for (let at = chunk.indexOf(LINE_END); at !== -1; at = chunk.indexOf(LINE_END, from)) {
      held.push(chunk.subarray(from, at))
      yield { bytes: joined(), ends: 'line' }
      held = []
      length = 0
      from = at + 1
    }
    if (from === chunk.length) continue
    held.push(chunk.slice(from))
    length += chunk.length - from
    if (length > bytesMax) throw new Error(`a line has more than ${bytesMax} bytes`)
  }
  if (length > 0) yield { bytes: joined(), ends: 'rest' }
}
