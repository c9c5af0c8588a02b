import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authorise } from '../../core/authorise/authorise.ts'
import type { ProjectName } from '../../domain/ids.ts'
import { ROLES } from '../../domain/principal.ts'
import { ASKED, mayDo } from './may.ts'

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

test('who is not known yet is offered nothing', () => {
  assert.equal(mayDo(undefined, 'node.cordon'), false)
})
