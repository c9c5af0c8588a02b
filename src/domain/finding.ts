// What a detector found: a rule, since when, with what evidence, what it costs, and what to try. It is open until it is over; nothing about
// it is ever forgotten. A detector that cannot see says nothing: what is open then stays so.
import type { AttemptId, BudgetId, ProjectName, RunId, WorkerId } from './ids.ts'
import type { EpochMs, GpuMs, Money, Price } from './units.ts'

/** The rules that there are, each with a detector of its own in core/detect. */
export const RULES = [
  'no-progress',
  'never-progressed',
  'loss-not-finite',
  'loss-diverged',
  'experts-collapsed',
  'experts-dead',
  'gpus-idle',
  'attempt-failed',
  'run-failed',
  'node-away',
  'budget-used',
  'budget-forecast',
  'burn-above-plan',
  'gpu-unpriced',
] as const
export type Rule = (typeof RULES)[number]

/** In rising order. `critical`: GPUs burn for nothing now, or a wall stands in the way; `warning`: look at it today. */
export const SEVERITIES = ['warning', 'critical'] as const
export type Severity = (typeof SEVERITIES)[number]

/** One number or line that speaks for a finding, with where and when it was seen. */
export type Evidence = {
  /** What it is, with its unit where it has one: `loss`, `median step time (s)`, `share of layer 3 in one expert`. */
  readonly what: string
  readonly value: string
  readonly at: EpochMs | null
  readonly worker: WorkerId | null
}

/** What a detector sees at one look. */
export type Sighting = {
  readonly rule: Rule
  /** Of two sightings of a rule with the same subject one is open at a time. */
  readonly subject: Subject
  readonly severity: Severity
  /** When it began, as far as the evidence says; the first look's word stands. */
  readonly since: EpochMs
  /** One sentence that stays true while it lasts: what, how much. Since when, who and the cost stand beside it. */
  readonly message: string
  readonly evidence: readonly Evidence[]
  /** GPUs that compute for nothing while it lasts; null where none do, or nobody can say. */
  readonly gpus: number | null
  /** What it has cost for good, where nothing more is lost while it lasts. */
  readonly spent?: GpuMs | null
  readonly price: Price | null
  readonly whatToTry: string
}

export type Subject = {
  readonly project: ProjectName | null
  readonly run: RunId | null
  readonly attempt: AttemptId | null
  readonly budget: BudgetId | null
  /** What else there may be several of: a set of layers, a threshold. */
  readonly part: string
}

export type Finding = Sighting & {
  /** `<rule>/<subject>/<since>`: the same for whoever opens it. */
  readonly id: string
  /** The last look that saw it. */
  readonly seenAt: EpochMs
  /** What `gpus` come to from its beginning to that look, or to its end. */
  readonly gpuMs: GpuMs | null
  /** Its price; null where a GPU has none. */
  readonly money: Money | null
  readonly resolvedAt: EpochMs | null
}

/** The name under which one finding of a rule is open at a time. */
export const keyOf = ({ rule, subject }: Pick<Sighting, 'rule' | 'subject'>): string =>
  [rule, subject.budget ?? subject.attempt ?? subject.run ?? subject.project ?? '', subject.part]
    .filter((part) => part !== '')
    .join('/')

export const findingIdOf = (sighting: Sighting): string => `${keyOf(sighting)}/${sighting.since}`

/** The order for people: what is critical, of that what has cost most, of that what lasts longest. `since` in one format for all. */
export const worstFirst = (
  a: { severity: Severity; gpuMs: number | null; since: string | number; id: string },
  b: { severity: Severity; gpuMs: number | null; since: string | number; id: string },
): number =>
  SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity) ||
  (b.gpuMs ?? 0) - (a.gpuMs ?? 0) ||
  (a.since === b.since ? 0 : a.since < b.since ? -1 : 1) ||
  (a.id < b.id ? -1 : 1)
