// Everything that the OpenAPI document allows, and much that it does not, asked of a running server by schemathesis: no answer is a 500, and each is
// what the document says. The seed is fixed, so what it finds it finds again; a printed `curl` repeats a finding.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Principal } from '../../src/domain/principal.ts'
import { schemathesis } from '../parts/schemathesis.ts'
import type { Served } from '../parts/served.ts'
import { serve } from '../parts/served.ts'
import { PostgresBenches } from '../parts/stores.ts'
import { ADMIN, ALPHA, BETA, NOW, POLICY, twoProjects } from '../parts/two-projects.ts'
import { ask } from '../parts/virtual-environment.ts'

const SEED = '7'
/**
 * Not `positive_data_acceptance`: that `from` is not after `to`, or that a project is there, no schema can say. Nor `unsupported_method`: what is no
 * route is a 404 whatever the method.
 */
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'missing_required_header',
  'use_after_free',
  'ensure_resource_availability',
  'ignored_auth',
]

const found = schemathesis()
const options = found.kind === 'found' ? { timeout: 300_000 } : { skip: found.why }
let benches: PostgresBenches
let folder: string
before(async () => {
  benches = await PostgresBenches.start()
  folder = mkdtempSync(join(tmpdir(), 'plimsoll-fuzz-'))
})
after(async () => {
  await benches.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** What is there is asked for as often as what is not: else every answer were that it is not found. */
function known(things: Awaited<ReturnType<typeof twoProjects>>): string {
  const { alpha, beta } = things
  const values: Readonly<Record<string, readonly string[]>> = {
    'path.run': [alpha.failed, alpha.waiting, alpha.running, beta.failed, 'alpha/alpha-run-3'],
    'path.channel': ['alpha-oncall', 'beta-oncall', alpha.channel],
    'path.node': ['local/n1/1', 'n2'],
    'body.finding': [alpha.finding, beta.finding],
    'body.project': [ALPHA, BETA, 'lab'],
    'body.run': [alpha.failed, beta.failed],
  }
  const bound = Object.entries(values).map(
    ([key], index) => `${JSON.stringify(key)} = { dictionary = "d${index}", probability = 0.6 }`,
  )
  const lists = Object.values(values).map((list, index) => `[dictionaries.d${index}]\nvalues = ${JSON.stringify(list)}`)
  return [...lists, '[parameters]', ...bound].join('\n')
}

type Schema = { properties: Record<string, unknown>; required: string[] }
type OpenApi = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, object>>>>
  readonly components: { readonly schemas: { readonly RunSpec: Schema & { properties: { resources: Schema } } } }
}

/**
 * The document of the server, with what no schema can say of what goes in: which projects, clusters and GPU models there are. Else every spec and
 * policy were refused before anything is done with it. What comes out is held to it as it is.
 */
async function documentOf(served: Served): Promise<OpenApi> {
  const document = (await (await fetch(`${served.url}/openapi.json`)).json()) as OpenApi
  const spec = document.components.schemas.RunSpec
  spec.properties.project = { enum: [ALPHA, BETA, 'lab', 'nobody'] }
  spec.properties.cluster = { enum: ['local', null] }
  spec.properties.command = { enum: [['true'], ['python', 'train.py', '$PLIMSOLL_NODES']] }
  spec.properties.resources.properties.gpu = { enum: ['h100', ['h100'], null] }
  spec.required.push('project')
  // What is read and kept, and nothing here is decided by it: its parsers are tested beside them.
  for (const name of ['kubernetes', 'source', 'watch', 'image', 'folder', 'workdir', 'secrets'])
    Reflect.deleteProperty(spec.properties, name)
  const another = { ...POLICY, projects: { ...POLICY.projects, gamma: { quotaGpus: 4 } } }
  const content = { 'application/json': { schema: { enum: [POLICY, another, {}] } } }
  Object.assign(document.paths['/api/v1/policy']?.put ?? {}, { requestBody: { required: true, content } })
  return document
}

async function fuzz(who: Principal, phases: string, examples: number): Promise<void> {
  assert.ok(found.kind === 'found')
  const served = await serve(benches, NOW)
  try {
    writeFileSync(join(folder, 'schemathesis.toml'), known(await twoProjects(served)))
    writeFileSync(join(folder, 'openapi.json'), JSON.stringify(await documentOf(served)))
    const { code, text } = await ask(found.program, folder, [
      'run',
      'openapi.json',
      ...Object.entries({
        url: served.url,
        header: `Authorization: Bearer ${served.lastingToken(who)}`,
        seed: SEED,
        'max-examples': `${examples}`,
        phases,
        checks: CHECKS.join(','),
        'generation-database': 'none',
        warnings: 'off',
      }).map(([name, value]) => `--${name}=${value}`),
      '--no-color',
      '--continue-on-failure',
    ])
    assert.equal(code, 0, `${text.slice(-20_000)}\n${[...new Set(served.faults)].join('\n')}`)
    // Nothing was found in nothing: it was not let in, or saw no routes.
    const [, tested = '0'] = /Tested: (\d+)/.exec(text) ?? []
    assert.ok(Number(tested) > 40, text.slice(-2_000))
    assert.deepEqual(served.faults, [])
  } finally {
    await served.close()
  }
}

test('whatever an admin asks, no answer is a 500, and each is what the document says', options, async () => {
  await fuzz(ADMIN, 'coverage,fuzzing', 6)
})

test('whatever a member asks, no answer is a 500, and each is what the document says', options, async () => {
  // Every corner of the input was asked for by the admin; here it is about what he may not.
  await fuzz({ kind: 'user', name: 'alpha-ada', grants: [{ role: 'member', project: ALPHA }] }, 'fuzzing', 5)
})
