import type { Command } from 'commander'
import type { Wire } from '../../../contract/documents.ts'
import { ask } from '../client.ts'
import { table, visible } from '../format.ts'
import type { Output } from '../print.ts'
import { json, show } from '../print.ts'

export function queueCommand(program: Command): void {
  const queue = json(program.command('queue').description('what waits, in its order')).action(async (options: Output) =>
    show(options, await ask('queue', 'GET', '/queue'), words),
  )
  for (const verb of ['pause', 'resume'] as const) {
    const what = verb === 'pause' ? 'place nothing new; what runs goes on' : 'place again'
    json(queue.command(verb).description(what).option('--reason <text>', 'for those who wait', '')).action(
      async (_: Output, command: Command) => {
        // `-o` is an option of queue as well, and that is the one that hears it.
        const options = command.optsWithGlobals<Output & { reason: string }>()
        const document = await ask('queue-steered', 'POST', `/queue/${verb}`, { body: { reason: options.reason } })
        show(options, document, ({ paused }) =>
          paused ? 'paused: nothing new is placed; what runs goes on' : 'resumed: runs are placed again',
        )
      },
    )
  }
}

function words({ paused, reason, waiting }: Wire<'queue'>): string {
  const rows = waiting.map((run) => [
    run.position,
    run.id,
    `${run.project}/${run.name}`,
    run.priority,
    run.gpus,
    run.reason,
    run.message,
  ])
  return [
    ...(paused ? [`paused: ${visible(reason ?? '')}`] : []),
    waiting.length === 0 ? 'nothing waits' : table(['', 'RUN', 'PROJECT/NAME', 'PRIORITY', 'GPUS', 'REASON', ''], rows),
  ].join('\n')
}
