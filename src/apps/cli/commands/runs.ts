// Commands that look at runs and steer them.
import type { Command } from 'commander'
import { ask, CliError, EXIT, runPath } from '../client.ts'
import type { WireMoney } from '../print.ts'
import { gpuHours, localTime, money, note, print, printDocument, table } from '../print.ts'

type WireRun = {
  id: string
  project: string
  name: string
  state: string
  reason: string | null
  message: string | null
  gpus: number
  attempt: string | null
  createdAt: string
}
type Json = { output: string }

export const json = (command: Command): Command => command.option('-o, --output <format>', 'text or json', 'text')
export const isJson = (options: Json): boolean => options.output === 'json'

export function runCommands(program: Command): void {
  json(
    program
      .command('runs')
      .description('list runs, the newest first')
      .option('--project <name>')
      .option('--state <state>')
      .option('--limit <n>')
      .option('--after <id>'),
  ).action(async (options: Json & { project?: string; state?: string; limit?: string; after?: string }) => {
    const document = await ask<{ runs: WireRun[]; next: string | null }>('GET', '/runs', {
      query: { project: options.project, state: options.state, limit: options.limit, after: options.after },
    })
    if (isJson(options)) return printDocument(document)
    if (document.runs.length === 0) return print('no runs yet: plimsoll submit FILE submits one')
    print(
      table(
        ['RUN', 'PROJECT/NAME', 'STATE', 'REASON', 'GPUS', 'CREATED'],
        document.runs.map((run) => [
          run.id,
          `${run.project}/${run.name}`,
          run.state,
          run.reason,
          run.gpus,
          localTime(run.createdAt),
        ]),
      ),
    )
    if (document.next !== null) note(`more: --after ${document.next}`)
    return undefined
  })
  json(program.command('show <run>').description('a run with its attempts and progress')).action(
    async (run: string, options: Json) => {
      const document = await ask<WireShow>('GET', runPath(run))
      if (isJson(options)) printDocument(document)
      else print(showText(document))
    },
  )
  json(program.command('statement <run>').description('what a run held, by account, and what it cost')).action(
    async (run: string, options: Json) => {
      const document = await ask<WireStatement>('GET', runPath(run, '/statement'))
      if (isJson(options)) printDocument(document)
      else print(statementText(document))
    },
  )
  json(program.command('why <run>').description('why a run waits, and what would let it start')).action(
    async (run: string, options: Json) => {
      const document = await ask<{
        state: string
        reason: string | null
        message: string
        position: number | null
        counterfactual: string | null
      }>('GET', runPath(run, '/why'))
      if (isJson(options)) return printDocument(document)
      print(`${document.state}${document.reason === null ? '' : ` (${document.reason})`}: ${document.message}`)
      if (document.position !== null) print(`position ${document.position} in the queue`)
      if (document.counterfactual !== null) print(document.counterfactual)
      return undefined
    },
  )
  json(program.command('events <run>').description('what happened to a run')).action(
    async (run: string, options: Json) => {
      const document = await ask<{ events: { at: string; kind: string; message: string }[] }>(
        'GET',
        runPath(run, '/events'),
        { query: { limit: 1000 } },
      )
      if (isJson(options)) printDocument(document)
      else
        print(
          table(
            ['AT', 'EVENT', ''],
            document.events.map((event) => [localTime(event.at), event.kind, event.message]),
          ),
        )
    },
  )
  json(
    program
      .command('stop <run>')
      .description('ask a run to stop; it may save a checkpoint first')
      .option('--now', 'SIGKILL at once'),
  ).action(async (run: string, options: Json & { now?: boolean }) =>
    steered(run, 'stop', options, { now: options.now === true }),
  )
  json(program.command('suspend <run>').description('stop a run so that resume can start it again')).action(
    (run: string, options: Json) => steered(run, 'suspend', options, {}),
  )
  json(program.command('resume <run>').description('queue a suspended run again')).action(
    (run: string, options: Json) => steered(run, 'resume', options, {}),
  )
  json(
    program
      .command('logs <run>')
      .description('what a worker printed')
      .option('--worker <n>', 'node rank of the worker', '0')
      .option('--rank <n>', 'global rank; its worker is shown')
      .option('--attempt <n>', 'default: the newest')
      .option('-f, --follow', 'until the attempt has ended'),
  ).action(showLogs)
}

async function steered(run: string, verb: string, options: Json, body: unknown): Promise<void> {
  const document = await ask<WireRun>('POST', runPath(run, `/${verb}`), { body })
  if (isJson(options)) printDocument(document)
  else print(`${document.id} ${document.project}/${document.name}: ${document.state}`)
}

type LogLine = { offset: number; at: string; stream: string; text: string }
type WireLog = { lines: LogLine[]; nextOffset: number; complete: boolean }

