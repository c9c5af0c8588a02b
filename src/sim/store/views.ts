// Reads for people, in memory.
import type { Claim } from '../../domain/claim.ts'
import type { AttemptId } from '../../domain/ids.ts'
import type { EfficiencyRead } from '../../domain/efficiency.ts'
import type { Fact } from '../../domain/fact.ts'
import { compareStreams, streamOf } from '../../domain/fact.ts'
import type { Run } from '../../domain/run.ts'
import { LOG_CHUNKS_A_PAGE_MAX, SAVES_READ_MAX } from '../../domain/limits.ts'
import { gpusOf } from '../../domain/spec.ts'
import type { LedgerRead, RunsQuery, StoredLog, ViewStore } from '../../ports/store.ts'
import { heldGpuMs } from '../../domain/holdings.ts'
import type { EpochMs } from '../../domain/units.ts'
import { earlier } from '../../domain/units.ts'
import type { WorkerId } from '../../domain/ids.ts'
import { newestCell, readAll } from './books.ts'
import type { Tables } from './tables.ts'
import { livingClaims } from './tables.ts'

export function viewStore(tables: Tables): ViewStore {
  return {
    async runsPage(filter, limit, before) {
      return [...tables.runs.values()]
        .filter(
          (run) =>
            (filter.projects === null || filter.projects.includes(run.project)) &&
            (filter.state === null || run.state.kind === filter.state) &&
            (before === null || run.id < before),
        )
        .toSorted((a, b) => (a.id < b.id ? 1 : -1))
        .slice(0, limit)
    },
    async runsTable({ projects, states, user, text, sort, descending, offset, limit }) {
      const matching = [...tables.runs.values()].filter(
        (run) =>
          (projects === null || projects.includes(run.project)) &&
          (user === null || run.user === user) &&
          (text === null || `${run.project}/${run.name} ${run.user} ${run.id}`.toLowerCase().includes(text)),
      )
      const found = matching
        .filter((run) => states === null || states.includes(run.state.kind))
        .toSorted((a, b) => (descending ? -1 : 1) * (compareBy(sort, a, b) || (a.id < b.id ? -1 : 1)))
      const counts: Record<string, number> = {}
      for (const { state } of matching) counts[state.kind] = (counts[state.kind] ?? 0) + 1
      return { runs: found.slice(offset, offset + limit), total: found.length, counts }
    },
    async runsOf(ids) {
      return ids.flatMap((id) => tables.runs.get(id) ?? [])
    },
    async newestSteps(attempts) {
      return new Map(
        attempts.flatMap((attempt) => {
          const steps = stepsOf(tables, attempt).toReversed().slice(0, 8)
          return steps.length === 0 ? [] : [[attempt, steps] as const]
        }),
      )
    },
    async resumedStep(attempt) {
      const steps = [...(tables.facts.get(attempt)?.values() ?? [])].flatMap(({ at, body }) =>
        body.kind === 'resumed' ? [{ at, step: body.step }] : [],
      )
      return steps.toSorted((a, b) => b.at - a.at)[0]?.step ?? null
    },
    async claimsOf(runs) {
      return tables.claims.filter((claim) => runs.includes(claim.run))
    },
    async seriesOf(run, points) {
      const steps: Fact[] = []
      const marks: Fact[] = []
      for (const attempt of tables.attemptsOf.get(run) ?? []) {
        const own = stepsOf(tables, attempt)
        const streams = own.map((fact) => streamOf(fact.source)).toSorted(compareStreams)
        const chosen = tables.books.get(attempt)?.source ?? streams[0]
        steps.push(...own.filter((fact) => streamOf(fact.source) === chosen))
        for (const fact of tables.facts.get(attempt)?.values() ?? [])
          if (fact.body.kind === 'saved' || fact.body.kind === 'resumed') marks.push(fact)
      }
      const stride = Math.max(1, Math.ceil(steps.length / points))
      return {
        steps: steps.filter((_, index) => index % stride === 0),
        marks: marks.toSorted((a, b) => a.at - b.at),
        thinned: stride > 1,
      }
    },
    async attemptsOf(run) {
      const ids = tables.attemptsOf.get(run) ?? []
      return {
        attempts: ids.flatMap((id) => tables.attempts.get(id) ?? []),
        claims: tables.claims.filter((claim) => claim.run === run),
        newest: ids.flatMap((id) => newestCell(tables, id) ?? []),
      }
    },
    async efficiencyRead(run) {
      const ranOn = new Map<string, EfficiencyRead['ranOn'][number]>()
      for (const { attempt, node } of tables.claims.filter((claim) => claim.run === run)) {
        const seat = tables.nodes.get(node)
        if (attempt === null || seat === undefined) continue
        const { gpuModel, declared } = seat
        ranOn.set(`${attempt}|${gpuModel}|${declared}`, { attempt, gpuModel, declared })
      }
      const saves = new Map<string, EfficiencyRead['saves'][number]>()
      for (const attempt of tables.attemptsOf.get(run) ?? []) {
        for (const { at, body } of tables.facts.get(attempt)?.values() ?? []) {
          if (body.kind !== 'saved') continue
          const key = `${attempt}|${body.step}`
          saves.set(key, { attempt, step: body.step, at: earlier(at, saves.get(key)?.at ?? at) })
        }
      }
      const inOrder = [...saves.values()].toSorted((a, b) => a.at - b.at || a.step - b.step)
      return { ranOn: [...ranOn.values()], saves: inOrder.slice(-SAVES_READ_MAX) }
    },
    async statementRead(run, firstCell) {
      const own = tables.claims.filter((claim) => claim.run === run)
      const nodes = new Set(own.filter((claim) => claim.releasedAt === null).map((claim) => claim.node))
      return {
        books: readAll(tables, tables.attemptsOf.get(run) ?? [], firstCell, true),
        nodes: [...tables.nodes.values()].filter((node) => nodes.has(node.id)),
        claims: livingClaims(tables).filter((claim) => nodes.has(claim.node)),
        holds: tables.heldBy.get(`restart:${run}`) ?? [],
        holdClaims: own.filter((claim) => claim.attempt === null),
      }
    },
    ledgerRead: async (from, to, firstCell) => ledgerRead(tables, from, to, firstCell),
    events: async (run, limit, after) =>
      tables.events.rows.filter((event) => event.run === run && event.id > after).slice(0, limit),
    log: async (worker, offset, bytesMax) => storedLog(tables, worker, offset, bytesMax),
    logCut: async (run) => tables.runLogs.get(run)?.cut ?? null,
    audit: async (limit, before) =>
      tables.audit.rows
        .filter((entry) => before === null || entry.id < before)
        .toReversed()
        .slice(0, limit),
    policy: async () => tables.policies.rows.at(-1) ?? null,
  }
}

