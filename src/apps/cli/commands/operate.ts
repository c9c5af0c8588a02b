// Commands for operators, leads and whoever pays.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { parsePolicy } from '../../../contract/policy.ts'
import { formatProblems } from '../../../contract/problems.ts'
import { durationOf } from '../../../contract/quantities.ts'
import { ask, CliError, EXIT, homeFolder } from '../client.ts'
import type { WireMoney } from '../print.ts'
import { gpuHours, localTime, money, note, print, printDocument, table } from '../print.ts'
import { isJson, json } from './runs.ts'

type Json = { output: string }

export function operateCommands(program: Command): void {
  const queue = json(program.command('queue').description('what waits, in its order')).action(showQueue)
  for (const verb of ['pause', 'resume'] as const) {
    json(queue.command(verb).option('--reason <text>', 'for those who wait', '')).action(
      async (options: Json & { reason: string }) => {
        const document = await ask<{ paused: boolean }>('POST', `/queue/${verb}`, { body: { reason: options.reason } })
        if (isJson(options)) printDocument(document)
        else print(document.paused ? 'paused: running runs go on, nothing is placed' : 'resumed')
      },
    )
  }
  const nodes = json(program.command('nodes').description('the machines and what holds them')).action(showNodes)
  for (const verb of ['cordon', 'uncordon'] as const) {
    json(nodes.command(`${verb} <node>`).option('--reason <text>', 'for those who look', '')).action(
      async (node: string, options: Json & { reason: string }) => {
        const document = await ask('POST', `/nodes/${encodeURIComponent(node)}/${verb}`, {
          body: { reason: options.reason },
        })
        if (isJson(options)) printDocument(document)
        else
          print(
            verb === 'cordon' ? `${node} takes no new runs; what runs there may finish` : `${node} takes runs again`,
          )
      },
    )
  }
  json(program.command('budgets').description('limits, what is used and what is reserved')).action(showBudgets)
  json(
    program
      .command('ledger')
      .description('the books: where every GPU-millisecond went')
      .option('--by <keys>', 'project,user,run,account,gpu,label:KEY', 'account')
      .option('--from <time>', 'ISO 8601; default: 30 days ago')
      .option('--to <time>')
      .option('--format <format>', 'table or csv', 'table'),
  ).action(showLedger)
  json(program.command('audit').description('who did what').option('--limit <n>', '', '50')).action(
    async (options: Json & { limit: string }) => {
      const document = await ask<{ entries: { at: string; actor: string; verb: string; target: string }[] }>(
        'GET',
        '/audit',
        { query: { limit: options.limit } },
      )
      if (isJson(options)) printDocument(document)
      else
        print(
          table(
            ['AT', 'ACTOR', 'VERB', 'TARGET'],
            document.entries.map((each) => [localTime(each.at), each.actor, each.verb, each.target]),
          ),
        )
    },
  )
  policyCommands(program)
  tokenCommands(program)
}

async function showQueue(options: Json): Promise<void> {
  const document = await ask<{
    paused: boolean
    reason: string | null
    waiting: {
      position: number
      id: string
      project: string
      name: string
      priority: string
      gpus: number
      reason: string
    }[]
  }>('GET', '/queue')
  if (isJson(options)) return printDocument(document)
  if (document.paused) print(`paused: ${document.reason ?? ''}`)
  if (document.waiting.length === 0) return print('nothing waits')
  return print(
    table(
      ['', 'RUN', 'PROJECT/NAME', 'PRIORITY', 'GPUS', 'REASON'],
      document.waiting.map((run) => [
        run.position,
        run.id,
        `${run.project}/${run.name}`,
        run.priority,
        run.gpus,
        run.reason,
      ]),
    ),
  )
}

async function showNodes(options: Json): Promise<void> {
  const document = await ask<{
    nodes: {
      cluster: string
      name: string
      state: string
      reason: string | null
      message: string | null
      gpuModel: string
      declared: boolean
      gpus: number
      held: number
      foreign: number
      observedAt: string
    }[]
  }>('GET', '/nodes')
  if (isJson(options)) return printDocument(document)
  return print(
    table(
      ['NODE', 'STATE', 'GPUS', 'HELD', 'FOREIGN', 'MODEL', 'SEEN', ''],
      document.nodes.map((node) => [
        `${node.cluster}/${node.name}`,
        node.state,
        node.gpus,
        node.held,
        node.foreign,
        node.declared ? 'declared slots, no devices' : node.gpuModel,
        localTime(node.observedAt),
        node.message,
      ]),
    ),
  )
}

