import assert from 'node:assert/strict'
import { test } from 'node:test'
import { budgetOf, CLUSTER, projectOf, runId, specOf, t } from '../../domain/fixture.ts'
import type { ClusterName, ProjectName } from '../../domain/ids.ts'
import type { RunSpec } from '../../domain/spec.ts'
import type { SubmitContext } from './submit.ts'
import { runOfSpec } from './submit.ts'

const ORG = 'org' as ProjectName
const projects = [
  projectOf('org', { maxPriority: 'normal' }),
  projectOf('default', { parent: ORG }),
  projectOf('other', { maxPriority: 'critical' }),
]
const budgets = [budgetOf('z', { project: ORG }), budgetOf('b'), budgetOf('c', { project: 'other' as ProjectName })]
const CONTEXT: SubmitContext = {
  projects: new Map(projects.map((project) => [project.name, project])),
  budgets: new Map(budgets.map((budget) => [budget.id, budget])),
  clusters: new Set([CLUSTER]),
  defaultCluster: CLUSTER,
  peaks: new Map([['h100', 989]]),
  progressExpected: true,
}
const submit = (over: Partial<RunSpec>) => runOfSpec(specOf(over), runId(1), 'ada', t(0), CONTEXT)

void test('a spec becomes a waiting run with the budgets of its project and all parents, in the order of their ids', () => {
  const answer = submit({})
  assert.ok(answer.ok)
  assert.deepEqual(answer.value.budgets, ['b', 'z'])
  assert.deepEqual([answer.value.state.kind, answer.value.wish, answer.value.attempts], ['queued', 'run', 0])
  assert.deepEqual([answer.value.cluster, answer.value.createdAt, answer.value.estimateP80], [CLUSTER, t(0), null])
})

void test('a model, tokens and a GPU model with a peak give an estimate', () => {
  const model = { parameters: 1e9, activeParameters: 1e9 }
  const answer = submit({
    training: { framework: 'auto', tokens: 1e9, sequenceLength: 4_096, model },
    resources: { nodes: 1, gpusPerNode: 1, gpu: ['h100'], topology: null, parallelism: {} },
  })
  assert.ok(answer.ok && answer.value.estimateP80 !== null && answer.value.estimateP80 > 0)
})

const ROWS: readonly [why: string, over: Partial<RunSpec>, code: string, pointer: string][] = [
  ['a project that is not there', { project: 'gone' as ProjectName }, 'unknown-project', '/project'],
  ['a cluster that is not configured', { cluster: 'mars' as ClusterName }, 'unknown-cluster', '/cluster'],
  ['a priority above that of a parent', { priority: 'high' }, 'priority-too-high', '/priority'],
]
for (const [why, over, code, pointer] of ROWS) {
  void test(`${why} is refused with ${code}, its place and what to do`, () => {
    const answer = submit(over)
    assert.ok(!answer.ok)
    assert.deepEqual([answer.code, answer.pointer], [code, pointer])
    assert.notEqual(answer.whatToDo, null)
  })
}

void test('a project may ask for up to its own highest priority', () => {
  assert.ok(submit({ project: 'other' as ProjectName, priority: 'critical' }).ok)
})
