// What must be true of each commit, seen from outside: nobody writes over what he did not read, who was deposed writes nothing, what
// has ended stays as it is, every act stands in the audit log, and nothing is placed where nothing may be placed.
import { claimKey } from '../../domain/apply.ts'
import type { Attempt } from '../../domain/attempt.ts'
import type { AttemptId, ProjectName } from '../../domain/ids.ts'
import type { Project } from '../../domain/project.ts'
import { WAIT_REASONS } from '../../domain/reasons.ts'
import type { Run } from '../../domain/run.ts'
import { isEnded } from '../../domain/run.ts'
import type { Commit, Tables } from '../store/tables.ts'

/** Of an item that was applied, every row has the version that the decision read: else another's change is undone. */
export function checkVersions(commit: Commit): string | null {
  for (const [index, item] of commit.items.entries()) {
    if (commit.results[index]?.kind !== 'applied') continue
    for (const { kind, id, version } of item.expects) {
      const rows: ReadonlyMap<string, { readonly version: number }> =
        kind === 'run' ? commit.before.runs : commit.before.nodes
      const row = rows.get(id)
      if (row !== undefined && row.version !== version)
        return `"${item.about}" was decided on version ${version} of ${kind} ${id}, and written over version ${row.version}`
    }
  }
  return null
}

export function checkLead(tables: Tables, { epoch }: Commit): string | null {
  if (epoch === null || epoch === tables.leader.epoch) return null
  return `a leader of epoch ${epoch} wrote in epoch ${tables.leader.epoch}`
}

/** An end is final; attempts are numbered without a gap; a run that waits says why, in a word of the list. */
export function checkStates({ before, changes }: Commit): string | null {
  for (const [id, old] of before.attempts) {
    if (old.state.kind === 'ended') return `attempt ${id} had ended, and was written again`
  }
  for (const [id, old] of before.runs) {
    if (changes.runs.has(id) && isEnded(old.state))
      return `run ${id} had ended (${old.state.kind}), and was written again`
  }
  for (const attempt of changes.attempts.values()) {
    if (before.attempts.has(attempt.id)) continue
    const run = changes.runs.get(attempt.run)
    if (run?.attempts !== attempt.number || before.runs.get(attempt.run)?.attempts !== attempt.number - 1)
      return `attempt ${attempt.id} does not follow the attempts of its run`
  }
  for (const { id, state, wish } of changes.runs.values()) {
    if (state.kind === 'queued' && !WAIT_REASONS.includes(state.reason)) return `run ${id} waits for "${state.reason}"`
    if (state.kind === 'cancelled' && wish !== 'stop' && wish !== 'stop-now')
      return `run ${id} is cancelled, and nobody asked for it`
  }
  return null
}

/** Promise 8: what a person or a rule did stands in the audit log of the same commit. */
export function checkAudit({ before, changes }: Commit): string | null {
  const targets = new Set(changes.audit.map((entry) => entry.target))
  for (const run of changes.runs.values()) {
    const old = before.runs.get(run.id)
    if (old !== undefined && askedFor(old, run) && !targets.has(run.id))
      return `run ${run.id} was steered (${old.state.kind} to ${run.state.kind}, ${run.wish}) without an audit row`
  }
  for (const node of changes.nodes.values()) {
    const old = before.nodes.get(node.id)
    if (old === undefined || targets.has(node.id)) continue
    const cordoned = (old.cordon === null) !== (node.cordon === null)
    const deleted = old.deletedAt === null && node.deletedAt !== null
    const lost = old.condition.kind !== 'lost' && node.condition.kind === 'lost'
    if (cordoned || deleted || lost) return `node ${node.id} was taken in or out of service without an audit row`
  }
  return null
}

function askedFor(old: Run, run: Run): boolean {
  if (run.wish !== 'run' && run.wish !== old.wish) return true
  if (old.state.kind === 'suspended') return run.state.kind !== 'suspended'
  return old.state.kind === 'queued' && (run.state.kind === 'cancelled' || run.state.kind === 'suspended')
}

/** Requests that are not items: each submit, each policy and each turn of the queue has its row too. */
export class AuditCounts {
  readonly #tables: Tables
  readonly #counts = new Map<string, number>()
  #seen = 0
  #queue: Tables['queue']

  constructor(tables: Tables) {
    this.#tables = tables
    this.#queue = tables.queue
  }