async function showBudgets(options: Json): Promise<void> {
  const document = await ask<{
    budgets: {
      id: string
      project: string
      unit: string
      currency: string | null
      hard: boolean
      limit: number
      used: number
      reserved: number
      over: number
      left: number
    }[]
  }>('GET', '/budgets')
  if (isJson(options)) return printDocument(document)
  const amount = (unit: string, currency: string | null, value: number): string =>
    unit === 'gpu-ms' ? `${gpuHours(value)} GPU-h` : money({ micros: value, currency: currency ?? '' })
  return print(
    table(
      ['BUDGET', 'PROJECT', 'KIND', 'LIMIT', 'USED', 'RESERVED', 'LEFT', 'OVER'],
      document.budgets.map((each) => [
        each.id,
        each.project,
        each.hard ? 'hard' : 'soft',
        ...[each.limit, each.used, each.reserved, each.left, each.over].map((value) =>
          amount(each.unit, each.currency, value),
        ),
      ]),
    ),
  )
}

const cellOf = (value: unknown): string => (typeof value === 'string' ? value : '-')

type WireLedger = {
  from: string
  to: string
  capacityGpuMs: number
  rows: ({ gpuMs: number; money: WireMoney } & Record<string, unknown>)[]
}

async function showLedger(options: Json & { by: string; from?: string; to?: string; format: string }): Promise<void> {
  const document = await ask<WireLedger>('GET', '/ledger', {
    query: { by: options.by, from: options.from, to: options.to },
  })
  if (isJson(options)) return printDocument(document)
  const keys = options.by.split(',').map((key) => (key.startsWith('label:') ? 'label' : key))
  const rows = document.rows.map((row) => [
    ...keys.map((key) => cellOf(row[key])),
    row.gpuMs,
    gpuHours(row.gpuMs),
    money(row.money),
  ])
  const header = [...keys.map((key) => key.toUpperCase()), 'GPU-MS', 'GPU-HOURS', 'MONEY']
  if (options.format === 'csv') return print([header, ...rows].map((row) => row.map(csvCell).join(',')).join('\n'))
  print(
    `${localTime(document.from)} to ${localTime(document.to)}, capacity ${gpuHours(document.capacityGpuMs)} GPU-hours`,
  )
  return print(table(header, rows))
}

