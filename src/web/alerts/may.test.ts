import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authorise, visibleProjects } from '../../core/authorise/authorise.ts'
import type { ProjectName } from '../../domain/ids.ts'
import { ROLES } from '../../domain/principal.ts'
import { mayAnywhere, mayIn } from './may.ts'

test('a button is there where the server would do it: for each role, in its project, in another and about all', () => {
  for (const role of ROLES)
    for (const granted of [null, 'demo' as ProjectName])
      for (const verb of ['alert.handle', 'channel.write'] as const) {
        const grants = [{ role, project: granted }]
        const who = { kind: 'user', name: 'ada', grants } as const
        for (const asked of [null, 'demo', 'other']) {
          const may = asked === null ? visibleProjects(who, verb) === 'all' : authorise(who, verb, asked, null)
          assert.equal(mayIn({ grants }, verb, asked), may, `${verb} in ${asked} by ${role} of ${granted}`)
        }
        assert.equal(mayAnywhere({ grants }, verb), authorise(who, verb, 'demo', null))
      }
})

test('who is not known yet is offered nothing', () => {
  assert.equal(mayIn(undefined, 'alert.handle', 'demo'), false)
  assert.equal(mayAnywhere(undefined, 'channel.write'), false)
})
