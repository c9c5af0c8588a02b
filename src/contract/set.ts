// `--set path=value`: the value is read as YAML, the path is the names of keys with dots between.
import { parseDocument } from 'yaml'
import type { Problem } from './problems.ts'

export type SetResult = {
  readonly value: unknown
  readonly pointers: ReadonlySet<string>
  readonly problems: Problem[]
}

export function applySet(value: unknown, sets: readonly string[]): SetResult {
  const copy = structuredClone(value) as Record<string, unknown>
  const pointers = new Set<string>()
  const problems: Problem[] = []
  for (const [index, set] of sets.entries()) {
    const problem = setOne(copy, set, pointers)
    if (problem !== null)
      problems.push({
        message: `--set ${index + 1} (${set}): ${problem}`,
        pointer: '',
        line: null,
        column: null,
        hint: 'write --set resources.nodes=4',
      })
  }
  return { value: copy, pointers, problems }
}

function setOne(target: Record<string, unknown>, set: string, pointers: Set<string>): string | null {
  const equals = set.indexOf('=')
  if (equals <= 0) return 'has no value'
  const path = set.slice(0, equals).split('.')
  if (path.some((part) => part === '' || part === '__proto__')) return 'has an empty part in its path'
  const parsed = parseDocument(set.slice(equals + 1), { prettyErrors: false })
  if (parsed.errors.length > 0) return 'has a value that cannot be read'
  let inner = target
  for (const part of path.slice(0, -1)) {
    const next = inner[part]
    if (next !== undefined && (next === null || typeof next !== 'object' || Array.isArray(next)))
      return `${part} has no keys`
    inner[part] = next ?? {}
    inner = inner[part] as Record<string, unknown>
  }
  inner[path.at(-1) ?? ''] = parsed.toJS({ maxAliasCount: 10 }) as unknown
  pointers.add(`/${path.join('/')}`)
  return null
}
