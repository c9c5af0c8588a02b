import type { Command } from 'commander'
import { Option } from 'commander'
import { durationOf } from '../../../contract/quantities.ts'
import { ROLES } from '../../../domain/principal.ts'
import { ask } from '../client.ts'
import { CliError, EXIT } from '../exit.ts'
import { table, when } from '../format.ts'
import type { Output } from '../print.ts'
import { isJson, json, note, print, printDocument, show } from '../print.ts'

type Create = Output & { role: string; subject: string; project?: string; ttl?: string }

export function tokenCommand(program: Command): void {
  const token = program.command('token').description('who may ask')
  json(
    token
      .command('create <name>')
      .description('a new token; its secret is shown once')
      .addOption(new Option('--role <role>').choices([...ROLES]).makeOptionMandatory())
      .requiredOption('--subject <user>', 'whom the books and the audit log will name')
      .option('--project <project>', 'every project by default')
      .option('--ttl <duration>', 'such as 30d; without an end by default'),
  ).action(create)
  json(token.command('list').description('all of them, without their secrets')).action(async (options: Output) =>
    show(options, await ask('tokens', 'GET', '/tokens'), ({ tokens }) =>
      table(
        ['TOKEN', 'NAME', 'SUBJECT', 'ROLE', 'PROJECT', 'EXPIRES', 'LAST USED', 'REVOKED'],
        tokens.map((each) => [
          each.id,
          each.name,
          each.subject,
          each.grants.map(({ role }) => role).join(', '),
          each.grants.map(({ project }) => project ?? 'all').join(', '),
          each.expiresAt === null ? 'never' : when(each.expiresAt),
          each.lastUsedAt === null ? 'never' : when(each.lastUsedAt),
          each.revokedAt === null ? 'no' : when(each.revokedAt),
        ]),
      ),
    ),
  )
  json(token.command('revoke <id>').description('whoever has it may ask nothing from now on')).action(
    async (id: string, options: Output) =>
      show(
        options,
        await ask('token', 'DELETE', `/tokens/${encodeURIComponent(id)}`),
        (revoked) => `${revoked.id} (${revoked.name}) is revoked`,
      ),
  )
}

async function create(name: string, options: Create): Promise<void> {
  const { subject, role, project = null } = options
  const ttlMs = options.ttl === undefined ? null : durationOf(options.ttl)
  if (options.ttl !== undefined && ttlMs === null)
    throw new CliError(EXIT.usage, `--ttl ${options.ttl} is not a duration such as 30d or 12h`)
  const created = await ask('token-created', 'POST', '/tokens', { body: { name, subject, role, project, ttlMs } })
  if (isJson(options)) return printDocument(created)
  note(`token ${created.id}; its secret is shown once:`)
  return print(created.secret)
}
