// What each command shows, as golden files: a change is read as a diff. UPDATE_GOLDEN=1 writes them anew.
import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { DocumentName } from '../../src/contract/documents.ts'
import { DOCUMENTS } from '../../src/contract/documents.ts'
import { POLICY, run, SECRET, show } from '../../src/adapters/http/fakes.fixture.ts'
import { accepted, refused } from '../../src/domain/refusal.ts'
import { Fault } from '../../src/ports/fault.ts'
import type { Stage } from './transcript.ts'
import { onStage } from './transcript.ts'

const RUN = run.id

const COMMANDS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  runs: [['runs'], ['runs', '--project', 'demo', '--limit', '0'], ['runs', '--limt', '1'], ['runs', '-o', 'xml']],
  show: [['show', RUN], ['show', 'demo/moe'], ['show', 'nothing'], ['show']],
  logs: [
    ['logs', RUN],
    ['logs', RUN, '--rank', '3'],
    ['logs', RUN, '--rank', '4'],
    ['logs', RUN, '--worker', 'x'],
    ['logs', RUN, '--worker', '1', '--rank', '3'],
    ['logs', RUN, '--attempt', '1', '-f'],
  ],
  events: [['events', RUN]],
  why: [['why', RUN]],
  steer: [
    ['stop', RUN],
    ['stop', RUN, '--now'],
    ['suspend', RUN],
    ['resume', RUN],
  ],
  statement: [['statement', RUN]],
  queue: [['queue'], ['queue', 'pause', '--reason', 'upgrade'], ['queue', 'resume']],
  nodes: [
    ['nodes'],
    ['nodes', 'cordon', 'local/node-0/1', '--reason', 'fan'],
    ['nodes', 'uncordon', 'node-0'],
    ['nodes', 'forget', 'node-0', '--reason', 'sold'],
  ],
  budgets: [['budgets']],
  ledger: [
    ['ledger'],
    ['ledger', '--by', 'project,account,label:team', '--from', '2026-01-01', '--format', 'csv'],
    ['ledger', '--by', 'moon'],
    ['ledger', '--from', 'yesterday'],
  ],
  report: [
    ['report', '--month', '2026-01'],
    ['report', '--project', 'demo', '--month', '2026-01'],
    ['report', '--month', '2026-01', '--compare'],
    ['report', '--month', 'may'],
  ],
  alerts: [
    ['alerts'],
    ['alerts', 'deliveries'],
    ['alerts', 'channel', 'test', 'oncall'],
    ['alerts', 'silence', '--for', 'soon', '--reason', 'x'],
    ['alerts', 'channel', 'create', 'x'],
  ],
  audit: [['audit']],
  policy: [
    ['policy', 'show'],
    ['policy', 'diff', 'policy.yaml'],
    ['policy', 'apply', 'policy.yaml'],
    ['policy', 'apply', 'bad.yaml'],
  ],
  token: [
    ['token', 'create', 'ci', '--role', 'member', '--subject', 'ada', '--ttl', '30d'],
    ['token', 'create', 'ci', '--role', 'king', '--subject', 'ada'],
    ['token', 'create', 'ci', '--role', 'member', '--subject', 'ada', '--ttl', 'soon'],
    ['token', 'list'],
    ['token', 'revoke', 't01'],
  ],
  experts: [
    ['experts', RUN],
    ['experts', RUN, '--step', '120'],
    ['experts', RUN, '--step', 'last'],
    ['experts', 'nothing'],
  ],
  submit: [
    ['submit', 'spec.yaml', '--dry-run'],
    ['submit', 'spec.yaml', '--yes', '--set', 'resources.nodes=4'],
    ['submit', 'spec.json', '--yes', '--idempotency-key', 'again'],
    ['submit', 'spec.yaml'],
    ['submit', 'wrong.yaml', '--yes'],
    ['submit', 'lost.yaml', '--yes'],
    ['submit', 'nothing.yaml', '--yes'],
    ['submit', '.', '--yes'],
  ],
  completion: [
    ['completion', 'bash'],
    ['completion', 'fish'],
  ],
  usage: [[], ['rnus'], ['--help'], ['submit', '--help']],
}

