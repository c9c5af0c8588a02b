import assert from 'node:assert/strict'
import { test } from 'node:test'
import { projectOf } from './fixture.ts'
import type { ProjectName } from './ids.ts'
import { lineage, subtree } from './project.ts'

const name = (text: string) => text as ProjectName
const tree = new Map(
  [
    projectOf('org'),
    projectOf('team', { parent: name('org') }),
    projectOf('loop', { parent: name('pool') }),
    projectOf('pool', { parent: name('loop') }),
    projectOf('orphan', { parent: name('gone') }),
  ].map((project) => [project.name, project]),
)
const line = (of: string): string[] => lineage(tree, name(of)).map((project) => project.name)

void test('a project comes before its parents', () => assert.deepEqual(line('team'), ['team', 'org']))
void test('a parent that is missing ends the line', () => assert.deepEqual(line('orphan'), ['orphan']))
void test('a project that is not there has no line', () => assert.deepEqual(line('nobody'), []))
void test('a cycle ends', () => assert.ok(line('loop').length <= tree.size + 1))
void test('a project has those below it', () => {
  assert.deepEqual([...subtree(tree, 'org')], ['org', 'team'])
  assert.deepEqual([...subtree(tree, 'gone')], ['gone'])
  assert.deepEqual([...subtree(tree, 'loop')], ['loop', 'pool'])
})
