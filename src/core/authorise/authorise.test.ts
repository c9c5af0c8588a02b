import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runId } from '../../domain/fixture.ts'
import type { ProjectName } from '../../domain/ids.ts'
import { attemptIdOf } from '../../domain/ids.ts'
import type { Grant, Principal, Role } from '../../domain/principal.ts'
import { ROLES, VERBS } from '../../domain/principal.ts'
import { authorise, visibleProjects } from './authorise.ts'
import { TABLE } from './table.fixture.ts'

const A = 'a' as ProjectName
const B = 'b' as ProjectName
const user = (...grants: Grant[]): Principal => ({ kind: 'user', name: 'ada', grants })

for (const verb of VERBS) {
  for (const [index, role] of ROLES.entries()) {
    const cell = TABLE[verb][index]
    void test(`${role} and ${verb}: ${cell}`, () => {
      const everywhere = user({ role, project: null })
      const inA = user({ role, project: A })
      assert.equal(authorise(everywhere, verb, A, 'ada'), cell !== '-')
      assert.equal(authorise(everywhere, verb, A, 'bob'), cell === '*' || cell === 'g')
      assert.equal(authorise(inA, verb, A, 'ada'), cell === '*' || cell === 'o')
      assert.equal(authorise(inA, verb, A, 'bob'), cell === '*')
      assert.equal(authorise(inA, verb, B, 'ada'), false)
    })
  }
}

void test('without a grant nothing is allowed, and a token of an attempt may nothing of all this', () => {
  for (const verb of VERBS) {
    assert.equal(authorise(user(), verb, null, null), false)
    assert.equal(authorise({ kind: 'attempt', attempt: attemptIdOf(runId(1), 1) }, verb, A, 'ada'), false)
  }
})

void test('grants add up', () => {
  const who = user({ role: 'viewer', project: null }, { role: 'lead', project: B })
  assert.equal(authorise(who, 'run.submit', A, null), false)
  assert.equal(authorise(who, 'run.submit', B, null), true)
  assert.equal(authorise(who, 'run.read', A, null), true)
})

void test('lists show the projects that a grant names, or all', () => {
  const seen = (...grants: [Role, ProjectName | null][]): unknown =>
    visibleProjects(user(...grants.map(([role, project]) => ({ role, project }))), 'run.logs')
  assert.equal(seen(['viewer', null], ['lead', B]), 'all')
  assert.deepEqual(seen(['viewer', A], ['payer', B]), new Set([A]))
  assert.deepEqual(seen(['payer', null]), new Set())
  assert.deepEqual(visibleProjects({ kind: 'attempt', attempt: attemptIdOf(runId(1), 1) }, 'run.read'), new Set())
})

test('what may be read depends on grants alone: an answer is shared by all who have the same', () => {
  for (const verb of VERBS.filter((each) => /\.(?:read|logs)$/.test(each)))
    for (const role of ROLES)
      for (const project of [A, null])
        for (const owner of [null, 'bob'])
          assert.equal(
            authorise(user({ role, project }), verb, A, owner),
            authorise(user({ role, project }), verb, A, 'ada'),
          )
})
