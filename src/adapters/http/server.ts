// The HTTP API: who asks, what is asked, and the answer as a document. It decides nothing.
import swagger from '@fastify/swagger'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Fastify from 'fastify'
import { jsonSchemaTransform, validatorCompiler } from 'fastify-type-provider-zod'
import type { Problem } from '../../contract/problems.ts'
import { REQUEST_BYTES_MAX } from '../../domain/limits.ts'
import type { Gauges } from '../../domain/documents.ts'
import type { Policy } from '../../domain/policy.ts'
import type { Principal } from '../../domain/principal.ts'
import type { RunSpec } from '../../domain/spec.ts'
import type { Alerts } from '../../ports/alerts.ts'
import type { Feed } from '../../ports/feed.ts'
import type { ProviderSignIn } from '../../ports/identity.ts'
import type { Requests } from '../../ports/requests.ts'
import type { Authenticate, Readiness, Views } from '../../ports/views.ts'
import { answerError } from './errors.ts'
import { mended } from './openapi-parts.ts'
import { problem, sendProblem, sendRefusal } from './problem.ts'
import { expertRoutes } from './routes-experts.ts'
import { servePages } from './pages.ts'
import { alertRoutes } from './routes-alerts.ts'
import { ledgerRoutes } from './routes-ledger.ts'
import { operateRoutes } from './routes-operate.ts'
import { pageRoutes } from './routes-pages.ts'
import { runRoutes } from './routes-runs.ts'
import { signInRoutes } from './routes-sign-in.ts'
import { tokenRoutes } from './routes-tokens.ts'
import type { SignIn } from './session.ts'
import { isOurPage, sessionOf, sessionRoutes } from './session.ts'
import { Shared } from './shared.ts'
import { streamRoutes } from './stream.ts'

export type ServerOptions = {
  readonly requests: Requests
  readonly views: Views
  readonly alerts: Alerts
  readonly feed: Feed
  readonly authenticate: Authenticate
  readonly readiness: Readiness
  /** The text of `/metrics`. */
  readonly metrics: { readonly contentType: string; readonly text: (now: Gauges, feedLagMs: number) => Promise<string> }
  readonly parseSpec: (value: unknown) => { ok: true; spec: RunSpec } | { ok: false; problems: readonly Problem[] }
  readonly parsePolicy: (
    value: unknown,
  ) => { ok: true; policy: Policy; document: unknown } | { ok: false; problems: readonly Problem[] }
  /** Host names that a browser may call us by: anything else is somebody's DNS trick. Null: any (behind a proxy that checks). */
  readonly hosts: () => readonly string[] | null
  readonly log: FastifyBaseLogger | null
  readonly version: string
  /** The built pages; null: there are none. */
  readonly pages: string | null
  /** Null where nobody signs in by a browser. */
  readonly signIn: SignIn | null
  /** Null where no identity provider is configured. */
  readonly provider: ProviderSignIn | null
  readonly cluster: string
}

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal
    /** With what it came; null for what needs none. */
    secret: string | null
  }
}

/** The API and the metrics; all else is open, since it says nothing. */
const needsToken = (path: string): boolean => path === '/metrics' || path === '/api' || path.startsWith('/api/')
/** Whoever signs in has no token yet. */
const SIGN_IN: ReadonlySet<string> = new Set(['POST /api/v1/session', 'GET /api/v1/sign-in'])

const wantsPage = (request: FastifyRequest): boolean => (request.headers.accept ?? '').includes('text/html')

