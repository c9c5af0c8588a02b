// What requests and views get besides the loops' ports.
import type { ClusterName } from '../../domain/ids.ts'
import type { Principal, Verb } from '../../domain/principal.ts'
import type { Refusal } from '../../domain/refusal.ts'
import { refused } from '../../domain/refusal.ts'
import type { Run } from '../../domain/run.ts'
import { authorise } from '../../core/authorise/authorise.ts'
import type { Control } from '../control.ts'

export type RequestContext = {
  readonly control: Control
  readonly defaultCluster: ClusterName
  readonly peaks: ReadonlyMap<string, number | null>
  readonly secrets: Secrets
}

/** What needs hashes and randomness of the system. */
export type Secrets = {
  /** A new secret, and its hash as it is stored. */
  create(): { readonly id: string; readonly secret: string; readonly hash: Uint8Array }
  hash(secret: string): Uint8Array
  /** What a receiver of webhooks checks our signature with, as Standard Webhooks write it: `whsec_` and base64. */
  signing(): string
}

export function mayNot(
  who: Principal,
  verb: Verb,
  project: string | null,
  owner: string | null = null,
): Refusal | null {
  if (authorise(who, verb, project, owner)) return null
  const where = project === null ? '' : ` in project ${project}`
  return refused(
    'not-allowed',
    `${who.kind === 'user' ? who.name : 'this token'} may not ${verb}${where}`,
    'ask an admin for a role that may',
  )
}

/** The run that a caller means, or `not-found` also where he may not see it: a stranger learns no names. */
export async function findVisible(
  context: RequestContext,
  who: Principal,
  reference: string,
  verb: Verb,
): Promise<Run | Refusal> {
  const run = await context.control.store.findRun(reference)
  const missing = refused('not-found', `there is no run ${reference}`, 'plimsoll runs lists them')
  if (run === null || mayNot(who, 'run.read', run.project) !== null) return missing
  return mayNot(who, verb, run.project, run.user) ?? run
}

export const isRefusal = (value: Run | Refusal): value is Refusal => 'ok' in value
