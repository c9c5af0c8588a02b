// The generated files: what they are and how they are made. `npm run generate` writes them, and a test fails when one is stale.
import { createServer } from '../src/adapters/http/server.ts'
import { runSpecJsonSchema } from '../src/contract/run-spec.ts'
import type { Requests } from '../src/ports/requests.ts'
import type { Views } from '../src/ports/views.ts'

export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['config/run-spec.schema.json', text(runSpecJsonSchema())],
    ['docs/openapi.json', text(await openApiDocument())],
  ])
}

const text = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/** The document needs the routes and nothing behind them. */
async function openApiDocument(): Promise<unknown> {
  const nobody = async () => null
  const app = await createServer({
    requests: {} as Requests,
    views: {} as Views,
    authenticate: nobody,
    readiness: async () => ({ ready: true, checks: {} }),
    parseSpec: () => ({ ok: false, problems: [] }),
    parsePolicy: () => ({ ok: false, problems: [] }),
    hosts: () => null,
    log: null,
    version: '1',
  })
  const document = app.swagger()
  await app.close()
  return document
}