function ledgerRead(
  tables: Tables,
  from: EpochMs,
  to: EpochMs,
  firstCell: Parameters<ViewStore['ledgerRead']>[2],
): LedgerRead {
  const sums = new Map<string, LedgerRead['held'][number]>()
  for (const row of tables.held.rows) {
    if (row.from < from || row.from >= to) continue
    const key = `${row.node}|${row.holder}`
    const gpuMs = (sums.get(key)?.gpuMs ?? 0) + heldGpuMs(row)
    sums.set(key, { node: row.node, holder: row.holder, gpuMs })
  }
  const postings = new Map<string, LedgerRead['postings'][number]>()
  for (const { attempt, cell, account, gpuMs } of tables.postings.rows) {
    if (cell < from || cell >= to) continue
    const key = `${attempt}|${account}`
    postings.set(key, { attempt, account, gpuMs: (postings.get(key)?.gpuMs ?? 0) + gpuMs })
  }
  // The newest image of each holder says whose it is.
  const holders = new Map<string, Claim>()
  for (const claim of tables.claims) {
    if (claim.placedAt < to && (claim.releasedAt === null || claim.releasedAt >= from)) holders.set(claim.holder, claim)
  }
  const runs = new Set([...holders.values()].map((claim) => claim.run))
  return {
    nodes: [...tables.nodes.values()],
    inventory: [...tables.inventory].flatMap(([node, rows]) => rows.map((row) => ({ node, ...row }))),
    claims: livingClaims(tables),
    held: [...sums.values()],
    holders: [...holders.values()],
    postings: [...postings.values()],
    open: readAll(tables, openBooks(tables, to), firstCell, false),
    runs: [...runs].flatMap((run) => tables.runs.get(run) ?? []),
  }
}

/** Attempts whose postings do not cover their holdings before `to`. */
function openBooks(tables: Tables, to: EpochMs): AttemptId[] {
  return [...tables.books.values()]
    .filter(({ attempt, closed, postedTo }) => {
      const living = tables.attempts.get(attempt)?.state.kind !== 'ended'
      return !closed && (living || (postedTo ?? 0) < to)
    })
    .map((books) => books.attempt)
    .toSorted()
}

function storedLog(tables: Tables, worker: WorkerId, asked: number, bytesMax: number): StoredLog {
  const cursor = tables.cursors.get(worker)
  const end = cursor?.storedTo ?? cursor?.offset ?? 0
  const offset = asked < 0 ? Math.max(0, end + asked) : asked
  const chunks = (tables.chunks.get(worker) ?? [])
    .filter((chunk) => chunk.nextOffset > offset)
    .slice(0, LOG_CHUNKS_A_PAGE_MAX)
  const parts: Uint8Array[] = []
  let at = offset
  let size = 0
  for (const chunk of chunks) {
    if (size > 0 && size + chunk.bytes.length > bytesMax) break
    const skip = Math.max(0, offset - chunk.offset)
    if (parts.length === 0) at = chunk.offset + skip
    parts.push(chunk.bytes.subarray(skip))
    size += chunk.bytes.length - skip
  }
  const bytes = new Uint8Array(size)
  let filled = 0
  for (const part of parts) {
    bytes.set(part, filled)
    filled += part.length
  }
  const nextOffset = parts.length === 0 ? offset : at + size
  const complete = (cursor?.complete ?? true) && nextOffset >= end
  return { offset: at, bytes, nextOffset, complete, cut: cursor !== undefined && cursor.storedTo !== null }
}

function stepsOf(tables: Tables, attempt: AttemptId): Fact[] {
  return [...(tables.facts.get(attempt)?.values() ?? [])]
    .filter((fact) => fact.body.kind === 'step')
    .toSorted((a, b) => a.at - b.at || a.sequence - b.sequence)
}

function compareBy(sort: RunsQuery['sort'], a: Run, b: Run): number {
  const text = (x: string, y: string): number => (x < y ? -1 : x > y ? 1 : 0)
  switch (sort) {
    case 'created':
      return 0
    case 'name':
      return text(`${a.project}/${a.name}`, `${b.project}/${b.name}`)
    case 'state':
      return text(a.state.kind, b.state.kind)
    case 'gpus':
      return gpusOf(a.resources) - gpusOf(b.resources)
    case 'held':
      return a.paidGpuMs - b.paidGpuMs
    case 'ended':
      return (a.endedAt ?? Number.MAX_SAFE_INTEGER) - (b.endedAt ?? Number.MAX_SAFE_INTEGER)
  }
}
