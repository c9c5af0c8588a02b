// The log of one simulated worker: bytes that only grow, so that reading on costs what is new and not what is there.
const FIRST_BYTES = 4_096

export class LogBytes {
  #bytes = new Uint8Array(0)
  #length = 0

  append(text: string): void {
    // What a trainer prints is ASCII: one byte a character.
    const needed = this.#length + text.length
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(FIRST_BYTES, needed * 2))
      grown.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = grown
    }
    for (let at = 0; at < text.length; at += 1) this.#bytes[this.#length + at] = text.charCodeAt(at)
    this.#length = needed
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }
}
