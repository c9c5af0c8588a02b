// What was thrown, as a problem. The caller learns what he can mend; the rest goes to the log alone.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { REQUEST_BYTES_MAX } from '../../domain/limits.ts'
import type { FaultCode } from '../../ports/fault.ts'
import { Fault } from '../../ports/fault.ts'
import { problem, sendProblem } from './problem.ts'

const RETRY_AFTER_SECONDS = '2'

/** Words of our own: the message of a fault may name hosts and users that a caller need not know. */
const FAULTS: Readonly<Record<FaultCode, string>> = {
  'store-unavailable': 'PostgreSQL does not answer',
  'store-refused': 'PostgreSQL refuses this plimsoll',
  'store-newer': 'the database belongs to a newer plimsoll',
  'store-older': 'the database has an older schema',
  'cluster-unreachable': 'the cluster does not answer',
  'cluster-refused': 'the cluster refuses what was asked of it',
  'not-leader': 'another process leads now',
  'disk-full': 'PostgreSQL has no disk space left',
}

export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (hasZodFastifySchemaValidationErrors(error)) {
    // The root is the empty pointer; a slash would be the key with the empty name.
    const errors = error.validation.map(({ instancePath, message }) => ({
      pointer: instancePath === '/' ? '' : instancePath,
      message: message ?? 'is wrong',
    }))
    const where = WHERE[error.validationContext ?? ''] ?? 'the request'
    return sendProblem(reply, problem('invalid', `${where} is not what it should be`, { errors }))
  }
  if (error instanceof Fault && error.retryable) {
    request.log.warn({ code: error.code, reqId: request.id }, 'a request met a fault')
    return sendProblem(reply.header('retry-after', RETRY_AFTER_SECONDS), problem('unavailable', FAULTS[error.code]))
  }
  const code = error !== null && typeof error === 'object' && 'code' in error ? String(error.code) : ''
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return sendProblem(reply, problem('too-large', `a request has at most ${REQUEST_BYTES_MAX} bytes`))
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return sendProblem(reply, problem('invalid', 'the body must be JSON, with content-type: application/json'))
  if (code.startsWith('FST_ERR_CTP_')) return sendProblem(reply, problem('invalid', 'the body is not JSON'))
  // Only of QUERY, which no route takes, and Fastify asks for its content type before it looks for one.
  if (code === 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE')
    return sendProblem(reply, problem('unknown-route', `there is no ${request.method} ${request.url.split('?')[0]}`))
  if (code === 'FST_ERR_BAD_URL' || code === 'FST_ERR_MAX_PARAM_LENGTH')
    return sendProblem(reply, problem('unknown-route', 'the address is not one that can be read'))
  request.log.error({ err: error, reqId: request.id }, 'a request failed')
  return sendProblem(reply, problem('internal', `request ${request.id} failed`))
}

const WHERE: Readonly<Record<string, string>> = {
  body: 'the body',
  querystring: 'the query',
  params: 'the path',
  headers: 'a header',
}
