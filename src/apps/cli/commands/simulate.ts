import type { Command } from 'commander'
import { CliError, EXIT } from '../exit.ts'
import type { Output } from '../print.ts'
import { isJson, json } from '../print.ts'

type Options = Output & { seeds: string; seed?: string; from?: string; story?: boolean }

export function simulateCommand(program: Command): void {
  json(
    program
      .command('simulate')
      .description('the production loops under virtual time with faults; no server is needed')
      .option('--seeds <n>', 'how many worlds', '20')
      .option('--from <n>', 'the first of them', '1')
      .option('--seed <n>', 'one world again')
      .option('--story', 'tell what happens in it, step by step'),
  ).action(async (options: Options) => {
    const [from, seeds] =
      options.seed === undefined ? [Number(options.from), Number(options.seeds)] : [Number(options.seed), 1]
    if (![from, seeds].every((each) => Number.isSafeInteger(each) && each > 0)) {
      throw new CliError(EXIT.usage, '--seed, --seeds and --from are whole numbers from 1 on')
    }
    const { runSimulate } = await import('../../simulate/main.ts')
    process.exitCode = await runSimulate({ from, seeds, story: options.story === true, json: isJson(options) })
  })
}
