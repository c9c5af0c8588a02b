// The command line. Every command is a file's part of commands/; here is what they share: usage errors exit with 2, refusals with 3,
// what is not found with 4, a server that does not answer with 5.
import { Command, CommanderError } from 'commander'
import { FileProblem, version } from '../parts/files.ts'
import { CliError, EXIT } from './client.ts'
import { operateCommands } from './commands/operate.ts'
import { json, runCommands } from './commands/runs.ts'
import { submitCommand } from './commands/submit.ts'
import { note } from './print.ts'

type UpFlags = {
  output: string
  demo?: boolean
  untilDone?: boolean
  stopRuns?: boolean
  home?: string
  database?: string
}

const program = new Command('plimsoll')
  .description('The control plane for training runs on a GPU cluster.')
  .version(version)
  .showHelpAfterError('(plimsoll --help lists the commands)')
  .exitOverride()
  .configureOutput({ writeErr: (text) => process.stderr.write(text) })

json(
  program
    .command('up')
    .description('run everything in one process')
    .option('--demo', 'train the example')
    .option('--until-done', 'end when the demonstration has ended')
    .option('--stop-runs', 'stop all runs at the end')
    .option('--home <dir>')
    .option('--database <url>', 'a PostgreSQL of your own, 14 or newer'),
).action(async (options: UpFlags) => {
  // Loaded only here: the other commands start in a tenth of the time without it.
  const { runUp } = await import('../up/main.ts')
  process.exitCode = await runUp({
    demo: options.demo === true,
    untilDone: options.untilDone === true,
    stopRuns: options.stopRuns === true,
    home: options.home ?? null,
    database: options.database ?? null,
    json: options.output === 'json',
  })
})
submitCommand(program)
runCommands(program)
operateCommands(program)
json(program.command('doctor').description('what is missing on this machine, and what to do')).action(
  async (options: { output: string }) => {
    const { runDoctor } = await import('../up/doctor.ts')
    process.exitCode = await runDoctor(options.output === 'json')
  },
)

for (const command of program.commands) command.exitOverride()

try {
  await program.parseAsync()
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
