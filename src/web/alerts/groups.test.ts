import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RULES } from '../../domain/finding.ts'
import type { Alert, Channel, Silence } from './api.ts'
import { answerText, channelBody, factsOf, NEW_DRAFT, takesText, troubleOf } from './channels.ts'
import { groupsOf, placeOf, sentenceOf, sumText, toldText } from './groups.ts'
import { RULE_WORDS } from './rules.ts'
import { heldBack, scopesOf, scopeText, silenceBody } from './silence.ts'

const NOW = Date.UTC(2026, 10, 24, 12)
const iso = (minutesAgo: number): string => new Date(NOW - minutesAgo * 60_000).toISOString()
const HOUR = 3_600_000

const alert = (given: Partial<Alert>): Alert => ({
  id: 'run-failed/r1/1',
  rule: 'run-failed',
  severity: 'critical',
  project: 'vision',
  run: 'r1',
  runName: 'moe',
  attempt: 1,
  budget: null,
  since: iso(60),
  seenAt: iso(0),
  resolvedAt: null,
  message: 'it failed',
  evidence: [],
  gpuMs: null,
  money: null,
  whatToTry: 'read its log',
  acknowledged: null,
  silence: null,
  told: [],
  ...given,
})

const acknowledged = { finding: 'x', at: iso(5), by: 'user:ada', note: 'mine' }
const dollars = (micros: number) => ({ micros, currency: 'USD' }) as Alert['money']

test('critical comes before warning, then what costs most, then what lasts longest', () => {
  const all = [
    alert({ id: 'warning', severity: 'warning', gpuMs: 9 * HOUR }),
    alert({ id: 'young', since: iso(5) }),
    alert({ id: 'old', since: iso(50) }),
    alert({ id: 'dear', gpuMs: HOUR, since: iso(1) }),
  ]
  const { firing } = groupsOf(all, [], NOW)
  assert.deepEqual(
    firing.map(({ id }) => id),
    ['dear', 'old', 'young', 'warning'],
  )
})

test('each alert is in one group: who looks at it keeps it, though it is silenced', () => {
  const groups = groupsOf(
    [
      alert({ id: 'a' }),
      alert({ id: 'b', acknowledged }),
      alert({ id: 'c', silence: 's1' }),
      alert({ id: 'd', acknowledged, silence: 's1' }),
    ],
    [
      alert({ id: 'e', resolvedAt: iso(90) }),
      alert({ id: 'f', resolvedAt: iso(9) }),
      alert({ id: 'g', resolvedAt: iso(25 * 60) }),
    ],
    NOW,
  )
  const ids = Object.values(groups).map((group) => group.map(({ id }) => id).join(' '))
  assert.deepEqual(ids, ['a', 'b d', 'c', 'f e'])
  assert.equal(
    sentenceOf(groups, true).join(''),
    '1 fires, 2 are in somebody’s hands, 1 is silenced. 2 ended in the last 24 h.',
  )
  assert.equal(sentenceOf(groupsOf([], [], NOW), true).join(''), 'Nothing fires. None ended in the last 24 h.')
  assert.equal(sentenceOf(groupsOf([], [], NOW), false).join(''), 'Nothing fires.')
})

test('a sum adds GPU-hours and money of one currency each, and says what has no measure', () => {
  const gpuMs = 2 * HOUR
  assert.equal(
    sumText([alert({ gpuMs, money: dollars(4_000_000) }), alert({ gpuMs, money: dollars(1_500_000) }), alert({})]),
    '4.0 GPU-h · $5.50 · 1 without a measure',
  )
  assert.equal(sumText([alert({})]), '')
  assert.equal(sumText([alert({ gpuMs: 12 })]), '<0.001 GPU-h')
  assert.equal(sumText([alert({ gpuMs: 0 })]), '0.0 GPU-h')
})

test('who was told is named once; where nobody was, it says why', () => {
  const at = iso(1)
  const told = [
    { channel: 'oncall', state: 'firing', at },
    { channel: 'oncall', state: 'firing', at },
    { channel: 'old', state: 'resolved', at },
  ] as Alert['told']
  assert.equal(toldText({ told, silence: null }, []), 'told oncall')
  assert.equal(toldText({ told: [], silence: null }, []), 'told nobody: there is no channel')
  assert.match(toldText({ told: [], silence: 's1' }, []), /silenced/)
})

test('each rule has words, and a place where it is seen', () => {
  assert.deepEqual(Object.keys(RULE_WORDS), [...RULES])
  assert.equal(placeOf({ run: 'r 1', rule: 'experts-dead' })?.path, '/runs/r%201/experts')
  assert.equal(placeOf({ run: null, rule: 'node-away' })?.path, '/nodes')
})