/** Quoted where needed; a leading = + - @ would be a formula in a spreadsheet. */
function csvCell(cell: string | number): string {
  const text = typeof cell === 'string' && /^[=+\-@]/.test(cell) && cell !== '-' ? `'${cell}` : String(cell)
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function policyCommands(program: Command): void {
  const policy = program.command('policy').description('projects, quotas, budgets, prices')
  json(policy.command('show')).action(async (options: Json) => {
    const document = await ask<{ version: number; document: unknown }>('GET', '/policy')
    if (isJson(options)) printDocument(document)
    else print(`version ${document.version}\n${JSON.stringify(document.document, null, 2)}`)
  })
  json(policy.command('diff <file>').description('what applying the file would change')).action(
    async (file: string, options: Json) => {
      const { document: current } = await ask<{ document: Record<string, unknown> }>('GET', '/policy')
      const changes = differences(current, readPolicy(file), '')
      if (isJson(options)) printDocument({ schema: 'plimsoll.policy-diff/v1', changes })
      else
        print(
          changes.length === 0
            ? 'no difference'
            : changes
                .map((each) => `${each.path}: ${JSON.stringify(each.from)} -> ${JSON.stringify(each.to)}`)
                .join('\n'),
        )
    },
  )
  json(policy.command('apply <file>')).action(async (file: string, options: Json) => {
    const document = await ask<{ version: number }>('PUT', '/policy', { body: readPolicy(file) })
    if (isJson(options)) printDocument(document)
    else print(`applied as version ${document.version}`)
  })
}

function readPolicy(file: string): unknown {
  if (!existsSync(file)) throw new CliError(EXIT.usage, `${file} is not there`)
  const parsed = parsePolicy(readFileSync(file, 'utf8'))
  if (!parsed.ok) throw new CliError(EXIT.usage, `${formatProblems(file, parsed.problems)}\nnothing was applied`)
  return parsed.document
}

type Difference = { readonly path: string; readonly from: unknown; readonly to: unknown }

function differences(from: unknown, to: unknown, path: string): Difference[] {
  const isTree = (value: unknown): value is Record<string, unknown> =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
  if (isTree(from) && isTree(to)) {
    return [...new Set([...Object.keys(from), ...Object.keys(to)])].flatMap((key) =>
      differences(from[key], to[key], `${path}/${key}`),
    )
  }
  return JSON.stringify(from) === JSON.stringify(to) ? [] : [{ path, from: from ?? null, to: to ?? null }]
}

type WireToken = {
  id: string
  name: string
  subject: string
  role: string
  project: string | null
  expiresAt: string | null
  lastUsedAt: string | null
  revokedAt: string | null
}

function tokenCommands(program: Command): void {
  const token = program.command('token').description('who may ask')
  json(
    token
      .command('create <name>')
      .requiredOption('--role <role>', 'viewer, member, lead, operator, payer or admin')
      .requiredOption('--subject <user>', 'whom the books and the audit log will name')
      .option('--project <project>', 'default: every project')
      .option('--ttl <duration>', 'such as 30d; default: no end'),
  ).action(async (name: string, options: Json & { role: string; subject: string; project?: string; ttl?: string }) => {
    const ttlMs = options.ttl === undefined ? null : durationOf(options.ttl)
    if (options.ttl !== undefined && ttlMs === null)
      throw new CliError(EXIT.usage, `--ttl ${options.ttl} is not a duration such as 30d or 12h`)
    const document = await ask<WireToken & { secret: string }>('POST', '/tokens', {
      body: { name, subject: options.subject, role: options.role, project: options.project ?? null, ttlMs },
    })
    if (isJson(options)) return printDocument(document)
    note(`token ${document.id}; the secret is shown once:`)
    return print(document.secret)
  })
  json(token.command('list')).action(async (options: Json) => {
    const document = await ask<{ tokens: WireToken[] }>('GET', '/tokens')
    if (isJson(options)) return printDocument(document)
    return print(
      table(
        ['TOKEN', 'NAME', 'SUBJECT', 'ROLE', 'PROJECT', 'EXPIRES', 'LAST USED', 'REVOKED'],
        document.tokens.map((each) => [
          each.id,
          each.name,
          each.subject,
          each.role,
          each.project,
          localTime(each.expiresAt),
          localTime(each.lastUsedAt),
          localTime(each.revokedAt),
        ]),
      ),
    )
  })
  json(token.command('revoke <id>')).action(async (id: string, options: Json) => {
    const document = await ask<WireToken>('DELETE', `/tokens/${encodeURIComponent(id)}`)
    if (isJson(options)) printDocument(document)
    else print(`${document.id} is revoked`)
  })
  json(
    program
      .command('login')
      .description('keep an address and a token for this home')
      .requiredOption('--url <url>')
      .option('--token <secret>', 'default: read from stdin'),
  ).action(async (options: Json & { url: string; token?: string }) => {
    const secret = options.token ?? readFileSync(0, 'utf8').trim()
    const answer = await fetch(new URL('/api/v1/nodes', options.url), {
      headers: { authorization: `Bearer ${secret}` },
    }).catch(() => null)
    if (answer === null) throw new CliError(EXIT.noServer, `${options.url} does not answer`)
    if (answer.status === 401) throw new CliError(EXIT.refused, `${options.url} does not know this token`)
    writeFileSync(join(homeFolder(), 'client.json'), `${JSON.stringify({ url: options.url, token: secret })}\n`, {
      mode: 0o600,
    })
    if (isJson(options)) printDocument({ schema: 'plimsoll.login/v1', url: options.url })
    else print(`kept in ${join(homeFolder(), 'client.json')}`)
  })
}
