import type { Command } from 'commander'
import { CliError, EXIT } from '../exit.ts'
import type { Output } from '../print.ts'
import { isJson, json } from '../print.ts'

type Options = Output & { seeds: string; seed?: string }

export function simulateCommand(program: Command): void {
  json(
    program
      .command('simulate')
      .description('the production loops under virtual time with faults; no server is needed')
      .option('--seeds <n>', 'how many worlds', '20')
      .option('--seed <n>', 'one world again'),
  ).action(async (options: Options) => {
    const [from, seeds] = options.seed === undefined ? [1, Number(options.seeds)] : [Number(options.seed), 1]
    if (![from, seeds].every((each) => Number.isSafeInteger(each) && each > 0)) {
      throw new CliError(EXIT.usage, '--seed and --seeds are whole numbers from 1 on')
    }
    const { runSimulate } = await import('../../simulate/main.ts')
    process.exitCode = await runSimulate({ from, seeds, json: isJson(options) })
  })
}
