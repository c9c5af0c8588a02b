// `plimsoll api`: the API, the pages, and the port for reports. Any number may run: they share nothing but the database. No loop runs here
// and nothing is led from here; a wake-up goes through the queue to whoever leads.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createLog } from '../../adapters/system/log.ts'
import { readDeployment, readKeys, startPart } from '../parts/deployment.ts'
import { Ending } from '../parts/ending.ts'
import { projectRoot } from '../parts/files.ts'
import type { Ingest } from '../parts/ingest.ts'
import { ingestPortOf, startIngest } from '../parts/ingest.ts'
import { oidcSettings, oidcSignIn } from '../parts/oidc.ts'
import { Exit, exitCodeOf } from '../parts/say.ts'
import { serveApi } from '../parts/server.ts'
import type { Service } from '../parts/service.ts'
import { tokenSignIn } from './sign-in.ts'

export type ApiProcessOptions = {
  readonly config: string | null
  /** Ask the clusters whether they would take a run before it is submitted. */
  readonly rehearse: boolean
}

/** Runs until it is told to end; returns the exit code. */
export const runApi = (options: ApiProcessOptions): Promise<number> => exitCodeOf(() => api(options))

async function api({ config, rehearse }: ApiProcessOptions): Promise<number> {
  const deployment = readDeployment(config)
  const { listen, log } = deployment.files.config
  const keys = readKeys(deployment)
  const oidc = oidcSettings(deployment.files.config, deployment.file)
  if (oidc !== null && deployment.files.config.alerts.pages === null)
    throw new Exit(
      2,
      `${deployment.file}: signIn.oidc needs alerts.pages: the address that the provider sends people back to`,
    )
  const logs = createLog(null, log.level)
  const ending = new Ending()
  const quiet = logs.pino.child({}, { level: 'warn' })
  let ingest: Ingest | null = null
  let service: Service | null = null
  try {
    ingest = await startIngest({ keys, host: listen.host, port: ingestPortOf(listen), log: quiet })
    service = await startPart(deployment, {
      part: { kind: 'api' },
      log: logs.log,
      ingest: null,
      use: rehearse ? 'ask' : 'know',
    })
    ingest.open(service.requests)
    const pages = join(projectRoot, 'src', 'web', 'dist')
    if (!existsSync(pages)) logs.log.warn({ pages }, 'the pages are not built: npm run build:web makes them')
    const served = await serveApi(service, deployment.files, {
      log: quiet,
      pages: existsSync(pages) ? pages : null,
      signIn: tokenSignIn(service),
      provider: oidcSignIn(service, oidc),
      // Browsers come by names that only the operator's proxy knows. A cookie is SameSite=Strict and a change needs a header of our pages.
      hosts: () => null,
      checks: () => ({}),
      inUse: 'End what listens there, or choose another listen.port.',
    })
    logs.log.info({ port: served.port, ingestPort: ingest.port, deployment: deployment.id }, 'the api is up')
    try {
      await ending.asked
      return 0
    } finally {
      await served.close()
    }
  } finally {
    await ingest?.close()
    await service?.stop()
    ending.end()
    logs.flush()
  }
}
