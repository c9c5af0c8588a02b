// submit: the spec is read here, so that its errors have lines and columns; the plan is shown before anything is spent.
import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import type { Wire } from '../../../contract/documents.ts'
import { specToDocument } from '../../../contract/spec-document.ts'
import { ask } from '../client.ts'
import { CliError, EXIT } from '../exit.ts'
import { follow, printLine } from '../follow.ts'
import { budgetAmount, gpuHours, money, visible, when } from '../format.ts'
import type { Output } from '../print.ts'
import { isJson, json, note, show } from '../print.ts'
import { readSpec } from '../spec-file.ts'

type Options = Output & {
  set?: string[]
  dryRun?: boolean
  yes?: boolean
  follow?: boolean
  idempotencyKey?: string
}

export function submitCommand(program: Command): void {
  json(
    program
      .command('submit <file>')
      .description('show the plan of a run, ask, and submit it')
      .option(
        '--set <path=value>',
        'replace a value of the spec; may be repeated',
        (value, all: string[] | undefined) => [...(all ?? []), value],
      )
      .option('--dry-run', 'show the plan and stop')
      .option('--yes', 'do not ask')
      .option('--follow', 'show its log until it has ended')
      .option('--idempotency-key <key>', 'a repeat with the same key is the same run'),
  ).action(submit)
}

async function submit(file: string, options: Options): Promise<void> {
  const spec = specToDocument(readSpec(file, options.set ?? []))
  const plan = await ask('plan', 'POST', '/plan', { body: spec })
  if (options.dryRun === true) return show(options, plan, planText)
  note(planText(plan))
  if (options.yes !== true) await confirm()
  const headers = options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey }
  const run = await ask('run', 'POST', '/runs', { body: spec, headers })
  show(options, run, ({ id, project, name, repeated }) =>
    repeated === true
      ? `${id}  ${project}/${name}  was submitted before with this key`
      : `${id}  ${project}/${name}  is submitted`,
  )
  return options.follow === true ? followed(run.id, options) : undefined
}

async function confirm(): Promise<void> {
  if (!process.stdin.isTTY)
    throw new CliError(EXIT.usage, 'nobody can be asked here: repeat with --yes, or with --dry-run for the plan alone')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await terminal.question('submit? [y/N] ')
  terminal.close()
  if (!/^y(?:es)?$/i.test(answer.trim())) throw new CliError(EXIT.refused, 'not submitted')
}

async function followed(run: string, options: Options): Promise<void> {
  process.once('SIGINT', () => {
    note(`\n${run} goes on; plimsoll logs ${run} -f follows it again, plimsoll stop ${run} stops it`)
    process.exit(130)
  })
  const state = await follow(run, { worker: 0, attempt: null }, (line) => {
    if (isJson(options)) note(visible(line.text))
    else printLine(line)
  })
  if (state !== 'succeeded') throw new CliError(EXIT.failed, `${run} ${state}; plimsoll show ${run} says why`)
}

function planText(plan: Wire<'plan'>): string {
  const { gpuMs, money: cost, expectedStart } = plan
  const waits = plan.wouldStart ? '' : ` It would wait (${plan.reason ?? 'unknown'}): ${visible(plan.message)}`
  return [
    `plan: ${plan.gpus} GPUs on ${plan.cluster}`,
    `  work      ${plan.flops === null ? 'unknown' : `${plan.flops.total.toExponential(2)} FLOPs (${plan.flops.method})`}`,
    `  GPU-time  ${gpuMs === null ? 'unknown' : `${gpuHours(gpuMs.p50)}, 80 % between ${gpuHours(gpuMs.p10)} and ${gpuHours(gpuMs.p90)}`}`,
    `  money     ${cost === null ? 'unknown' : `${money(cost.p50)}, 80 % between ${money(cost.p10)} and ${money(cost.p90)}`}`,
    `  reserves  ${gpuHours(plan.reserveGpuMs)}`,
    ...plan.budgets.map(
      (each) => `  budget    ${each.id} (${each.hard ? 'hard' : 'soft'}) has ${budgetAmount(each, each.left)} left`,
    ),
    `  start     ${plan.wouldStart ? `now: ${visible(plan.message)}` : `${expectedStart === null ? 'unknown.' : `${when(expectedStart.p50)}, nine times in ten by ${when(expectedStart.p90)}.`}${waits}`}`,
    ...plan.notes.map((text) => `  note      ${visible(text)}`),
  ].join('\n')
}
