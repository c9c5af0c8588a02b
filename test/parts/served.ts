// A server of the API as production puts it together, without loops: over a database of its own, on a port of its own, with a clock that stands.
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { createServer } from '../../src/adapters/http/server.ts'
import { alertStore } from '../../src/adapters/postgres/alerts.ts'
import { feedOf } from '../../src/adapters/postgres/feed.ts'
import { postgresStore } from '../../src/adapters/postgres/store.ts'
import { sealWith } from '../../src/adapters/system/seal.ts'
import { secrets } from '../../src/adapters/system/secrets.ts'
import type { Metrics } from '../../src/adapters/telemetry/metrics.ts'
import { createMetrics } from '../../src/adapters/telemetry/metrics.ts'
import { tokenSignIn } from '../../src/apps/api/sign-in.ts'
import { parsePolicyValue } from '../../src/contract/policy.ts'
import { parseRunSpecValue } from '../../src/contract/run-spec.ts'
import type { Control } from '../../src/control/control.ts'
import { alertsFor } from '../../src/control/requests/alerting.ts'
import type { RequestContext } from '../../src/control/requests/context.ts'
import { authenticate } from '../../src/control/requests/session.ts'
import { requestsOf } from '../../src/control/requests/requests.ts'
import { viewsOf } from '../../src/control/views/views.ts'
import { measureFrame } from '../../src/core/experts/measures.ts'
import { CLUSTER } from '../../src/domain/fixture.ts'
import type { ProjectName } from '../../src/domain/ids.ts'
import type { Principal, Role } from '../../src/domain/principal.ts'
import { DEFAULT_DURATIONS, DEFAULT_LOG_BYTES_MAX } from '../../src/domain/settings.ts'
import { DEFAULT_THRESHOLDS } from '../../src/domain/thresholds.ts'
import type { EpochMs } from '../../src/domain/units.ts'
import { epochMs } from '../../src/domain/units.ts'
import type { Alerts } from '../../src/ports/alerts.ts'
import type { Cluster } from '../../src/ports/cluster.ts'
import type { ProviderSignIn } from '../../src/ports/identity.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Requests } from '../../src/ports/requests.ts'
import { SeededChance } from '../../src/sim/chance.ts'
import type { PostgresBenches } from './stores.ts'
import { BLIND_AFTER_MS, StandingClock } from './stores.ts'

export type Served = {
  readonly app: FastifyInstance
  readonly url: string
  readonly database: string
  readonly control: Control
  readonly clock: StandingClock
  readonly requests: Requests
  readonly alerts: Alerts
  readonly metrics: Metrics
  /** What the log of the server told of errors. */
  readonly faults: readonly string[]
  /** The secret of a new token. */
  readonly token: (of: {
    readonly role: Role
    readonly project: string | null
    readonly subject: string
    readonly expiresAt?: EpochMs
    readonly revokedAt?: EpochMs
  }) => Promise<string>
  /** The secret of a token that is in no list, so that nobody can revoke it. */
  readonly lastingToken: (principal: Principal) => string
  close(): Promise<void>
}

/** Nothing is ever launched on it. */
const cluster = (now: () => EpochMs): Cluster =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what requests and views ask of a cluster
  ({
    name: CLUSTER,
    masterAddress: () => '127.0.0.1',
    observe: async () => ({ observedAt: now(), nodes: [], workers: [] }),
  }) as unknown as Cluster

function keeping(faults: string[]): FastifyBaseLogger {
  const silent = (): void => {}
  const keep = (fields: unknown, message?: string): void => {
    const err = fields !== null && typeof fields === 'object' && 'err' in fields ? fields.err : fields
    faults.push(`${message ?? ''} ${err instanceof Error ? err.stack : JSON.stringify(err)}`)
  }
  const log = { level: 'error', msgPrefix: '', fatal: keep, error: keep, warn: silent, info: silent, debug: silent }
  return { ...log, trace: silent, silent, child: () => keeping(faults) }
}

