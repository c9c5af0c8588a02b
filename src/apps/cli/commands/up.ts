import type { Command } from 'commander'
import { Option } from 'commander'
import type { Output } from '../print.ts'
import { isJson, json } from '../print.ts'

type Options = Output & {
  demo?: boolean
  untilDone?: boolean
  demoFault: 'worker' | 'none'
  stopRuns?: boolean
  home?: string
  database?: string
  cluster: string[]
}

export function upCommand(program: Command): void {
  json(
    program
      .command('up')
      .description('run everything in one process')
      .option('--demo', 'train the example')
      .addOption(
        new Option('--demo-fault <what>', 'what is killed on purpose: a worker, once, or none')
          .choices(['worker', 'none'])
          .default('worker'),
      )
      .option('--until-done', 'end when the demonstration has ended')
      .option('--stop-runs', 'stop all runs at the end')
      .option('--home <dir>', 'PLIMSOLL_HOME or ~/.plimsoll by default')
      .option('--database <url>', 'a PostgreSQL of your own, 14 or newer')
      .option(
        '--cluster <file>',
        'a cluster of Kubernetes too, such as config/clusters/kubernetes.yaml; may be given again',
        (file: string, before: string[]) => [...before, file],
        [],
      ),
  ).action(async (options: Options) => {
    // Loaded only here: the other commands start in a tenth of the time without it.
    const { runUp } = await import('../../up/main.ts')
    process.exitCode = await runUp({
      demo: options.demo === true,
      untilDone: options.untilDone === true,
      demoFault: options.demoFault,
      stopRuns: options.stopRuns === true,
      home: options.home ?? null,
      database: options.database ?? null,
      clusters: options.cluster,
      json: isJson(options),
    })
  })
}