const DOCUMENT_OF: readonly (readonly [DocumentName, readonly string[]])[] = [
  ['runs', ['runs']],
  ['show', ['show', RUN]],
  ['logs', ['logs', RUN]],
  ['logs', ['logs', RUN, '-f', '--attempt', '1']],
  ['events', ['events', RUN]],
  ['why', ['why', RUN]],
  ['experts', ['experts', RUN]],
  ['expert-frame', ['experts', RUN, '--step', '7']],
  ['run', ['stop', RUN]],
  ['run', ['suspend', RUN]],
  ['run', ['resume', RUN]],
  ['statement', ['statement', RUN]],
  ['queue', ['queue']],
  ['queue-steered', ['queue', 'pause']],
  ['nodes', ['nodes']],
  ['node-steered', ['nodes', 'cordon', 'node-0']],
  ['budgets', ['budgets']],
  ['ledger', ['ledger']],
  ['audit', ['audit']],
  ['policy', ['policy', 'show']],
  ['policy-diff', ['policy', 'diff', 'policy.yaml']],
  ['policy-applied', ['policy', 'apply', 'policy.yaml']],
  ['token-created', ['token', 'create', 'ci', '--role', 'member', '--subject', 'ada']],
  ['tokens', ['token', 'list']],
  ['token', ['token', 'revoke', 't01']],
  ['plan', ['submit', 'spec.yaml', '--dry-run']],
  ['run', ['submit', 'spec.yaml', '--yes']],
  ['completion', ['completion', 'zsh']],
]

const SPEC = { name: 'moe', project: 'demo', command: ['python', 'train.py'], resources: { nodes: 2, gpusPerNode: 2 } }

function files({ folder }: Stage): void {
  const write = (name: string, content: unknown): void => writeFileSync(join(folder, name), text(content))
  write(
    'spec.yaml',
    'name: moe\nproject: demo\ncommand: [python, train.py]\nresources:\n  nodes: 2\n  gpusPerNode: 2\n',
  )
  write('spec.json', SPEC)
  write('wrong.yaml', 'name: Moe!\nproject: demo\ncommand: python train.py\nresources:\n  nodse: 2\n')
  write('lost.yaml', { ...SPEC, workdir: 'not-there' })
  write('policy.yaml', { ...POLICY, projects: { default: {}, demo: { maxPriority: 'normal', quotaGpus: 8 } } })
  write('bad.yaml', { ...POLICY, currency: 'gold' })
}
const text = (content: unknown): string => (typeof content === 'string' ? content : JSON.stringify(content, null, 2))

for (const [name, invocations] of Object.entries(COMMANDS)) {
  test(`${name} shows what it showed before`, () =>
    onStage(async (stage) => {
      files(stage)
      const parts = await Promise.all(invocations.map((args) => stage.transcript(args)))
      const golden = fileURLToPath(new URL(`${name}.txt`, import.meta.url))
      const seen = `${parts.join('\n\n')}\n`
      if (process.env.UPDATE_GOLDEN === '1') writeFileSync(golden, seen)
      assert.equal(seen, readFileSync(golden, 'utf8'))
    }))
}

test('-o json prints exactly one documented document on stdout', () =>
  onStage(async (stage) => {
    files(stage)
    for (const [name, args] of DOCUMENT_OF) {
      const { code, stdout, stderr } = await stage.say([...args, '-o', 'json'])
      assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
      assert.equal(stdout.split('\n').length, 2, args.join(' '))
      const parsed = DOCUMENTS[name].safeParse(JSON.parse(stdout))
      assert.ok(parsed.success, `${args.join(' ')}: ${parsed.error?.message}`)
    }
  }))

test('a submit sends the working directory, absolute', () =>
  onStage(async (stage) => {
    files(stage)
    await stage.say(['submit', 'spec.yaml', '--yes'])
    const sent = stage.fake.asked.find((each) => each.what === 'submit')?.with[0] as {
      folder: string
      source: unknown
    }
    assert.equal(sent.folder, stage.folder)
    assert.equal(sent.source, null)
  }))

