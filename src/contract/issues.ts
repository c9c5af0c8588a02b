// What zod found, in words for people who have never heard of zod.
import type { z } from 'zod'
import type { Fault } from './problems.ts'
import { excerpt, fault, pointerOf } from './problems.ts'
import { nearest } from './suggest.ts'

type Issue = z.core.$ZodIssue

/** Each compares a word with all that are known: nobody reads more of them, and a hostile document has thousands. */
export const HINTS_MAX = 100

/** Without it an issue does not say what was given. */
export const PARSE = { reportInput: true } as const

export function faultsOf(issues: readonly Issue[], parents: readonly PropertyKey[] = []): Fault[] {
  return issues.flatMap((issue) => faultsOfIssue(issue, [...parents, ...issue.path]))
}

function faultsOfIssue(issue: Issue, path: readonly PropertyKey[]): Fault[] {
  const pointer = pointerOf(path)
  switch (issue.code) {
    case 'unrecognized_keys': {
      // See `strict` of fields.ts: the message is the list of known keys.
      const known = issue.message.split(' ')
      return issue.keys.map((key, index) => {
        const hint = index < HINTS_MAX ? nearest(key, known) : null
        return fault(pointerOf([...path, key]), `there is no key ${excerpt(key)} here`, hint, 'key')
      })
    }
    case 'invalid_type':
      return [wrongType(pointer, path, issue)]
    case 'invalid_value': {
      const known = issue.values.map(String)
      return [oneOf(pointer, path, known, issue.input)]
    }
    case 'invalid_union':
      return unionFaults(issue, path, pointer)
    case 'invalid_key':
      return faultsOf(issue.issues, path).map((each) => ({ ...each, part: 'key' as const }))
    case 'too_small':
      return [fault(pointer, bound(issue.origin, Number(issue.minimum), issue.inclusive !== false, 'least'))]
    case 'too_big':
      return [fault(pointer, bound(issue.origin, Number(issue.maximum), issue.inclusive !== false, 'most'))]
    case 'custom': {
      const hint: unknown = issue.params?.['hint']
      return [fault(pointer, issue.message, typeof hint === 'string' ? hint : null)]
    }
    case 'invalid_format':
    case 'not_multiple_of':
    case 'invalid_element':
      return [fault(pointer, issue.message)]
  }
}

function oneOf(pointer: string, path: readonly PropertyKey[], known: readonly string[], given: unknown): Fault {
  if (given === undefined) return missing(pointer, path)
  const word = known.length === 1 ? `must be ${known[0] ?? ''}` : `must be one of ${known.join(', ')}`
  if (typeof given === 'string' && known.includes(given)) {
    // Text where a number of the same look is meant.
    return fault(pointer, word, 'write it without quotes')
  }
  const suggestion = typeof given === 'string' ? nearest(given, known) : null
  // The words are in the message already.
  return fault(pointer, word, suggestion?.startsWith('did you mean') === true ? suggestion : null)
}

/** Of the alternatives, the one that the value was meant to be: whose outermost type fits. */
function unionFaults(issue: z.core.$ZodIssueInvalidUnion, path: readonly PropertyKey[], pointer: string): Fault[] {
  if (issue.input === undefined) return [missing(pointer, path)]
  const words = issue.errors.map((alternative) => alternative.flatMap(outermost))
  const meant = issue.errors.find((_, index) => words[index]?.length === 0)
  if (meant !== undefined) return faultsOf(meant, path)
  const hint = words.flat().includes('text') ? typeHint('string', issue.input) : null
  return [fault(pointer, `must be ${[...new Set(words.flat())].join(' or ')}, not ${kindOf(issue.input)}`, hint)]
}

/** What an alternative would have taken, where it is not that at all. */
function outermost(issue: Issue): string[] {
  if (issue.path.length > 0) return []
  if (issue.code === 'invalid_type') return [typeWord(issue.expected)]
  return issue.code === 'invalid_value' ? issue.values.map(String) : []
}

function wrongType(pointer: string, path: readonly PropertyKey[], issue: z.core.$ZodIssueInvalidType): Fault {
  const { expected, input } = issue
  if (input === undefined) return missing(pointer, path)
  // A message of our own says more than the type; zod's own ones begin like this.
  if (!issue.message.startsWith('Invalid input')) return fault(pointer, issue.message)
  return fault(pointer, `must be ${typeWord(expected)}, not ${kindOf(input)}`, typeHint(expected, input))
}

function missing(pointer: string, path: readonly PropertyKey[]): Fault {
  return fault(pointer, `${excerpt(String(path.at(-1) ?? 'the document'))} is missing`, null, 'key')
}

const TYPE_WORDS: ReadonlyMap<string, string> = new Map([
  ['string', 'text'],
  ['number', 'a number'],
  ['int', 'a whole number'],
  ['boolean', 'true or false'],
  ['array', 'a list'],
  ['object', 'a mapping'],
  ['record', 'a mapping'],
  ['null', 'null'],
])
const typeWord = (type: string): string => TYPE_WORDS.get(type) ?? type

function kindOf(given: unknown): string {
  if (given === null) return 'null'
  if (Array.isArray(given)) return 'a list'
  if (typeof given === 'object') return 'a mapping'
  if (typeof given === 'string') return given === '' ? 'empty text' : 'text'
  return typeof given === 'number' || typeof given === 'boolean' ? String(given) : typeof given
}

function typeHint(expected: string, given: unknown): string | null {
  if (expected === 'string' && given === null) return "write '' for empty text"
  if (expected === 'string' && (typeof given === 'number' || typeof given === 'boolean')) {
    return `write it in quotes, as it is meant: '${given}'`
  }
  if (typeof given !== 'string' || given.length > 200) return null
  if (expected === 'array') {
    return `write a list, one item for each word: [${given.split(/\s+/).filter(Boolean).join(', ')}]; there is no shell`
  }
  const number = expected === 'number' || expected === 'int' || expected === 'boolean'
  return number && /^(?:-?\d+(?:\.\d+)?|true|false)$/.test(given) ? 'write it without quotes' : null
}

function bound(origin: string, limit: number, inclusive: boolean, end: 'least' | 'most'): string {
  const unit = origin === 'string' ? 'character' : origin === 'array' || origin === 'set' ? 'item' : null
  if (unit !== null && end === 'least' && limit === 1) return 'must not be empty'
  if (unit !== null) return `must have at ${end} ${limit} ${unit}${limit === 1 ? '' : 's'}`
  if (!inclusive) return `must be ${end === 'least' ? 'more' : 'less'} than ${limit}`
  return `must be at ${end} ${limit}`
}
