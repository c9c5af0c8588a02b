// The policy file: who may use how much of what, and what it costs. Money is exact: decimal text to integer micros, never a float.
import { z } from 'zod'
import type { BudgetId, ClusterName, ProjectName } from '../domain/ids.ts'
import type { Policy, PolicyBudget } from '../domain/policy.ts'
import { PRIORITIES } from '../domain/reasons.ts'
import { micros } from '../domain/units.ts'
import { amount, gpuName, name, refuse, strict } from './fields.ts'
import { faultsOf, PARSE } from './issues.ts'
import { toPlain } from './plain.ts'
import type { Locate, Problem } from './problems.ts'
import { fault, nowhere, placed, pointerOf } from './problems.ts'
import { nearest } from './suggest.ts'
import { parseYaml } from './yaml.ts'

/** Micro-hours of a GPU to GPU-milliseconds: 3.6 of these in one of those. Rounded down: a wall stands where it was put or before. */
const hours = amount.transform((microHours, context): number => {
  const limit = Number((BigInt(microHours) * 36n) / 10n)
  if (!Number.isSafeInteger(limit)) refuse(context, 'must be at most 2,500,000,000')
  return limit
})

const project = strict({
  parent: name.nullish(),
  quotaGpus: z.int().min(0).nullish(),
  maxPriority: z.enum(PRIORITIES).default('normal'),
})

const budget = strict({
  project: name,
  gpuHours: hours.nullish(),
  money: amount.nullish(),
  hard: z.boolean().default(true),
})

const schema = strict({
  defaultCluster: name,
  currency: z.string().regex(/^[A-Z]{3}$/, 'must be a currency code such as EUR'),
  projects: z.record(name, project),
  budgets: z.record(name, budget).default({}),
  /** Money an hour of one GPU, by GPU model. */
  prices: z.record(gpuName, amount).default({}),
})
type Given = z.output<typeof schema>

export type PolicyResult =
  | { readonly ok: true; readonly policy: Policy; readonly document: unknown }
  | { readonly ok: false; readonly problems: readonly Problem[] }

export function parsePolicy(text: string): PolicyResult {
  const parsed = parseYaml(text)
  return parsed.ok ? resolve(parsed.value, parsed.locate) : parsed
}

/** A policy that was never text: the body of a request, or a row. */
export const parsePolicyValue = (value: unknown): PolicyResult => resolve(value, nowhere)

function resolve(value: unknown, locate: Locate): PolicyResult {
  const plain = toPlain(value)
  const parsed = schema.safeParse(plain.value, PARSE)
  const faults = [...plain.faults, ...(parsed.success ? relationFaults(parsed.data) : faultsOf(parsed.error.issues))]
  if (faults.length > 0 || !parsed.success) return { ok: false, problems: placed(faults, locate) }
  return { ok: true, document: value, policy: policyOf(parsed.data) }
}

/** What no single field can say. */
function relationFaults(given: Given) {
  const projects = new Map(Object.entries(given.projects))
  const names = [...projects.keys()]
  const unknown = (path: string[], missing: string) =>
    fault(pointerOf(path), `there is no project ${missing}`, nearest(missing, names))
  const ofProjects = [...projects].flatMap(([each, { parent }]) => {
    const path = ['projects', each, 'parent']
    if (parent != null && !projects.has(parent)) return [unknown(path, parent)]
    return isInCycle(projects, each) ? [fault(pointerOf(path), `project ${each} is its own ancestor`)] : []
  })
  const ofBudgets = Object.entries(given.budgets).flatMap(([id, each]) => [
    ...(projects.has(each.project) ? [] : [unknown(['budgets', id, 'project'], each.project)]),
    ...((each.gpuHours == null) === (each.money == null)
      ? [fault(pointerOf(['budgets', id]), 'must have either gpuHours or money', null, 'key')]
      : []),
  ])
  return [...ofProjects, ...ofBudgets]
}

function isInCycle(
  projects: ReadonlyMap<string, { readonly parent?: string | null | undefined }>,
  start: string,
): boolean {
  let at = projects.get(start)?.parent ?? null
  for (let steps = 0; at !== null && steps <= projects.size; steps += 1) {
    if (at === start) return true
    at = projects.get(at)?.parent ?? null
  }
  return false
}

/** Names are what their schema says; the casts only give them their brand. */
function policyOf(given: Given): Policy {
  return {
    defaultCluster: given.defaultCluster as ClusterName,
    projects: Object.entries(given.projects).map(([each, { parent, quotaGpus, maxPriority }]) => ({
      name: each as ProjectName,
      parent: (parent ?? null) as ProjectName | null,
      quotaGpus: quotaGpus ?? null,
      maxPriority,
    })),
    budgets: Object.entries(given.budgets).map(([id, each]): PolicyBudget => ({
      id: id as BudgetId,
      project: each.project as ProjectName,
      unit: each.money == null ? { kind: 'gpu-ms' } : { kind: 'money', currency: given.currency },
      hard: each.hard,
      limit: each.money ?? each.gpuHours ?? 0,
    })),
    prices: Object.entries(given.prices).map(([gpuModel, price]) => ({
      gpuModel,
      price: { microsPerGpuHour: micros(price), currency: given.currency },
    })),
  }
}