  look(): string | null {
    const { rows } = this.#tables.audit
    let steered = false
    for (; this.#seen < rows.length; this.#seen += 1) {
      const verb = rows[this.#seen]?.verb ?? ''
      this.#counts.set(verb, (this.#counts.get(verb) ?? 0) + 1)
      steered ||= verb.startsWith('queue.')
    }
    const { runs, policies, queue } = this.#tables
    const changed = queue !== this.#queue
    this.#queue = queue
    if (changed && !steered) return 'the queue was paused or resumed without an audit row'
    const submits = this.#counts.get('run.submit') ?? 0
    if (runs.size !== submits) return `${runs.size} runs were submitted, and ${submits} audit rows say so`
    const applied = this.#counts.get('policy.apply') ?? 0
    if (policies.rows.length !== applied) return `${policies.rows.length} policies, and ${applied} audit rows say so`
    return null
  }
}

/** Rules that were decided on before they changed: a placement under way may still be committed. */
type Rules = { readonly at: number; readonly paused: boolean; readonly projects: ReadonlyMap<ProjectName, Project> }

/** Longer than a process hangs between its look and its commit. */
const UNDER_WAY_MS_MAX = 45_000
const BOOKED_KEPT = 200

/** Nothing is placed while the queue is paused, on a node that is out of service, or beyond a quota. */
export class Placements {
  readonly #tables: Tables
  /** How far books were written, and since when that is so. */
  #booked: { readonly to: number; readonly at: number }[] = []
  /** The rules as they were, newest last, each from the moment at which it was first seen. */
  #rules: Rules[] = []
  #now = 0

  constructor(tables: Tables) {
    this.#tables = tables
  }

  /** Called whenever something may have changed, with the true time. */
  note(at: number): void {
    const { queue, projects } = this.#tables
    const last = this.#rules.at(-1)
    const same =
      last !== undefined &&
      last.paused === queue.paused &&
      last.projects.size === projects.size &&
      [...projects].every(([name, project]) => last.projects.get(name) === project)
    if (!same) this.#rules.push({ at, paused: queue.paused, projects: new Map(projects) })
    let to = this.#booked.at(-1)?.to ?? -Infinity
    for (const node of this.#tables.nodes.values()) to = Math.max(to, node.bookedTo)
    if (to > (this.#booked.at(-1)?.to ?? -Infinity)) this.#booked = [...this.#booked.slice(-BOOKED_KEPT), { to, at }]
    this.#now = at
  }

  /** `decidedAt` is when the picture of the world was taken, in true time. */
  commit(commit: Commit, decidedAt: (attempt: Attempt) => number): string | null {
    const placed = [...commit.changes.attempts.values()].filter((attempt) => !commit.before.attempts.has(attempt.id))
    for (const attempt of placed) {
      const rules = this.#since(decidedAt(attempt))
      const problem =
        this.#usable(commit, attempt) ??
        this.#behindBooks(attempt) ??
        (rules.every((each) => each.paused) ? `${attempt.id} was placed while the queue was paused` : null) ??
        this.#withinQuota(attempt, rules)
      if (problem !== null) return problem
    }
    return this.#whole(commit, new Set(placed.map((attempt) => attempt.id)))
  }

  /** Those that held at that moment or later. */
  #since(at: number): Rules[] {
    const first = this.#rules.findLastIndex((rules) => rules.at <= at)
    return this.#rules.slice(Math.max(0, first))
  }

  #usable(commit: Commit, attempt: Attempt): string | null {
    for (const worker of attempt.placement.workers) {
      const node = commit.before.nodes.get(worker.node) ?? this.#tables.nodes.get(worker.node)
      if (node === undefined || node.deletedAt !== null || node.cordon !== null || node.condition.kind !== 'ready')
        return `${worker.id} was placed on ${worker.node}, which is out of service`
      if (worker.slots.some((slot) => slot >= node.inventory)) return `${worker.id} has a slot that is not there`
    }
    return null
  }

  /** A clock that is behind the books places nothing; what was booked while the decision was under way does not count. */
  #behindBooks(attempt: Attempt): string | null {
    const known = this.#booked.findLast(({ at }) => at <= this.#now - UNDER_WAY_MS_MAX)
    if (known === undefined || attempt.plannedAt >= known.to) return null
    return `${attempt.id} was placed at ${attempt.plannedAt}, and the books stood at ${known.to}`
  }

  #withinQuota(attempt: Attempt, rules: readonly Rules[]): string | null {
    const project = this.#tables.runs.get(attempt.run)?.project
    for (const name of project === undefined ? [] : this.#line(project)) {
      const quotas = rules.map((each) => each.projects.get(name)?.quotaGpus ?? Infinity)
      const quota = Math.max(...quotas)
      const held = this.#heldBelow(name)
      if (held > quota) return `project ${name} holds ${held} GPUs of its quota of ${quota} with ${attempt.id}`
    }
    return null
  }

  #line(name: ProjectName): ProjectName[] {
    const line: ProjectName[] = []
    for (let at: ProjectName | null = name; at !== null && !line.includes(at);) {
      line.push(at)
      at = this.#tables.projects.get(at)?.parent ?? null
    }
    return line
  }

  #heldBelow(name: ProjectName): number {
    let held = 0
    for (const claim of this.#tables.livingClaims.values()) {
      const project = this.#tables.runs.get(claim.run)?.project
      if (project !== undefined && this.#line(project).includes(name)) held += claim.slots.length
    }
    return held
  }

  /** A gang comes whole: with its attempt, all of its claims in one commit. */
  #whole({ changes }: Commit, placed: ReadonlySet<AttemptId>): string | null {
    for (const id of placed) {
      const attempt = changes.attempts.get(id)
      for (const worker of attempt?.placement.workers ?? []) {
        if (!changes.claims.has(claimKey(worker.node, worker.id))) return `${id} was placed without ${worker.id}`
      }
    }
    return null
  }
}
