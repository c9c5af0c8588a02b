import type { Command } from 'commander'
import { ask, runPath } from '../client.ts'
import { table, when } from '../format.ts'
import type { Output } from '../print.ts'
import { json, note, show } from '../print.ts'

export function eventsCommand(program: Command): void {
  json(
    program
      .command('events <run>')
      .description('what happened to a run')
      .option('--limit <n>', 'how many', '1000')
      .option('--after <cursor>', 'go on after a page'),
  ).action(async (run: string, options: Output & { limit: string; after?: string }) => {
    const { limit, after } = options
    const document = await ask('events', 'GET', runPath(run, '/events'), { query: { limit, after } })
    show(options, document, ({ events }) =>
      table(
        ['AT', 'EVENT', ''],
        events.map((event) => [when(event.at), event.kind, event.message]),
      ),
    )
    if (document.next !== null) note(`there are more: plimsoll events ${run} --after ${document.next}`)
  })
}
