// What always holds, seen from outside: these know only nouns of the domain and the tables of the simulated store, and trust no
// decision. Each gives a sentence for what is broken, or null.
import type { WorkerId } from '../../domain/ids.ts'
import { attemptOfWorker } from '../../domain/ids.ts'
import type { Tables } from '../store/tables.ts'

/** Per node, the rows of layer 1 sum to inventory x what is booked, and no moment is booked twice. */
export function checkConservation(tables: Tables): string | null {
  const sums = new Map<string, number>()
  const keys = new Set<string>()
  for (const row of tables.held.rows) {
    const key = `${row.node}|${row.from}|${row.holder}`
    if (keys.has(key)) return `layer 1 has ${key} twice`
    keys.add(key)
    sums.set(row.node, (sums.get(row.node) ?? 0) + row.slots * (row.to - row.from))
  }
  for (const node of tables.nodes.values()) {
    const booked = node.inventory * (node.bookedTo - node.registeredAt)
    if ((sums.get(node.id) ?? 0) !== booked)
      return `node ${node.id} has ${sums.get(node.id) ?? 0} GPU-ms in its books and ${booked} in its past`
  }
  return null
}

/** Per attempt and cell, revision 1 sums to layer 1, later ones to 0, and no balance is negative. Only whole cells are compared. */
export function checkPostings(tables: Tables): string | null {
  const byRevision = new Map<string, number>()
  const balances = new Map<string, number>()
  for (const row of tables.postings.rows) {
    const revision = `${row.attempt}|${row.cell}|${row.revision}`
    byRevision.set(revision, (byRevision.get(revision) ?? 0) + row.gpuMs)
    const balance = `${row.attempt}|${row.cell}|${row.account}`
    balances.set(balance, (balances.get(balance) ?? 0) + row.gpuMs)
  }
  for (const [key, gpuMs] of balances) if (gpuMs < 0) return `the balance of ${key} is ${gpuMs}`
  const held = new Map<string, number>()
  for (const row of tables.held.rows) {
    const attempt = row.holder.slice(0, row.holder.lastIndexOf('-'))
    const key = `${attempt}|${Math.floor(row.from / 300_000) * 300_000}|1`
    held.set(key, (held.get(key) ?? 0) + row.slots * (row.to - row.from))
  }
  for (const [key, gpuMs] of byRevision) {
    const should = key.endsWith('|1') ? (held.get(key) ?? 0) : 0
    if (gpuMs !== should) return `revision ${key} sums to ${gpuMs}, not ${should}`
  }
  return null
}

/** A slot belongs to one gang at a time, and a gang that holds anything holds all of it. */
export function checkGangs(tables: Tables): string | null {
  const holders = new Map<string, string>()
  const held = new Map<string, number>()
  for (const claim of tables.claims) {
    if (claim.releasedAt !== null) continue
    for (const slot of claim.slots) {
      const key = `${claim.node}#${slot}`
      const other = holders.get(key)
      if (other !== undefined) return `slot ${key} is held by ${other} and ${claim.holder}`
      holders.set(key, claim.holder)
    }
    if (claim.attempt !== null) held.set(claim.attempt, (held.get(claim.attempt) ?? 0) + 1)
  }
  for (const attempt of tables.attempts.values()) {
    // On a lost node a worker is released before the rest of its gang, which is being ended.
    if (attempt.state.kind === 'ended' || attempt.state.kind === 'stopping') continue
    if (held.get(attempt.id) !== attempt.placement.workers.length)
      return `attempt ${attempt.id} holds ${held.get(attempt.id) ?? 0} of its ${attempt.placement.workers.length} workers' slots`
  }
  return null
}

/** Each worker of each attempt starts a process at most once. */
export function checkLaunches(starts: readonly WorkerId[]): string | null {
  const seen = new Set<WorkerId>()
  for (const start of starts) {
    if (seen.has(start)) return `worker ${start} was started twice`
    seen.add(start)
  }
  return null
}

/** What really runs: no slot is used by processes of two attempts, whatever the books believe. */
export function checkProcesses(tables: Tables, running: readonly WorkerId[]): string | null {
  const users = new Map<string, WorkerId>()
  for (const id of running) {
    const attempt = attemptOfWorker(id)
    const worker = tables.attempts.get(attempt)?.placement.workers.find((each) => each.id === id)
    for (const slot of worker?.slots ?? []) {
      const key = `${worker?.node}#${slot}`
      const other = users.get(key)
      if (other !== undefined && attemptOfWorker(other) !== attempt) return `slot ${key} is used by ${other} and ${id}`
      users.set(key, id)
    }
  }
  return null
}

/** The sums of a budget are those of the reserves of its runs, and its wall stands but for what was booked over it. */
export function checkBudgets(tables: Tables): string | null {
  const sums = new Map<string, { used: number; reserved: number; over: number }>()
  for (const { budget, granted, posted } of tables.reserves.values()) {
    const sum = sums.get(budget) ?? { used: 0, reserved: 0, over: 0 }
    sum.used += posted
    sum.reserved += Math.max(0, granted - posted)
    sum.over += Math.max(0, posted - granted)
    sums.set(budget, sum)
  }
  for (const { id, used, reserved, over, hard, limit } of tables.budgets.values()) {
    const sum = sums.get(id) ?? { used: 0, reserved: 0, over: 0 }
    for (const [name, is, should] of [
      ['used', used, sum.used],
      ['reserved', reserved, sum.reserved],
      ['over', over, sum.over],
    ] as const) {
      if (is !== should) return `budget ${id} says ${name} ${is}, and its runs ${should}`
    }
    if (hard && used + reserved - over > limit) return `budget ${id} promised ${used + reserved - over} of ${limit}`
  }
  return null
}
