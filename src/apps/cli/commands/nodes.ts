import type { Command } from 'commander'
import type { Wire } from '../../../contract/documents.ts'
import { ask } from '../client.ts'
import { table, when } from '../format.ts'
import type { Output } from '../print.ts'
import { json, show } from '../print.ts'

const VERBS = {
  cordon: {
    does: 'place nothing new on a node; what runs there may finish',
    done: 'takes no new runs; what runs there may finish',
  },
  uncordon: { does: 'place on it again', done: 'takes runs again' },
  forget: {
    does: 'end the books of a node that holds nothing; if it is still there, it is registered anew as it is now',
    done: 'is forgotten; if it is still there, the next look registers it as it is now',
  },
} as const

export function nodesCommand(program: Command): void {
  const nodes = json(program.command('nodes').description('the machines and what holds them')).action(
    async (options: Output) => show(options, await ask('nodes', 'GET', '/nodes'), words),
  )
  for (const [verb, { does, done }] of Object.entries(VERBS)) {
    json(
      nodes
        .command(verb)
        .argument('<node>', 'an id or a name that plimsoll nodes lists')
        .description(does)
        .option('--reason <text>', 'for those who look', ''),
    ).action(async (node: string, _: Output, command: Command) => {
      // `-o` is an option of nodes as well, and that is the one that hears it.
      const options = command.optsWithGlobals<Output & { reason: string }>()
      const path = `/nodes/${encodeURIComponent(node)}/${verb}`
      const document = await ask('node-steered', 'POST', path, { body: { reason: options.reason } })
      show(options, document, ({ node: id, note }) => `${id} ${done}${note === null ? '' : `\n${note}`}`)
    })
  }
}

const words = ({ clusters, nodes }: Wire<'nodes'>): string =>
  [
    ...clusters.flatMap(({ name, health, message }) =>
      health === 'unknown' ? [`cluster ${name} is unknown, and nothing is started there: ${message ?? ''}`] : [],
    ),
    tableOf(nodes),
  ].join('\n')

const tableOf = (nodes: Wire<'nodes'>['nodes']): string =>
  nodes.length === 0
    ? 'no node was seen yet'
    : table(
        ['NODE', 'STATE', 'REASON', 'SINCE', 'GPUS', 'HELD', 'FOREIGN', 'MODEL', 'SEEN', ''],
        nodes.map((node) => [
          node.id,
          node.state,
          node.reason,
          when(node.since),
          node.gpus,
          node.held,
          node.foreign,
          node.declared ? 'declared slots, no devices' : node.gpuModel,
          when(node.observedAt),
          node.message,
        ]),
      )
