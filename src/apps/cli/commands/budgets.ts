import type { Command } from 'commander'
import type { Wire } from '../../../contract/documents.ts'
import { microsOf } from '../../../contract/quantities.ts'
import { scopeText } from '../../../domain/budget.ts'
import { ask } from '../client.ts'
import { CliError, EXIT } from '../exit.ts'
import { budgetAmount, table, visible, when } from '../format.ts'
import type { Output } from '../print.ts'
import { json, show } from '../print.ts'

type Budget = Wire<'budgets'>['budgets'][number]

export function budgetsCommand(program: Command): void {
  const budgets = json(
    program.command('budgets').description('limits, what is used and reserved, forecasts; extensions of them'),
  ).action(async (options: Output) =>
    show(options, await ask('budgets', 'GET', '/budgets'), ({ budgets: all }) =>
      all.length === 0
        ? 'no budgets: plimsoll policy apply FILE brings some'
        : table(
            ['BUDGET', 'OF', 'KIND', 'LIMIT', 'USED', 'RESERVED', 'LEFT', 'OVER', 'FORECAST', 'USED UP'],
            all.map((each) => [
              each.id,
              scopeText(each),
              each.hard ? 'hard' : 'soft',
              ...[each.limit, each.used, each.reserved, each.left, each.over].map((value) => budgetAmount(each, value)),
              forecast(each),
              usedUp(each),
            ]),
          ),
    ),
  )
  extensionCommands(budgets)
}

/** At the end of the period, with its interval. */
function forecast(budget: Budget): string {
  const { expected = null, low = null, high = null } = budget.forecast ?? {}
  if (expected === null) return '-'
  const interval =
    low === null || high === null ? 'at the rate of now' : `${amountOf(budget, low)} to ${amountOf(budget, high)}`
  return `${amountOf(budget, expected)} (${interval})`
}

const amountOf = (budget: Budget, value: number): string => budgetAmount(budget, value)
const usedUp = ({ forecast: of }: Budget): string => (of?.exhaustedAt == null ? '-' : when(of.exhaustedAt))

type Decide = Output & { answer: string }

function extensionCommands(budgets: Command): void {
  json(
    budgets
      .command('extend <budget>')
      .description('ask for more than a limit; whoever pays for it decides')
      .requiredOption('--by <amount>', 'GPU-hours or money, as the budget counts')
      .requiredOption('--reason <text>', 'for whoever decides'),
  ).action(async (budget: string, _: Output, command: Command) => {
    const options = command.optsWithGlobals<Output & { by: string; reason: string }>()
    const { budgets: all } = await ask('budgets', 'GET', '/budgets')
    // Listed is the period that runs; more may be asked for the next as well, and what counts it is the same.
    const found = all.find(({ id }) => id.split('@')[0] === budget.split('@')[0])
    if (found === undefined) throw new CliError(EXIT.usage, `there is no budget ${budget}: plimsoll budgets lists them`)
    const amount = amountFrom(options.by, found)
    const body = { amount, reason: options.reason }
    const document = await ask('extension', 'POST', `/budgets/${encodeURIComponent(budget)}/extensions`, { body })
    show(
      options,
      document,
      (each) => `extension ${each.id} of ${each.budget} waits for whoever pays: ${extensionAmount(each)}`,
    )
  })
  json(budgets.command('extensions').description('what was asked for beyond a limit; those that wait first')).action(
    async (_: Output, command: Command) =>
      show(command.optsWithGlobals<Output>(), await ask('extensions', 'GET', '/budgets/extensions'), listed),
  )
  for (const [verb, what] of [
    ['grant', 'raise the limit by what was asked for'],
    ['refuse', 'leave the limit as it is'],
  ] as const) {
    json(
      budgets.command(`${verb} <extension>`).description(what).option('--answer <text>', 'for him who asked', ''),
    ).action(async (id: string, _: Output, command: Command) => {
      const options = command.optsWithGlobals<Decide>()
      const path = `/budgets/extensions/${encodeURIComponent(id)}/${verb}`
      const document = await ask('extension', 'POST', path, { body: { answer: options.answer } })
      show(options, document, (each) => `${each.state}: ${extensionAmount(each)} of ${each.budget}`)
    })
  }
}

function amountFrom(text: string, { unit }: Budget): number {
  const micros = microsOf(text)
  if (micros === null || micros === 0)
    throw new CliError(EXIT.usage, `--by ${text} is not an amount above 0 with at most six places`)
  // Micro-hours of a GPU to GPU-milliseconds, rounded up: what is asked for is enough.
  return unit === 'gpu-ms' ? Number((BigInt(micros) * 36n + 9n) / 10n) : micros
}

type Row = Wire<'extensions'>['extensions'][number]

const extensionAmount = ({ unit, currency, amount }: Pick<Row, 'unit' | 'currency' | 'amount'>): string =>
  budgetAmount({ unit, currency }, amount)

function listed({ extensions }: Wire<'extensions'>): string {
  if (extensions.length === 0)
    return 'nobody asked for more: plimsoll budgets extend BUDGET --by AMOUNT --reason TEXT does'
  return table(
    ['EXTENSION', 'BUDGET', 'AMOUNT', 'STATE', 'ASKED BY', 'ASKED', 'REASON', 'DECIDED BY', 'ANSWER'],
    extensions.map((each) => [
      each.id,
      each.budget,
      extensionAmount(each),
      each.state,
      each.askedBy,
      when(each.askedAt),
      visible(each.reason),
      each.decidedBy ?? '-',
      each.answer === null || each.answer === '' ? '-' : visible(each.answer),
    ]),
  )
}
