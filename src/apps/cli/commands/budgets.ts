import type { Command } from 'commander'
import { scopeText } from '../../../domain/budget.ts'
import { ask } from '../client.ts'
import { budgetAmount, table } from '../format.ts'
import type { Output } from '../print.ts'
import { json, show } from '../print.ts'

export function budgetsCommand(program: Command): void {
  json(program.command('budgets').description('limits, what is used and what is reserved')).action(
    async (options: Output) =>
      show(options, await ask('budgets', 'GET', '/budgets'), ({ budgets }) =>
        budgets.length === 0
          ? 'no budgets: plimsoll policy apply FILE brings some'
          : table(
              ['BUDGET', 'OF', 'KIND', 'LIMIT', 'USED', 'RESERVED', 'LEFT', 'OVER'],
              budgets.map((each) => [
                each.id,
                scopeText(each),
                each.hard ? 'hard' : 'soft',
                ...[each.limit, each.used, each.reserved, each.left, each.over].map((value) =>
                  budgetAmount(each, value),
                ),
              ]),
            ),
      ),
  )
}
