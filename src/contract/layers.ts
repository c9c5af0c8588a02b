// A file of defaults, and what an operator puts over it key by key. What is wrong is said where it was written.
import { toPlain } from './plain.ts'
import type { Fault, Problem } from './problems.ts'
import { lineage, placed, shown } from './problems.ts'
import type { Parsed } from './yaml.ts'
import { parseYaml, parseYamlValue } from './yaml.ts'

export type LayerNames = { readonly default: string; readonly override: string }

export type Layered<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly file: string; readonly problems: readonly Problem[] }

/**
 * `read` makes a value of the two files as one, or says what is wrong with it; it is told which of the pointers the operator wrote.
 */
export function layered<Value>(
  defaultText: string,
  overrideText: string | null,
  names: LayerNames,
  read: (
    value: unknown,
    isWritten: (pointer: string) => boolean,
  ) => { readonly value: Value | null; readonly faults: readonly Fault[] },
): Layered<Value> {
  const defaults = parseYaml(defaultText)
  if (!defaults.ok) return { ok: false, file: names.default, problems: defaults.problems }
  const override = overrideOf(overrideText)
  if (!override.ok) return { ok: false, file: names.override, problems: override.problems }
  const plain = toPlain(merge(defaults.value, override.value))
  const result = read(plain.value, (pointer) => hasLeaf(override.value, pointer))
  const faults = [...plain.faults, ...result.faults]
  if (faults.length === 0 && result.value !== null) return { ok: true, value: result.value }
  // The defaults are ours and tested: where anything that the operator wrote is wrong, that is what is to be mended.
  const written = faults.filter((each) => has(override.value, each.pointer))
  return written.length > 0
    ? { ok: false, file: names.override, problems: shown(placed(written, override.locate)) }
    : { ok: false, file: names.default, problems: shown(placed(faults, defaults.locate)) }
}

/** A file that is missing, empty or all comments changes nothing. */
function overrideOf(source: string | null): Parsed {
  const nothing = { ok: true, value: {}, locate: () => ({ line: 1, column: 1 }) } as const
  if (source === null) return nothing
  const parsed = parseYamlValue(source)
  return parsed.ok && parsed.value === null ? nothing : parseYaml(source)
}

type Tree = Readonly<Record<string, unknown>>
export const isTree = (value: unknown): value is Tree =>
  value !== null && typeof value === 'object' && !Array.isArray(value)

function merge(base: unknown, over: unknown): unknown {
  if (!isTree(base) || !isTree(over)) return over
  const merged = Object.entries(over).map(([key, value]) => [
    key,
    Object.hasOwn(base, key) ? merge(base[key], value) : value,
  ])
  return { ...base, ...Object.fromEntries(merged) }
}

/** Whether the operator wrote this, be it a value or a section, or a value in the place of what holds it. */
function has(override: unknown, pointer: string): boolean {
  if (pointer !== '' && at(override, pointer) !== undefined) return true
  return lineage(pointer).some((each) => each !== '' && hasLeaf(override, each))
}

function hasLeaf(override: unknown, pointer: string): boolean {
  const found = at(override, pointer)
  return found !== undefined && !isTree(found)
}

/** Undefined where nothing was written; `null` was. */
function at(override: unknown, pointer: string): unknown {
  let inner = override
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
    if (!isTree(inner) || !Object.hasOwn(inner, key)) return undefined
    inner = inner[key]
  }
  return inner
}
