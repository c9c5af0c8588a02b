import type { ProjectName } from './ids.ts'
import type { Priority } from './reasons.ts'

/** A team's share of the clusters. Projects form a tree. */
export type Project = {
  readonly name: ProjectName
  readonly parent: ProjectName | null
  /** GPUs that its runs and those of its children may hold at once; null: all there are. */
  readonly quotaGpus: number | null
  readonly maxPriority: Priority
  readonly version: number
}

/** The project and all below it. */
export function subtree(projects: ReadonlyMap<ProjectName, Project>, name: string): ReadonlySet<string> {
  const below = [...projects.keys()].filter((each) => lineage(projects, each).some((above) => above.name === name))
  return new Set<string>([name, ...below])
}

/** The project and its parents, nearest first. A cycle is refused when policy is applied; the bound keeps this total. */
export function lineage(projects: ReadonlyMap<ProjectName, Project>, name: ProjectName): Project[] {
  const line: Project[] = []
  let at = projects.get(name)
  while (at !== undefined && line.length <= projects.size) {
    line.push(at)
    at = at.parent === null ? undefined : projects.get(at.parent)
  }
  return line
}
