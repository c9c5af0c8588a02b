// Which verb each route is about, and of what: the walk with every role takes it from here, and fails where a route is missing.
import assert from 'node:assert/strict'
import { nodeOf } from '../../src/domain/fixture.ts'
import type { Verb } from '../../src/domain/principal.ts'
import { durationMs } from '../../src/domain/units.ts'
import { register, submissionOf } from '../conformance/things.ts'
import type { Served } from '../parts/served.ts'
import type { Things } from '../parts/two-projects.ts'
import { ADMIN, ALPHA, ownerOf, POLICY, runIn, write } from '../parts/two-projects.ts'

export type Asked = {
  readonly verb: Verb | null
  /**
   * installation: about none of the projects; all: about every project at once; project: one that the request names; thing: one of alpha, which
   * exists only for those who may `sees` there; list: for everybody, of what he may see.
   */
  readonly about: 'installation' | 'all' | 'project' | 'thing' | 'list'
  readonly sees?: Verb
  /** What stands for `:x` in the path; made anew for each request where the request changes it. */
  readonly of?: () => Promise<string>
  readonly query?: string
  readonly body?: (ref: string) => unknown
  readonly done?: number
}

const GONE = 'r000000000000zzzz'
/** Nothing has this name, of whatever it is asked. */
export const ABSENT = GONE

