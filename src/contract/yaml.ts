// YAML or JSON to a value, with the places of everything in it. What YAML would silently change is a problem instead.
import type { Node } from 'yaml'
import { isMap, isScalar, LineCounter, parseAllDocuments, parseDocument, visit } from 'yaml'
import { SPEC_BYTES_MAX } from '../domain/limits.ts'
import type { Problem } from './problems.ts'

export type Parsed =
  | { readonly ok: true; readonly value: unknown; readonly locate: Locate }
  | { readonly ok: false; readonly problems: Problem[] }
export type Locate = (pointer: string) => { readonly line: number | null; readonly column: number | null }

export function parseYaml(text: string): Parsed {
  const clean = text.startsWith('\uFEFF') ? text.slice(1) : text
  if (new TextEncoder().encode(clean).length > SPEC_BYTES_MAX)
    return failed(`it is larger than ${SPEC_BYTES_MAX} bytes`)
  if (parseAllDocuments(clean).length > 1) return failed('it has several documents, separated by ---; only one is read')
  const counter = new LineCounter()
  const document = parseDocument(clean, { lineCounter: counter, prettyErrors: false, uniqueKeys: true })
  const place = (offset: number) => {
    const { line, col } = counter.linePos(offset)
    return { line, column: col }
  }
  const problems: Problem[] = document.errors.map((error) => ({
    message: error.message,
    pointer: '',
    hint: null,
    ...place(error.pos[0]),
  }))
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value !== 'number' || Number.isSafeInteger(node.value) || !/^[-+]?\d+$/.test(node.source ?? ''))
        return
      problems.push({
        message: `${node.source} is too large for an exact number`,
        pointer: '',
        hint: 'write it in quotes, or with a suffix such as 2T',
        ...place(node.range?.[0] ?? 0),
      })
    },
  })
  if (problems.length > 0) return { ok: false, problems }
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 })
    if (value === null || typeof value !== 'object' || Array.isArray(value))
      return failed('it is not a mapping of keys to values')
    return { ok: true, value, locate: locator(document.contents, place) }
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error))
  }
}

function failed(message: string): Parsed {
  return { ok: false, problems: [{ message, pointer: '', line: 1, column: 1, hint: null }] }
}

/** The key where there is one, else the value; the nearest parent that exists for what is missing. */
function locator(root: Node | null, place: (offset: number) => { line: number; column: number }): Locate {
  return (pointer) => {
    let node: unknown = root
    let offset = root?.range?.[0] ?? 0
    for (const part of pointer.split('/').slice(1)) {
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === name)
        if (pair === undefined) break
        offset = (pair.key as Node).range?.[0] ?? offset
        node = pair.value
      } else if (node !== null && typeof node === 'object' && 'items' in node && Array.isArray(node.items)) {
        node = node.items[Number(name)]
        offset = (node as Node | undefined)?.range?.[0] ?? offset
      } else break
    }
    return place(offset)
  }
}
