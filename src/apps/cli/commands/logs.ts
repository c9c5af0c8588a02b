import type { Command } from 'commander'
import { ask, runPath } from '../client.ts'
import { CliError, EXIT } from '../exit.ts'
import type { Line } from '../follow.ts'
import { follow, printLine, readLog } from '../follow.ts'
import { wholeNumber } from '../number.ts'
import type { Output } from '../print.ts'
import { isJson, json, printDocument } from '../print.ts'

type Options = Output & { worker?: string; rank?: string; attempt?: string; follow?: boolean }

export function logsCommand(program: Command): void {
  json(
    program
      .command('logs <run>')
      .description('what a worker printed')
      .option('--worker <n>', 'node rank of the worker, 0 by default')
      .option('--rank <n>', 'global rank; the worker that it belongs to is shown')
      .option('--attempt <n>', 'the newest by default')
      .option('-f, --follow', 'until it has ended'),
  ).action(logs)
}

async function logs(run: string, options: Options): Promise<void> {
  const attempt = options.attempt === undefined ? null : wholeNumber('--attempt', options.attempt, 1)
  const worker = await workerOf(run, options)
  const lines: Line[] = []
  const take = (line: Line): void => {
    if (isJson(options)) lines.push(line)
    else printLine(line)
  }
  if (options.follow === true) await follow(run, { worker, attempt }, take)
  let offset = 0
  for (;;) {
    const page = await readLog(run, { worker, attempt }, offset)
    // After following, the lines are known; one document needs its head and its end alone.
    if (options.follow !== true) for (const line of page.lines) take(line)
    if (page.nextOffset > offset) {
      offset = page.nextOffset
      continue
    }
    if (isJson(options)) printDocument({ ...page, lines })
    return
  }
}

async function workerOf(run: string, options: Options): Promise<number> {
  if (options.rank === undefined) return wholeNumber('--worker', options.worker ?? '0', 0)
  if (options.worker !== undefined)
    throw new CliError(EXIT.usage, '--worker and --rank are two names of one place: give one of them')
  const rank = wholeNumber('--rank', options.rank, 0)
  const { gpusPerNode, gpus } = await ask('show', 'GET', runPath(run))
  if (rank >= gpus) throw new CliError(EXIT.notFound, `run ${run} has no rank ${rank}: its ranks are 0 to ${gpus - 1}`)
  return Math.floor(rank / gpusPerNode)
}