/** `GET /api/v1/runs` and what is asked of it; an empty list where it says the same to everybody. */
export function routesOf(served: Served, alpha: Things): Readonly<Record<string, readonly Asked[]>> {
  const { control, alerts, requests, token } = served
  let made = 1_000
  const next = (): number => (made += 1)
  const failed = async (): Promise<string> => alpha.failed
  const read: Asked = { verb: 'run.read', about: 'thing', of: failed }
  const logs: Asked = { verb: 'run.logs', about: 'thing', of: failed }
  const list = (verb: Verb, query = ''): Asked => ({ verb, about: 'list', query })
  const installation = (verb: Verb, more: Partial<Asked> = {}): Asked => ({ verb, about: 'installation', ...more })
  const submitted = async () => {
    const run = runIn(ALPHA, next())
    await control.store.submit(submissionOf(run))
    return run
  }
  const steer = (verb: Verb): Asked => ({ verb, about: 'thing', of: async () => (await submitted()).id })
  const node = (verb: Verb): Asked =>
    installation(verb, {
      of: async () => {
        const machine = nodeOf(`m${next()}`, { version: 0 })
        await control.store.commit(null, [register(machine)])
        return encodeURIComponent(machine.id)
      },
      body: () => ({ reason: 'why' }),
    })
  const newChannel = (name: string, project: string | null) =>
    ({
      name,
      project,
      address: { kind: 'webhook', url: 'https://hooks.test/x', secrets: [] },
      severity: 'warning',
      rules: null,
      digest: false,
    }) as const
  const channel = (): Asked => ({
    verb: 'channel.write',
    about: 'thing',
    sees: 'alert.read',
    of: async () => {
      const name = `alpha-c${next()}`
      assert.ok((await alerts.createChannel(ADMIN, newChannel(name, ALPHA))).ok)
      dispose.push(() => alerts.removeChannel(ADMIN, name))
      return name
    },
  })
  const silence = (project: string | null) => ({ project, rule: null, run: null, forMs: durationMs(60_000) })
  const spec = (name: string, project: string) => ({
    version: 1,
    name,
    project,
    command: ['true'],
    resources: { nodes: 1, gpusPerNode: 1 },
  })
  const acknowledged = (taken: boolean): Asked => ({
    verb: 'alert.handle',
    about: 'thing',
    sees: 'alert.read',
    of: async () => {
      if (taken) assert.ok((await alerts.acknowledge(ADMIN, alpha.finding, 'mine')).ok)
      return alpha.finding
    },
    body: (finding) => ({ finding }),
  })
  const extension = (): Asked => ({
    verb: 'budget.extend',
    about: 'thing',
    sees: 'budget.read',
    of: async () => {
      const asked = await requests.askExtension(ADMIN, 'alpha-hours', 1, 'r')
      assert.ok(asked.ok)
      return asked.value.id
    },
    body: () => ({ answer: 'r' }),
  })
  return {
    'GET /healthz': [],
    'GET /readyz': [],
    'GET /openapi.json': [],
    // For whoever has no session yet; here is no identity provider.
    'GET /api/v1/sign-in': [],
    'GET /sign-in/oidc': [],
    'GET /sign-in/oidc/callback': [],
    // A code is what it needs, and there are none here.
    'POST /api/v1/session': [],
    'GET /metrics': [{ verb: 'system.read', about: 'all' }],
    'GET /api/v1/session': [{ verb: null, about: 'installation' }],
    'DELETE /api/v1/session': [{ verb: null, about: 'installation', done: 204 }],
    'POST /api/v1/runs': [
      { verb: 'run.submit', about: 'project', body: (project) => spec(`alpha-n${next()}`, project), done: 201 },
    ],
    'POST /api/v1/plan': [{ verb: 'run.submit', about: 'project', body: (project) => spec('alpha-plan', project) }],
    'GET /api/v1/runs': [
      list('run.read', 'limit=1'),
      list('run.read', 'project=alpha'),
      list('run.read', 'project=beta'),
    ],
    'GET /api/v1/runs/:run': [read, { ...read, of: async () => alpha.waiting }],
    'GET /api/v1/runs/:run/statement': [read],
    'GET /api/v1/runs/:run/why': [read, { ...read, of: async () => alpha.waiting }],
    'GET /api/v1/runs/:run/events': [{ ...read, query: 'limit=1' }],
    'GET /api/v1/runs/:run/series': [read],
    'GET /api/v1/runs/:run/experts': [read],
    'GET /api/v1/runs/:run/experts/tile': [read],
    'GET /api/v1/runs/:run/experts/frame': [read],
    'GET /api/v1/runs/:run/experts/history': [{ ...read, query: 'layer=0&expert=0' }],
    'GET /api/v1/runs/:run/logs': [logs],
    'GET /api/v1/runs/:run/logs/search': [{ ...logs, query: 'q=line' }],
    'POST /api/v1/runs/:run/stop': [steer('run.stop'), { ...steer('run.stop'), body: () => ({ now: true }) }],
    'POST /api/v1/runs/:run/suspend': [steer('run.suspend')],
    'POST /api/v1/runs/:run/resume': [
      {
        ...steer('run.resume'),
        of: async () => {
          const run = await submitted()
          const state = { kind: 'suspended', by: 'person', message: '' } as const
          await write(control.store, run, (now) => ({ ...now, state }))
          return run.id
        },
      },
    ],
    'GET /api/v1/table': [
      list('run.read', 'limit=1'),
      list('run.read', 'q=beta'),
      list('run.read', `user=${ownerOf('beta')}`),
      list('run.read', 'project=beta'),
    ],
    'GET /api/v1/counts': [{ verb: null, about: 'installation' }],
    'GET /api/v1/queue': [list('queue.read')],
    'POST /api/v1/queue/pause': [installation('queue.pause', { body: () => ({ reason: 'why' }) })],
    'POST /api/v1/queue/resume': [installation('queue.pause')],
    'GET /api/v1/nodes': [list('node.read')],
    'POST /api/v1/nodes/:node/cordon': [node('node.cordon')],
    'POST /api/v1/nodes/:node/uncordon': [node('node.cordon')],
    'POST /api/v1/nodes/:node/forget': [node('node.forget')],
    'GET /api/v1/budgets': [list('budget.read')],
    'GET /api/v1/budgets/extensions': [list('budget.read')],
    'POST /api/v1/budgets/:budget/extensions': [
      {
        verb: 'budget.ask',
        about: 'thing',
        sees: 'budget.read',
        of: async () => 'alpha-hours',
        body: () => ({ amount: 1, reason: 'r' }),
        done: 201,
      },
    ],
    'POST /api/v1/budgets/extensions/:id/grant': [extension()],
    'POST /api/v1/budgets/extensions/:id/refuse': [extension()],
    'GET /api/v1/ledger': [
      list('ledger.read', 'by=run,user,account'),
      list('ledger.read', 'by=gpu'),
      list('ledger.read', 'by=run&project=lab'),
    ],
    'GET /api/v1/comparison': [list('ledger.read')],
    'GET /api/v1/ledger/export': [list('ledger.read', 'format=csv&by=user')],
    'GET /api/v1/findings': [list('run.read', 'limit=1'), { ...read, query: 'run=:run' }],
    'GET /api/v1/audit': [installation('audit.read', { query: 'limit=1' })],
    'GET /api/v1/policy': [installation('policy.read')],
    'PUT /api/v1/policy': [installation('policy.apply', { body: () => POLICY })],
    'GET /api/v1/tokens': [installation('token.list')],
    'POST /api/v1/tokens': [
      installation('token.create', { body: () => ({ name: 'n', subject: 's', role: 'viewer' }), done: 201 }),
    ],
    'DELETE /api/v1/tokens/:id': [
      installation('token.revoke', {
        of: async () => {
          await token({ role: 'viewer', project: ALPHA, subject: `made-${next()}` })
          const listed = await control.store.tokens()
          return listed.find(({ subject }) => subject === `made-${made}`)?.id ?? ''
        },
      }),
    ],
    'GET /api/v1/alerts': [list('alert.read')],
    'GET /api/v1/alerts/deliveries': [list('alert.read', 'limit=1')],
    'POST /api/v1/alerts/channels': [
      {
        verb: 'channel.write',
        about: 'project',
        body: (project) => newChannel(`alpha-c${next()}`, project),
        done: 201,
      },
      { verb: 'channel.write', about: 'all', body: () => newChannel(`c${next()}`, null), done: 201 },
    ],
    'DELETE /api/v1/alerts/channels/:channel': [channel()],
    'POST /api/v1/alerts/channels/:channel/test': [channel()],
    'POST /api/v1/alerts/channels/:channel/wake': [channel()],
    'POST /api/v1/alerts/silences': [
      { verb: 'alert.handle', about: 'project', body: (project) => ({ ...silence(project), reason: 'r' }), done: 201 },
      { verb: 'alert.handle', about: 'all', body: () => ({ ...silence(null), reason: 'r' }), done: 201 },
      {
        verb: 'alert.handle',
        about: 'thing',
        of: failed,
        body: (run) => ({ ...silence(null), run, reason: 'r' }),
        done: 201,
      },
    ],
    'DELETE /api/v1/alerts/silences/:id': [
      {
        verb: 'alert.handle',
        about: 'thing',
        sees: 'alert.read',
        of: async () => {
          const kept = await alerts.silence(ADMIN, { ...silence(ALPHA), reason: 'r' })
          assert.ok(kept.ok)
          return kept.value.id
        },
      },
    ],
    'POST /api/v1/alerts/acknowledgements': [acknowledged(false)],
    'POST /api/v1/alerts/acknowledgements/end': [acknowledged(true)],
    'GET /api/v1/stream': [],
  }
}

const dispose: (() => Promise<unknown>)[] = []
/** Channels and silences are few: those that a request left are removed. */
export async function tidy({ control, alerts }: Served): Promise<void> {
  for (const end of dispose.splice(0)) await end()
  for (const { id, reason } of (await control.alerting?.store.silences(control.clock.now())) ?? [])
    if (reason === 'r') await alerts.endSilence(ADMIN, id)
  for (const { name } of (await control.alerting?.store.channels()) ?? [])
    if (/^(?:alpha-)?c\d+$/.test(name)) await alerts.removeChannel(ADMIN, name)
}
