import type { Command } from 'commander'
import type { Wire } from '../../../contract/documents.ts'
import { ask, runPath } from '../client.ts'
import { gpuHours, integer, money, percent, table } from '../format.ts'
import type { Output } from '../print.ts'
import { json, show } from '../print.ts'

export function statementCommand(program: Command): void {
  json(program.command('statement <run>').description('what a run held, by account, and what it cost')).action(
    async (run: string, options: Output) =>
      show(options, await ask('statement', 'GET', runPath(run, '/statement')), words),
  )
}

function balanceOf({ layers, experts, maxVio, dead }: NonNullable<Wire<'statement'>['experts']>): string {
  const most = maxVio === null ? 'not known' : String(Number(maxVio.toPrecision(3)))
  return `experts: ${integer(layers)} layers of ${integer(experts)}, MaxVio ${most}, ${integer(dead)} dead at the end`
}

function words(statement: Wire<'statement'>): string {
  const { heldGpuMs, attempts } = statement
  const share = (amount: number): string => percent(heldGpuMs === 0 ? null : amount / heldGpuMs)
  const accounts = Object.entries(statement.byAccount).filter(([, amount]) => amount !== 0)
  return [
    `${statement.run}  ${statement.project}/${statement.name}  ${statement.state} after ${attempts.length} attempt${attempts.length === 1 ? '' : 's'}`,
    table(
      ['ACCOUNT', 'GPU-MS', 'HELD', 'SHARE'],
      [
        ...accounts.map(([account, amount]) => [account, integer(amount), gpuHours(amount), share(amount)]),
        ['all of it', integer(heldGpuMs), gpuHours(heldGpuMs), share(heldGpuMs)],
      ],
    ),
    ...(statement.provisionalGpuMs > 0
      ? [`${gpuHours(statement.provisionalGpuMs)} of it are provisional: not booked yet, and may still change`]
      : []),
    `paid ${gpuHours(statement.paidGpuMs)}: ${money(statement.money)}`,
    `goodput ${percent(statement.goodput)}, effective training time ratio ${percent(statement.ettr)}`,
    ...(statement.experts === null ? [] : [balanceOf(statement.experts)]),
    `tokens of kept steps ${integer(statement.tokens)}, per GPU-hour ${integer(statement.tokensPerGpuHour)}`,
  ].join('\n')
}
