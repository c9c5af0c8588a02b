// The tree of a YAML document as plain values. The library's own conversion lets through what a person did not mean: a number that
// loses digits, `0x10`, a key that is a number, the second of two equal keys, an alias of something that stands nowhere.
import type { Pair, ParsedNode, Scalar } from 'yaml'
import { isAlias, isMap, isScalar, isSeq } from 'yaml'
import type { Fault } from './problems.ts'
import { excerpt, pointerOf } from './problems.ts'

/** Offsets into the text. An item of a list has no key. */
export type Place = { readonly key: number | null; readonly value: number }
export type YamlFault = Omit<Fault, 'part'> & { readonly offset: number }

/** Twenty times what the largest spec needs; aliases of aliases reach it within a few lines. */
const VALUES_MAX = 20_000
/** No document of ours is deeper than six. */
const DEPTH_MAX = 32

export type Path = readonly (string | number)[]
type Walk = {
  readonly places: Map<string, Place>
  readonly faults: YamlFault[]
  /** `open`: its end has not been reached, so that an alias of it would contain itself. */
  readonly anchors: Map<string, { readonly node: unknown; open: boolean }>
  readonly lineOf: (offset: number) => number
  readonly textAt: (path: Path) => boolean
  values: number
}

export function valueOfNode(
  root: unknown,
  lineOf: (offset: number) => number,
  textAt: (path: Path) => boolean,
): { value: unknown; faults: readonly YamlFault[]; places: ReadonlyMap<string, Place> } {
  const walk: Walk = { places: new Map(), faults: [], anchors: new Map(), lineOf, textAt, values: 0 }
  const value = valueOf(root, [], null, walk)
  return { value, faults: walk.faults, places: walk.places }
}

function valueOf(node: unknown, path: Path, key: number | null, walk: Walk): unknown {
  if (node === null || node === undefined) return null
  const offset = (node as ParsedNode).range[0]
  const pointer = pointerOf(path)
  walk.places.set(pointer, { key, value: offset })
  walk.values += 1
  if (walk.values > VALUES_MAX) {
    if (walk.values === VALUES_MAX + 1)
      complain(walk, offset, path, `it has more than ${VALUES_MAX} values`, 'aliases count each time')
    return null
  }
  if (path.length > DEPTH_MAX) {
    complain(walk, offset, path, 'it is nested too deeply')
    return null
  }
  if (isAlias(node)) return valueOfAlias(node.source, offset, path, key, walk)
  const anchor = (node as ParsedNode & { anchor?: string }).anchor
  const mark = { node, open: true }
  if (anchor !== undefined) walk.anchors.set(anchor, mark)
  const value = contentOf(node, offset, path, walk)
  mark.open = false
  return value
}

function contentOf(node: unknown, offset: number, path: Path, walk: Walk): unknown {
  if (isScalar(node)) return scalarOf(node, offset, path, walk)
  if (isSeq(node)) return node.items.map((item, index) => valueOf(item, [...path, index], null, walk))
  if (isMap(node)) return mappingOf(node.items, path, walk)
  complain(walk, offset, path, 'it is neither text, a number, a list nor a mapping')
  return null
}

function valueOfAlias(name: string, offset: number, path: Path, key: number | null, walk: Walk): unknown {
  const anchor = walk.anchors.get(name)
  if (anchor === undefined) {
    complain(
      walk,
      offset,
      path,
      `nothing before it is named &${excerpt(name)}`,
      'write text that begins with * in quotes',
    )
    return null
  }
  if (anchor.open) {
    complain(walk, offset, path, `*${excerpt(name)} contains itself`)
    return null
  }
  return valueOf(anchor.node, path, key, walk)
}

function mappingOf(items: readonly Pair[], path: Path, walk: Walk): Record<string, unknown> {
  const value: Record<string, unknown> = {}
  const seen = new Map<string, number>()
  for (const pair of items) {
    const offset = (pair.key as ParsedNode | null)?.range[0] ?? 0
    const key = keyOf(pair.key)
    if (key === null) {
      complain(walk, offset, path, 'a key here is not text', 'write it in quotes')
      continue
    }
    const before = seen.get(key)
    if (before !== undefined) {
      complain(walk, offset, [...path, key], `${excerpt(key)} was given before, in line ${walk.lineOf(before)}`)
      continue
    }
    seen.set(key, offset)
    if (key === '__proto__') complain(walk, offset, path, '__proto__ cannot be a key')
    else value[key] = valueOf(pair.value, [...path, key], offset, walk)
    if (!walk.places.has(pointerOf([...path, key])))
      walk.places.set(pointerOf([...path, key]), { key: offset, value: offset })
  }
  return value
}

const keyOf = (key: unknown): string | null => (isScalar(key) && typeof key.value === 'string' ? key.value : null)

function scalarOf(node: Scalar, offset: number, path: Path, walk: Walk): string | number | boolean | null {
  const { value } = node
  // `[--lr, 1.0]` is an argument, not a number: it arrives as it was written.
  if (node.source !== undefined && value !== null && walk.textAt(path))
    return typeof value === 'string' ? value : node.source
  if (value === null || value === undefined) return null
  if (typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value !== 'number') {
    complain(walk, offset, path, 'it is neither text, a number nor a truth value', 'write it in quotes')
    return null
  }
  const source = node.source ?? String(value)
  const wrong = numberFault(source, value)
  if (wrong !== null) complain(walk, offset, path, `${excerpt(source, 40)} ${wrong.message}`, wrong.hint)
  return value === 0 ? 0 : value
}

/** A number is taken only where it is certain that it will be read back as it was written. */
function numberFault(source: string, value: number): { message: string; hint: string } | null {
  if (!DECIMAL.test(source)) {
    return {
      message: 'is an unusual way to write a number',
      hint: 'write a plain decimal number, or quotes around text',
    }
  }
  const kept = /^-?\d+$/.test(source) ? Number.isSafeInteger(value) : canonical(source) === canonical(String(value))
  if (kept && Math.abs(value) <= Number.MAX_SAFE_INTEGER) return null
  return { message: 'cannot be kept exactly as a number', hint: 'write it in quotes, or with a suffix such as 2T' }
}

const DECIMAL = /^-?(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/

/** `1.50`, `15e-1` and `1.5` are the same: their digits without zeros at the ends, and the power of ten of the last one. */
function canonical(source: string): string {
  const [, whole = '', decimals = '', exponent = '0'] = DECIMAL.exec(source) ?? []
  const digits = `${whole}${decimals}`.replace(/^0+/, '')
  const short = digits.replace(/0+$/, '')
  return short === '' ? '0' : `${short}e${Number(exponent) - decimals.length + digits.length - short.length}`
}

function complain(walk: Walk, offset: number, path: Path, message: string, hint: string | null = null): void {
  walk.faults.push({ message, pointer: pointerOf(path), hint, offset })
}
