import assert from 'node:assert/strict'
import { test } from 'node:test'
import { outcomeOf, retryAfterMs, shown } from './answer.ts'
import { AT } from './fixture.ts'

const of = (status: number, retryAfter: string | null = null, body = '') =>
  outcomeOf('hooks.example', { status, retryAfter, body }, ['/services/T00000000/B00000000/XyZ123secret'], AT)

void test('2xx is delivered, whatever else the receiver says', () => {
  for (const status of [200, 201, 202, 204, 299]) assert.equal(of(status).kind, 'delivered', String(status))
  const garbage = of(200, null, '\u0000<html>\u001b[2J nonsense')
  assert.deepEqual(garbage, { kind: 'delivered', said: 'hooks.example answered 200: <html> [2J nonsense' })
})

void test('what may be otherwise at the next try is retryable, what says never is not', () => {
  const retryable = [302, 303, 307, 408, 409, 425, 429, 500, 501, 502, 503, 504, 599]
  const never = [300, 301, 304, 308, 400, 401, 403, 404, 405, 410, 413, 422]
  for (const [statuses, expected] of [
    [retryable, true],
    [never, false],
  ] as const) {
    for (const status of statuses) {
      const outcome = of(status)
      assert.ok(outcome.kind === 'failed', String(status))
      assert.equal(outcome.retryable, expected, String(status))
      assert.equal(outcome.gone, status === 410, String(status))
      assert.match(outcome.message, new RegExp(`^hooks\\.example answered ${status}`))
    }
  }
})

void test('a redirect is told as what it is, without where it leads', () => {
  const outcome = of(302)
  assert.ok(outcome.kind === 'failed')
  assert.match(outcome.message, /redirects are not followed/)
})

void test('Retry-After is heard in both of its forms, and has an end', () => {
  assert.equal(retryAfterMs('120', AT), 120_000)
  assert.equal(retryAfterMs('0', AT), 0)
  assert.equal(retryAfterMs('Thu, 26 Nov 2026 14:31:00 GMT', AT), 60_000)
  assert.equal(retryAfterMs('Thu, 26 Nov 2020 14:31:00 GMT', AT), 0)
  assert.equal(retryAfterMs('99999999999', AT), 86_400_000)
  for (const text of [null, '', 'soon', '-1 s', '1.5.2']) assert.equal(retryAfterMs(text, AT), null, String(text))
  const told = (outcome: ReturnType<typeof of>) => outcome.kind === 'failed' && outcome.retryAfterMs
  assert.equal(told(of(429, '7')), 7_000)
  assert.equal(told(of(503, '7')), 7_000)
  assert.equal(told(of(404, '7')), null)
})

void test('a receiver that says back what it was asked betrays nothing', () => {
  const secrets = [
    '/services/T00000000/B00000000/XyZ123secret',
    '?key=h%C3%BCtte4711',
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  ]
  const answers = [
    'Cannot POST /services/T00000000/B00000000/XyZ123secret',
    'token xyz123SECRET is not known',
    'token XyZ123se… is not known',
    'no hook "B00000000"',
    'bad key hütte4711, bad key h%C3%BCtte4711',
    'signature by MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    '{"path":"\\/services\\/T00000000\\/B00000000\\/XyZ123secret"}',
  ]
  for (const answer of answers) {
    const words = shown(answer, secrets)
    assert.doesNotMatch(words, /T0000|B0000|XyZ123|MfKQ9|tte4711/i, words)
  }
  assert.equal(shown('invalid_payload', secrets), 'invalid_payload')
  assert.equal(shown('x'.repeat(9_000), []).length, 200)
})
