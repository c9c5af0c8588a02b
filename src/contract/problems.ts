// What is wrong with a document, where, and what to do about it.
export type Problem = {
  readonly message: string
  /** JSON pointer into the document. */
  readonly pointer: string
  readonly line: number | null
  readonly column: number | null
  readonly hint: string | null
}

/** A problem before anybody has looked up where it stands in the text. `part` says which end of a pair is meant. */
export type Fault = {
  readonly message: string
  readonly pointer: string
  readonly part: 'key' | 'value'
  readonly hint: string | null
}

export type Position = { readonly line: number | null; readonly column: number | null }
/** Where a pointer stands in the text: its value or its key; the nearest parent that exists for what is missing. */
export type Locate = (pointer: string, part?: 'key' | 'value') => Position

/** For values that were never text. */
export const nowhere: Locate = () => ({ line: null, column: null })

export const fault = (
  pointer: string,
  message: string,
  hint: string | null = null,
  part: 'key' | 'value' = 'value',
): Fault => ({ message, pointer, part, hint })

export function placed(faults: readonly Fault[], locate: Locate): Problem[] {
  return faults.map(({ message, pointer, part, hint }) => ({ message, pointer, hint, ...locate(pointer, part) }))
}

/** A person mends the first ones; a request of a megabyte must not be answered with ten. */
const PROBLEMS_SHOWN_MAX = 100

/** In the order of the text, what has no place in it first. */
export function shown(problems: readonly Problem[]): Problem[] {
  const inOrder = problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))
  const more = inOrder.length - PROBLEMS_SHOWN_MAX
  if (more <= 0) return inOrder
  const rest = { message: `${more} more problems are not shown`, pointer: '', line: null, column: null, hint: null }
  return [...inOrder.slice(0, PROBLEMS_SHOWN_MAX), rest]
}

export const pointerOf = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

/** The pointer itself, then its parents, the document (an empty pointer) last. */
export function lineage(pointer: string): string[] {
  const parents = [pointer]
  for (let end = pointer.lastIndexOf('/'); end >= 0; end = pointer.lastIndexOf('/', end - 1)) {
    parents.push(pointer.slice(0, end))
    if (end === 0) break
  }
  return parents
}

/** Text of the document or of the library in a message: one line, and never longer than a person reads. */
export function excerpt(text: string, charsMax = 80): string {
  // JSON's escapes make control characters visible, so that a file cannot colour or rewrite somebody's terminal.
  const visible = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"')
  return visible.length <= charsMax ? visible : `${visible.slice(0, charsMax - 1)}…`
}

export function formatProblems(file: string, problems: readonly Problem[]): string {
  return problems
    .map((problem) => {
      const place = problem.line === null ? file : `${file}:${problem.line}:${problem.column ?? 1}`
      const at = problem.pointer === '' ? '' : ` (at ${excerpt(problem.pointer, 200)})`
      return `${place}: ${problem.message}${at}${problem.hint === null ? '' : `\n  ${problem.hint}`}`
    })
    .join('\n')
}
