import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALL, sectionsOf } from './filters.ts'
import { layOut, lineAt, pagesIn } from './lines.ts'

const sections = sectionsOf(ALL)

test('a heading stands before each part that has runs', () => {
  const { parts, lines } = layOut(sections, [3, 0, 250])
  assert.equal(lines, 255)
  assert.equal(lineAt(parts, 0)?.kind, 'head')
  assert.deepEqual(lineAt(parts, 3), { kind: 'row', part: parts[0], index: 2 })
  assert.deepEqual(lineAt(parts, 4), { kind: 'head', part: parts[1] })
  assert.equal(parts[1]?.section.key, 'ended')
  assert.equal(lineAt([], 0), null)
})

test('only the pages in view are asked for, and the first of each part', () => {
  const { parts } = layOut(sections, [3, 0, 950])
  const pages = pagesIn(sections, parts, 810, 850).map(({ section, page }) => `${section.key} ${page}`)
  assert.deepEqual(pages, ['hold 0', 'wait 0', 'ended 0', 'ended 4'])
  assert.deepEqual(
    pagesIn(sections, [], 0, 50).map(({ section, page }) => `${section.key} ${page}`),
    ['hold 0', 'wait 0', 'ended 0'],
  )
})
