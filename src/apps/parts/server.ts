// The API on its port, over a service.
import type { ServerOptions } from '../../adapters/http/server.ts'
import { createServer } from '../../adapters/http/server.ts'
import { parsePolicyValue } from '../../contract/policy.ts'
import { parseRunSpecValue } from '../../contract/run-spec.ts'
import { authenticate } from '../../control/requests/session.ts'
import type { Files } from './files.ts'
import { version } from './files.ts'
import { Exit } from './say.ts'
import type { Service } from './service.ts'

export type ApiOptions = {
  readonly log: ServerOptions['log']
  readonly pages: string | null
  readonly signIn: ServerOptions['signIn']
  readonly provider: ServerOptions['provider']
  readonly hosts: ServerOptions['hosts']
  /** What readiness says beside the store. */
  readonly checks: () => Readonly<Record<string, string>>
  /** What to do where the port is in use. */
  readonly inUse: string
}

/** Returns the port that it got. */
export async function serveApi(
  service: Service,
  files: Files,
  options: ApiOptions,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const { host, port } = files.config.listen
  const app = await createServer({
    requests: service.requests,
    views: service.views,
    alerts: service.alerts,
    feed: service.feed,
    authenticate: (secret) => authenticate(service.context, secret),
    metrics: service.metrics,
    readiness: () => readinessOf(service, options.checks),
    parseSpec: (value) => parseRunSpecValue(value, { catalogue: files.catalogue }),
    parsePolicy: parsePolicyValue,
    hosts: options.hosts,
    log: options.log,
    version,
    pages: options.pages,
    signIn: options.signIn,
    provider: options.provider,
    cluster: files.policy.defaultCluster,
  })
  try {
    await app.listen({ host, port })
  } catch (error) {
    await app.close()
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
      throw new Exit(1, `port ${port} of ${host} is in use. ${options.inUse}`)
    throw error
  }
  const address = app.server.address()
  const bound = address !== null && typeof address === 'object' ? address.port : port
  return { port: bound, close: () => app.close() }
}

/** Ready while the store answers: nothing can be said without it. */
export async function readinessOf(service: Service, checks: () => Readonly<Record<string, string>>) {
  const store = await service.store.now().then(
    () => 'ok',
    () => 'does not answer',
  )
  return { ready: store === 'ok', checks: { store, ...checks() } }
}
