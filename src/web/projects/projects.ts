// Projects put together from what is known of them: the policy, what their runs hold, what waits, what they spent. Pure.
import type { TableRow } from '../api/documents.ts'
import type { Budget, LedgerLine, PolicyShown, Waiting } from '../api/operate.ts'
import { type Spent, spentBy } from '../cost/books.ts'

export type Project = {
  readonly name: string
  readonly parent: string | null
  /** How deep it lies below a project without a parent. */
  readonly depth: number
  /** null: none is set, or the policy is not yours to read. */
  readonly quotaGpus: number | null
  readonly maxPriority: string | null
  readonly held: number
  readonly waits: number
  readonly budgets: number
  readonly spent: Spent | null
}

type Known = {
  readonly policy: PolicyShown | null
  readonly holding: readonly TableRow[]
  readonly waiting: readonly Waiting[]
  readonly budgets: readonly Budget[]
  readonly rows: readonly LedgerLine[]
}

/** Children stand below their parents; a parent that is in no policy, or a cycle, leaves a project at the top. */
export function projectsOf({ policy, holding, waiting, budgets, rows }: Known): readonly Project[] {
  const spent = new Map(spentBy(rows, ({ project }) => project ?? null).map((each) => [each.key, each]))
  const given = new Map((policy?.projects ?? []).map((each) => [each.name, each]))
  const names = new Set([
    ...given.keys(),
    ...[...holding, ...waiting, ...budgets].map(({ project }) => project),
    ...[...spent.keys()].flatMap((key) => key ?? []),
  ])
  const lineageOf = (name: string): readonly string[] => {
    const line = [name]
    for (
      let at = given.get(name)?.parent;
      at != null && given.has(at) && !line.includes(at);
      at = given.get(at)?.parent
    )
      line.unshift(at)
    return line
  }
  const gpusOf = (list: readonly { readonly project: string; readonly gpus: number }[], name: string): number =>
    list.reduce((sum, { project, gpus }) => (project === name ? sum + gpus : sum), 0)
  return [...names]
    .map((name) => ({ name, line: lineageOf(name) }))
    .toSorted((a, b) => compared(a.line, b.line))
    .map(({ name, line }) => ({
      name,
      parent: line.at(-2) ?? null,
      depth: line.length - 1,
      quotaGpus: given.get(name)?.quotaGpus ?? null,
      maxPriority: given.get(name)?.maxPriority ?? null,
      held: gpusOf(holding, name),
      waits: gpusOf(waiting, name),
      budgets: budgets.filter(({ project }) => project === name).length,
      spent: spent.get(name) ?? null,
    }))
}

function compared(a: readonly string[], b: readonly string[]): number {
  for (let at = 0; at < Math.max(a.length, b.length); at += 1) {
    const [x, y] = [a[at], b[at]]
    if (x === undefined) return -1
    if (y === undefined) return 1
    if (x !== y) return x < y ? -1 : 1
  }
  return 0
}
