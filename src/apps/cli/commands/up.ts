import type { Command } from 'commander'
import { Option } from 'commander'
import { CliError, EXIT } from '../exit.ts'
import type { Output } from '../print.ts'
import { isJson, json } from '../print.ts'

type Options = Output & {
  demo?: boolean
  untilDone?: boolean
  stopRuns?: boolean
  home?: string
  database?: string
  cluster?: string
}

export function upCommand(program: Command): void {
  json(
    program
      .command('up')
      .description('run everything in one process')
      .option('--demo', 'train the example')
      .addOption(new Option('--demo-fault <fault>', 'what is broken on purpose').choices(['none']).default('none'))
      .option('--until-done', 'end when the demonstration has ended')
      .option('--stop-runs', 'stop all runs at the end')
      .option('--home <dir>', 'PLIMSOLL_HOME or ~/.plimsoll by default')
      .option('--database <url>', 'a PostgreSQL of your own, 14 or newer')
      .option('--cluster <file>', 'a cluster other than this machine'),
  ).action(async (options: Options) => {
    if (options.cluster !== undefined)
      throw new CliError(EXIT.usage, '--cluster is not there yet: plimsoll up runs on this machine alone')
    // Loaded only here: the other commands start in a tenth of the time without it.
    const { runUp } = await import('../../up/main.ts')
    process.exitCode = await runUp({
      demo: options.demo === true,
      untilDone: options.untilDone === true,
      stopRuns: options.stopRuns === true,
      home: options.home ?? null,
      database: options.database ?? null,
      json: isJson(options),
    })
  })
}
