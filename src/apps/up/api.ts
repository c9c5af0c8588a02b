import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServerOptions } from '../../adapters/http/server.ts'
import { authenticate } from '../../control/requests/session.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Files } from '../parts/files.ts'
import { serveApi } from '../parts/server.ts'
import type { Service } from '../parts/service.ts'
import { Exit } from '../parts/say.ts'

export type Api = { readonly url: string; close(): Promise<void> }

/** Serves the API and writes `client.json` (0600), which the command line reads when the environment says nothing. */
export async function startApi(
  service: Service,
  files: Files,
  home: string,
  logger: ServerOptions['log'],
  who: Principal,
  options: {
    readonly pages: string | null
    readonly signIn: ServerOptions['signIn']
    readonly provider: ServerOptions['provider']
  },
): Promise<Api> {
  const { host } = files.config.listen
  let hosts: readonly string[] = []
  const served = await serveApi(service, files, {
    log: logger,
    ...options,
    hosts: () => hosts,
    checks: () => ({ lead: service.control.lead.epoch === null ? 'standing by' : 'leading' }),
    inUse: `End what listens there, or write "listen: {port: 0}" into ${join(home, 'config.yaml')} for a free one.`,
  })
  const bound = served.port
  // Where the operator says that people find the pages is ours as well: a provider sends them back there.
  const named = URL.parse(files.config.alerts.pages ?? '')?.host
  hosts = [`${host}:${bound}`, `localhost:${bound}`, `127.0.0.1:${bound}`, ...(named === undefined ? [] : [named])]
  const url = `http://${host}:${bound}`
  await writeClient(service, home, url, who)
  return { url, close: () => served.close() }
}

/** The token of the last start is used again while it is good: one start is not one more token. */
async function writeClient(service: Service, home: string, url: string, who: Principal): Promise<void> {
  const path = join(home, 'client.json')
  const old = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8') || '{}') as { token?: string }) : {}
  const good = old.token !== undefined && (await authenticate(service.context, old.token)) !== null
  const token = good ? old.token : await newToken(service, who)
  const temporary = `${path}.new`
  writeFileSync(temporary, `${JSON.stringify({ url, token })}\n`, { mode: 0o600 })
  renameSync(temporary, path)
}

async function newToken(service: Service, who: Principal): Promise<string> {
  const subject = who.kind === 'user' ? who.name : 'local'
  const created = await service.requests.createToken(who, {
    name: 'client.json',
    subject,
    role: 'admin',
    project: null,
    ttlMs: null,
  })
  if (!created.ok) throw new Exit(1, created.message)
  return created.value.secret
}
