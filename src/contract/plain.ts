// What may be in any document, whoever sent it: a copy of plain values, without what cannot be stored or would fool a reader.
import type { Fault } from './problems.ts'
import { excerpt, fault, pointerOf } from './problems.ts'

/** Line breaks and tabs stay allowed where scripts stand; a carriage return never does, it hides what is before it in a terminal. */
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/u // oxlint-disable-line no-control-regex
const LINES = /[\t\n]/
/** PostgreSQL stores UTF-8, which has no half of a pair. */
const HALF_PAIR = /\p{Surrogate}/u
const DEPTH_MAX = 32
const VALUES_MAX = 20_000

export type Plain = { readonly value: unknown; readonly faults: Fault[] }
type Path = readonly (string | number)[]
type Walk = { readonly faults: Fault[]; readonly linesAllowed: (path: Path) => boolean; values: number }

export function toPlain(value: unknown, linesAllowed: (path: Path) => boolean = () => false): Plain {
  const walk: Walk = { faults: [], linesAllowed, values: 0 }
  return { value: copy(value, [], walk), faults: walk.faults }
}

function copy(value: unknown, path: Path, walk: Walk): unknown {
  walk.values += 1
  if (path.length > DEPTH_MAX || walk.values > VALUES_MAX) {
    if (walk.values <= VALUES_MAX + 1) complain(walk, path, 'it is nested too deeply or has too many values')
    return null
  }
  if (value === null || value === undefined || typeof value === 'boolean') return value
  if (typeof value === 'string') return checked(value, path, walk)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) complain(walk, path, 'must be a finite number')
    return value === 0 ? 0 : value
  }
  if (Array.isArray(value)) return Array.from(value, (each: unknown, index) => copy(each, [...path, index], walk))
  if (typeof value === 'object' && isRecord(value)) return copyRecord(value, path, walk)
  complain(walk, path, 'must be text, a number, a truth value, a list or a mapping')
  return null
}

function isRecord(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

function copyRecord(value: object, path: Path, walk: Walk): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [key, each] of Object.entries(value)) {
    if (key === '__proto__') complain(walk, path, '__proto__ cannot be a key')
    else if (CONTROL.test(key) || LINES.test(key) || HALF_PAIR.test(key)) {
      complain(walk, path, `the key ${excerpt(key)} has control characters`)
    } else result[key] = copy(each, [...path, key], walk)
  }
  return result
}

function checked(value: string, path: Path, walk: Walk): string {
  if (CONTROL.test(value)) complain(walk, path, `must not have control characters: ${excerpt(value)}`)
  else if (LINES.test(value) && !walk.linesAllowed(path)) complain(walk, path, 'must be one line, without tabs')
  else if (HALF_PAIR.test(value)) complain(walk, path, 'must be valid Unicode text')
  return value
}

function complain(walk: Walk, path: Path, message: string): void {
  walk.faults.push(fault(pointerOf(path), message))
}
