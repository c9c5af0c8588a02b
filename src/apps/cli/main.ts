// The command line: parses, runs one command, and turns how it ended into an exit code.
import { CommanderError } from 'commander'
import { FileProblem } from '../parts/files.ts'
import { CliError, EXIT } from './exit.ts'
import { note } from './print.ts'
import { createProgram } from './program.ts'

// Whoever reads from us may stop: `plimsoll logs RUN | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.done)
  throw error
})

try {
  await createProgram().parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage
  else if (error instanceof CliError) {
    note(`plimsoll: ${error.message}`)
    process.exitCode = error.exitCode
  } else if (error instanceof FileProblem) {
    note(`plimsoll: ${error.message}`)
    process.exitCode = EXIT.usage
  } else throw error
}
