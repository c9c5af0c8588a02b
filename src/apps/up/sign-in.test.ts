import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Principal } from '../../domain/principal.ts'
import type { NewToken } from '../../ports/requests.ts'
import type { Service } from '../parts/service.ts'
import { signInCodes } from './sign-in.ts'

const ADA: Principal = { kind: 'user', name: 'ada', grants: [{ role: 'admin', project: null }] }

/** As much of a service as a sign-in asks; its clock stands where the test puts it. */
function fakeService() {
  const made: NewToken[] = []
  const clock = { at: 0 }
  const service = {
    control: { clock: { now: () => clock.at } },
    requests: {
      createToken: async (_who: Principal, token: NewToken) => {
        made.push(token)
        return { ok: true, value: { token: {}, secret: `secret-${made.length}` } }
      },
    },
  } as unknown as Service
  return { service, made, clock }
}

test('a code is good once and for ten minutes, and its session has an end', async () => {
  const { service, made, clock } = fakeService()
  const codes = signInCodes(service, ADA)
  const [first, second] = [codes.newCode(), codes.newCode()]
  assert.notEqual(first, second)
  assert.equal((await codes.exchange(first))?.secret, 'secret-1')
  assert.equal(await codes.exchange(first), null)
  assert.equal(await codes.exchange('guess'), null)
  clock.at = 600_000
  assert.equal(await codes.exchange(second), null, 'too old')
  assert.equal(made.length, 1)
  assert.ok((made[0]?.ttlMs ?? 0) > 0)
})

test('of two that come with one code at once, one gets in', async () => {
  const { service } = fakeService()
  const codes = signInCodes(service, ADA)
  const code = codes.newCode()
  const both = await Promise.all([codes.exchange(code), codes.exchange(code)])
  assert.equal(both.filter((each) => each !== null).length, 1)
})
