import type { Command } from 'commander'
import type { Wire } from '../../../contract/documents.ts'
import { reportOf } from '../../../core/account/report.ts'
import { scopeText } from '../../../domain/budget.ts'
import { ask } from '../client.ts'
import { CliError, EXIT } from '../exit.ts'
import { budgetAmount, gpuHours, money, table, visible } from '../format.ts'
import { compareWords } from '../compare-words.ts'
import type { Output } from '../print.ts'
import { json, show } from '../print.ts'

type Options = Output & { project?: string; month?: string; compare?: true }
type Report = Wire<'report'>
type Comparison = Wire<'comparison'>

export function reportCommand(program: Command): void {
  json(
    program
      .command('report')
      .description('what a month cost, how much of it was wasted, and the five dearest causes')
      .option('--project <project>', 'of this project and those below it; of all that may be seen by default')
      .option('--month <month>', 'such as 2026-11, in UTC as the books are; this month by default')
      .option('--compare', 'what its runs made of their GPU-hours, beside DeepSeek-V3 and Llama 3.1 405B'),
  ).action(async (options: Options) => {
    const { project = null, compare = false } = options
    const { month, from, to } = windowOf(options.month)
    const ledger = await ask('ledger', 'GET', '/ledger', {
      query: { by: 'project,user,run,account,payer', from, to, project: project ?? undefined },
    })
    const isOurs = projectsOf(project, ledger.rows)
    const { budgets } = await ask('budgets', 'GET', '/budgets')
    const comparison = compare
      ? ours(await ask('comparison', 'GET', '/comparison', { query: { from, to } }), isOurs)
      : null
    const report: Report = {
      schema: 'plimsoll.report/v1',
      project,
      month,
      from: ledger.from,
      to: ledger.to,
      ...reportOf(ledger.rows),
      budgets: budgets.filter((each) => project === null || isOurs(each.project)),
      ...(comparison === null ? {} : { comparison }),
    }
    show(options, report, words)
  })
}

const ours = (all: Comparison, isOurs: (project: string | null) => boolean): Comparison => ({
  ...all,
  runs: all.runs.filter((run) => isOurs(run.project)),
})

/** The project that was asked for, and those below it that held something. */
function projectsOf(project: string | null, rows: Wire<'ledger'>['rows']): (name: string | null) => boolean {
  if (project === null) return () => true
  const names = new Set<string | null>([project, ...rows.flatMap((row) => row.project ?? [])])
  return (name) => names.has(name)
}

function windowOf(asked: string | undefined): { month: string; from: string; to: string | undefined } {
  const month = asked ?? new Date().toISOString().slice(0, 7)
  const begin = /^\d{4}-(?:0[1-9]|1[0-2])$/.test(month) ? new Date(`${month}-01T00:00:00Z`) : null
  if (begin === null) throw new CliError(EXIT.usage, `--month ${month} is not a month such as 2026-11`)
  const end = new Date(Date.UTC(begin.getUTCFullYear(), begin.getUTCMonth() + 1))
  return { month, from: begin.toISOString(), to: end.getTime() > Date.now() ? undefined : end.toISOString() }
}

function words(report: Report): string {
  const { project, month, heldGpuMs, wasteGpuMs, accounts, causes, budgets, comparison } = report
  const share = (part: number): string => (heldGpuMs === 0 ? '0.0 %' : `${((100 * part) / heldGpuMs).toFixed(1)} %`)
  const parts = [
    heldGpuMs === 0
      ? `${project ?? 'all projects'} in ${month}: nothing was held`
      : `${project ?? 'all projects'} in ${month}: ${gpuHours(heldGpuMs)}, ${money(report.money)}; ${gpuHours(wasteGpuMs)} wasted (${share(wasteGpuMs)})`,
    ...(heldGpuMs === 0
      ? []
      : [
          table(
            ['ACCOUNT', 'HELD', 'SHARE', 'MONEY'],
            [
              ...accounts.map((each) => [each.account, gpuHours(each.gpuMs), share(each.gpuMs), money(each.money)]),
              ['held', gpuHours(heldGpuMs), share(heldGpuMs), money(report.money)],
            ],
          ),
        ]),
    causes.length === 0
      ? 'nothing was wasted'
      : table(
          ['WASTED', 'MONEY', 'ON', 'RUN', 'OF', 'WHAT WOULD STOP IT'],
          causes.map((each) => [
            gpuHours(each.gpuMs),
            money(each.money),
            each.account,
            visible(`${each.project}/${each.runName ?? each.run}`),
            each.user,
            each.whatWouldStopIt,
          ]),
        ),
  ]
  if (budgets.length > 0)
    parts.push(
      table(
        ['BUDGET', 'OF', 'LIMIT', 'USED', 'LEFT'],
        budgets.map((each) => [
          each.id,
          scopeText(each),
          budgetAmount(each, each.limit),
          budgetAmount(each, each.used),
          budgetAmount(each, each.left),
        ]),
      ),
    )
  if (comparison !== undefined) parts.push(compareWords(comparison))
  return parts.join('\n\n')
}
