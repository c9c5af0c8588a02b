// Findings for people: a page of them, and those of a run that are open.
import type { FindingDocument, FindingRow } from '../../domain/documents.ts'
import type { Finding, Rule } from '../../domain/finding.ts'
import type { RunId } from '../../domain/ids.ts'
import { attemptNumberOf, attemptOfWorker } from '../../domain/ids.ts'
import { LOG_CUT_WHAT_TO_DO, logCutText } from '../../domain/log-limit.ts'
import type { Run } from '../../domain/run.ts'
import { isEnded } from '../../domain/run.ts'
import { epochMs } from '../../domain/units.ts'
import type { FindingsQuery } from '../../ports/detect-store.ts'
import type { Control } from '../control.ts'
import { expertFindingOf } from './experts.ts'

export function rowOf(finding: Finding, runs: ReadonlyMap<RunId, Run>): FindingRow {
  const { id, rule, severity, since, seenAt, resolvedAt, message, evidence, gpuMs, money, whatToTry, subject } = finding
  const { project, run, attempt, budget } = subject
  return {
    id,
    rule,
    severity,
    project,
    run,
    runName: run === null ? null : (runs.get(run)?.name ?? null),
    attempt: attempt === null ? null : attemptNumberOf(attempt),
    budget,
    since,
    seenAt,
    resolvedAt,
    message,
    evidence,
    gpuMs,
    money,
    whatToTry,
  }
}

/** A page goes on after the finding that it names: `<since>~<id>`. */
export const cursorOf = ({ since, id }: Finding): string => `${since}~${id}`

export function cursorFrom(after: string | null): FindingsQuery['before'] {
  if (after === null) return null
  const at = after.indexOf('~')
  return { since: epochMs(Number(after.slice(0, at))), id: after.slice(at + 1) }
}

/** A run has few that are open: one of a rule for its attempt. */
const OPEN_MAX = 100

/** What is over with the run, and no better: what it made has it still. */
const OF_THE_RESULT: ReadonlySet<Rule> = new Set([
  'loss-not-finite',
  'loss-diverged',
  'experts-collapsed',
  'experts-dead',
])

/** Of a run that has ended, also what its result has; of one that goes on, only what is open. */
function stillSo({ state, endedAt }: Run, { rule, resolvedAt }: Finding): boolean {
  if (resolvedAt === null) return true
  return isEnded(state) && endedAt !== null && resolvedAt >= endedAt && OF_THE_RESULT.has(rule)
}

/** What is open of a run, the newest first, and what was wrong with how it was counted or kept. */
export async function findingsOf({ store }: Pick<Control, 'store'>, run: Run): Promise<FindingDocument[]> {
  const open = isEnded(run.state) ? null : true
  const seen = await store.findings({ projects: null, run: run.id, open, before: null, limit: OPEN_MAX })
  const shown = seen.filter((each) => stillSo(run, each))
  const findings = shown.map(
    ({ rule, severity, since, message, whatToTry, gpuMs, money, subject }): FindingDocument => {
      const attempt = subject.attempt === null ? run.attempts : attemptNumberOf(subject.attempt)
      return { kind: rule, attempt, severity, since, text: message, whatToDo: whatToTry, gpuMs, money }
    },
  )
  const unpriced = { severity: 'warning', gpuMs: null, money: null } as const
  const miscounted = await expertFindingOf(store, run)
  if (miscounted !== null) {
    const { attempt, text, whatToDo } = miscounted
    findings.push({ ...unpriced, kind: 'experts-unconserved', attempt, since: null, text, whatToDo })
  }
  const cut = await store.logCut(run.id)
  if (cut !== null) {
    const attempt = attemptNumberOf(attemptOfWorker(cut.worker))
    const text = logCutText(cut)
    findings.push({ ...unpriced, kind: 'log-limit', attempt, since: cut.at, text, whatToDo: LOG_CUT_WHAT_TO_DO })
  }
  return findings
}
