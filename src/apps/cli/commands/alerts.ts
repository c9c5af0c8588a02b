import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { Option } from 'commander'
import type { Wire } from '../../../contract/documents.ts'
import { durationOf } from '../../../contract/quantities.ts'
import { RULES, SEVERITIES, worstFirst } from '../../../domain/finding.ts'
import { ask } from '../client.ts'
import { CliError, EXIT } from '../exit.ts'
import { gpuHours, money, table, visible, when } from '../format.ts'
import type { Output } from '../print.ts'
import { isJson, json, note, print, printDocument, show } from '../print.ts'

export function alertsCommand(program: Command): void {
  const alerts = json(program.command('alerts').description('what fires, who was told, and who looks at it')).action(
    async (options: Output) => show(options, await ask('alerts', 'GET', '/alerts'), words),
  )
  channelCommands(alerts)
  json(
    alerts
      .command('deliveries')
      .description('messages and their tries, the newest first')
      .option('--limit <n>', 'how many', '50')
      .option('--after <cursor>', 'go on after a page'),
  ).action(async (_: Output, command: Command) => {
    // `-o` is an option of alerts as well, and that is the one that hears it.
    const { limit, after, ...options } = command.optsWithGlobals<Output & { limit: string; after?: string }>()
    const document = await ask('deliveries', 'GET', '/alerts/deliveries', { query: { limit, after } })
    show(options, document, deliveries)
    if (document.next !== null) note(`there are more: plimsoll alerts deliveries --after '${document.next}'`)
  })
  json(
    alerts
      .command('acknowledge <finding>')
      .description('say that you look at it: nobody is told again for a day, while it gets no worse')
      .option('--note <text>', 'for those who look', ''),
  ).action(async (finding: string, _: Output, command: Command) => {
    const options = command.optsWithGlobals<Output & { note: string }>()
    const body = { finding, note: options.note }
    const document = await ask('acknowledgement', 'POST', '/alerts/acknowledgements', { body })
    show(options, document, ({ by }) => `acknowledged by ${by}`)
  })
  json(alerts.command('let-go <finding>').description('take that back')).action(
    async (finding: string, _: Output, command: Command) =>
      show(
        command.optsWithGlobals<Output>(),
        await ask('acknowledgement', 'POST', '/alerts/acknowledgements/end', { body: { finding } }),
        () => 'nobody looks at it any more',
      ),
  )
  json(
    alerts
      .command('silence')
      .description('keep messages back for a while; findings are found all the same')
      .option('--project <project>', 'of this project and those below it')
      .addOption(new Option('--rule <rule>', 'of this rule').choices([...RULES]))
      .option('--run <run>', 'of this run')
      .requiredOption('--for <duration>', 'such as 4h or 3d; 31 days at most')
      .requiredOption('--reason <text>', 'for those who look'),
  ).action(async (_: Output, command: Command) => {
    const options = command.optsWithGlobals<Output & Silence>()
    const { project = null, rule = null, run = null, reason } = options
    const forMs = durationOf(options.for)
    if (forMs === null) throw new CliError(EXIT.usage, `--for ${options.for} is not a duration such as 4h or 3d`)
    const document = await ask('silence', 'POST', '/alerts/silences', { body: { project, rule, run, reason, forMs } })
    show(options, document, ({ id, endsAt }) => `silence ${id} until ${when(endsAt)}`)
  })
  json(alerts.command('unsilence <silence>').description('end a silence before its time')).action(
    async (id: string, _: Output, command: Command) =>
      show(
        command.optsWithGlobals<Output>(),
        await ask('silence', 'DELETE', `/alerts/silences/${encodeURIComponent(id)}`),
        () => `silence ${id} is over`,
      ),
  )
}

type Silence = { project?: string; rule?: string; run?: string; for: string; reason: string }

type Create = Output & {
  webhook?: string
  slack?: string
  email?: string
  alertmanager?: string
  project?: string
  severity: string
  rule?: string[]
  digest?: boolean
}

function channelCommands(alerts: Command): void {
  const channel = alerts.command('channel').description('where messages go')
  json(
    channel
      .command('create <name>')
      .description('a new one; - as its address reads that from stdin, so that no history of a shell has it')
      .option('--webhook <url>', 'CloudEvents, signed as Standard Webhooks say')
      .option('--slack <url>', 'an incoming webhook of Slack, or of what speaks like it')
      .option('--email <addresses>', 'with commas between them')
      .option('--alertmanager <url>', 'an Alertmanager, which groups and routes by itself')
      .option('--project <project>', 'of this project and those below it; of every project by default')
      .addOption(new Option('--severity <severity>', 'at least so severe').choices([...SEVERITIES]).default('warning'))
      .addOption(new Option('--rule <rule...>', 'these rules alone').choices([...RULES]))
      .option('--digest', 'what a week has cost, each Monday'),
  ).action(async (name: string, _: Output, command: Command) => create(name, command.optsWithGlobals<Create>()))
  const verbs = [
    ['remove', 'DELETE', '', 'take it away, with what waits for it', 'is removed'],
    ['wake', 'POST', '/wake', 'try at once what waits, also where its receiver wanted no more', 'is tried at once'],
  ] as const
  for (const [verb, method, path, does, done] of verbs)
    json(channel.command(`${verb} <name>`).description(does)).action(
      async (name: string, _: Output, command: Command) =>
        show(
          command.optsWithGlobals<Output>(),
          await ask('channel', method, `/alerts/channels/${encodeURIComponent(name)}${path}`),
          (document) => `channel ${document.name} ${done}`,
        ),
    )
  json(channel.command('test <name>').description('send a message that says that it is a test')).action(
    async (name: string, _: Output, command: Command) =>
      show(
        command.optsWithGlobals<Output>(),
        await ask('channel-tested', 'POST', `/alerts/channels/${encodeURIComponent(name)}/test`),
        ({ notice }) => `message ${notice} is on its way; plimsoll alerts deliveries says what became of it`,
      ),
  )
}

