// What operators and admins ask: the queue, nodes, policy, tokens.
import type { TokenDocument } from '../../domain/documents.ts'
import type { ProjectName } from '../../domain/ids.ts'
import type { Node } from '../../domain/node.ts'
import type { Policy } from '../../domain/policy.ts'
import type { Principal } from '../../domain/principal.ts'
import { actorOf } from '../../domain/principal.ts'
import type { Answer } from '../../domain/refusal.ts'
import { accepted, refused } from '../../domain/refusal.ts'
import { plusMs } from '../../domain/units.ts'
import type { World } from '../../domain/world.ts'
import type { NewToken, Steered } from '../../ports/requests.ts'
import type { StoredToken } from '../../ports/token-store.ts'
import type { RequestContext } from './context.ts'
import { mayNot } from './context.ts'
import { nodeNamed } from './node-named.ts'
import { tokenDocument } from './session.ts'

export async function pauseQueue(
  context: RequestContext,
  who: Principal,
  paused: boolean,
  reason: string,
): Promise<Answer<{ paused: boolean }>> {
  const refusal = mayNot(who, 'queue.pause', null)
  if (refusal !== null) return refusal
  const { store, clock, doorbell } = context.control
  const verb = paused ? 'queue.pause' : 'queue.resume'
  await store.pauseQueue(paused, paused ? reason : '', {
    at: clock.now(),
    actor: actorOf(who),
    verb,
    target: 'queue',
    detail: { reason },
  })
  doorbell.ring('place')
  return accepted({ paused })
}

export async function cordon(
  context: RequestContext,
  who: Principal,
  name: string,
  cordoned: boolean,
  reason: string,
): Promise<Answer<Steered>> {
  const refusal = mayNot(who, 'node.cordon', null)
  if (refusal !== null) return refusal
  return steerNode(context, who, name, {
    verb: cordoned ? 'node.cordon' : 'node.uncordon',
    reason,
    image: (node) =>
      (node.cordon !== null) === cordoned
        ? accepted(null)
        : accepted({
            ...node,
            cordon: cordoned ? { by: actorOf(who), reason, at: context.control.clock.now() } : null,
          }),
    note: (node) =>
      context.control.clusters.get(node.cluster)?.cordons !== false
        ? null
        : `it holds inside Plimsoll only: Kubernetes is not told, ${cordoned ? "and others' pods may still be placed on the node" : 'and a cordon of its own stays'} (cordon in the file of cluster ${node.cluster}, rbac.cordon of the chart)`,
  })
}

/**
 * Ends the incarnation of a node: one that will not come back, or one that came back with fewer GPUs, whose inventory is lowered in no
 * other way. Refused while a run holds slots of it. What is still there is registered anew by the next look.
 */
export async function forgetNode(
  context: RequestContext,
  who: Principal,
  name: string,
  reason: string,
): Promise<Answer<Steered>> {
  const refusal = mayNot(who, 'node.forget', null)
  if (refusal !== null) return refusal
  return steerNode(context, who, name, {
    verb: 'node.forget',
    reason,
    image: (node, world) => {
      const holding = world.claims.find((claim) => claim.node === node.id)
      if (holding === undefined) return accepted({ ...node, deletedAt: world.now })
      return refused(
        'node-in-use',
        `run ${holding.run} holds slots of node ${node.id}`,
        'cordon the node and wait for its run, or stop the run; a node that is gone for good gives them up when it is declared lost',
      )
    },
  })
}

type Steering = {
  readonly verb: string
  readonly reason: string
  /** What the node becomes; null: it is so already. */
  readonly image: (node: Node, world: World) => Answer<Node | null>
  readonly note?: (node: Node) => string | null
}

/** How often a node may change under a request before the caller is told to try again. */
const TRIES = 5

async function steerNode(
  { control }: RequestContext,
  who: Principal,
  name: string,
  { verb, reason, image, note }: Steering,
): Promise<Answer<Steered>> {
  for (let tried = 0; tried < TRIES; tried += 1) {
    const world = await control.store.world(control.health)
    const named = nodeNamed(world, name)
    if (!named.ok) return named
    const node = named.value
    const next = image(node, world)
    if (!next.ok) return next
    const steered = { node: node.id, note: note?.(node) ?? null }
    if (next.value === null) return accepted(steered)
    const committed = await control.store.commit(null, [
      {
        about: `${verb} ${node.id}`,
        expects: [{ kind: 'node', id: node.id, version: node.version }],
        writes: [
          { kind: 'node', node: next.value, heartbeat: false },
          {
            kind: 'audit',
            entry: { at: control.clock.now(), actor: actorOf(who), verb, target: node.id, detail: { reason } },
          },
        ],
      },
    ])
    if (committed.kind === 'committed' && committed.results[0]?.kind === 'applied') {
      for (const loop of ['observe', 'place'] as const) control.doorbell.ring(loop)
      return accepted(steered)
    }
  }
  return refused('stale', `node ${name} changed all the time`, 'try again')
}

export async function applyPolicy(
  context: RequestContext,
  who: Principal,
  policy: Policy,
  document: unknown,
  ifVersion: number | null,
): Promise<Answer<{ version: number }>> {
  const refusal = mayNot(who, 'policy.apply', null)
  if (refusal !== null) return refusal
  const { store, clock, doorbell } = context.control
  const audit = {
    at: clock.now(),
    actor: actorOf(who),
    verb: 'policy.apply',
    target: 'policy',
    detail: {},
  }
  const answer = await store.applyPolicy(policy, document, audit, ifVersion)
  doorbell.ring('place')
  return answer
}

export async function createToken(
  context: RequestContext,
  who: Principal,
  token: NewToken,
): Promise<Answer<{ token: TokenDocument; secret: string }>> {
  const refusal = mayNot(who, 'token.create', null)
  if (refusal !== null) return refusal
  const { store, clock } = context.control
  if (token.project !== null) {
    const { projects } = await store.shares()
    if (!projects.has(token.project as ProjectName)) {
      const known = [...projects.keys()].join(', ')
      return refused('unknown-project', `there is no project ${token.project}`, `use one of ${known}`, '/project')
    }
  }
  const { id, secret, hash } = context.secrets.create()
  const now = clock.now()
  const stored: StoredToken = {
    id,
    name: token.name,
    subject: token.subject,
    role: token.role,
    project: token.project as ProjectName | null,
    createdAt: now,
    expiresAt: token.ttlMs === null ? null : plusMs(now, token.ttlMs),
    lastUsedAt: null,
    revokedAt: null,
    session: null,
  }
  await store.addToken(stored, hash, {
    at: now,
    actor: actorOf(who),
    verb: 'token.create',
    target: id,
    detail: { role: token.role, subject: token.subject, project: token.project },
  })
  return accepted({ token: tokenDocument(stored), secret })
}

export async function revokeToken(context: RequestContext, who: Principal, id: string): Promise<Answer<TokenDocument>> {
  const refusal = mayNot(who, 'token.revoke', null)
  if (refusal !== null) return refusal
  const { store, clock } = context.control
  const now = clock.now()
  const token = await store.revokeToken(id, now, {
    at: now,
    actor: actorOf(who),
    verb: 'token.revoke',
    target: id,
    detail: {},
  })
  return token === null
    ? refused('not-found', `there is no token ${id}`, 'plimsoll token list shows them')
    : accepted(tokenDocument(token))
}
