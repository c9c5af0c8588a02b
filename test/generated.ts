// The generated files: what they are and how they are made. `npm run generate` writes them, and a test fails when one is stale.
import { z } from 'zod'
import { DOCUMENTS } from '../src/contract/documents.ts'
import { failuresMarkdown } from '../src/contract/failures.ts'
import { openApiDocument } from '../src/adapters/http/openapi.ts'
import { version } from '../src/apps/parts/files.ts'
import { runSpecJsonSchema } from '../src/contract/run-spec.ts'

export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['config/run-spec.schema.json', text(runSpecJsonSchema())],
    ['docs/openapi.json', text(await openApiDocument(version))],
    ['docs/documents.schema.json', text(documentSchemas())],
    ['docs/failures.md', failuresMarkdown()],
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
