import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RUN_STATES } from '../../domain/run.ts'
import {
  ALL,
  type Filters,
  readFilters,
  SORTS,
  sectionsOf,
  sortedBy,
  textOf,
  withText,
  writeFilters,
} from './filters.ts'

const word = fc.stringMatching(/^[a-z0-9./_-]{1,12}$/)
const filters: fc.Arbitrary<Filters> = fc.record(
  {
    q: fc.oneof(fc.constant(''), word),
    states: fc.uniqueArray(fc.constantFrom(...RUN_STATES)),
    project: fc.oneof(fc.constant(''), word),
    user: fc.oneof(fc.constant(''), word),
    sort: fc.constantFrom(...SORTS),
    order: fc.constantFrom('asc', 'desc'),
    group: fc.constantFrom('state', 'flat'),
    columns: fc.oneof(fc.constant(null), fc.array(word)),
  },
  { noNullPrototype: true },
)

test('safety: an address gives back the filters that it was made from', () => {
  fc.assert(fc.property(filters, (each) => assert.deepEqual(readFilters(writeFilters(each)), each)))
})

test('safety: the search field gives back what it shows', () => {
  fc.assert(fc.property(filters, (each) => assert.deepEqual(withText(each, textOf(each)), each)))
})

test('the usual list has an empty address', () => {
  assert.deepEqual(writeFilters(ALL), {})
})

test('what is misspelt in an address is left out', () => {
  const read = readFilters({ state: 'running,flying', sort: 'colour', order: 'up', group: 'x' })
  assert.deepEqual(read, { ...ALL, states: ['running'] })
})

test('a column that is sorted already turns round', () => {
  assert.equal(sortedBy({ ...ALL, sort: 'gpus', order: 'desc' }, 'gpus').order, 'asc')
  assert.deepEqual([sortedBy(ALL, 'name').sort, sortedBy(ALL, 'name').order], ['name', 'asc'])
  assert.equal(sortedBy({ ...ALL, sort: 'name', order: 'asc' }, 'held').order, 'desc')
})

test('every state is in one section', () => {
  assert.deepEqual(
    sectionsOf(ALL)
      .flatMap((section) => section.states)
      .toSorted(),
    RUN_STATES.toSorted(),
  )
  assert.deepEqual(
    sectionsOf({ ...ALL, states: ['failed'] }).map((section) => section.key),
    ['ended'],
  )
  assert.deepEqual(sectionsOf({ ...ALL, group: 'flat', states: ['failed'] })[0]?.states, ['failed'])
})
