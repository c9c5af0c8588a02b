// Who may import whom (ARCHITECTURE.md has the table). The test fails when it sees no files, so that it cannot pass by looking away.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

type Rule = {
  readonly of: string
  /** Folders below src that it may import, itself apart. */
  readonly may: readonly string[]
  readonly packages: readonly string[]
  /** Whether `node:*` is allowed. */
  readonly node: boolean
}

const NONE: readonly string[] = []
/** The first rule whose folder matches counts. */
const RULES: readonly Rule[] = [
  { of: 'domain', may: NONE, packages: NONE, node: false },
  { of: 'core/estimate', may: ['domain'], packages: NONE, node: false },
  { of: 'core/experts', may: ['domain'], packages: NONE, node: false },
  ...['submit', 'admit', 'place', 'launch', 'observe', 'account', 'detect', 'act', 'alert', 'authorise'].map(
    (step) => ({
      of: `core/${step}`,
      may: ['domain', 'core/estimate', 'core/experts'],
      packages: NONE,
      node: false,
    }),
  ),
  { of: 'ports', may: ['domain'], packages: NONE, node: false },
  { of: 'control', may: ['core', 'ports', 'domain'], packages: NONE, node: false },
  { of: 'contract', may: ['domain'], packages: ['zod', 'yaml'], node: false },
  { of: 'adapters/postgres', may: ['ports', 'contract', 'domain'], packages: ['pg'], node: true },
  { of: 'adapters/bullmq', may: ['ports', 'contract', 'domain'], packages: ['bullmq', 'pg'], node: true },
  {
    of: 'adapters/http',
    may: ['ports', 'contract', 'domain'],
    packages: [
      'fastify',
      '@fastify/static',
      '@fastify/swagger',
      'fastify-type-provider-zod',
      'hyparquet-writer',
      'zod',
    ],
    node: true,
  },
  {
    of: 'adapters/kubernetes',
    may: ['ports', 'contract', 'domain'],
    packages: ['@kubernetes/client-node', 'undici'],
    node: true,
  },
  { of: 'adapters/local', may: ['ports', 'contract', 'domain'], packages: NONE, node: true },
  { of: 'adapters/notify', may: ['ports', 'contract', 'domain'], packages: ['nodemailer'], node: true },
  { of: 'adapters/oidc', may: ['ports', 'contract', 'domain'], packages: ['openid-client'], node: true },
  { of: 'adapters/system', may: ['ports', 'contract', 'domain'], packages: ['pino'], node: true },
  { of: 'adapters/telemetry', may: ['ports', 'contract', 'domain'], packages: ['prom-client'], node: true },
  { of: 'sim', may: ['ports', 'domain'], packages: NONE, node: false },
  {
    of: 'apps/parts',
    may: ['domain', 'core', 'ports', 'control', 'contract', 'adapters', 'sim'],
    packages: ['commander'],
    node: true,
  },
  ...['cli', 'up', 'simulate', 'controller', 'api', 'migrate'].map((app) => ({
    of: `apps/${app}`,
    // The command line starts the others by their names; no other app knows a sibling.
    may: [
      'domain',
      'core',
      'ports',
      'control',
      'contract',
      'adapters',
      'sim',
      'apps/parts',
      ...(app === 'cli' ? ['up', 'simulate', 'controller', 'api', 'migrate'].map((other) => `apps/${other}`) : []),
    ],
    packages: ['commander'],
    node: true,
  })),
  { of: 'web/vite.config.ts', may: NONE, packages: ['vite', '@vitejs/plugin-react'], node: true },
  {
    of: 'web',
    may: ['domain', 'contract'],
    packages: [
      'react',
      'react-dom',
      'uplot',
      '@tanstack/react-query',
      '@tanstack/react-router',
      '@tanstack/react-virtual',
    ],
    node: false,
  },
]

type Import = {
  readonly file: string
  readonly line: number
  readonly target: string
  /** Nothing of it is left at run time. */
  readonly type?: boolean
}

function sources(): string[] {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file) && !/\.test\.tsx?$/.test(file) && !file.includes('fixture'))
    .filter((file) => !file.startsWith('web/dist/'))
    .toSorted()
}

