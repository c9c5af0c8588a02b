import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { ProjectName } from '../../domain/ids.ts'
import { ROLES } from '../../domain/principal.ts'
import type { GroupGrant, SignInRules } from '../../domain/sign-in.ts'
import { authorise } from './authorise.ts'
import { claimAt, signedIn } from './claims.ts'

const grant = (group: string, role: GroupGrant['role'], project: string | null): GroupGrant => ({
  group,
  role,
  project: project as ProjectName | null,
})
const RULES: SignInRules = {
  user: 'email',
  groups: 'groups',
  grants: [grant('vision', 'member', 'vision'), grant('vision', 'viewer', 'speech'), grant('ops', 'operator', null)],
  contact: null,
}
const PROJECTS = new Set(['vision', 'speech'])
const ADA = { sub: '1', email: 'Ada@Lab.org', email_verified: true, groups: ['vision'] }

function codeOf(claims: object, rules: Partial<SignInRules> = {}): string {
  const answer = signedIn({ ...claims }, { ...RULES, ...rules }, PROJECTS)
  return answer.ok ? `${answer.value.user}: ${answer.value.grants.map(({ role }) => role).join(' ')}` : answer.code
}

test('a name and the roles of the groups, those of every project first and each once', () => {
  const both = signedIn({ ...ADA, groups: ['vision', 'vision', 'ops', 'chess'] }, RULES, PROJECTS)
  assert.deepEqual(both, {
    ok: true,
    value: {
      user: 'ada@lab.org',
      subject: '1',
      groups: ['vision', 'ops'],
      grants: [
        { role: 'operator', project: null },
        { role: 'member', project: 'vision' },
        { role: 'viewer', project: 'speech' },
      ],
    },
  })
})

test('whose name it is', () => {
  const rows: readonly (readonly [object, Partial<SignInRules>, string])[] = [
    [{ ...ADA, email_verified: false }, {}, 'sign-in-no-name'],
    [{ ...ADA, email_verified: undefined }, {}, 'sign-in-no-name'],
    [{ ...ADA, email: ' ada@lab.org' }, {}, 'sign-in-no-name'],
    [{ ...ADA, email: 'ada\n@lab.org' }, {}, 'sign-in-no-name'],
    [{ ...ADA, email: 'a'.repeat(101) }, {}, 'sign-in-no-name'],
    [{ ...ADA, email: 'a'.repeat(100) }, {}, `${'a'.repeat(100)}: member viewer`],
    [{ ...ADA, sub: undefined }, {}, 'sign-in-no-name'],
    [{ ...ADA, email_verified: false }, { user: 'sub' }, '1: member viewer'],
    [{ ...ADA, preferred_username: 'Ada' }, { user: 'preferred_username' }, 'Ada: member viewer'],
    [ADA, { user: 'preferred_username' }, 'sign-in-no-name'],
  ]
  for (const [claims, rules, expected] of rows) assert.equal(codeOf(claims, rules), expected, JSON.stringify(claims))
})

test('where the groups are', () => {
  const rows: readonly (readonly [object, string, string])[] = [
    [{ ...ADA, groups: 'ops' }, 'groups', 'ada@lab.org: operator'],
    [{ ...ADA, groups: null }, 'groups', 'sign-in-no-group'],
    [{ ...ADA, groups: undefined, hasgroups: true }, 'groups', 'sign-in-too-many-groups'],
    [{ ...ADA, groups: undefined, _claim_names: { groups: 'src1' } }, 'groups', 'sign-in-too-many-groups'],
    [{ ...ADA, groups: Array(1_001).fill('x') }, 'groups', 'sign-in-too-many-groups'],
    [{ ...ADA, groups: [...Array<string>(999).fill('x'), 'ops'] }, 'groups', 'ada@lab.org: operator'],
    [{ ...ADA, realm_access: { roles: ['ops'] } }, 'realm_access.roles', 'ada@lab.org: operator'],
    [{ ...ADA, 'https://lab.org/groups': ['ops'] }, 'https://lab.org/groups', 'ada@lab.org: operator'],
  ]
  for (const [claims, groups, expected] of rows) assert.equal(codeOf(claims, { groups }), expected)
})

test('a way into a claim does not leave it', () => {
  assert.equal(claimAt({ a: { b: 1 } }, 'a.b'), 1)
  assert.equal(claimAt({ a: { b: 1 }, 'a.b': 2 }, 'a.b'), 2)
  for (const name of ['a.c', 'constructor', 'a.constructor.name', 'a.b.c', '__proto__', ''])
    assert.equal(claimAt({ a: { b: 1 } }, name), undefined, name)
})

test('a grant of a project that the policy does not have is none, and is named', () => {
  const answer = signedIn(ADA, { ...RULES, contact: 'ml-ops@lab.org' }, new Set())
  assert.ok(!answer.ok)
  assert.equal(answer.code, 'sign-in-no-group')
  assert.match(answer.message, /vision, speech, which the policy does not have/)
  assert.match(answer.whatToDo, /ml-ops@lab\.org/)
})

test('safety: whatever a provider says, nobody has a role that no group of his was granted', () => {
  const groups = fc.array(fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', ''), { maxLength: 5 })
  const grants = fc.array(
    fc.record({
      group: fc.constantFrom('a', 'b', 'constructor'),
      role: fc.constantFrom(...ROLES),
      project: fc.constantFrom('vision' as ProjectName, 'gone' as ProjectName, null),
    }),
    { maxLength: 6 },
  )
  fc.assert(
    fc.property(groups, grants, fc.anything(), (mine, given, more) => {
      const claims = { ...(typeof more === 'object' ? more : {}), ...ADA, groups: mine }
      const answer = signedIn(claims, { ...RULES, grants: given }, PROJECTS)
      const may = given.filter(
        ({ group, project }) => mine.includes(group) && (project === null || PROJECTS.has(project)),
      )
      assert.equal(answer.ok, may.length > 0)
      if (!answer.ok) return
      for (const each of answer.value.grants)
        assert.ok(may.some(({ role, project }) => role === each.role && project === each.project))
      const who = { kind: 'user', name: answer.value.user, grants: answer.value.grants } as const
      if (!may.some(({ role, project }) => role === 'admin' && project === null))
        assert.ok(!authorise(who, 'token.create', null, null))
    }),
  )
})
