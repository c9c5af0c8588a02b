import type { Command } from 'commander'
import { ask } from '../client.ts'
import { table, when } from '../format.ts'
import type { Output } from '../print.ts'
import { json, note, show } from '../print.ts'

export function auditCommand(program: Command): void {
  json(
    program
      .command('audit')
      .description('who did what')
      .option('--limit <n>', 'how many', '100')
      .option('--after <cursor>', 'go on after a page'),
  ).action(async (options: Output & { limit: string; after?: string }) => {
    const { limit, after } = options
    const document = await ask('audit', 'GET', '/audit', { query: { limit, after } })
    show(options, document, ({ entries }) =>
      table(
        ['AT', 'ACTOR', 'VERB', 'TARGET', ''],
        entries.map((each) => [when(each.at), each.actor, each.verb, each.target, detailOf(each.detail)]),
      ),
    )
    if (document.next !== null) note(`there are more: plimsoll audit --after ${document.next}`)
  })
}

const detailOf = (detail: unknown): string =>
  detail === null || typeof detail !== 'object' || Object.keys(detail).length === 0 ? '' : JSON.stringify(detail)
