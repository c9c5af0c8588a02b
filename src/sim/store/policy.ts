// Policy and tokens in memory.
import type { BudgetId, ProjectName } from '../../domain/ids.ts'
import type { Budget, BudgetUnit } from '../../domain/budget.ts'
import { LIMIT_MAX } from '../../domain/budget.ts'
import type { Every } from '../../domain/period.ts'
import { SESSION_KEPT_MS } from '../../domain/limits.ts'
import { isRowOfSeries, samePeriod, seriesOf } from '../../domain/period.ts'
import type { Policy, PolicyBudget } from '../../domain/policy.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { Answer } from '../../domain/refusal.ts'
import { accepted, otherVersion, refused } from '../../domain/refusal.ts'
import type { Clock } from '../../ports/clock.ts'
import type { PolicyStore } from '../../ports/store.ts'
import type { StoredToken, TokenStore } from '../../ports/token-store.ts'
import type { Tables } from './tables.ts'
import { writeAudit } from './tables.ts'

export function policyStore(tables: Tables): PolicyStore {
  return {
    async applyPolicy(policy, document, audit, ifVersion = null) {
      const other = otherVersion(ifVersion, tables.policies.rows.length)
      if (other !== null) return other
      const missing = inUse(tables, policy)
      if (missing !== null) return missing
      tables.writes += 1
      saveProjects(tables, policy)
      saveBudgets(tables, policy, audit.at)
      tables.prices.clear()
      for (const { gpuModel, since, price } of policy.prices)
        tables.prices.set(gpuModel, [...(tables.prices.get(gpuModel) ?? []), { since, price }])
      const version = tables.policies.rows.length + 1
      tables.policies.append({ version, document })
      writeAudit(tables, audit)
      return accepted({ version })
    },
    async pauseQueue(paused, reason, audit) {
      tables.writes += 1
      tables.queue = { paused, reason }
      writeAudit(tables, audit)
    },
  }
}

/** A project or budget that something still counts on cannot just vanish. */
function inUse(tables: Tables, policy: Policy): Answer<never> | null {
  const projects = new Set<ProjectName>(policy.projects.map((each) => each.name))
  for (const run of tables.runs.values()) {
    if (projects.has(run.project)) continue
    const whatToDo = 'keep it in the policy; a quota of 0 stops new ones'
    return refused('policy-in-use', `project ${run.project} has runs`, whatToDo)
  }
  const budgets = new Set<BudgetId>(policy.budgets.map((each) => each.id))
  const reserved = new Set([...tables.reserves.values()].map(({ budget }) => budget))
  for (const budget of tables.budgets.values()) {
    if (budgets.has(seriesOf(budget))) continue
    if (budget.used === 0 && budget.reserved === 0 && !reserved.has(budget.id)) continue
    const whatToDo = 'keep it in the policy; its books would be lost'
    return refused('policy-in-use', `budget ${budget.id} has been used`, whatToDo)
  }
  const used = new Set([...reserved].flatMap((id) => tables.budgets.get(id) ?? []).map(seriesOf))
  for (const { id, period } of policy.budgets) {
    const before = tables.budgets.get(id)
    if (before === undefined || !used.has(id) || samePeriod(before.period, period)) continue
    const message = `budget ${id} has been used, and its period would be another`
    return refused('policy-in-use', message, 'keep its period, and give the new one a name of its own')
  }
  const asked = new Set([...tables.extensions.values()].map(({ budget }) => budget))
  for (const { id, unit } of policy.budgets) {
    const before = tables.budgets.get(id)
    if (before === undefined || !(used.has(id) || asked.has(id)) || sameUnit(before.unit, unit)) continue
    const message = `budget ${id} has been used, and it would count in another unit`
    return refused('policy-in-use', message, 'keep its unit, and give the new one a name of its own')
  }
  return null
}

const currencyOf = (unit: BudgetUnit): string | null => (unit.kind === 'money' ? unit.currency : null)
const sameUnit = (a: BudgetUnit, b: BudgetUnit): boolean => currencyOf(a) === currencyOf(b)
const everyOf = ({ period }: Pick<Budget, 'period'>): Every | null => (period?.kind === 'every' ? period.every : null)