export async function createServer(options: ServerOptions): Promise<FastifyInstance> {
  const app = Fastify({
    ...(options.log === null ? { logger: false } : { loggerInstance: options.log }),
    bodyLimit: REQUEST_BYTES_MAX,
    // A node's id with its slashes encoded is the longest parameter.
    routerOptions: { maxParamLength: 600 },
    requestTimeout: 30_000,
    forceCloseConnections: true,
    frameworkErrors: (error, request, reply) => {
      headers(reply)
      return answerError(error, request, reply)
    },
  })
  app.setValidatorCompiler(validatorCompiler)
  // Documents are ours and typed; a check of each answer would only turn a wrong schema into an outage.
  app.setSerializerCompiler(() => (document) => JSON.stringify(document))
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Plimsoll', version: options.version, description: 'The control plane for training runs.' },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: mended,
  })
  app.decorateRequest('principal')
  app.decorateRequest('secret', null)
  app.addHook('onRequest', (request, reply) => admit(request, reply, options))
  app.addHook('preValidation', async (request, reply) => refuseNul(request, reply))
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply))
  const shared = new Shared(options.feed)
  // Before the answer goes out: who asks after it sees what he changed.
  app.addHook('onSend', async ({ method }, reply) => {
    if (method !== 'GET' && method !== 'HEAD' && reply.statusCode < 400) shared.forget()
  })
  const pages = await servePages(app, options.pages)
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? ''
    if (request.method === 'GET' && !needsToken(path) && wantsPage(request)) return pages.index(reply)
    return sendProblem(reply, problem('unknown-route', `there is no ${request.method} ${path}`))
  })
  app.get('/healthz', { schema: { hide: true } }, async () => ({ alive: true }))
  app.get('/readyz', { schema: { hide: true } }, async (request, reply) => {
    const { ready, checks } = await options.readiness().catch((error: unknown) => {
      request.log.error({ err: error }, 'the look at readiness failed')
      return { ready: false, checks: { readiness: 'failed' } }
    })
    return reply.code(ready ? 200 : 503).send({ ready, checks })
  })
  app.get('/metrics', { schema: { hide: true } }, async ({ principal }, reply) => {
    const now = await options.views.gauges(principal)
    if (!now.ok) return sendRefusal(reply, now)
    const read = await options.feed.feedAfter(await options.feed.feedPosition(), 1, false)
    return reply.type(options.metrics.contentType).send(await options.metrics.text(now.value, read?.lagMs ?? 0))
  })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  signInRoutes(app, options)
  await app.register(
    async (scope) => {
      runRoutes(scope, options)
      expertRoutes(scope, options)
      operateRoutes(scope, options, shared)
      ledgerRoutes(scope, options, shared)
      alertRoutes(scope, options)
      tokenRoutes(scope, options)
      pageRoutes(scope, options, shared)
      sessionRoutes(scope, options)
      streamRoutes(scope, options.views, options.feed, options.authenticate)
    },
    { prefix: '/api/v1' },
  )
  await app.ready()
  return app
}

/** Before anything else is looked at: is it meant for us, and whose is it? */
async function admit(request: FastifyRequest, reply: FastifyReply, options: ServerOptions): Promise<unknown> {
  headers(reply)
  if (!hostIsOurs(request, options.hosts()))
    return sendProblem(reply, problem('wrong-host', `this is not ${request.headers.host ?? 'a host'}`))
  const path = request.url.split('?')[0] ?? ''
  if (!needsToken(path) || SIGN_IN.has(`${request.method} ${path}`)) return undefined
  const bearer = /^Bearer ([\x21-\x7e]{1,200})$/i.exec(request.headers.authorization ?? '')?.[1]
  const secret = bearer ?? sessionOf(request)
  const principal = secret === undefined ? null : await options.authenticate(secret)
  if (principal === null) {
    void reply.header('www-authenticate', 'Bearer')
    return sendProblem(reply, problem('unauthenticated', 'this needs a valid token'))
  }
  if (bearer === undefined && !isOurPage(request))
    return sendProblem(reply, problem('not-allowed', 'a change by a browser carries the header x-plimsoll: 1'))
  request.principal = principal
  request.secret = secret ?? null
  return undefined
}

/** PostgreSQL stores any character but NUL, and nothing that a person means has one. */
function refuseNul(request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
  for (const part of ['params', 'query', 'body'] as const) {
    const pointer = pointerOfNul(request[part], '')
    if (pointer === null) continue
    const errors = [{ pointer, message: 'has a NUL character' }]
    return sendProblem(reply, problem('invalid', `the ${part} of the request cannot be stored`, { errors }))
  }
  return undefined
}

function pointerOfNul(value: unknown, pointer: string): string | null {
  if (typeof value === 'string') return value.includes('\0') ? pointer : null
  if (value === null || typeof value !== 'object') return null
  for (const [key, each] of Object.entries(value)) {
    if (key.includes('\0')) return pointer
    const found = pointerOfNul(each, `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    if (found !== null) return found
  }
  return null
}

function headers(reply: FastifyReply): void {
  reply.headers({
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
  })
}

/** A page of another site that resolves its own name to our address must not talk to us. */
function hostIsOurs(request: FastifyRequest, hosts: readonly string[] | null): boolean {
  if (hosts === null) return true
  const ours = (name: string | undefined): boolean => name !== undefined && hosts.includes(name.toLowerCase())
  const { host, origin } = request.headers
  return ours(host) && (origin === undefined || ours(origin.replace(/^https?:\/\//, '')))
}
