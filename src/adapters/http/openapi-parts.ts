// What the generator of the OpenAPI document leaves to be mended.
import { jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { runSpecJsonSchema } from '../../contract/run-spec.ts'

type Tree = Record<string, unknown>
const tree = (value: unknown): Tree => (value !== null && typeof value === 'object' ? (value as Tree) : {})

/** The run spec is parsed by its own reader, so its schema is put in here; documents that only go out need no `...Input` twin. */
export function mended(
  input: Parameters<typeof jsonSchemaTransformObject>[0],
): ReturnType<typeof jsonSchemaTransformObject> {
  const made = jsonSchemaTransformObject(input)
  const components = tree(tree(made).components)
  const schemas = Object.entries(tree(components.schemas)).filter(([name]) => !name.endsWith('Input'))
  components.schemas = { ...Object.fromEntries(schemas), RunSpec: runSpecJsonSchema() }
  for (const path of ['/api/v1/runs', '/api/v1/plan']) {
    const body = tree(tree(tree(tree(made).paths)[path]).post).requestBody
    const json = tree(tree(tree(body).content)['application/json'])
    json.schema = { $ref: '#/components/schemas/RunSpec' }
  }
  for (const operation of Object.values(tree(tree(made).paths)).flatMap((path) => Object.values(tree(path)))) {
    const body = tree(tree(operation).requestBody)
    const { anyOf } = tree(tree(tree(body.content)['application/json']).schema)
    // What may be null may be left out.
    if (Array.isArray(anyOf) && anyOf.some((each) => tree(each).type === 'null')) body.required = false
  }
  return made
}
