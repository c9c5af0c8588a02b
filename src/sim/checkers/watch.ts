// All checkers, put together: `commit` looks at each commit as it is written, `look` at what stands after an event. Both look at what
// is new, so that they can look after every event; they know only nouns of the domain and the tables, and trust no decision.
import type { Attempt } from '../../domain/attempt.ts'
import type { AttemptId, WorkerId } from '../../domain/ids.ts'
import type { ReportSave } from '../../ports/store.ts'
import type { Commit, Tables } from '../store/tables.ts'
import type { Silence } from './blind.ts'
import { Blindness } from './blind.ts'
import { LayerOne, LayerTwo } from './books.ts'
import { Charges, checkDeadline, checkSums, checkWall } from './budgets.ts'
import { AuditCounts, checkAudit, checkLead, checkStates, checkVersions, Placements } from './commits.ts'
import { checkFences, checkGangs, checkProcesses, Launches } from './gangs.ts'
import type { Reported } from './reports.ts'
import { checkTraining, Reports } from './reports.ts'
import { TaintRows } from './taints.ts'

/** What really happens on the cluster, whatever the control plane believes. */
export type Reality = {
  readonly starts: readonly WorkerId[]
  /** Of now. */
  readonly running: Iterable<WorkerId>
  /** Goes up whenever a process begins or ends. */
  readonly moves: number
  readonly silences: readonly Silence[]
  /** How long the log of each worker was when its remains were removed. */
  readonly forgottenLogs: readonly { readonly worker: WorkerId; readonly bytes: number }[]
  /** By when each trainer will have made its next step. */
  readonly promises: ReadonlyMap<AttemptId, number>
}

export type WatchOptions = {
  readonly blindAfterMs: number
  readonly graceMs: number
  readonly fenceAfterMs: number
  /** The true time. */
  readonly now: () => number
  /** A moment of the clock of the process that wrote it, in true time. */
  readonly trueTime: (at: number) => number
  /** Whether the clocks of all processes have always been true: some promises can be compared with reality only then. */
  readonly clocksAreTrue: () => boolean
}

export class Watch {
  readonly #tables: Tables
  readonly #reality: Reality
  readonly #options: WatchOptions
  readonly #layerOne: LayerOne
  readonly #layerTwo: LayerTwo
  readonly #charges: Charges
  readonly #launches: Launches
  readonly #audit: AuditCounts
  readonly #taints: TaintRows
  readonly #placements: Placements
  readonly #blindness: Blindness
  readonly #reports: Reports
  #writes = -1
  #moves = -1
  #forgotten = 0
  #problem: string | null = null

  constructor(tables: Tables, reality: Reality, mail: Reported, options: WatchOptions) {
    this.#tables = tables
    this.#reality = reality
    this.#options = options
    this.#layerOne = new LayerOne(tables)
    this.#layerTwo = new LayerTwo(tables, this.#layerOne)
    this.#charges = new Charges(tables)
    this.#launches = new Launches(reality.starts)
    this.#audit = new AuditCounts(tables)
    this.#taints = new TaintRows(tables)
    this.#placements = new Placements(tables)
    this.#blindness = new Blindness(tables, reality.silences, options.blindAfterMs)
    this.#reports = new Reports(tables, mail)
  }

  commit(commit: Commit): void {
    const { now, trueTime, graceMs } = this.#options
    this.#placements.note(now())
    this.#problem ??=
      checkVersions(commit) ??
      checkLead(this.#tables, commit) ??
      checkStates(commit) ??
      checkAudit(commit) ??
      checkWall(commit) ??
      this.#charges.commit(commit) ??
      this.#placements.commit(commit, (attempt: Attempt) => trueTime(attempt.plannedAt))
    if (!this.#options.clocksAreTrue()) return
    for (const attempt of commit.changes.attempts.values()) {
      this.#problem ??= checkDeadline(this.#tables, this.#tables.attempts.get(attempt.id) ?? attempt, graceMs)
    }
  }

  /** A batch of a reporter that is about to be written. */
  report(report: ReportSave): void {
    this.#problem ??= this.#reports.save(report)
  }

  /** After an event. */
  look(): string | null {
    this.#problem ??= this.#reports.look() ?? checkTraining(this.#reality.promises, this.#options.now())
    if (this.#problem !== null) return this.#problem
    const moved = this.#moves !== this.#reality.moves
    const wrote = this.#writes !== this.#tables.writes
    this.#moves = this.#reality.moves
    this.#writes = this.#tables.writes
    this.#problem ??= this.#forgottenLogs()
    if (moved || wrote) {
      this.#problem ??= checkProcesses(this.#tables, this.#reality.running) ?? this.#launches.look()
      if (this.#options.clocksAreTrue()) this.#problem ??= this.#fences()
    }
    if (wrote) {
      this.#placements.note(this.#options.now())
      this.#problem ??=
        checkGangs(this.#tables) ??
        checkSums(this.#tables) ??
        this.#layerOne.look() ??
        this.#layerTwo.look() ??
        this.#audit.look() ??
        this.#taints.look() ??
        (this.#options.clocksAreTrue() ? this.#blindness.look() : null)
    }
    return this.#problem
  }

  #fences(): string | null {
    const { now, fenceAfterMs } = this.#options
    return checkFences(this.#tables, this.#reality.running, now(), fenceAfterMs)
  }

  /** What a worker printed is stored before its remains are removed. */
  #forgottenLogs(): string | null {
    const { forgottenLogs } = this.#reality
    for (; this.#forgotten < forgottenLogs.length; this.#forgotten += 1) {
      const { worker, bytes } = forgottenLogs[this.#forgotten] ?? { worker: '' as WorkerId, bytes: 0 }
      const read = this.#tables.cursors.get(worker)?.offset ?? 0
      if (read < bytes) return `${bytes - read} bytes of the log of ${worker} were removed before they were read`
    }
    return null
  }
}
