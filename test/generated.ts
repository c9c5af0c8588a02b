// The generated files: what they are and how they are made. `npm run generate` writes them, and a test fails when one is stale.
import { z } from 'zod'
import { DOCUMENTS } from '../src/contract/documents.ts'
import { createServer } from '../src/adapters/http/server.ts'
import { runSpecJsonSchema } from '../src/contract/run-spec.ts'
import type { Requests } from '../src/ports/requests.ts'
import type { Views } from '../src/ports/views.ts'

export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['config/run-spec.schema.json', text(runSpecJsonSchema())],
    ['docs/openapi.json', text(await openApiDocument())],
    ['docs/documents.schema.json', text(documentSchemas())],
  ])
}

/** JSON Schemas of what `-o json` and the API print, by the name in `schema`. */
function documentSchemas(): unknown {
  const schemas = Object.entries(DOCUMENTS).map(([name, schema]) => [
    name,
    z.toJSONSchema(schema, { target: 'draft-2020-12' }),
  ])
  return Object.fromEntries(schemas)
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
