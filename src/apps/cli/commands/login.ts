import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { Wire } from '../../../contract/documents.ts'
import { ask } from '../client.ts'
import { CliError, EXIT } from '../exit.ts'
import type { Output } from '../print.ts'
import { json, note, show } from '../print.ts'
import { urlOf, writeClient } from '../target.ts'

type Options = Output & { url: string; token?: string }

export function loginCommand(program: Command): void {
  json(
    program
      .command('login')
      .description('keep an address and a token in client.json of this home')
      .requiredOption('--url <url>')
      .option('--token <secret>', 'read from stdin by default, where no list of processes shows it'),
  ).action(async (options: Options) => {
    const url = urlOf(options.url, '--url')
    const token = options.token ?? readSecret()
    // The runs are what every role may read: it is the token that is tried here.
    await ask('runs', 'GET', '/runs', { query: { limit: 1 }, at: { url, token } })
    const file = writeClient(url.href, token)
    const document: Wire<'login'> = { schema: 'plimsoll.login/v1', url: url.href, file }
    show(options, document, () => `kept in ${file}`)
  })
}

function readSecret(): string {
  if (process.stdin.isTTY) note('paste the token, then Enter and Ctrl-D:')
  const secret = readFileSync(0, 'utf8').trim()
  if (secret === '') throw new CliError(EXIT.usage, 'no token came on stdin: echo "$TOKEN" | plimsoll login --url URL')
  return secret
}
