import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { RunSpec } from '../domain/spec.ts'
import { parseGpus, parsePresets } from './catalogue.ts'
import { formatProblems } from './problems.ts'
import { parseRunSpec, parseRunSpecValue } from './run-spec.ts'
import { specToDocument } from './spec-document.ts'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const presets = parsePresets(read('config/catalogue/models.json'))
const gpus = new Set(parseGpus(read('config/catalogue/gpus.json')).map((gpu) => gpu.id))
const catalogue = { presets, gpus }
const LEAST = 'name: a\ncommand: [true]\nresources: {}\n'

function specOf(text: string, set: readonly string[] = []): RunSpec {
  const parsed = parseRunSpec(text, { file: 'run.yaml', set, catalogue })
  assert.ok(parsed.ok, parsed.ok ? '' : formatProblems('run.yaml', parsed.problems))
  return parsed.spec
}

/** `line:column pointer message [hint]` of each problem. */
function problemsOf(text: string, set: readonly string[] = []): string[] {
  const parsed = parseRunSpec(text, { file: 'run.yaml', set, catalogue })
  if (parsed.ok) return []
  return parsed.problems.map(({ line, column, pointer, message, hint }) =>
    [`${line}:${column}`, pointer, message, ...(hint === null ? [] : [`[${hint}]`])].join(' '),
  )
}

test('what is not given has a default', () => {
  assert.deepEqual(specOf('name: a\ncommand: [python, train.py]\nresources: { nodes: 2, gpusPerNode: 8 }\n'), {
    version: 1,
    name: 'a',
    project: 'default',
    priority: 'normal',
    cluster: null,
    workdir: null,
    labels: {},
    image: null,
    command: ['python', 'train.py'],
    env: {},
    secrets: [],
    resources: { nodes: 2, gpusPerNode: 8, gpu: [], topology: null, parallelism: {} },
    training: { framework: 'auto', tokens: null, sequenceLength: null, model: null },
    checkpoints: { path: null, everySteps: null },
    limits: { timeMs: null, gpuMs: null },
    restart: { infrastructure: 20, unknown: 3, user: 0 },
    watch: { stall: 'auto', loss: 'auto', experts: 'auto' },
    notify: [],
    source: null,
  })
})

const WHOLE = `version: 1
name: moe-16b
project: pretraining
priority: high
cluster: hamina
workdir: .
labels: { cost-centre: a17, year: 2026 }
image: nvcr.io/nvidia/pytorch:26.09-py3
command: [torchrun, "--nnodes=$PLIMSOLL_NODES", "--master-addr=$MASTER_ADDR", train.py, --lr, 1.0e-3, --steps, 0100]
env: { NCCL_DEBUG: WARN, RETRIES: 3, FLAG: true }
secrets: [hf-token]
resources:
  nodes: 16
  gpusPerNode: 8
  gpu: [h100-sxm, h200]
  topology: { within: rack }
  parallelism: { tensor: 1, pipeline: 4, expert: 32, data: 32 }
training:
  framework: megatron
  tokens: 1.5T
  sequenceLength: 4096
  model: { preset: deepseek-v2 }
checkpoints: { path: /ckpt/$PLIMSOLL_RUN, everySteps: 500 }
limits: { time: 14d, gpuHours: 60000.5 }
restart: { user: 1 }
watch: { loss: off }
notify: [slack:pretraining]
`

test('units become what the decisions count in, and arguments stay as they were written', () => {
  const spec = specOf(WHOLE)
  assert.deepEqual(spec.limits, { timeMs: 1_209_600_000, gpuMs: 216_001_800_000 })
  assert.equal(spec.training.tokens, 1_500_000_000_000)
  assert.deepEqual(spec.training.model, presets.get('deepseek-v2'))
  assert.deepEqual(spec.command.slice(4), ['--lr', '1.0e-3', '--steps', '0100'])
  assert.deepEqual(spec.env, { NCCL_DEBUG: 'WARN', RETRIES: '3', FLAG: 'true' })
  assert.deepEqual(spec.labels, { 'cost-centre': 'a17', year: '2026' })
  assert.deepEqual(spec.resources.gpu, ['h100-sxm', 'h200'])
  assert.deepEqual(spec.resources.topology, { within: 'rack', mode: 'preferred' })
  assert.deepEqual(spec.restart, { infrastructure: 20, unknown: 3, user: 1 })
  assert.deepEqual(spec.watch, { stall: 'auto', loss: 'off', experts: 'auto' })
})