test('a silence offers what the person may ask for, the narrowest first', () => {
  const admin = { grants: [{ role: 'admin', project: null }] }
  const member = { grants: [{ role: 'member', project: 'vision' }] }
  const words = scopesOf(alert({}), member).map((scope) => scopeText(scope, 'vision/moe'))
  assert.deepEqual(words, [
    'run-failed of run vision/moe',
    'everything of run vision/moe',
    'run-failed in project vision and below it',
    'everything in project vision and below it',
  ])
  const node = alert({ rule: 'node-away', run: null, project: null })
  assert.deepEqual(scopesOf(node, member), [])
  assert.deepEqual(
    scopesOf(node, admin).map((scope) => scopeText(scope, null)),
    ['node-away, in every project'],
  )
})

test('a silence of a run leaves its project to the server; what it hides is counted', () => {
  const body = silenceBody({ project: 'vision', rule: null, run: 'r1' }, HOUR, ' known ')
  assert.deepEqual(body, { project: null, rule: null, run: 'r1', forMs: HOUR, reason: 'known' })
  const silences = [{ id: 's1' }, { id: 's2' }] as Silence[]
  assert.deepEqual(
    [...heldBack(silences, [alert({ silence: 's1' }), alert({})])],
    [
      ['s1', 1],
      ['s2', 0],
    ],
  )
})

const trial = (minutesAgo: number, ok: boolean) => ({
  try: 1,
  at: iso(minutesAgo),
  tookMs: 20,
  ok,
  said: 'x answered 204',
})
const delivery = (channel: string, minutesAgo: number, ok: boolean) => ({
  notice: `n${minutesAgo}`,
  channel,
  kind: 'alert' as const,
  title: 'critical: moe',
  items: 1,
  at: iso(minutesAgo),
  state: ok ? ('delivered' as const) : ('pending' as const),
  endedAt: ok ? iso(minutesAgo) : null,
  tries: [trial(minutesAgo, ok)],
})

test('the facts of a channel come from what was read, which may not be all', () => {
  const read = [delivery('oncall', 3, false), delivery('oncall', 20, true), delivery('other', 1, true)]
  const facts = factsOf('oncall', read, false, NOW)
  assert.deepEqual([facts.lastTry?.ok, facts.sent, facts.atLeast], [false, 1, true])
  assert.equal(factsOf('oncall', read, true, NOW).atLeast, false)
  assert.deepEqual(factsOf('new', read, true, NOW), { lastTry: null, tries: [], sent: 0, atLeast: false })
})

test('a channel says what it takes and what is wrong with it', () => {
  assert.equal(takesText({ severity: 'warning', rules: null, digest: false }), 'warning and critical · every rule')
  assert.match(
    takesText({ severity: 'critical', rules: ['run-failed'], digest: true }),
    /^critical · run-failed · what/,
  )
  assert.equal(troubleOf({ off: null, failures: 0, retryAt: null }), null)
  assert.equal(troubleOf({ off: 'it answered 410', failures: 1, retryAt: null }), 'turned off: it answered 410')
  assert.match(troubleOf({ off: null, failures: 3, retryAt: iso(-1) }) ?? '', /^3 tries in a row failed, again at \d/)
})

test('an answer is shown without the name of who gave it, whatever else it says', () => {
  assert.equal(answerText('hooks.test answered 503: away'), 'answered 503: away')
  assert.equal(answerText('mail.test accepted it for 2 of 3'), 'mail.test accepted it for 2 of 3')
})

test('a draft becomes what the server takes: no rule left out is null, no project is every project', () => {
  const webhook = { ...NEW_DRAFT, name: ' oncall ', url: ' https://hooks.test/in ' }
  assert.deepEqual(channelBody(webhook), {
    name: 'oncall',
    project: null,
    address: { kind: 'webhook', url: 'https://hooks.test/in' },
    severity: 'warning',
    rules: null,
    digest: false,
  })
  const mail: Channel['kind'] = 'email'
  const body = channelBody({ ...NEW_DRAFT, kind: mail, to: 'a@lab.org, b@lab.org\n', rules: ['run-failed'] })
  assert.deepEqual((body as { address: object }).address, { kind: 'email', to: ['a@lab.org', 'b@lab.org'] })
  assert.deepEqual((body as { rules: object }).rules, ['run-failed'])
  const manager = channelBody({ ...NEW_DRAFT, kind: 'alertmanager', url: 'http://am.test', bearer: '' })
  assert.deepEqual((manager as { address: object }).address, {
    kind: 'alertmanager',
    url: 'http://am.test',
    bearer: null,
  })
})
