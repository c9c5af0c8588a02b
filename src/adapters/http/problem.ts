// Problems as RFC 9457 has them. Nothing of a secret, a query or a stack goes out.
import type { FastifyReply } from 'fastify'
import type { DocumentName } from '../../contract/documents.ts'
import { DOCUMENTS } from '../../contract/documents.ts'
import type { ErrorCode } from '../../contract/errors.ts'
import { ERRORS } from '../../contract/errors.ts'
import type { ProblemDocument } from '../../contract/problem-document.ts'
import { problemDocument } from '../../contract/problem-document.ts'
import type { Problem } from '../../contract/problems.ts'
import { toWire } from '../../contract/wire.ts'
import type { Answer, Refusal } from '../../domain/refusal.ts'
import type { Text } from './shared.ts'

type Place = Pick<Problem, 'pointer' | 'message'> & Partial<Problem>

export function problem(
  code: ErrorCode,
  detail: string,
  more: { readonly whatToDo?: string | null; readonly errors?: readonly Place[] } = {},
): ProblemDocument {
  const entry = ERRORS[code]
  return {
    type: `urn:plimsoll:error:${code}`,
    title: entry.meaning,
    status: entry.status,
    code,
    detail,
    whatToDo: more.whatToDo ?? entry.whatToDo,
    errors: (more.errors ?? []).map(({ pointer, message, line, column, hint }) => ({
      pointer,
      message,
      line: line ?? null,
      column: column ?? null,
      hint: hint ?? null,
    })),
  }
}

export function sendProblem(reply: FastifyReply, body: ProblemDocument): FastifyReply {
  return reply.code(body.status).header('content-type', 'application/problem+json').send(body)
}

export function sendRefusal(reply: FastifyReply, refusal: Refusal): FastifyReply {
  const errors = refusal.pointer === null ? [] : [{ pointer: refusal.pointer, message: refusal.message }]
  return sendProblem(reply, problem(refusal.code, refusal.message, { whatToDo: refusal.whatToDo, errors }))
}

/** The answer as a document, or as a problem. */
export function send<Value extends object>(
  reply: FastifyReply,
  name: DocumentName,
  answer: Answer<Value>,
  status = 200,
): FastifyReply {
  return answer.ok ? reply.code(status).send(toWire(name, answer.value)) : sendRefusal(reply, answer)
}

const refusals = { content: { 'application/problem+json': { schema: problemDocument } } }

/** The same, of what was written out for all who may see it. */
export const sendText = (reply: FastifyReply, made: Text): FastifyReply =>
  made.ok ? reply.type('application/json; charset=utf-8').send(made.text) : sendRefusal(reply, made)

/** What a route may answer, for the OpenAPI document. */
export function answers(name: DocumentName, ...statuses: readonly number[]): Record<string, unknown> {
  const good = statuses.length === 0 ? [200] : statuses
  return {
    ...Object.fromEntries(good.map((status) => [status, DOCUMENTS[name]])),
    '4xx': { description: 'a problem; docs/errors.md lists the codes', ...refusals },
    '5xx': { description: 'a problem; 503 may be repeated after Retry-After', ...refusals },
  }
}