test('everything that is wrong is said at once, each with its place', () => {
  const text = [
    'name: Not_A_Name',
    'prioriy: high',
    'priority: hihg',
    'command: python train.py',
    'resources:',
    '  ndoes: 2',
    '  nodes: "4"',
    '  gpusPerNode: 0',
    'training: { framework: megatorn, tokens: 2t, model: { preset: deepseek-v33 } }',
    'limits: { time: 30, gpuHours: 0 }',
    'env: { MASTER_PORT: "1", A: $PLIMSOLL_NODE_RNAK }',
    'checkpoints: { path: ckpt }',
    'restart: 3',
    '',
  ]
  const label = 'must be lower-case letters, digits and dashes, with a letter or digit at both ends'
  assert.deepEqual(problemsOf(text.join('\n')), [
    `1:7 /name ${label}`,
    '2:1 /prioriy there is no key prioriy here [did you mean priority?]',
    '3:11 /priority must be one of low, normal, high, critical [did you mean high?]',
    '4:10 /command must be a list, not text [write a list, one item for each word: [python, train.py]; there is no shell]',
    '6:3 /resources/ndoes there is no key ndoes here [did you mean nodes?]',
    '7:10 /resources/nodes must be a number, not text [write it without quotes]',
    '8:16 /resources/gpusPerNode must be at least 1',
    '9:24 /training/framework must be one of auto, megatron, torchtitan, huggingface, deepspeed, nemo, custom [did you mean megatron?]',
    '9:42 /training/tokens must be a whole number, or one with K, M, B or T such as 2T [write 2T: K, M, B and T are upper-case]',
    '9:63 /training/model/preset there is no such preset [did you mean deepseek-v3?]',
    '10:17 /limits/time must be a duration such as 90s, 30m, 12h or 14d',
    '10:31 /limits/gpuHours must be more than 0',
    '11:8 /env/MASTER_PORT is set by plimsoll itself: choose another name',
    '11:29 /env/A there is no variable $PLIMSOLL_NODE_RNAK [did you mean PLIMSOLL_NODE_RANK?]',
    '12:22 /checkpoints/path must be an absolute path: workers of several machines share it',
    '13:10 /restart must be a mapping, not 3',
  ])
})

