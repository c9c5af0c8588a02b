// `plimsoll controller`: the loops, on clusters of Kubernetes alone. Several may run; one leads, and the others stand by with watches that
// are warm. A graceful end gives the lead back, so that the next one need not wait for the lease to run out.
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { createProbes } from '../../adapters/http/probes.ts'
import { attemptTokens } from '../../adapters/system/attempt-token.ts'
import { createLog } from '../../adapters/system/log.ts'
import type { Principal } from '../../domain/principal.ts'
import { readDeployment, readKeys, startPart } from '../parts/deployment.ts'
import { Ending } from '../parts/ending.ts'
import { Exit, exitCodeOf } from '../parts/say.ts'
import { readinessOf } from '../parts/server.ts'
import type { Service } from '../parts/service.ts'

export type ControllerOptions = { readonly config: string | null }

/** Runs until it is told to end; returns the exit code. */
export const runController = (options: ControllerOptions): Promise<number> => exitCodeOf(() => controller(options))

async function controller({ config }: ControllerOptions): Promise<number> {
  const deployment = readDeployment(config)
  const { listen, log } = deployment.files.config
  const tokens = attemptTokens(readKeys(deployment))
  const logs = createLog(null, log.level)
  const ending = new Ending()
  let service: Service | null = null
  // From the first moment on, so that whoever keeps us sees that we live while the database is slow.
  const probes = await listenForProbes(listen.host, listen.probePort, () => service)
  try {
    service = await startPart(deployment, {
      part: { kind: 'controller', holder: `${hostname()}-${randomBytes(4).toString('hex')}` },
      log: logs.log,
      // Where pods reach ingest is said by the file of each cluster; the token is what they need of us.
      ingest: (attempt) => ({ url: '', token: tokens.tokenOf(attempt) }),
      use: 'run',
    })
    logs.log.info({ deployment: deployment.id, clusters: [...service.control.clusters.keys()] }, 'the controller is up')
    await ending.asked
    return 0
  } finally {
    await service?.stop()
    probes.close()
    ending.end()
    logs.flush()
  }
}

/** Reads what every metric is about, and can do nothing. */
const METRICS: Principal = { kind: 'user', name: 'metrics', grants: [{ role: 'viewer', project: null }] }

async function listenForProbes(host: string, port: number, service: () => Service | null) {
  const probes = createProbes({
    async readiness() {
      const up = service()
      if (up === null) return { ready: false, checks: { start: 'under way' } }
      return readinessOf(up, () => ({ lead: up.control.lead.epoch === null ? 'standing by' : 'leading' }))
    },
    async metrics() {
      const up = service()
      const now = await up?.views.gauges(METRICS)
      if (up === null || now?.ok !== true) return null
      const read = await up.feed.feedAfter(await up.feed.feedPosition(), 1, false)
      return { contentType: up.metrics.contentType, text: await up.metrics.text(now.value, read?.lagMs ?? 0) }
    },
  })
  await new Promise<void>((resolve, reject) => {
    probes.once('error', (error) =>
      reject(new Exit(1, `the port ${port} of ${host} for probes cannot be had: ${error.message}`)),
    )
    probes.listen({ host, port }, resolve)
  })
  return {
    close() {
      probes.close()
      probes.closeAllConnections()
    },
  }
}