export type ServedOptions = {
  /** Of another one, for a replica of it. */
  readonly database?: string
  readonly log?: Log
  /** `pages` is where the server listens, once it does. */
  readonly provider?: (context: RequestContext, pages: () => string) => ProviderSignIn
}

export async function serve(benches: PostgresBenches, now: number, options: ServedOptions = {}): Promise<Served> {
  const name = options.database ?? (await benches.fresh())
  const database = benches.database(name)
  const clock = new StandingClock(now)
  const silent = (): void => {}
  const store = postgresStore(database, clock, { blindAfterMs: BLIND_AFTER_MS, measure: measureFrame })
  const control: Control = {
    store,
    clock,
    clusters: new Map([[CLUSTER, cluster(() => clock.now())]]),
    doorbell: { ring: silent },
    chance: new SeededChance(1),
    log: options.log ?? { info: silent, warn: silent, error: silent },
    settings: { durations: DEFAULT_DURATIONS, logBytesMax: DEFAULT_LOG_BYTES_MAX, thresholds: DEFAULT_THRESHOLDS },
    health: new Map([[CLUSTER, { kind: 'reachable' }]]),
    lead: { epoch: await store.takeLead('served', 10 ** 9, false), until: epochMs(10 ** 15) },
    ingest: null,
    readSpool: () => null,
    alerting: {
      store: alertStore(database),
      seal: sealWith([new Uint8Array(32)]),
      pages: () => 'http://pages.test',
      notifier: {
        check: () => null,
        deliver: async () => ({ kind: 'delivered', tookMs: 1, said: '200 OK' }),
        close: async () => {},
      },
    },
  }
  const context: RequestContext = {
    control,
    defaultCluster: CLUSTER,
    peaks: new Map([['h100', 989e12]]),
    secrets,
  }
  const requests = requestsOf(context)
  const alerts = alertsFor(context)
  const catalogue = { gpus: new Set(['h100']), presets: new Map() }
  const metrics = createMetrics()
  const faults: string[] = []
  const lasting = new Map<string, Principal>()
  let url = ''
  const app = await createServer({
    requests,
    views: viewsOf(context),
    alerts,
    feed: feedOf(database),
    authenticate: async (secret) => lasting.get(secret) ?? (await authenticate(context, secret)),
    metrics,
    readiness: async () => ({ ready: true, checks: {} }),
    parseSpec: (value) => parseRunSpecValue(value, { catalogue }),
    parsePolicy: parsePolicyValue,
    hosts: () => null,
    log: keeping(faults),
    version: '0.0.0',
    pages: null,
    signIn: tokenSignIn({ context, requests, control }),
    provider: options.provider?.(context, () => url) ?? null,
    cluster: CLUSTER,
  })
  url = await app.listen({ host: '127.0.0.1', port: 0 })
  return {
    app,
    url,
    database: name,
    control,
    clock,
    requests,
    alerts,
    metrics,
    faults,
    lastingToken(principal) {
      const { secret } = secrets.create()
      lasting.set(secret, principal)
      return secret
    },
    async token({ role, project, subject, expiresAt, revokedAt }) {
      const { id, secret, hash } = secrets.create()
      const at = clock.now()
      await store.addToken(
        {
          id,
          name: `${subject}-${role}`,
          subject,
          role,
          project: project as ProjectName | null,
          createdAt: at,
          expiresAt: expiresAt ?? null,
          lastUsedAt: null,
          revokedAt: null,
          session: null,
        },
        hash,
        { at, actor: 'user:test', verb: 'token.create', target: id, detail: {} },
      )
      if (revokedAt !== undefined)
        await store.revokeToken(id, revokedAt, { at, actor: 'user:test', verb: 'token.revoke', target: id, detail: {} })
      return secret
    },
    async close() {
      await app.close()
      await database.end()
    },
  }
}