test('rules that single fields do not show', () => {
  const rows: [string, RegExp][] = [
    ['name: a\nresources: {}\n', /1:1 \/command command is missing/],
    ['name: a\ncommand: []\nresources: {}\n', /\/command must not be empty/],
    ['name: a\ncommand: [""]\nresources: {}\n', /\/command must begin with a program/],
    [`${LEAST}training: { model: { config: ./config.json } }\n`, /does not read the configuration/],
    [`${LEAST}training: { model: {} }\n`, /needs a preset, or parameters/],
    [`${LEAST}training: { model: { preset: deepseek-v3, parameters: 1B } }\n`, /not both/],
    [
      `${LEAST}training: { model: { parameters: 1B, activeParameters: 2B } }\n`,
      /activeParameters must be at most parameters/,
    ],
    [`${LEAST}limits: { time: 1h, timeMs: 3600000 }\n`, /either time or timeMs/],
    [`${LEAST}version: 2\n`, /\/version must be 1/],
    [`${LEAST}version: '1'\n`, /\/version must be 1 \[write it without quotes\]/],
    [`${LEAST}image: "a\\u0000b"\n`, /must not have control characters: a\\u0000b/],
    [`${LEAST}workdir: "a\\nb"\n`, /must be one line/],
    [`${LEAST}labels: { "a\\u001b[2J": b }\n`, /a\\u001b\[2J has control characters/],
    [`${LEAST}labels: { a: b c }\n`, /\/labels\/a must be letters/],
    [
      `${LEAST}labels: {${Array.from({ length: 17 }, (_, index) => ` l${index}: x`).join(',')} }\n`,
      /at most 16 labels/,
    ],
    [`${LEAST}notify: [pretraining]\n`, /a kind and a target/],
    [`${LEAST}source: { commit: abc }\n`, /remote is missing/],
    [`name: ${'a'.repeat(64)}\ncommand: [a]\nresources: {}\n`, /at most 63 characters/],
    [`${LEAST}env: { A: }\n`, /write '' for empty text/],
  ]
  for (const [text, expected] of rows) assert.match(problemsOf(text).join('\n'), expected, text)
})

test('a script of several lines and an escaped dollar are fine', () => {
  const spec = specOf(
    'name: a\nresources: {}\ncommand:\n  - sh\n  - -c\n  - |\n    echo $$PLIMSOLL_X $HOME\n    sleep 1\n',
  )
  assert.equal(spec.command[2], 'echo $$PLIMSOLL_X $HOME\nsleep 1\n')
})

test('--set goes over the file, and what is wrong with it names it', () => {
  const sets = ['resources.nodes=4', 'resources.gpu=[h100-sxm]', 'command.1=2.50', 'labels.team=007', 'limits.time=2h']
  const spec = specOf(WHOLE, sets)
  assert.equal(spec.resources.nodes, 4)
  assert.deepEqual(spec.resources.gpu, ['h100-sxm'])
  assert.equal(spec.command[1], '2.50')
  assert.equal(spec.labels['team'], '007')
  assert.equal(spec.limits.timeMs, 7_200_000)
  assert.equal(specOf(WHOLE, ['project=']).project, 'default', 'an empty value takes the default')
  const rows: [string, string][] = [
    [
      'resources.ndoes=4',
      'null:null /resources/ndoes --set 1 (resources.ndoes=4): there is no key ndoes here [did you mean nodes?]',
    ],
    [
      'resouces.nodes=4',
      'null:null /resouces --set 1 (resouces.nodes=4): there is no key resouces here [did you mean resources?]',
    ],
    ['resources.nodes=x', 'null:null /resources/nodes --set 1 (resources.nodes=x): must be a number, not text'],
    ['resources.nodes', 'null:null  --set 1 (resources.nodes) has no = [write for example --set resources.nodes=4]'],
    [
      'name.a=1',
      'null:null  --set 1 (name.a=1) cannot be: name has no keys [write for example --set resources.nodes=4]',
    ],
  ]
  for (const [set, expected] of rows) assert.deepEqual(problemsOf(WHOLE, [set]), [expected])
  for (const set of ['__proto__.x=1', 'command.9=x', '=1', 'constructor.name=x', 'name=[', 'a..b=1']) {
    assert.equal(problemsOf(WHOLE, [set]).length, 1, set)
  }
})

test('a document with thousands of mistakes gets a short answer', () => {
  const many = Array.from({ length: 5_000 }, (_, index) => `key-${index}: 1`)
  const problems = problemsOf(many.join('\n'))
  assert.equal(problems.length, 101)
  assert.equal(problems.at(-1), 'null:null  4903 more problems are not shown')
  assert.match(problemsOf(WHOLE, [`${'a.'.repeat(40)}b=1`]).join('\n'), /more than 32 parts/)
})

test('safety: what the command line sends is the spec, however large its limits', () => {
  const milliseconds = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
  fc.assert(
    fc.property(milliseconds, milliseconds, (gpuMs, timeMs) => {
      const given = { name: 'a', command: ['a'], resources: {}, limits: { gpuMs, timeMs } }
      const once = parseRunSpecValue(given, { catalogue })
      assert.ok(once.ok)
      const sent = parseRunSpecValue(JSON.parse(JSON.stringify(specToDocument(once.spec))), { catalogue })
      assert.deepEqual(sent, once)
    }),
  )
})

test('a request has the same rules and no places', () => {
  const parsed = parseRunSpecValue({ name: 'A', command: ['a', 1.5], resources: { nodes: 1.5 } }, { catalogue })
  assert.ok(!parsed.ok)
  assert.deepEqual(
    parsed.problems.map(({ pointer, line }) => [pointer, line]),
    [
      ['/name', null],
      ['/command/1', null],
      ['/resources/nodes', null],
    ],
  )
})

test('the example of the repository is a spec', () => {
  assert.equal(specOf(read('examples/moe/run.yaml')).name, 'moe-demo')
})

test('safety: nothing that is sent makes it throw', () => {
  const near = fc.record(
    {
      name: fc.anything(),
      command: fc.anything(),
      resources: fc.anything(),
      env: fc.anything(),
      limits: fc.anything(),
      training: fc.anything(),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(
      fc.oneof(fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }), near),
      (value) => {
        const parsed = parseRunSpecValue(value, { catalogue })
        if (!parsed.ok) assert.ok(parsed.problems.length > 0)
      },
    ),
    { numRuns: 1_000 },
  )
  fc.assert(
    fc.property(fc.string(), fc.array(fc.string()), (text, set) => {
      parseRunSpec(text, { file: 'f', set, catalogue })
      parseRunSpec(WHOLE, { file: 'f', set: set.map((each) => `${each}=${text}`), catalogue })
    }),
  )
})

