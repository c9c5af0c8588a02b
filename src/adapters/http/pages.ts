// The pages: static files that are public, since they hold nothing. Every address that is no file is the one page, which finds its way by
// the address.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance, FastifyReply } from 'fastify'

/** Nothing from elsewhere, nothing inline: a name of a run that is a script stays a name. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export type Pages = { index(reply: FastifyReply): FastifyReply }

/** `folder` is what the build made; null where it was not made: then a sentence says how. */
export async function servePages(app: FastifyInstance, folder: string | null): Promise<Pages> {
  const index = folder === null ? null : join(folder, 'index.html')
  const page = index !== null && existsSync(index) ? readFileSync(index) : null
  if (folder !== null && page !== null)
    await app.register(fastifyStatic, {
      root: folder,
      index: false,
      wildcard: false,
      // Names of assets carry the hash of what is in them.
      setHeaders: (reply, path) => {
        const isAsset = path.includes('/assets/')
        void reply.header('cache-control', isAsset ? 'public, max-age=31536000, immutable' : 'no-cache')
        void reply.header('content-security-policy', POLICY)
      },
    })
  return {
    index(reply) {
      void reply.headers({ 'content-security-policy': POLICY, 'cache-control': 'no-cache' })
      if (page === null)
        return reply.type('text/plain; charset=utf-8').send('the pages are not built: npm run build:web\n')
      return reply.type('text/html; charset=utf-8').send(page)
    },
  }
}
