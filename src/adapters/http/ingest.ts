// The port for reporters (docs/ingest-v1.md): one route, and the token of an attempt for it. Apart from the API, so that a network can
// let training jobs reach this and nothing else.
import { gunzip } from 'node:zlib'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply } from 'fastify'
import Fastify from 'fastify'
import { parseReport } from '../../contract/ingest.ts'
import { isAttemptId } from '../../domain/ids.ts'
import { REPORT_BYTES_MAX, REPORT_BYTES_UNPACKED_MAX } from '../../domain/limits.ts'
import type { Requests } from '../../ports/requests.ts'
import { answerError } from './errors.ts'
import { problem, sendProblem, sendRefusal } from './problem.ts'

export type IngestOptions = {
  /** Null while the process starts: whoever sends now sends again. */
  readonly requests: () => Requests | null
  readonly isTokenOf: (attempt: string, token: string) => boolean
  readonly log: FastifyBaseLogger | null
}

export async function createIngestServer(options: IngestOptions): Promise<FastifyInstance> {
  const app = Fastify({
    ...(options.log === null ? { logger: false } : { loggerInstance: options.log }),
    bodyLimit: REPORT_BYTES_MAX,
    requestTimeout: 30_000,
    forceCloseConnections: true,
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply))
  app.setNotFoundHandler((_request, reply) =>
    sendProblem(reply, problem('unknown-route', 'reports go to POST /ingest/v1/facts')),
  )
  app.get('/healthz', async () => ({ alive: true }))
  // The token is looked at before a byte of the body is read.
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.url !== '/ingest/v1/facts') return undefined
    const attempt = request.headers['plimsoll-attempt']
    const token = /^Bearer ([\x21-\x7e]{1,200})$/i.exec(request.headers.authorization ?? '')?.[1]
    const known = typeof attempt === 'string' && isAttemptId(attempt) && token !== undefined
    if (known && options.isTokenOf(attempt, token)) return undefined
    const whatToDo =
      attempt === undefined
        ? 'send PLIMSOLL_ATTEMPT of the job as the header Plimsoll-Attempt'
        : 'send PLIMSOLL_INGEST_TOKEN and PLIMSOLL_ATTEMPT as the job got them'
    return sendProblem(
      reply,
      problem('unauthenticated', 'this needs the token of the attempt that it is about', { whatToDo }),
    )
  })
  app.post('/ingest/v1/facts', async (request, reply) => {
    const requests = options.requests()
    if (requests === null)
      return sendProblem(reply.header('retry-after', '1'), problem('unavailable', 'plimsoll is starting'))
    const attempt = request.headers['plimsoll-attempt']
    if (typeof attempt !== 'string' || !isAttemptId(attempt)) throw new Error('bug: the hook let an attempt through')
    const body = await unpacked(request.body, request.headers['content-encoding'])
    if ('problem' in body) return refuse(reply, body.problem)
    const parsed = parseReport(body.value)
    if (!parsed.ok)
      return sendProblem(reply, problem('invalid', 'the batch is not what it should be', { errors: parsed.problems }))
    const answer = await requests.report({ kind: 'attempt', attempt }, parsed.batch)
    if (!answer.ok) return sendRefusal(reply, answer)
    return reply.send({ version: 1, ...answer.value })
  })
  await app.ready()
  return app
}

type Unpacked = { readonly value: unknown } | { readonly problem: 'encoding' | 'too-large' | 'unreadable' }

async function unpacked(body: unknown, encoding: string | undefined): Promise<Unpacked> {
  if (!(body instanceof Uint8Array)) return { problem: 'unreadable' }
  if (encoding !== undefined && encoding !== 'gzip' && encoding !== 'identity') return { problem: 'encoding' }
  try {
    const bytes = encoding === 'gzip' ? await gunzipped(body) : body
    return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    return { problem: code === 'ERR_BUFFER_TOO_LARGE' ? 'too-large' : 'unreadable' }
  }
}

/** A small body may unpack to a very large one. */
const gunzipped = (body: Uint8Array): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    gunzip(body, { maxOutputLength: REPORT_BYTES_UNPACKED_MAX }, (error, bytes) => {
      if (error === null) resolve(bytes)
      else reject(error)
    })
  })

function refuse(reply: FastifyReply, why: 'encoding' | 'too-large' | 'unreadable'): FastifyReply {
  const about = (code: 'invalid' | 'too-large', message: string) =>
    problem(code, message, { errors: [{ pointer: '', message }] })
  if (why === 'encoding')
    return sendProblem(reply, { ...about('invalid', 'Content-Encoding may be gzip, or left out'), status: 415 })
  if (why === 'too-large')
    return sendProblem(reply, about('too-large', `a batch has at most ${REPORT_BYTES_UNPACKED_MAX} bytes unpacked`))
  return sendProblem(reply, about('invalid', 'the body is not JSON in UTF-8'))
}