const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/)
const some = fc.record(
  {
    priority: fc.constantFrom('low', 'normal', 'high', 'critical'),
    project: label,
    cluster: fc.option(label),
    labels: fc.dictionary(label, label, { maxKeys: 5 }),
    env: fc.dictionary(
      fc.stringMatching(/^[A-Z_]{1,8}$/).filter((key) => !key.startsWith('M') && !key.startsWith('P')),
      fc.stringMatching(/^[ -~]{0,20}$/).filter((text) => !text.includes('$')),
      { maxKeys: 5 },
    ),
    training: fc.record({
      tokens: fc.oneof(
        fc.integer({ min: 1 }),
        fc.nat(999).map((n) => `${n + 1}B`),
      ),
      model: fc.option(fc.constant({ preset: 'deepseek-v3' })),
    }),
    limits: fc.record(
      {
        time: fc.integer({ min: 1, max: 10 ** 12 }).map((ms) => `${ms}ms`),
        gpuHours: fc.integer({ min: 1, max: 10 ** 10 }).map((n) => n / 3_600),
      },
      { requiredKeys: [] },
    ),
    checkpoints: fc.record(
      { path: fc.option(label.map((each) => `/${each}`)), everySteps: fc.option(fc.integer({ min: 1, max: 10 ** 6 })) },
      { requiredKeys: [] },
    ),
    restart: fc.record({ user: fc.nat(1_000) }),
  },
  { requiredKeys: [] },
)

test('safety: a resolved spec is a spec that resolves to itself', () => {
  fc.assert(
    fc.property(some, label, fc.array(label, { minLength: 1, maxLength: 5 }), (rest, name, command) => {
      const given = { ...rest, name, command, resources: { nodes: 2, gpu: 'h100-sxm', topology: { within: 'node' } } }
      const once = specOf(JSON.stringify(given))
      assert.deepEqual(specOf(JSON.stringify(once)), once)
      const sent = parseRunSpecValue(JSON.parse(JSON.stringify(once)), { catalogue })
      assert.ok(sent.ok)
      assert.deepEqual(sent.spec, once)
    }),
  )
})

test('safety: an unknown key is found in the line in which it stands', () => {
  const lines = WHOLE.trimEnd().split('\n')
  const tops = lines.flatMap((line, index) => (/^[a-z]/.test(line) ? [index] : []))
  fc.assert(
    fc.property(fc.constantFrom(...tops), fc.stringMatching(/^[a-z]{1,12}q$/), (before, key) => {
      const text = lines.toSpliced(before, 0, `${key}: 1`).join('\n')
      const parsed = parseRunSpec(text, { file: 'f', catalogue })
      assert.ok(!parsed.ok)
      assert.deepEqual(
        parsed.problems.map(({ pointer, line, column }) => [pointer, line, column]),
        [[`/${key}`, before + 1, 1]],
      )
    }),
  )
})

test('a GPU model that the catalogue does not have is refused with the one that was meant', () => {
  const spec = (gpu: string) => `name: a\ncommand: [b]\nresources: { gpu: ${gpu} }\n`
  const parsed = parseRunSpec(spec('[h100-sxm, h100-sxmm]'), { file: 'f', catalogue })
  assert.ok(!parsed.ok)
  const [problem] = parsed.problems
  assert.deepEqual([problem?.pointer, problem?.hint], ['/resources/gpu/1', 'did you mean h100-sxm?'])
  assert.ok(parseRunSpec(spec('h100-sxm'), { file: 'f', catalogue }).ok)
})
