// `--set path=value`: the value is read as YAML, the path is the names of keys with dots between.
import type { Fault, Locate, Problem } from './problems.ts'
import { excerpt, lineage, placed, pointerOf } from './problems.ts'
import type { TextAt } from './yaml.ts'
import { parseYamlValue } from './yaml.ts'

/** More than anybody types. */
const SETS_MAX = 256
/** No document of ours is deeper than six. */
const PATH_PARTS_MAX = 32
const HINT = 'write for example --set resources.nodes=4'

export type SetResult = {
  readonly value: unknown
  /** Which `--set` wrote a pointer, as its name in messages. */
  readonly writers: ReadonlyMap<string, string>
  readonly problems: Problem[]
}

export function applySet(value: unknown, sets: readonly string[], textAt: TextAt = () => false): SetResult {
  const copy: unknown = structuredClone(value)
  const writers = new Map<string, string>()
  const problems: Problem[] = []
  for (const [index, set] of sets.slice(0, SETS_MAX).entries()) {
    const writer = `--set ${index + 1} (${excerpt(set)})`
    const done = setOne(copy, set, textAt)
    if (typeof done === 'string') problems.push(unplaced(`${writer} ${done}`, HINT))
    else {
      // What an earlier one wrote below this is gone, and so is its name.
      for (const pointer of writers.keys()) if (lineage(pointer).includes(done.pointer)) writers.delete(pointer)
      writers.set(done.pointer, writer)
    }
  }
  if (sets.length > SETS_MAX) problems.push(unplaced(`more than ${SETS_MAX} times --set`, 'write them into the file'))
  return { value: copy, writers, problems }
}

/** A fault in what a `--set` wrote names that, the others their place in the file. */
export function placedWithSets(
  faults: readonly Fault[],
  writers: ReadonlyMap<string, string>,
  locate: Locate,
): Problem[] {
  return faults.flatMap((each) => {
    const writer = lineage(each.pointer)
      .map((pointer) => writers.get(pointer))
      .find((name) => name !== undefined)
    if (writer === undefined) return placed([each], locate)
    return [{ message: `${writer}: ${each.message}`, pointer: each.pointer, line: null, column: null, hint: each.hint }]
  })
}

function setOne(target: unknown, set: string, textAt: TextAt): { readonly pointer: string } | string {
  const equals = set.indexOf('=')
  if (equals < 0) return 'has no ='
  const path = set.slice(0, equals).split('.')
  if (path.some((part) => part === '' || part === '__proto__')) return 'has an empty part in its path'
  if (path.length > PATH_PARTS_MAX) return `has more than ${PATH_PARTS_MAX} parts in its path`
  const parsed = parseYamlValue(set.slice(equals + 1), (inside) => textAt([...path, ...inside]))
  if (!parsed.ok) return `has a value that cannot be read: ${parsed.problems[0]?.message ?? ''}`
  let inner = target
  // The outermost mapping that had to be made is this --set's own, so that a misspelt beginning of the path is blamed on it.
  let owned = path.length
  for (const [depth, part] of path.entries()) {
    const last = depth === path.length - 1
    const here = excerpt(path.slice(0, depth).join('.'))
    if (Array.isArray(inner)) {
      const index = /^\d{1,6}$/.test(part) ? Number(part) : NaN
      if (!(index <= inner.length)) return `has no item ${excerpt(part)}: ${here} is a list of ${inner.length}`
      if (last) inner[index] = parsed.value
      else inner = inner[index] ??= {}
    } else if (isTree(inner)) {
      if (last) inner[part] = parsed.value
      else {
        if (!Object.hasOwn(inner, part) || inner[part] === null) {
          inner[part] = {}
          owned = Math.min(owned, depth + 1)
        }
        inner = inner[part]
      }
    } else return `cannot be: ${here} has no keys`
  }
  return { pointer: pointerOf(path.slice(0, owned)) }
}

const isTree = (value: unknown): value is Record<string, unknown> => value !== null && typeof value === 'object'

const unplaced = (message: string, hint: string): Problem => ({ message, pointer: '', line: null, column: null, hint })
