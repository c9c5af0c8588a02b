import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { DEFAULT_DURATIONS, DEFAULT_LOG_BYTES_MAX } from '../domain/settings.ts'
import { parseConfig } from './config.ts'

const defaults = readFileSync(new URL('../../config/default.yaml', import.meta.url), 'utf8')
const names = { default: 'default.yaml', override: 'config.yaml' }

function problemsOf(override: string | null, base = defaults): string[] {
  const parsed = parseConfig(base, override, names)
  if (parsed.ok) return []
  return parsed.problems.map(({ line, column, message, hint }) =>
    [`${parsed.file}:${line}:${column}`, message, ...(hint === null ? [] : [`[${hint}]`])].join(' '),
  )
}

test('the defaults are whole, and are those that the simulator uses', () => {
  for (const override of [null, '', '# nothing\n']) {
    const parsed = parseConfig(defaults, override, names)
    assert.ok(parsed.ok)
    assert.deepEqual(parsed.config.durations, DEFAULT_DURATIONS)
    assert.equal(parsed.config.retention.logsPerRun, DEFAULT_LOG_BYTES_MAX)
    assert.deepEqual(parsed.config.listen, { host: '127.0.0.1', port: 7420, ingestPort: null, probePort: 7422 })
    assert.equal(parsed.config.database.url, null)
  }
})

test('an override changes what it names and nothing else', () => {
  const parsed = parseConfig(defaults, 'listen: { port: 0 }\ndurations:\n  grace: 1m 30s\nlocal: { slots: 4 }\n', names)
  assert.ok(parsed.ok)
  assert.deepEqual(parsed.config.listen, { host: '127.0.0.1', port: 0, ingestPort: null, probePort: 7422 })
  assert.deepEqual(parsed.config.durations, { ...DEFAULT_DURATIONS, graceMs: 90_000 })
  assert.deepEqual(parsed.config.local, { name: 'local', slots: 4 })
})

test('what is wrong is said with the file and the place', () => {
  const text =
    'listen: { prot: 1 }\ndurations:\n  blindAfter: 10\nlocal: { slots: many }\nlog: { level: wran }\nqueue: 3\ndatabase: { url: mysql://x }\nretention: { logsPerRun: 4096 }\n'
  assert.deepEqual(problemsOf(text).toSorted(), [
    'config.yaml:1:11 there is no key prot here [did you mean port?]',
    'config.yaml:3:15 must be a duration such as 90s, 30m, 12h or 14d',
    'config.yaml:4:17 must be auto or a number, not text',
    'config.yaml:5:15 must be one of debug, info, warn, error [did you mean warn?]',
    'config.yaml:6:8 must be a mapping, not 3',
    'config.yaml:7:18 must begin with postgres://',
    'config.yaml:8:26 must be a size such as 512MiB or 4GiB',
  ])
  assert.deepEqual(
    problemsOf('log: { level: warn }\nlogging: { level: warn }\n')[0]?.split(' [')[0],
    'config.yaml:2:1 there is no key logging here',
  )
  assert.deepEqual(problemsOf('a: 1\na: 2\n'), ['config.yaml:2:1 a was given before, in line 1'])
  assert.deepEqual(problemsOf(null, 'listen: { port: 1 }\n').slice(0, 1), ['default.yaml:1:1 host is missing'])
})

test('durations in an order that breaks a promise are refused, at the one that was written', () => {
  const rows: [string, string][] = [
    [
      'lease: 8s',
      'leaseRenew must be less than lease - 5s, the longest request of a leader: leaseRenew is 3s, lease is 8s',
    ],
    ['lease: 60s', 'lease must be shorter than blindAfter: lease is 1m, blindAfter is 1m'],
    ['persist: 21s', 'three times persist must be at most blindAfter: persist is 21s, blindAfter is 1m'],
    ['blindAfter: 300s', 'blindAfter must be shorter than nodeLostAfter: blindAfter is 5m, nodeLostAfter is 5m'],
    ['nodeLostAfter: 11m', 'nodeLostAfter must be at most fenceAfter: nodeLostAfter is 11m, fenceAfter is 10m'],
    ['grace: 8m 1s', 'fenceAfter must be at least grace + 2m: fenceAfter is 10m, grace is 8m 1s'],
    ['backoffMin: 6m', 'backoffMin must be at most backoffMax: backoffMin is 6m, backoffMax is 5m'],
  ]
  for (const [line, message] of rows) {
    const column = line.indexOf(':') + 5
    assert.deepEqual(problemsOf(`durations:\n  ${line}\n`), [`config.yaml:2:${column} ${message}`])
  }
  assert.deepEqual(problemsOf('durations:\n  lease: 20s\n  leaseRenew: 12s\n'), [
    'config.yaml:3:15 leaseRenew must be less than half of lease: leaseRenew is 12s, lease is 20s',
  ])
})

test('sign-in by a provider: whole, by https, and nothing that is misspelt', () => {
  const whole = `signIn: { oidc: { issuer: 'https://login.lab.org', clientId: plimsoll, grants: [{ group: ops, role: admin, project: null }] } }\n`
  const parsed = parseConfig(defaults, whole, names)
  assert.ok(parsed.ok)
  const { oidc } = parsed.config.signIn
  assert.deepEqual([oidc.user, oidc.groups, oidc.session], ['email', 'groups', 12 * 3_600_000])
  assert.deepEqual(oidc.grants, [{ group: 'ops', role: 'admin', project: null }])
  const rows: readonly (readonly [string, string])[] = [
    [`issuer: 'https://login.lab.org'`, 'needs clientId beside it: as whom the provider knows this Plimsoll'],
    ['issuer: http://login.lab.org, clientId: a', 'must begin with https://'],
    ['issuer: http://127.0.0.1.evil.test, clientId: a', 'must begin with https://'],
    ['issuer: login.lab.org, clientId: a', 'must be an address such as https://login.lab.org'],
    [`issuer: 'https://a.b?c', clientId: a`, 'must be the address alone, as the provider calls itself'],
    [`issuer: 'https://a.b', clientId: a, scopes: [email]`, 'must have openid'],
    ['user: name', 'must be one of email, preferred_username, sub'],
    ['session: 5m', 'must be from 15m to 31d'],
    ['clientSecret: abc', 'there is no key clientSecret here [did you mean clientSecretFile?]'],
    ['grants: [{ group: a, role: member }]', 'project is missing'],
    [
      'grants: [{ group: a, role: boss, project: null }]',
      'must be one of viewer, member, lead, operator, payer, admin',
    ],
  ]
  for (const [text, message] of rows) {
    const problems = problemsOf(`signIn: { oidc: { ${text} } }\n`)
    assert.equal(problems[0]?.replace(/^config\.yaml:1:\d+ /, ''), message, `${text}: ${problems.join(' | ')}`)
  }
  for (const loopback of ['http://127.0.0.1:9000', 'http://localhost:9000/x', 'http://[::1]:9000'])
    assert.deepEqual(problemsOf(`signIn: { oidc: { issuer: '${loopback}', clientId: a } }\n`), [])
})

test('safety: no override makes it throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (override) => {
      const parsed = parseConfig(defaults, override, names)
      if (!parsed.ok) assert.ok(parsed.problems.length > 0)
    }),
  )
})