async function showLogs(
  run: string,
  options: Json & { worker: string; rank?: string; attempt?: string; follow?: boolean },
): Promise<void> {
  const worker = options.rank === undefined ? options.worker : await workerOfRank(run, options.rank)
  let offset = 0
  const all: LogLine[] = []
  for (;;) {
    const log = await ask<WireLog>('GET', runPath(run, '/logs'), {
      query: { worker, attempt: options.attempt, offset },
    })
    if (isJson(options)) all.push(...log.lines)
    else for (const line of log.lines) print(line.text)
    const moved = log.nextOffset > offset
    offset = log.nextOffset
    if (moved) continue
    if (log.complete || options.follow !== true) break
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  if (isJson(options))
    printDocument({ schema: 'plimsoll.logs/v1', worker: Number(worker), lines: all, nextOffset: offset })
}

async function workerOfRank(run: string, rank: string): Promise<string> {
  const { gpusPerNode } = await ask<{ gpusPerNode: number }>('GET', runPath(run))
  const number = Number(rank)
  if (!Number.isSafeInteger(number) || number < 0)
    throw new CliError(EXIT.usage, `--rank ${rank} is not a rank: it is a whole number from 0 on`)
  return String(Math.floor(number / gpusPerNode))
}

type WireShow = WireRun & {
  user: string
  cluster: string
  priority: string
  nodes: number
  gpusPerNode: number
  attempts: {
    number: number
    state: string
    outcome: string | null
    message: string | null
    startedAt: string | null
    endedAt: string | null
    lastStep: number | null
    resumedFromStep: number | null
  }[]
  progress: {
    recognised: boolean
    step: number | null
    totalSteps: number | null
    loss: number | null
    tokensPerSecond: number | null
    observedAt: string | null
    heldGpuMs: number
    money: WireMoney
  }
}

function showText(run: WireShow): string {
  const { progress } = run
  const steps = progress.recognised
    ? `step ${progress.step}${progress.totalSteps === null ? '' : ` of ${progress.totalSteps}`}, loss ${progress.loss ?? 'missing'}, ${progress.tokensPerSecond ?? 'unknown'} tokens/s, seen ${localTime(progress.observedAt)}`
    : 'not recognised: the lines of its framework are not known; set training.framework'
  return [
    `${run.id}  ${run.project}/${run.name}  ${run.state}${run.reason === null ? '' : ` (${run.reason})`}`,
    ...(run.message === null ? [] : [`  ${run.message}`]),
    `  by ${run.user} on ${run.cluster}, priority ${run.priority}, ${run.nodes} x ${run.gpusPerNode} GPUs, created ${localTime(run.createdAt)}`,
    `  progress: ${steps}`,
    `  held ${gpuHours(progress.heldGpuMs)} GPU-hours, ${money(progress.money)}`,
    table(
      ['  ATTEMPT', 'STATE', 'OUTCOME', 'STARTED', 'ENDED', 'FROM STEP', 'LAST STEP', ''],
      run.attempts.map((each) => [
        `  ${each.number}`,
        each.state,
        each.outcome,
        localTime(each.startedAt),
        localTime(each.endedAt),
        each.resumedFromStep,
        each.lastStep,
        each.message,
      ]),
    ),
  ].join('\n')
}

type WireStatement = {
  run: string
  state: string
  heldGpuMs: number
  paidGpuMs: number
  provisionalGpuMs: number
  byAccount: Record<string, number>
  money: WireMoney
  goodput: number | null
  ettr: number | null
  tokens: number | null
  tokensPerGpuHour: number | null
}

function statementText(statement: WireStatement): string {
  const percent = (value: number | null): string => (value === null ? 'unknown' : `${(100 * value).toFixed(1)} %`)
  return [
    `${statement.run}: ${statement.state}`,
    table(
      ['  ACCOUNT', 'GPU-MS', 'GPU-HOURS'],
      [
        ...Object.entries(statement.byAccount).map(([account, amount]) => [`  ${account}`, amount, gpuHours(amount)]),
        ['  held', statement.heldGpuMs, gpuHours(statement.heldGpuMs)],
      ],
    ),
    `  paid ${gpuHours(statement.paidGpuMs)} GPU-hours: ${money(statement.money)}${statement.provisionalGpuMs > 0 ? `; ${gpuHours(statement.provisionalGpuMs)} GPU-hours are provisional` : ''}`,
    `  goodput ${percent(statement.goodput)}, ETTR ${percent(statement.ettr)}, tokens ${statement.tokens ?? 'unknown'}, per GPU-hour ${statement.tokensPerGpuHour ?? 'unknown'}`,
  ].join('\n')
}
