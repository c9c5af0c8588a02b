import type { Command } from 'commander'
import { ask, runPath } from '../client.ts'
import { visible, when } from '../format.ts'
import type { Output } from '../print.ts'
import { json, show } from '../print.ts'

export function whyCommand(program: Command): void {
  json(program.command('why <run>').description('why a run waits, and what would let it start')).action(
    async (run: string, options: Output) =>
      show(options, await ask('why', 'GET', runPath(run, '/why')), (why) =>
        [
          `${why.state}${why.reason === null ? '' : ` (${why.reason})`}: ${visible(why.message)}`,
          ...(why.position === null ? [] : [`position ${why.position} in the queue`]),
          ...(why.counterfactual === null ? [] : [visible(why.counterfactual)]),
          ...(why.expectedStart === null
            ? []
            : [`expected start ${when(why.expectedStart.p50)}, nine times in ten by ${when(why.expectedStart.p90)}`]),
        ].join('\n'),
      ),
  )
}