test('--follow ends with the run: 0 where it succeeded, 1 where it did not', () =>
  onStage(async (stage) => {
    files(stage)
    for (const [state, code] of [
      ['succeeded', 0],
      ['failed', 1],
    ] as const) {
      stage.fake.answer = (what) => (what === 'show' ? Promise.resolve(accepted({ ...show, state } as never)) : null)
      const said = await stage.say(['submit', 'spec.yaml', '--yes', '--follow'])
      assert.equal(said.code, code, said.stderr)
      assert.match(said.stdout, /iteration 1\/600\niteration 2\/600\ndone \\u001b\[31mred\n/)
    }
  }))

test('a run that failed says what it was, whose fault, the line and what to try', () =>
  onStage(async (stage) => {
    const [worker, printedAt] = [`${RUN}-1-1`, show.createdAt]
    const verdict = {
      kind: 'ecc',
      decision: 'restart-elsewhere',
      meaning: 'memory of a GPU has an error',
      whatToTry: 'cordon the node',
      worker,
      node: 'node-1',
      evidence: [
        { worker, printedAt, text: 'uncorrectable ECC error \u001b[31m' },
        { worker, printedAt: null, text: 'exit code 1' },
      ],
    }
    const attempts = show.attempts.map((each) => ({ ...each, state: 'ended', outcome: 'failed', verdict }))
    stage.fake.answer = (what) => (what === 'show' ? Promise.resolve(accepted({ ...show, attempts } as never)) : null)
    assert.match(
      (await stage.say(['show', RUN])).stdout,
      new RegExp(
        [
          'attempt 1 failed: ecc, worker 1 on node-1 \\(restart-elsewhere\\)',
          '  memory of a GPU has an error',
          '  worker 1 2026-01-02 .*: uncorrectable ECC error \\\\u001b\\[31m',
          '  worker 1: exit code 1',
          '  what to try: cordon the node',
        ].join('\n'),
      ),
    )
  }))

test('exit codes are what the surface promises', () =>
  onStage(async (stage) => {
    stage.fake.answer = async () => refused('wrong-state', 'it has ended', 'nothing is to be done')
    assert.deepEqual(await stage.say(['stop', RUN]), {
      code: 3,
      stdout: '',
      stderr: 'plimsoll: it has ended\n  nothing is to be done\n',
    })
    stage.fake.answer = () => Promise.reject(new Error('bug'))
    assert.equal((await stage.say(['runs'])).code, 1)
    stage.fake.answer = () => Promise.reject(new Fault('store-unavailable', '', { retryable: true }))
    assert.equal((await stage.say(['runs'])).code, 5)
    assert.equal((await stage.say(['runs'], { env: { PLIMSOLL_URL: 'http://127.0.0.1:1' } })).code, 5)
    assert.equal((await stage.say(['runs'], { env: { PLIMSOLL_URL: 'here' } })).code, 2)
    assert.equal((await stage.say(['runs'], { env: { PLIMSOLL_TOKEN: undefined } })).code, 2)
    assert.equal((await stage.say(['runs'], { env: { PLIMSOLL_TOKEN: 'wrong' } })).code, 3)
  }))

test('login keeps an address and a token that only its owner can read', () =>
  onStage(async (stage) => {
    const env = { PLIMSOLL_URL: undefined, PLIMSOLL_TOKEN: undefined }
    assert.equal((await stage.say(['runs'], { env })).code, 5)
    assert.equal((await stage.say(['login', '--url', stage.url], { env, stdin: 'wrong\n' })).code, 3)
    assert.equal((await stage.say(['login', '--url', stage.url], { env, stdin: '' })).code, 2)
    const kept = await stage.say(['login', '--url', stage.url, '-o', 'json'], { env, stdin: `${SECRET}\n` })
    assert.equal(kept.code, 0, kept.stderr)
    assert.ok(DOCUMENTS.login.safeParse(JSON.parse(kept.stdout)).success)
    assert.equal((await stage.say(['runs'], { env })).code, 0)
    const file = join(stage.folder, 'home', 'client.json')
    chmodSync(file, 0o640)
    const refusal = await stage.say(['runs'], { env })
    assert.equal(refusal.code, 2)
    assert.match(refusal.stderr, /chmod 600/)
    chmodSync(file, 0o600)
    writeFileSync(file, '{')
    assert.equal((await stage.say(['runs'], { env })).code, 2)
  }))