async function create(name: string, options: Create): Promise<void> {
  const { project = null, severity, rule = null, digest = false } = options
  const body = { name, project, severity, rules: rule, digest, address: addressOf(options) }
  const made = await ask('channel-created', 'POST', '/alerts/channels', { body })
  if (isJson(options)) return printDocument(made)
  note(`channel ${made.name} (${made.kind}, ${made.shown}); plimsoll alerts channel test ${made.name} tries it`)
  if (made.secret === null) return
  note('what its receiver checks the signature with is shown once:')
  print(made.secret)
}

function addressOf({ webhook, slack, email, alertmanager }: Create): object {
  const given = Object.entries({ webhook, slack, email, alertmanager }).filter(([, value]) => value !== undefined)
  const [first] = given
  if (first === undefined || given.length > 1)
    throw new CliError(EXIT.usage, 'a channel has one of --webhook, --slack, --email and --alertmanager')
  const [kind, written = ''] = first
  const value = written === '-' ? readFileSync(0, 'utf8').trim() : written
  return kind === 'email' ? { kind, to: value.split(',').map((each) => each.trim()) } : { kind, url: value }
}

function words({ alerts, channels, silences }: Wire<'alerts'>): string {
  const parts = [
    alerts.length === 0 ? 'nothing fires' : alerts.toSorted(worstFirst).map(alert).join('\n\n'),
    channels.length === 0
      ? 'nobody is told: plimsoll alerts channel create --help makes a channel'
      : table(
          ['CHANNEL', 'KIND', 'TO', 'PROJECT', 'TAKES', 'WAITS', 'STATE'],
          channels.map((each) => [
            each.name,
            each.kind,
            each.shown,
            each.project ?? 'all',
            `${each.severity}${each.severity === 'critical' ? '' : ' and worse'}${each.rules === null ? '' : `: ${each.rules.join(', ')}`}`,
            each.pending,
            stateOf(each),
          ]),
        ),
  ]
  if (silences.length > 0)
    parts.push(
      table(
        ['SILENCE', 'UNTIL', 'OF', 'BY', 'REASON'],
        silences.map(({ id, endsAt, project, rule, run, by, reason }) => [
          id,
          when(endsAt),
          [project, rule, run].filter((each) => each !== null).join(', ') || 'everything',
          by,
          visible(reason),
        ]),
      ),
    )
  return parts.join('\n\n')
}

function stateOf({ off, failures, retryAt }: Wire<'alerts'>['channels'][number]): string {
  if (off !== null) return `turned off: ${off}`
  if (failures === 0) return 'ok'
  return `${failures} failed${retryAt === null ? '' : `, again ${when(retryAt)}`}`
}

function alert(row: Wire<'alerts'>['alerts'][number]): string {
  const { severity, rule, project, runName, run, budget, since, gpuMs, acknowledged, silence, told } = row
  const whom = budget !== null ? `budget ${budget}` : run === null ? (project ?? '') : `${project}/${runName ?? run}`
  const cost = gpuMs === null ? '' : `, ${gpuHours(gpuMs)}${row.money === null ? '' : `, ${money(row.money)}`}`
  const knows =
    acknowledged !== null
      ? `  ${acknowledged.by} looks at it${acknowledged.note === '' ? '' : `: ${visible(acknowledged.note)}`}`
      : silence !== null
        ? `  kept back by silence ${silence}`
        : told.length === 0
          ? '  nobody was told'
          : `  told ${told.map(({ channel, at }) => `${channel} ${when(at)}`).join(', ')}`
  return [
    `${severity}  ${rule}  ${whom}`,
    `  ${visible(row.message)}`,
    `  since ${when(since)}${cost}`,
    `  try    ${visible(row.whatToTry)}`,
    knows,
    `  plimsoll alerts acknowledge '${row.id}'`,
  ].join('\n')
}

function deliveries({ deliveries: rows }: Wire<'deliveries'>): string {
  if (rows.length === 0) return 'nothing was sent yet'
  return table(
    ['MADE', 'CHANNEL', 'STATE', 'TRIES', 'MESSAGE', 'LAST ANSWER'],
    rows.map(({ at, channel, state, tries, title }) => {
      const last = tries.at(-1)
      return [
        when(at),
        channel,
        state,
        tries.length,
        visible(title),
        last === undefined ? 'none yet' : `${visible(last.said)} (${(last.tookMs / 1000).toFixed(2)} s)`,
      ]
    }),
  )
}
