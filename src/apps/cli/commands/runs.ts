import type { Command } from 'commander'
import { ask } from '../client.ts'
import { table, when } from '../format.ts'
import type { Output } from '../print.ts'
import { json, note, show } from '../print.ts'

type Options = Output & { project?: string; state?: string; limit?: string; after?: string }

export function runsCommand(program: Command): void {
  json(
    program
      .command('runs')
      .description('list runs, the newest first')
      .option('--project <name>')
      .option('--state <state>', 'such as queued, running or failed')
      .option('--limit <n>', 'how many')
      .option('--after <id>', 'go on after this run'),
  ).action(async (options: Options) => {
    const { project, state, limit, after } = options
    const document = await ask('runs', 'GET', '/runs', { query: { project, state, limit, after } })
    show(options, document, ({ runs }) =>
      runs.length === 0
        ? 'no runs here: plimsoll submit FILE submits one'
        : table(
            ['RUN', 'PROJECT/NAME', 'STATE', 'REASON', 'GPUS', 'CREATED'],
            runs.map((run) => [
              run.id,
              `${run.project}/${run.name}`,
              run.state,
              run.reason,
              run.gpus,
              when(run.createdAt),
            ]),
          ),
    )
    if (document.next !== null) note(`there are more: plimsoll runs --after ${document.next}`)
  })
}