export function importsOf(file: string, text: string): Import[] {
  const found: Import[] = []
  for (const [index, line] of text.split('\n').entries()) {
    for (const [, target] of line.matchAll(/(?:^|[\s;(}])(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)) {
      if (target === undefined || /^\s*(\/\/|\*)/.test(line)) continue
      const type = isTypeImport(text.split('\n'), index)
      found.push({ file, line: index + 1, target, ...(type ? { type } : {}) })
    }
  }
  return found
}

/** Whether the statement that ends in this line begins with `import type` or `export type`. */
function isTypeImport(lines: readonly string[], end: number): boolean {
  const spread = (lines[end] ?? '').startsWith('}')
  for (let index = end; index >= (spread ? 0 : end); index -= 1) {
    if (/^(import|export)\b/.test(lines[index] ?? '')) return /^(import|export) type\b/.test(lines[index] ?? '')
  }
  return false
}

export function problemOf({ file, target, type = false }: Import): string | null {
  const rule = RULES.find((each) => file === each.of || file.startsWith(`${each.of}/`))
  if (rule === undefined) return `no rule knows the folder of ${file}`
  if (target.startsWith('node:')) return rule.node ? null : `${rule.of} may not import ${target}`
  if (!target.startsWith('.')) {
    return rule.packages.some((name) => target === name || target.startsWith(`${name}/`))
      ? null
      : `${rule.of} may not import the package ${target}`
  }
  const into = relative(root, join(root, 'src', dirname(file), target)).replace(/^src\//, '')
  if (rule.of === 'web' && target.endsWith('.css')) return null
  if (!target.endsWith('.ts') && !target.endsWith('.tsx')) return `${target} does not end in .ts`
  // The pages take the types of documents from there; zod stays out of what browsers read.
  if (rule.of === 'web' && into.startsWith('contract/') && !type) return `web may only import types from ${into}`
  const allowed = [rule.of, ...rule.may].some((folder) => into.startsWith(`${folder}/`))
  return allowed ? null : `${rule.of} may not import ${into}`
}

test('every import goes where the table allows', () => {
  const files = sources()
  assert.ok(files.length > 50, `only ${files.length} files were seen`)
  const imports = files.flatMap((file) => importsOf(file, readFileSync(join(root, 'src', file), 'utf8')))
  assert.ok(imports.length > 200, `only ${imports.length} imports were seen`)
  const problems = imports.flatMap((each) => {
    const problem = problemOf(each)
    return problem === null ? [] : [`src/${each.file}:${each.line}: ${problem}`]
  })
  assert.deepEqual(problems, [])
})

test('the table refuses what it should', () => {
  const refused = (file: string, target: string): boolean => problemOf({ file, line: 1, target }) !== null
  assert.ok(refused('domain/run.ts', 'node:fs'))
  assert.ok(refused('domain/run.ts', '../core/place/place.ts'))
  assert.ok(refused('core/place/place.ts', '../admit/admit.ts'))
  assert.ok(refused('control/place.ts', '../adapters/postgres/store.ts'))
  assert.ok(refused('adapters/local/cluster.ts', '../postgres/pool.ts'))
  assert.ok(refused('contract/run-spec.ts', 'fastify'))
  assert.ok(!refused('control/place.ts', '../core/place/place.ts'))
  assert.ok(refused('web/api/ask.ts', 'zod'))
  assert.ok(refused('web/api/ask.ts', '../../core/place/place.ts'))
  assert.ok(refused('web/api/documents.ts', '../../contract/documents.ts'))
  assert.equal(problemOf({ file: 'web/api/documents.ts', line: 1, target: '../../contract/wire.ts', type: true }), null)
  assert.deepEqual(importsOf('x.ts', "import type { A } from './a.ts'\nconst b = await import('zod')"), [
    { file: 'x.ts', line: 1, target: './a.ts', type: true },
    { file: 'x.ts', line: 2, target: 'zod' },
  ])
})

const AMBIENT =
  /\b(Date\.now|Math\.random|performance\.now|setTimeout|setInterval|setImmediate|randomUUID|getRandomValues|process\.\w+|console\.\w+)|new Date\(\)/

test('domain, core, control and sim read no ambient clock, chance or process', () => {
  const pure = sources().filter((file) => /^(domain|core|control|ports|sim)\//.test(file))
  assert.ok(pure.length > 40, `only ${pure.length} files were seen`)
  const uses = pure.flatMap((file) =>
    readFileSync(join(root, 'src', file), 'utf8')
      .split('\n')
      .flatMap((line, index) =>
        AMBIENT.test(line) && !/^\s*(\/\/|\*|\/\*)/.test(line) ? [`src/${file}:${index + 1}: ${line.trim()}`] : [],
      ),
  )
  assert.deepEqual(uses, [])
})

test('no source file is longer than a reader likes', () => {
  const long = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(tsx?|py)$/.test(file) && !file.startsWith('web/dist/'))
    .map((file) => ({ file, lines: readFileSync(join(root, 'src', file), 'utf8').split('\n').length }))
    .filter(({ file, lines }) => lines > 401 && !file.includes('.test.') && !file.includes('/tests/'))
  assert.deepEqual(long, [])
})
