/** Exit codes are promises: scripts depend on them. */
export const EXIT = { done: 0, failed: 1, usage: 2, refused: 3, notFound: 4, noServer: 5 } as const

/** A known end of a command: its message is all that is printed. */
export class CliError extends Error {
  readonly exitCode: number

  constructor(exitCode: number, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}
