// The policy file: who may use how much of what, and what it costs. Money is exact: decimal text to integer micros, never a float.
import { z } from 'zod'
import type { BudgetId, ClusterName, ProjectName } from '../domain/ids.ts'
import type { Policy, PolicyBudget } from '../domain/policy.ts'
import { PRIORITIES } from '../domain/reasons.ts'
import type { Period } from '../domain/period.ts'
import { EVERY } from '../domain/period.ts'
import { epochMs, micros } from '../domain/units.ts'
import { amount, day, gpuName, name, refuse, strict } from './fields.ts'
import { faultsOf, HINTS_MAX, PARSE } from './issues.ts'
import { toPlain } from './plain.ts'
import type { Fault, Locate, Problem } from './problems.ts'
import { excerpt, fault, nowhere, placed, pointerOf, shown } from './problems.ts'
import { nearest } from './suggest.ts'
import { parseYaml } from './yaml.ts'

const EVER = '0'

/** Comparisons of two names that suggestions for one document may take. */
const HINT_PAIRS_MAX = 50_000

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

const LABEL = /^([A-Za-z0-9][-A-Za-z0-9_./]{0,62})=([A-Za-z0-9][-A-Za-z0-9_.]{0,62})$/

const budget = strict({
  project: name.nullish(),
  user: z.string().min(1).max(100).nullish(),
  /** `team=vision`. */
  label: z
    .string()
    .regex(LABEL, 'must be a key and a value, such as team=vision')
    .transform((text) => {
      const [, key = '', value = ''] = LABEL.exec(text) ?? []
      return { key, value }
    })
    .nullish(),
  run: name.nullish(),
  gpuHours: hours.nullish(),
  money: amount.nullish(),
  hard: z.boolean().default(true),
  /** The limit is that of each of them, in UTC. */
  period: z.enum(EVERY).nullish(),
  /** A fixed window in the place of a period: from a day to before another. */
  from: day.nullish(),
  to: day.nullish(),
})

const priceEver = amount.transform((always): Record<string, number> => ({ [EVER]: always }))
const priceByDay = z
  .record(day.transform(String), amount)
  .refine((days) => Object.keys(days).length > 0, 'must have a day and a price')

/** One price, or what counts from each day on. A union would complain of a wrong day as of a wrong price. */
const price = z.unknown().transform((value, context): Record<string, number> => {
  const parsed = (typeof value === 'object' && value !== null ? priceByDay : priceEver).safeParse(value, PARSE)
  if (parsed.success) return parsed.data
  for (const { pointer, message, hint } of faultsOf(parsed.error.issues))
    refuse(context, message, hint, pointer.split('/').slice(1))
  return z.NEVER
})

const schema = strict({
  defaultCluster: name,
  currency: z.string().regex(/^[A-Z]{3}$/, 'must be a currency code such as EUR'),
  projects: z.record(name, project),
  budgets: z.record(name, budget).default({}),
  /** Money an hour of one GPU, by GPU model. */
  prices: z.record(gpuName, price).default({}),
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
  const ofFields = [...plain.faults, ...(parsed.success ? [] : faultsOf(parsed.error.issues))]
  // Something that is no name at all is said once.
  const said = new Set(ofFields.map((each) => each.pointer))
  const faults = [...ofFields, ...relationFaults(plain.value).filter((each) => !said.has(each.pointer))]
  if (faults.length > 0 || !parsed.success) return { ok: false, problems: shown(placed(faults, locate)) }
  return { ok: true, document: value, policy: policyOf(parsed.data) }
}

type Tree = Readonly<Record<string, unknown>>
const treeOf = (value: unknown): Tree =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Tree) : {}

/** What no single field can say. It reads what was given, not what was understood, so that one wrong price hides none of it. */
function relationFaults(given: unknown): Fault[] {
  const { projects: givenProjects, budgets } = treeOf(given)
  const parents = new Map(Object.entries(treeOf(givenProjects)).map(([each, of]) => [each, treeOf(of)['parent']]))
  const names = [...parents.keys()]
  const faults: Fault[] = []
  const unknown = (path: string[], missing: string): void => {
    const hint = faults.length < Math.min(HINTS_MAX, HINT_PAIRS_MAX / names.length) ? nearest(missing, names) : null
    faults.push(fault(pointerOf(path), `there is no project ${excerpt(missing)}`, hint))
  }
  const cyclic = inCycles(parents)
  for (const [each, parent] of parents) {
    const path = ['projects', each, 'parent']
    if (typeof parent === 'string' && !parents.has(parent)) unknown(path, parent)
    else if (cyclic.has(each)) faults.push(fault(pointerOf(path), `project ${excerpt(each)} is its own ancestor`))
  }
  for (const [id, of] of Object.entries(treeOf(budgets))) {
    const { project: owner, user, label, run, gpuHours, money, period, from, to } = treeOf(of)
    if (owner == null && user == null && label == null)
      faults.push(
        fault(pointerOf(['budgets', id]), 'must name a project, a user or a label: whom it covers', null, 'key'),
      )
    if (run != null && owner == null)
      faults.push(fault(pointerOf(['budgets', id, 'run']), 'needs the project of the run beside it'))
    if ((from == null) !== (to == null))
      faults.push(fault(pointerOf(['budgets', id]), 'must have both from and to, or neither', null, 'key'))
    else if (from != null && period != null)
      faults.push(fault(pointerOf(['budgets', id, 'period']), 'cannot stand beside from and to'))
    else if (typeof from === 'string' && typeof to === 'string' && from >= to)
      faults.push(fault(pointerOf(['budgets', id, 'to']), 'must be a day after from: the first that does not count'))
    if (typeof owner === 'string' && !parents.has(owner)) unknown(['budgets', id, 'project'], owner)
    if ((gpuHours == null) === (money == null))
      faults.push(fault(pointerOf(['budgets', id]), 'must have either gpuHours or money', null, 'key'))
  }
  return faults
}

/** Each project is passed once: where a walk meets its own steps, these from there on are a cycle. */
function inCycles(parents: ReadonlyMap<string, unknown>): ReadonlySet<string> {
  const done = new Set<string>()
  const cyclic = new Set<string>()
  for (const start of parents.keys()) {
    const walk = new Set<string>()
    let at: unknown = start
    while (typeof at === 'string' && parents.has(at) && !done.has(at) && !walk.has(at)) {
      walk.add(at)
      at = parents.get(at)
    }
    let inside = false
    for (const each of walk) {
      inside ||= each === at
      if (inside) cyclic.add(each)
      done.add(each)
    }
  }
  return cyclic
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
      project: (each.project ?? null) as ProjectName | null,
      user: each.user ?? null,
      label: each.label ?? null,
      run: each.run ?? null,
      unit: each.money == null ? { kind: 'gpu-ms' } : { kind: 'money', currency: given.currency },
      hard: each.hard,
      limit: each.money ?? each.gpuHours ?? 0,
      period: periodOf(each),
    })),
    prices: Object.entries(given.prices).flatMap(([gpuModel, days]) =>
      Object.entries(days).map(([since, each]) => ({
        gpuModel,
        since: epochMs(Number(since)),
        price: { microsPerGpuHour: micros(each), currency: given.currency },
      })),
    ),
  }
}

function periodOf({ period, from, to }: Given['budgets'][string]): Period | null {
  if (period != null) return { kind: 'every', every: period }
  return from == null || to == null ? null : { kind: 'window', series: null, from, to }
}
