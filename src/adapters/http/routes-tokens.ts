// Routes about tokens. A secret leaves the server once, in the answer to its creation.
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { answers, send } from './problem.ts'
import { tokenBody, tokenParams } from './requests.ts'
import type { ServerOptions } from './server.ts'

export function tokenRoutes(scope: FastifyInstance, { requests, views }: ServerOptions): void {
  const app = scope.withTypeProvider<ZodTypeProvider>()
  const tags = ['tokens']

  app.get(
    '/tokens',
    { schema: { tags, summary: 'who may ask', response: answers('tokens') } },
    async ({ principal }, reply) => send(reply, 'tokens', await views.tokens(principal)),
  )
  app.post(
    '/tokens',
    { schema: { tags, summary: 'create a token', body: tokenBody, response: answers('token-created', 201) } },
    async ({ principal, body }, reply) => {
      const answer = await requests.createToken(principal, body)
      if (!answer.ok) return send(reply, 'token-created', answer)
      const { token, secret } = answer.value
      return send(reply, 'token-created', { ok: true, value: { ...token, secret } }, 201)
    },
  )
  app.delete(
    '/tokens/:id',
    { schema: { tags, summary: 'revoke a token', params: tokenParams, response: answers('token') } },
    async ({ principal, params }, reply) => send(reply, 'token', await requests.revokeToken(principal, params.id)),
  )
}
