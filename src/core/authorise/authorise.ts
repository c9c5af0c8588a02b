// Who may do what: one function, default deny, reads too (design: security). A test walks every verb with every role.
import type { Principal, Role, Verb } from '../../domain/principal.ts'

const READ: readonly Verb[] = [
  'run.read',
  'run.logs',
  'queue.read',
  'node.read',
  'ledger.read',
  'budget.read',
  'alert.read',
  'system.read',
]

/** What each role may do in the projects that it is granted for. */
const MAY: Readonly<Record<Role, readonly Verb[]>> = {
  viewer: READ,
  // `run.stop` and its kin are for his own runs, which `authorise` checks by the owner.
  member: [...READ, 'run.submit', 'run.stop', 'run.suspend', 'run.resume', 'budget.ask', 'alert.handle'],
  lead: [
    ...READ,
    'run.submit',
    'run.stop',
    'run.suspend',
    'run.resume',
    'budget.ask',
    'alert.handle',
    'channel.write',
    'policy.read',
    'audit.read',
  ],
  operator: [
    ...READ,
    'run.stop',
    'run.suspend',
    'run.resume',
    'queue.pause',
    'node.cordon',
    'node.forget',
    'alert.handle',
    'policy.read',
    'audit.read',
  ],
  payer: [
    'run.read',
    'queue.read',
    'node.read',
    'ledger.read',
    'budget.read',
    'budget.ask',
    // He pays: who only asks never sets a limit.
    'budget.extend',
    'alert.read',
    'alert.handle',
    'policy.read',
    'audit.read',
    'system.read',
  ],
  admin: [
    ...READ,
    'run.submit',
    'run.stop',
    'run.suspend',
    'run.resume',
    'queue.pause',
    'node.cordon',
    'node.forget',
    'budget.ask',
    'budget.extend',
    'alert.handle',
    'channel.write',
    'policy.read',
    'policy.apply',
    'audit.read',
    'token.create',
    'token.list',
    'token.revoke',
  ],
}

/** Verbs about the whole installation: a grant for one project is not enough. */
const GLOBAL: ReadonlySet<Verb> = new Set([
  'queue.pause',
  'node.cordon',
  'node.forget',
  'policy.read',
  'policy.apply',
  'audit.read',
  'token.create',
  'token.list',
  'token.revoke',
])

const OWN_ONLY: ReadonlySet<Verb> = new Set(['run.stop', 'run.suspend', 'run.resume'])

/** `project` null: the verb is about no project. `owner` is the user of the run that it is about. */
export function authorise(who: Principal, verb: Verb, project: string | null, owner: string | null): boolean {
  if (who.kind !== 'user') return false
  return who.grants.some((grant) => {
    if (!MAY[grant.role].includes(verb)) return false
    if (grant.project !== null && (GLOBAL.has(verb) || (project !== null && grant.project !== project))) return false
    if (grant.role === 'member' && OWN_ONLY.has(verb)) return owner === who.name
    return true
  })
}

/** Whether a caller sees everything, or only some projects: lists are filtered by it. */
export function visibleProjects(who: Principal, verb: Verb): 'all' | ReadonlySet<string> {
  if (who.kind !== 'user') return new Set()
  const grants = who.grants.filter((grant) => MAY[grant.role].includes(verb))
  if (grants.some((grant) => grant.project === null)) return 'all'
  return new Set(grants.flatMap((grant) => (grant.project === null ? [] : [grant.project as string])))
}
