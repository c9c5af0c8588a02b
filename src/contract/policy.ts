// The policy file: who may use how much of what, and what it costs.
import { z } from 'zod'
import type { BudgetId, ClusterName, ProjectName } from '../domain/ids.ts'
import type { Policy } from '../domain/policy.ts'
import { PRIORITIES } from '../domain/reasons.ts'
import { micros } from '../domain/units.ts'
import type { Problem } from './problems.ts'
import { microsOf } from './quantities.ts'
import { pointerOf } from './run-spec.ts'
import { nearest } from './suggest.ts'
import type { Locate } from './yaml.ts'
import { parseYaml } from './yaml.ts'

const name = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be lower-case letters, digits and dashes')
const amount = z.union([z.number(), z.string()]).transform((value, context) => {
  const parsed = microsOf(value)
  if (parsed === null) context.addIssue({ code: 'custom', message: 'must be a decimal number with at most six places' })
  return parsed ?? 0
})

const schema = z.strictObject({
  defaultCluster: name,
  currency: z.string().regex(/^[A-Z]{3}$/, 'must be a currency code such as EUR'),
  projects: z.record(
    name,
    z.strictObject({
      parent: name.nullish(),
      quotaGpus: z.int().min(0).nullish(),
      maxPriority: z.enum(PRIORITIES).default('normal'),
    }),
  ),
  budgets: z
    .record(
      name,
      z.strictObject({
        project: name,
        gpuHours: amount.optional(),
        money: amount.optional(),
        hard: z.boolean().default(true),
      }),
    )
    .default({}),
  /** Money an hour of one GPU, by GPU model. */
  prices: z.record(z.string().min(1), amount).default({}),
})

export type PolicyResult =
  | { readonly ok: true; readonly policy: Policy; readonly document: unknown }
  | { readonly ok: false; readonly problems: readonly Problem[] }

export function parsePolicy(text: string): PolicyResult {
  const parsed = parseYaml(text)
  return parsed.ok ? resolve(parsed.value, parsed.locate) : parsed
}

export const parsePolicyValue = (value: unknown): PolicyResult => resolve(value, () => ({ line: null, column: null }))

function resolve(value: unknown, locate: Locate): PolicyResult {
  const parsed = schema.safeParse(value)
  if (!parsed.success) {
    return {
      ok: false,
      problems: parsed.error.issues.map((issue) => {
        const key = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined
        const pointer = pointerOf(key === undefined ? issue.path : [...issue.path, key])
        return { message: issue.message, pointer, hint: null, ...locate(pointer) }
      }),
    }
  }
  const { data } = parsed
  const problems: Problem[] = []
  const complain = (pointer: string, message: string, hint: string | null = null): void =>
    void problems.push({ pointer, message, hint, ...locate(pointer) })
  const projects = new Map(Object.entries(data.projects))
  for (const [project, { parent }] of projects) {
    if (parent != null && !projects.has(parent))
      complain(`/projects/${project}/parent`, `there is no project ${parent}`, nearest(parent, [...projects.keys()]))
    else if (isInCycle(projects, project))
      complain(`/projects/${project}/parent`, `project ${project} is its own ancestor`)
  }
  for (const [id, budget] of Object.entries(data.budgets)) {
    if (!projects.has(budget.project))
      complain(
        `/budgets/${id}/project`,
        `there is no project ${budget.project}`,
        nearest(budget.project, [...projects.keys()]),
      )
    if ((budget.gpuHours === undefined) === (budget.money === undefined))
      complain(`/budgets/${id}`, 'a budget counts either gpuHours or money')
  }
  if (problems.length > 0) return { ok: false, problems }
  return {
    ok: true,
    document: value,
    policy: {
      defaultCluster: data.defaultCluster as ClusterName,
      projects: [...projects].map(([project, each]) => ({
        name: project as ProjectName,
        parent: (each.parent ?? null) as ProjectName | null,
        quotaGpus: each.quotaGpus ?? null,
        maxPriority: each.maxPriority,
      })),
      budgets: Object.entries(data.budgets).map(([id, budget]) => ({
        id: id as BudgetId,
        project: budget.project as ProjectName,
        unit: budget.money === undefined ? { kind: 'gpu-ms' } : { kind: 'money', currency: data.currency },
        hard: budget.hard,
        // Micro-hours of a GPU to GPU-milliseconds: 3.6 of these in one of those.
        limit: budget.money ?? Math.floor(((budget.gpuHours ?? 0) * 36) / 10),
      })),
      prices: Object.entries(data.prices).map(([gpuModel, price]) => ({
        gpuModel,
        price: { microsPerGpuHour: micros(price), currency: data.currency },
      })),
    },
  }
}

function isInCycle(
  projects: ReadonlyMap<string, { readonly parent?: string | null | undefined }>,
  project: string,
): boolean {
  let at = projects.get(project)?.parent ?? null
  for (let steps = 0; at !== null && steps <= projects.size; steps += 1) {
    if (at === project) return true
    at = projects.get(at)?.parent ?? null
  }
  return false
}
