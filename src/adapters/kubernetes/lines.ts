// Lines of a stream of bytes, whole ones only: what follows the last line end waits for more.

const LINE_END = 10

export async function* linesOf(chunks: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<string> {
  let rest: Uint8Array[] = []
  let length = 0
  const decoder = new TextDecoder()
  for await (const chunk of chunks) {
    let from = 0
    for (let at = chunk.indexOf(LINE_END); at !== -1; at = chunk.indexOf(LINE_END, from)) {
      rest.push(chunk.subarray(from, at))
      yield decoder.decode(rest.length === 1 ? rest[0] : Buffer.concat(rest))
      rest = []
      length = 0
      from = at + 1
    }
    if (from === chunk.length) continue
    rest.push(chunk.slice(from))
    length += chunk.length - from
    if (length > bytesMax) throw new Error(`a line has more than ${bytesMax} bytes`)
  }
}