function saveProjects(tables: Tables, policy: Policy): void {
  const old = new Map(tables.projects)
  tables.projects.clear()
  for (const project of policy.projects) {
    const before = old.get(project.name)
    tables.projects.set(project.name, { ...project, version: before === undefined ? 1 : before.version + 1 })
  }
}

function saveBudgets(tables: Tables, policy: Policy, now: EpochMs): void {
  const old = new Map(tables.budgets)
  tables.budgets.clear()
  const put = (id: BudgetId, changed: PolicyBudget, before: Budget): void => {
    const isRow = isRowOfSeries(before)
    const period = isRow ? before.period : changed.period
    const extended = isRow || everyOf(before) === everyOf(changed) ? before.extended : 0
    const limit = Math.min(LIMIT_MAX, changed.limit + extended)
    tables.budgets.set(id, { ...before, ...changed, id, period, limit, extended, version: before.version + 1 })
  }
  for (const budget of policy.budgets) {
    const before = old.get(budget.id)
    if (before === undefined)
      tables.budgets.set(budget.id, { ...budget, used: 0, reserved: 0, over: 0, extended: 0, version: 1 })
    else put(budget.id, budget, before)
    if (before !== undefined && everyOf(before) !== everyOf(budget)) continue
    for (const row of old.values()) {
      if (!isRowOfSeries(row) || seriesOf(row) !== budget.id) continue
      if (row.period?.kind === 'window' && row.period.to > now) put(row.id, budget, row)
      else tables.budgets.set(row.id, row)
    }
  }
}

const USED_EVERY_MS = 60_000
const textOf = (hash: Uint8Array): string => hash.join(',')

export function tokenStore(tables: Tables, clock: Clock): TokenStore {
  return {
    async addToken(token, hash, audit) {
      const text = textOf(hash)
      if (tables.tokens.has(token.id) || [...tables.tokens.values()].some((each) => each.hash === text)) {
        throw new Error(`token ${token.id} is there already`)
      }
      tables.tokens.set(token.id, { token: { ...token, lastUsedAt: null, revokedAt: null }, hash: text, signIn: null })
      writeAudit(tables, audit)
    },
    async addSession(token, hash, signIn, audit) {
      const used = textOf(signIn)
      if ([...tables.tokens.values()].some((each) => each.signIn === used)) return false
      const { session, role, project, subject } = token
      for (const [id, other] of tables.tokens) {
        if (other.token.session === null) continue
        if ((other.token.expiresAt ?? Infinity) < token.createdAt - SESSION_KEPT_MS) tables.tokens.delete(id)
        else if (other.token.session.identity === session.identity && other.token.revokedAt === null)
          other.token = { ...other.token, session, role, project, subject }
      }
      tables.tokens.set(token.id, { token, hash: textOf(hash), signIn: used })
      writeAudit(tables, audit)
      return true
    },
    async endSessions(identity, at, audit) {
      for (const each of tables.tokens.values())
        if (each.token.session?.identity === identity && each.token.revokedAt === null)
          each.token = { ...each.token, revokedAt: at }
      writeAudit(tables, audit)
    },
    async findToken(hash) {
      const text = textOf(hash)
      const found = [...tables.tokens.values()].find((each) => each.hash === text)
      if (found === undefined) return null
      const { token } = found
      // Written at most once a minute, and seen by the next look: reading does not become writing.
      if ((token.lastUsedAt ?? 0) < clock.now() - USED_EVERY_MS) found.token = { ...token, lastUsedAt: clock.now() }
      return token
    },
    async tokens(): Promise<readonly StoredToken[]> {
      return [...tables.tokens.values()].map((each) => each.token).toSorted((a, b) => a.createdAt - b.createdAt)
    },
    async revokeToken(id, at, audit) {
      const found = tables.tokens.get(id)
      if (found === undefined) return null
      found.token = { ...found.token, revokedAt: found.token.revokedAt ?? at }
      writeAudit(tables, audit)
      return found.token
    },
  }
}
