// submit: the spec is read here, so that its errors have lines and columns; the plan is shown before anything is spent.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import { formatProblems } from '../../../contract/problems.ts'
import { parseRunSpec } from '../../../contract/run-spec.ts'
import { specToDocument } from '../../../contract/spec-document.ts'
import type { RunSpec } from '../../../domain/spec.ts'
import { presets } from '../../parts/files.ts'
import { ask, CliError, EXIT, runPath } from '../client.ts'
import type { WireMoney } from '../print.ts'
import { gpuHours, localTime, money, note, print, printDocument } from '../print.ts'
import { isJson, json } from './runs.ts'

type Options = {
  output: string
  set: string[]
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
        'replace a value of the spec',
        (value: string, all: string[]) => [...all, value],
        [],
      )
      .option('--dry-run', 'show the plan and stop')
      .option('--yes', 'do not ask')
      .option('--follow', 'show its log until it has ended')
      .option('--idempotency-key <key>', 'a repeat with the same key is the same run'),
  ).action(submit)
}

async function submit(file: string, options: Options): Promise<void> {
  const spec = specToDocument(readSpec(file, options.set))
  const plan = await ask<WirePlan>('POST', '/plan', { body: spec })
  if (options.dryRun === true) {
    if (isJson(options)) printDocument(plan)
    else print(planText(plan))
    return
  }
  if (!isJson(options)) note(planText(plan))
  if (options.yes !== true) await confirm()
  const headers = options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey }
  const run = await ask<{ id: string; project: string; name: string; state: string; repeated: boolean }>(
    'POST',
    '/runs',
    { body: spec, headers },
  )
  if (isJson(options)) printDocument(run)
  else
    print(
      `${run.id} ${run.project}/${run.name} ${run.repeated ? 'was submitted before with this key' : 'is submitted'}`,
    )
  if (options.follow === true) await follow(run.id)
}

function readSpec(file: string, set: readonly string[]): RunSpec {
  if (!existsSync(file)) throw new CliError(EXIT.usage, `${file} is not there`)
  const parsed = parseRunSpec(readFileSync(file, 'utf8'), { file, set, presets: presets() })
  if (!parsed.ok) throw new CliError(EXIT.usage, `${formatProblems(file, parsed.problems)}\nnothing was submitted`)
  const workdir = resolve(dirname(file), parsed.spec.workdir ?? '.')
  if (!existsSync(workdir) || !statSync(workdir).isDirectory()) {
    throw new CliError(EXIT.usage, `${file}: workdir ${workdir} is not a folder (at /workdir)\nnothing was submitted`)
  }
  return { ...parsed.spec, workdir, source: parsed.spec.source ?? sourceOf(workdir) }
}

/** Where the working directory came from; null outside a checkout or without git. */
function sourceOf(workdir: string): RunSpec['source'] {
  const git = (...args: string[]): string | null => {
    try {
      return execFileSync('git', ['-C', workdir, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: 5_000,
      }).trim()
    } catch {
      return null
    }
  }
  const commit = git('rev-parse', 'HEAD')
  if (commit === null || commit === '') return null
  // A remote may carry a password in its address.
  const remote = git('remote', 'get-url', 'origin')?.replace(/\/\/[^@/]*@/, '//') ?? null
  return { remote, commit, dirty: git('status', '--porcelain', '--untracked-files=no') !== '' }
}

async function confirm(): Promise<void> {
  if (!process.stdin.isTTY)
    throw new CliError(EXIT.usage, 'nobody can be asked here: repeat with --yes, or --dry-run for the plan alone')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await terminal.question('submit? [y/N] ')
  terminal.close()
  if (!/^y(es)?$/i.test(answer.trim())) throw new CliError(EXIT.refused, 'not submitted')
}

type WirePlan = {
  gpus: number
  cluster: string
  flops: { total: number; method: string } | null
  gpuMs: { p10: number; p50: number; p90: number } | null
  money: { p10: WireMoney; p50: WireMoney; p90: WireMoney } | null
  reserveGpuMs: number
  budgets: { id: string; unit: string; currency: string | null; hard: boolean; left: number }[]
  message: string
  reason: string | null
  expectedStart: { p50: string } | null
  notes: string[]
}

function planText(plan: WirePlan): string {
  const left = (budget: WirePlan['budgets'][number]): string =>
    budget.unit === 'gpu-ms'
      ? `${gpuHours(budget.left)} GPU-hours`
      : money({ micros: budget.left, currency: budget.currency ?? '' })
  return [
    `plan: ${plan.gpus} GPUs on ${plan.cluster}`,
    plan.flops === null ? '  FLOPs unknown' : `  ${plan.flops.total.toExponential(2)} FLOPs (${plan.flops.method})`,
    plan.gpuMs === null
      ? '  GPU-hours unknown'
      : `  ${gpuHours(plan.gpuMs.p50)} GPU-hours, 80 % between ${gpuHours(plan.gpuMs.p10)} and ${gpuHours(plan.gpuMs.p90)}`,
    plan.money === null
      ? '  money unknown'
      : `  ${money(plan.money.p50)}, 80 % between ${money(plan.money.p10)} and ${money(plan.money.p90)}`,
    `  reserves ${gpuHours(plan.reserveGpuMs)} GPU-hours`,
    ...plan.budgets.map((budget) => `  budget ${budget.id} (${budget.hard ? 'hard' : 'soft'}): ${left(budget)} left`),
    `  start: ${plan.expectedStart === null ? `unknown; now it would wait (${plan.reason ?? '?'}): ${plan.message}` : `${localTime(plan.expectedStart.p50)}, ${plan.message}`}`,
    ...plan.notes.map((text) => `  note: ${text}`),
  ].join('\n')
}

const ENDED = new Set(['succeeded', 'failed', 'cancelled', 'suspended'])

async function follow(run: string): Promise<void> {
  const offsets = new Map<string, number>()
  for (;;) {
    const show = await ask<{ state: string; attempts: { number: number }[] }>('GET', runPath(run))
    for (const { number } of show.attempts) {
      const offset = offsets.get(String(number)) ?? 0
      const log = await ask<{ lines: { text: string }[]; nextOffset: number }>('GET', runPath(run, '/logs'), {
        query: { worker: 0, attempt: number, offset },
      })
      for (const line of log.lines) note(line.text)
      offsets.set(String(number), log.nextOffset)
    }
    if (ENDED.has(show.state)) {
      if (show.state !== 'succeeded') throw new CliError(EXIT.failed, `${run} ${show.state}`)
      return
    }
    await new Promise((done) => setTimeout(done, 500))
  }
}
