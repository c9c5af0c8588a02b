// What is wrong with a document, where, and what to do about it.
export type Problem = {
  readonly message: string
  /** JSON pointer into the document. */
  readonly pointer: string
  readonly line: number | null
  readonly column: number | null
  readonly hint: string | null
}

export function formatProblems(file: string, problems: readonly Problem[]): string {
  return problems
    .map((problem) => {
      const place = problem.line === null ? file : `${file}:${problem.line}:${problem.column ?? 1}`
      const at = problem.pointer === '' ? '' : ` (at ${problem.pointer})`
      return `${place}: ${problem.message}${at}${problem.hint === null ? '' : `\n  ${problem.hint}`}`
    })
    .join('\n')
}
