// YAML or JSON to a value, with the places of everything in it. What YAML would silently change is a problem instead.
import type { Document, YAMLError } from 'yaml'
import { LineCounter, parseDocument } from 'yaml'
import { SPEC_BYTES_MAX } from '../domain/limits.ts'
import type { Fault, Locate, Problem } from './problems.ts'
import { excerpt, lineage } from './problems.ts'
import type { Path, Place } from './yaml-value.ts'
import { valueOfNode } from './yaml-value.ts'

export type Parsed =
  | { readonly ok: true; readonly value: unknown; readonly locate: Locate }
  | { readonly ok: false; readonly problems: Problem[] }

/** One broken bracket makes a hundred errors: the first ones say it. */
const ERRORS_SHOWN_MAX = 20

/** Where a scalar is always text, however it looks. */
export type TextAt = (path: Path) => boolean
const nowhereText: TextAt = () => false

/** A document that is a mapping, as every file of ours is. */
export function parseYaml(text: string, textAt: TextAt = nowhereText): Parsed {
  const parsed = parseYamlValue(text, textAt)
  if (!parsed.ok) return parsed
  if (parsed.value === null) return failed('it is empty')
  if (typeof parsed.value !== 'object' || Array.isArray(parsed.value)) {
    return failed('it is not a mapping of keys to values', 'write lines such as name: my-run')
  }
  return parsed
}

/** Any value; null for an empty text. */
export function parseYamlValue(text: string, textAt: TextAt = nowhereText): Parsed {
  // Windows editors begin a file with a byte order mark; left in place it would become part of the first key.
  const clean = text.startsWith('\uFEFF') ? text.slice(1) : text
  if (new TextEncoder().encode(clean).length > SPEC_BYTES_MAX) {
    return failed(`it is larger than ${SPEC_BYTES_MAX / 1024} KiB`)
  }
  const counter = new LineCounter()
  const place = (offset: number) => {
    const { line, col } = counter.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  // Duplicate keys are found by valueOfNode: here each key would be compared with all before it, 30,000 keys for seconds.
  const options = { lineCounter: counter, prettyErrors: false, uniqueKeys: false, schema: 'core' } as const
  const document: Document.Parsed = parseDocument(clean, { ...options, resolveKnownTags: false })
  const errors = [...document.errors, ...document.warnings]
  const deep = errors.find((error) => error.code === 'RESOURCE_EXHAUSTION')
  if (deep !== undefined) return failed('it is nested too deeply')
  if (errors.length > 0) {
    const problems = errors.slice(0, ERRORS_SHOWN_MAX)
    return { ok: false, problems: problems.map((error) => ({ ...said(error), ...place(error.pos[0]) })) }
  }
  const { value, faults, places } = valueOfNode(document.contents, (offset) => place(offset).line, textAt)
  const locate = locator(places, place)
  if (faults.length > 0) {
    const problems = faults.slice(0, ERRORS_SHOWN_MAX).map(({ offset, ...rest }) => ({ ...rest, ...place(offset) }))
    return { ok: false, problems }
  }
  return { ok: true, value, locate }
}

function failed(message: string, hint: string | null = null): Parsed {
  return { ok: false, problems: [{ message, pointer: '', line: 1, column: 1, hint }] }
}

/** The library's errors, in our words where its own help only its authors. */
function said(error: YAMLError): Omit<Fault, 'part'> {
  const known = (message: string, hint: string | null): Omit<Fault, 'part'> => ({ message, pointer: '', hint })
  if (error.code === 'MULTIPLE_DOCS') {
    return known('a second document begins here', 'one file holds one document; take out the line ---')
  }
  if (error.code === 'TAB_AS_INDENT') return known('a tab indents this line', 'indent with spaces')
  if (error.code === 'TAG_RESOLVE_FAILED') return known(excerpt(error.message), 'tags such as !name are not used here')
  return known(excerpt(error.message.charAt(0).toLowerCase() + error.message.slice(1), 200), null)
}

function locator(
  places: ReadonlyMap<string, Place>,
  place: (offset: number) => { line: number; column: number },
): Locate {
  return (pointer, part = 'value') => {
    for (const each of lineage(pointer)) {
      const found = places.get(each)
      if (found === undefined) continue
      // Something is missing in a parent: the parent's key says where better than its first value does.
      const meant = each === pointer ? part : 'key'
      return place(meant === 'key' ? (found.key ?? found.value) : found.value)
    }
    return { line: 1, column: 1 }
  }
}
