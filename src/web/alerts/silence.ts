// What a silence may hold back, as a person chooses it, and what is asked for then.
import { RULES, type Rule } from '../../domain/finding.ts'
import type { Alert, Silence } from './api.ts'
import { type Grants, mayIn } from './may.ts'

/** Each that is not null must be so. */
export type Scope = { readonly project: string | null; readonly rule: Rule | null; readonly run: string | null }

const HOUR = 3_600_000
export const DURATIONS = [
  [HOUR, '1 hour'],
  [4 * HOUR, '4 hours'],
  [12 * HOUR, '12 hours'],
  [24 * HOUR, '1 day'],
  [3 * 24 * HOUR, '3 days'],
  [7 * 24 * HOUR, '7 days'],
  [31 * 24 * HOUR, '31 days'],
] as const

/** The narrowest first; only those that the person may ask for. */
export function scopesOf(
  { rule, run, project }: Pick<Alert, 'rule' | 'run' | 'project'>,
  session: Grants,
): readonly Scope[] {
  const ofRun =
    run === null
      ? []
      : [
          { project, rule, run },
          { project, rule: null, run },
        ]
  const ofProject =
    project === null
      ? [{ project, rule, run: null }]
      : [
          { project, rule, run: null },
          { project, rule: null, run: null },
        ]
  return [...ofRun, ...ofProject].filter((scope) => mayIn(session, 'alert.handle', scope.project))
}

/** `no-progress of vision/moe`; `runName` where the run has one. */
export function scopeText({ project, rule, run }: Scope, runName: string | null): string {
  const what = rule ?? 'everything'
  if (run !== null) return `${what} of run ${runName ?? run}`
  return project === null ? `${what}, in every project` : `${what} in project ${project} and below it`
}

export function silenceBody(
  { project, rule, run }: Scope,
  forMs: number,
  reason: string,
): { project: string | null; rule: Rule | null; run: string | null; forMs: number; reason: string } {
  return { project: run === null ? project : null, rule, run, forMs, reason: reason.trim() }
}

/** How many alerts each silence keeps back now, by its id. */
export function heldBack(silences: readonly Silence[], alerts: readonly Alert[]): ReadonlyMap<string, number> {
  return new Map(silences.map(({ id }) => [id, alerts.filter(({ silence }) => silence === id).length]))
}

export const ruleOf = (text: string): Rule | null => RULES.find((rule) => rule === text) ?? null
