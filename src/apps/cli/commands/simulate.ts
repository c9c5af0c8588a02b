import { closeSync, openSync } from 'node:fs'
import type { Command } from 'commander'
import { CliError, EXIT } from '../exit.ts'
import type { Output } from '../print.ts'
import { isJson, json } from '../print.ts'
import { readCluster, readTrace } from '../trace-file.ts'

type Options = Output & {
  seeds?: string
  seed?: string
  from?: string
  story?: boolean
  trace?: string
  cluster?: string
  report?: string
  skipBroken?: boolean
}

export function simulateCommand(program: Command): void {
  json(
    program
      .command('simulate')
      .description('the production loops under virtual time with faults, or a trace of a cluster; no server is needed')
      .option('--seeds <n>', 'how many worlds (20)')
      .option('--from <n>', 'the first of them (1)')
      .option('--seed <n>', 'one world again; of a trace, what is drawn by chance')
      .option('--story', 'tell what happens in it, step by step')
      .option('--trace <file>', 'replay the jobs of a trace: CSV, or the output of sacct --parsable2')
      .option(
        '--cluster <shape>',
        'where: nodes=128,gpusPerNode=8,racks=16, or a file such as those of config/clusters',
      )
      .option('--report <file>', 'write what came out as a page of its own')
      .option('--skip-broken', 'replay a trace without its broken lines'),
  ).action(async (options: Options) => {
    const [from, seeds] =
      options.seed === undefined ? [Number(options.from ?? 1), Number(options.seeds ?? 20)] : [Number(options.seed), 1]
    if (![from, seeds].every((each) => Number.isSafeInteger(each) && each > 0)) {
      throw new CliError(EXIT.usage, '--seed, --seeds and --from are whole numbers from 1 on')
    }
    process.exitCode =
      options.trace === undefined ? await tryOut(options, from, seeds) : await follow(options, options.trace)
  })
}

async function tryOut(options: Options, from: number, seeds: number): Promise<number> {
  for (const [option, value] of [
    ['--cluster', options.cluster],
    ['--report', options.report],
    ['--skip-broken', options.skipBroken],
  ])
    if (value !== undefined) throw new CliError(EXIT.usage, `${String(option)} belongs to --trace FILE`)
  const { runSimulate } = await import('../../simulate/main.ts')
  return runSimulate({ from, seeds, story: options.story === true, json: isJson(options) })
}

async function follow(options: Options, file: string): Promise<number> {
  if (options.story === true) throw new CliError(EXIT.usage, '--story tells a seed, and no trace')
  for (const [option, value] of [
    ['--seeds', options.seeds],
    ['--from', options.from],
  ])
    if (value !== undefined) throw new CliError(EXIT.usage, `${option} counts worlds with faults, and a trace is one`)
  const shape = options.cluster
  if (shape === undefined)
    throw new CliError(EXIT.usage, 'on which cluster? --cluster nodes=128,gpusPerNode=8,racks=16, or a file')
  const cluster = readCluster(shape)
  const trace = readTrace(file, cluster, options.skipBroken === true)
  if (options.report !== undefined) refuseUnwritable(options.report)
  const { runTrace } = await import('../../simulate/trace.ts')
  const seed = options.seed === undefined ? 1 : Number(options.seed)
  return runTrace({ trace, name: file, cluster, seed, json: isJson(options), report: options.report ?? null })
}

/** Said before minutes are spent on what goes into it. */
function refuseUnwritable(file: string): void {
  try {
    closeSync(openSync(file, 'a'))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new CliError(EXIT.usage, `--report ${file} cannot be written (${code})`)
  }
}
