// Words for the person at the terminal, and how a process ends when something is wrong outside: a message that says what to do.

/** stdout is for documents alone. */
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

/** Runs to its exit code. What is known to go wrong is said in a few words; a bug goes on as it came. */
export async function exitCodeOf(run: () => Promise<number>): Promise<number> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof Exit) {
      say(error.message)
      return error.code
    }
    // Faults of the outside, of whatever adapter.
    if (error instanceof Error && 'whatToDo' in error) {
      say(`${error.message}${typeof error.whatToDo === 'string' ? `\n  ${error.whatToDo}` : ''}`)
      return 1
    }
    throw error
  }
}
