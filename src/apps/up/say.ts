/** Words for the person at the terminal. stdout is for documents alone. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** A known end: its message is all that is printed. */
export class Exit extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}
