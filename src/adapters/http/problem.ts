// Problems as RFC 9457 has them. Nothing of a secret, a query or a stack goes out.
import type { FastifyReply } from 'fastify'
import type { ErrorCode } from '../../contract/errors.ts'
import { ERRORS } from '../../contract/errors.ts'
import type { Problem } from '../../contract/problems.ts'
import type { Answer, Refusal } from '../../domain/refusal.ts'

export type ProblemBody = {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: ErrorCode
  readonly detail: string
  readonly whatToDo: string
  readonly errors: readonly Partial<Problem>[]
}

export function problem(
  code: ErrorCode,
  detail: string,
  more: { readonly whatToDo?: string | null; readonly errors?: readonly Partial<Problem>[] } = {},
): ProblemBody {
  const entry = ERRORS[code]
  return {
    type: `urn:plimsoll:error:${code}`,
    title: entry.meaning,
    status: entry.status,
    code,
    detail,
    whatToDo: more.whatToDo ?? entry.whatToDo,
    errors: more.errors ?? [],
  }
}

export function sendProblem(reply: FastifyReply, body: ProblemBody): FastifyReply {
  return reply.code(body.status).header('content-type', 'application/problem+json').send(body)
}

export function refusalBody(refusal: Refusal): ProblemBody {
  const errors = refusal.pointer === null ? [] : [{ pointer: refusal.pointer, message: refusal.message }]
  return problem(refusal.code, refusal.message, { whatToDo: refusal.whatToDo, errors })
}

/** The value of an answer, or the problem that was sent instead. */
export function send<Value>(
  reply: FastifyReply,
  answer: Answer<Value>,
  body: (value: Value) => unknown,
  status = 200,
): FastifyReply {
  return answer.ok ? reply.code(status).send(body(answer.value)) : sendProblem(reply, refusalBody(answer))
}
