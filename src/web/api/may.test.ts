import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authorise } from '../../core/authorise/authorise.ts'
import type { ProjectName } from '../../domain/ids.ts'
import { ROLES } from '../../domain/principal.ts'
import { ASKED, ASKED_IN, mayDo, mayIn } from './may.ts'

test('a page offers what the server would do, for each role, everywhere and in one project', () => {
  for (const role of ROLES) {
    for (const project of [null, 'demo' as ProjectName]) {
      const grants = [{ role, project }]
      for (const verb of ASKED) {
        const may = authorise({ kind: 'user', name: 'ada', grants }, verb, null, null)
        assert.equal(mayDo({ grants }, verb), may, `${verb} by ${role} of ${project ?? 'all'}`)
      }
    }
  }
})

test('what belongs to a project is offered to whoever may there, and what has none only to a grant for all', () => {
  for (const role of ROLES) {
    for (const project of [null, 'demo' as ProjectName]) {
      const grants = [{ role, project }]
      for (const verb of ASKED_IN) {
        const what = `${verb} by ${role} of ${project ?? 'all'}`
        const who = { kind: 'user', name: 'ada', grants } as const
        assert.equal(mayIn({ grants }, verb, 'demo'), authorise(who, verb, 'demo', null), what)
        assert.equal(mayIn({ grants }, verb, 'other'), authorise(who, verb, 'other', null), what)
        assert.equal(mayIn({ grants }, verb, null), project === null && authorise(who, verb, null, null), what)
      }
    }
  }
})

test('who is not known yet is offered nothing', () => {
  assert.equal(mayDo(undefined, 'node.cordon'), false)
})
