// More than a limit, asked for and decided over the API by people of several roles, on a real PostgreSQL.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { parsePolicyValue } from '../../src/contract/policy.ts'
import { auditOf } from '../conformance/things.ts'
import type { Served } from '../parts/served.ts'
import { serve } from '../parts/served.ts'
import { PostgresBenches } from '../parts/stores.ts'
import { NOW, POLICY } from '../parts/two-projects.ts'

const MONTH = new Date(NOW).toISOString().slice(0, 7)
const HOUR = 3_600_000

let benches: PostgresBenches
let served: Served
let ask: (who: 'member' | 'payer' | 'stranger' | 'admin', method: string, path: string, body?: unknown) => Promise<Said>
type Said = { readonly status: number; readonly body: Record<string, unknown> }

before(async () => {
  benches = await PostgresBenches.start()
  served = await serve(benches, NOW)
  const budgets = {
    ...POLICY.budgets,
    'alpha-hours': { project: 'alpha', gpuHours: 100, period: 'month' },
    past: { project: 'alpha', gpuHours: 1, from: '2020-01-01', to: '2020-02-01' },
    everybody: { user: 'ada', money: 5 },
  }
  const policy = parsePolicyValue({ ...POLICY, budgets })
  assert.ok(policy.ok)
  assert.ok((await served.control.store.applyPolicy(policy.policy, policy.document, auditOf('policy.apply'))).ok)
  const secrets = {
    member: await served.token({ role: 'member', project: 'alpha', subject: 'ada' }),
    payer: await served.token({ role: 'payer', project: 'alpha', subject: 'finn' }),
    stranger: await served.token({ role: 'payer', project: 'beta', subject: 'bea' }),
    admin: await served.token({ role: 'admin', project: null, subject: 'root' }),
  }
  ask = async (who, method, path, body) => {
    const answer = await fetch(`${served.url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${secrets[who]}`,
        'cache-control': 'no-cache',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
})
after(async () => {
  await served.close()
  await benches.stop()
})

const more = { amount: 10 * HOUR, reason: 'one more ablation' }
const limitOf = async (id: string): Promise<unknown> => {
  const { budgets } = (await ask('admin', 'GET', '/budgets')).body as {
    budgets: { id: string; limit: number; extended: number }[]
  }
  const found = budgets.find((each) => each.id === id)
  return found === undefined ? null : [found.limit, found.extended]
}

test('a member asks, the payer grants it once, and the month has it', async () => {
  const asked = await ask('member', 'POST', '/budgets/alpha-hours/extensions', more)
  assert.equal(asked.status, 201)
  assert.deepEqual(
    [asked.body['state'], asked.body['budget'], asked.body['askedBy']],
    ['waiting', `alpha-hours@${MONTH}`, 'user:ada'],
  )
  // Whoever got no answer asks again.
  const again = await ask('member', 'POST', '/budgets/alpha-hours/extensions', more)
  assert.equal(again.body['id'], asked.body['id'])
  const path = `/budgets/extensions/${String(asked.body['id'])}`
  assert.equal((await ask('member', 'POST', `${path}/grant`)).status, 403)
  assert.equal((await ask('stranger', 'POST', `${path}/grant`)).status, 404)
  assert.deepEqual(await limitOf(`alpha-hours@${MONTH}`), [100 * HOUR, 0])
  const granted = await ask('payer', 'POST', `${path}/grant`, { answer: 'the last' })
  assert.deepEqual([granted.status, granted.body['state'], granted.body['answer']], [200, 'granted', 'the last'])
  assert.deepEqual(await limitOf(`alpha-hours@${MONTH}`), [110 * HOUR, 10 * HOUR])
  const late = await ask('payer', 'POST', `${path}/refuse`)
  assert.deepEqual([late.status, late.body['code']], [409, 'wrong-state'])
  assert.match(String(late.body['detail'] ?? late.body['title']), /decided already, by user:finn/)
  const { extensions } = (await ask('member', 'GET', '/budgets/extensions')).body as { extensions: unknown[] }
  assert.equal(extensions.length, 1)
  assert.deepEqual((await ask('stranger', 'GET', '/budgets/extensions')).body['extensions'], [])
})

test('the next month may be asked for before anything opened it', async () => {
  const next = new Date(Date.UTC(new Date(NOW).getUTCFullYear(), new Date(NOW).getUTCMonth() + 1))
    .toISOString()
    .slice(0, 7)
  const asked = await ask('member', 'POST', `/budgets/alpha-hours@${next}/extensions`, more)
  assert.deepEqual([asked.status, asked.body['budget']], [201, `alpha-hours@${next}`])
  const granted = await ask('payer', 'POST', `/budgets/extensions/${String(asked.body['id'])}/grant`)
  assert.equal(granted.body['budget'], `alpha-hours@${next}`)
  assert.deepEqual(await limitOf(`alpha-hours@${MONTH}`), [110 * HOUR, 10 * HOUR])
})

test('what cannot be asked for says why, and what to do', async () => {
  const said = async (who: 'member' | 'payer', budget: string, body: unknown): Promise<unknown> => {
    const { status, body: answer } = await ask(who, 'POST', `/budgets/${budget}/extensions`, body)
    return [status, answer['code']]
  }
  assert.deepEqual(await said('member', 'beta-hours', more), [404, 'not-found'])
  assert.deepEqual(await said('member', 'nothing', more), [404, 'not-found'])
  assert.deepEqual(await said('member', 'past', more), [409, 'wrong-state'])
  assert.deepEqual(await said('member', 'everybody', more), [404, 'not-found'])
  assert.deepEqual(await said('member', 'alpha-money', { amount: Number.MAX_SAFE_INTEGER, reason: 'x' }), [
    422,
    'invalid',
  ])
  for (const body of [
    {},
    { amount: 0, reason: 'x' },
    { amount: 1.5, reason: 'x' },
    { amount: 1, reason: ' ' },
    { ...more, x: 1 },
  ])
    assert.deepEqual(await said('member', 'alpha-hours', body), [422, 'invalid'], JSON.stringify(body))
})

test('so many wait and no more; a budget of nobody’s project is for whoever may everywhere', async () => {
  for (let index = 0; index < 50; index += 1)
    assert.equal(
      (await ask('member', 'POST', '/budgets/alpha-money/extensions', { amount: 1, reason: `${index}` })).status,
      201,
    )
  const refused = await ask('member', 'POST', '/budgets/alpha-money/extensions', { amount: 1, reason: 'one too many' })
  assert.deepEqual([refused.status, refused.body['code']], [409, 'too-many'])
  assert.equal((await ask('member', 'POST', '/budgets/alpha-hours/extensions', more)).status, 201)
  assert.equal((await ask('admin', 'POST', '/budgets/everybody/extensions', { amount: 1, reason: 'x' })).status, 201)
})
