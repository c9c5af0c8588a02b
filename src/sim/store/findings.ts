// Findings in memory, and what detectors look at.
import type { Attempt } from '../../domain/attempt.ts'
import type { Fact } from '../../domain/fact.ts'
import { compareStreams, streamOf } from '../../domain/fact.ts'
import type { Finding } from '../../domain/finding.ts'
import type { AttemptId, RunId } from '../../domain/ids.ts'
import type { EpochMs } from '../../domain/units.ts'
import { later } from '../../domain/units.ts'
import type { DetectStore, Hearing } from '../../ports/detect-store.ts'
import type { MeasureFrame } from '../../ports/store.ts'
import { layerSets, stepsBetween, summedAt } from './experts.ts'
import type { Tables } from './tables.ts'

export function detectStore(tables: Tables, measure: MeasureFrame): DetectStore {
  return {
    hearing: async (attempts) => new Map(attempts.flatMap((attempt) => hearing(tables, attempt))),
    async factsAfter(wanted, limit) {
      const found = new Map<string, Fact[]>()
      for (const facts of tables.facts.values())
        for (const fact of facts.values())
          if (wanted.some(({ source, after }) => source === fact.source && fact.sequence > after))
            found.set(fact.source, [...(found.get(fact.source) ?? []), fact])
      return new Map(
        [...found].map(([source, facts]) => [source, facts.toSorted((a, b) => a.sequence - b.sequence).slice(-limit)]),
      )
    },
    async phasesAfter(wanted, limit) {
      return new Map(
        wanted.map(({ attempt, after }) => {
          const phases = [...(tables.facts.get(attempt)?.values() ?? [])].filter(
            ({ at, body }) => at > after && (body.kind === 'begin' || body.kind === 'end'),
          )
          return [attempt, phases.toSorted((a, b) => b.at - a.at).slice(0, limit)] as const
        }),
      )
    },
    async newestMeasures(attempts, steps) {
      return attempts.flatMap((attempt) =>
        layerSets(tables, attempt).flatMap(({ layers, names, experts, topK }) => {
          const set = [...tables.expertSets.values()].find((each) => each.attempt === attempt && each.layers === layers)
          if (set === undefined) return []
          const newest = stepsBetween(set, 0, Number.MAX_SAFE_INTEGER).slice(-steps)
          const measured = newest.flatMap((step) =>
            summedAt(set, step).map((frame) => ({ step: frame.step, at: frame.at, ...measure(frame) })),
          )
          return [{ attempt, names, experts, topK, steps: measured }]
        }),
      )
    },
    async newestEnded(runs) {
      const wanted = new Set(runs)
      const newest = new Map<RunId, Attempt>()
      for (const attempt of tables.attempts.values())
        if (wanted.has(attempt.run) && attempt.state.kind === 'ended') {
          const known = newest.get(attempt.run)
          if (known === undefined || attempt.number > known.number) newest.set(attempt.run, attempt)
        }
      return newest
    },
    async failedSince(at, limit) {
      const failed = [...tables.runs.values()].filter(
        ({ id, project, name, state, endedAt }) =>
          state.kind === 'failed' &&
          endedAt !== null &&
          endedAt > at &&
          ![...tables.runs.values()].some((run) => run.id > id && run.project === project && run.name === name),
      )
      return failed.toSorted((a, b) => (b.endedAt ?? 0) - (a.endedAt ?? 0)).slice(0, limit)
    },
    openFindings: async () =>
      [...tables.findings.values()]
        .filter(({ resolvedAt }) => resolvedAt === null)
        .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    async findings({ projects, run, open, before, limit }) {
      const newestFirst = (a: Pick<Finding, 'since' | 'id'>, b: Pick<Finding, 'since' | 'id'>): number =>
        b.since - a.since || (a.id === b.id ? 0 : a.id < b.id ? 1 : -1)
      return [...tables.findings.values()]
        .filter(
          (finding) =>
            (projects === null || (finding.subject.project !== null && projects.includes(finding.subject.project))) &&
            (run === null || finding.subject.run === run) &&
            (open === null || (finding.resolvedAt === null) === open) &&
            (before === null || newestFirst(before, finding) < 0),
        )
        .toSorted(newestFirst)
        .slice(0, limit)
    },
  }
}

function hearing(tables: Tables, attempt: AttemptId): [AttemptId, Hearing][] {
  const steps = [...(tables.facts.get(attempt)?.values() ?? [])].filter(({ body }) => body.kind === 'step')
  const stream =
    tables.books.get(attempt)?.source ?? steps.map(({ source }) => streamOf(source)).toSorted(compareStreams)[0] ?? null
  const heard = new Map<string, EpochMs | null>()
  for (const worker of tables.cursorsOf.get(attempt) ?? [])
    heard.set(`log:${worker}`, tables.cursors.get(worker)?.observedTo ?? null)
  for (const [name, source] of tables.sources) if (source.attempt === attempt) heard.set(name, source.observedTo)
  if (stream === null) {
    const newest = [...heard.values()].reduce(
      (last, at) => (last === null || at === null ? (at ?? last) : later(last, at)),
      null,
    )
    return heard.size === 0 ? [] : [[attempt, { source: null, heardTo: newest }]]
  }
  const process = tables.sources.get(stream)?.process
  return [
    [attempt, { source: process === undefined ? stream : `${stream}:${process}`, heardTo: heard.get(stream) ?? null }],
  ]
}
