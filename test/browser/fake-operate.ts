// Made-up answers about the whole installation, for the fake server: machines, and later what waits, is spent and was done. Seeded by their
// numbers, so that each picture is the same each time.
import type { AuditEntry, Cluster, Counts, MachineNode, Queue, Token } from '../../src/web/api/operate.ts'
import type { TableRow } from '../../src/web/api/documents.ts'
import { alertsOf, deliveriesOf, endedOf } from './fake-alerts.ts'
import { budgetsOf, extensionsOf, findingsOf, ledgerOf } from './fake-books.ts'
import { comparisonOf } from './fake-comparison.ts'
import { chance, HOUR, HTML, LONG } from './fake-world.ts'

type World = 'none' | 'one' | 'many' | 'odd'

const iso = (at: number): string => new Date(at).toISOString()

/** The document at a path; null: it is none of these. */
export function operateAnswer(
  path: string,
  world: World,
  rows: readonly TableRow[],
  query: URLSearchParams,
  now: number,
): { readonly name: string; readonly fields: object } | null {
  switch (path) {
    case '/api/v1/nodes':
      return { name: 'nodes', fields: { clusters: clustersOf(world), nodes: nodesOf(world, rows, now) } }
    case '/api/v1/findings':
      return {
        name: 'findings',
        fields: { findings: (query.get('open') === 'false' ? endedOf : findingsOf)(world, rows, now), next: null },
      }
    case '/api/v1/alerts':
      return { name: 'alerts', fields: alertsOf(world, rows, now) }
    case '/api/v1/alerts/deliveries':
      return { name: 'deliveries', fields: deliveriesOf(world, query, now) }
    case '/api/v1/budgets':
      return { name: 'budgets', fields: { budgets: budgetsOf(world, now) } }
    case '/api/v1/budgets/extensions':
      return { name: 'extensions', fields: { extensions: extensionsOf(world, now) } }
    case '/api/v1/ledger':
      return { name: 'ledger', fields: ledgerOf(rows, nodesOf(world, rows, now), query, now) }
    case '/api/v1/comparison':
      return { name: 'comparison', fields: comparisonOf(world, rows, query, now) }
    case '/api/v1/audit':
      return { name: 'audit', fields: auditOf(world, query, now) }
    case '/api/v1/tokens':
      return { name: 'tokens', fields: { tokens: tokensOf(world, now), ...NEW_TOKEN } }
    case '/api/v1/counts':
      return { name: 'counts', fields: countsOf(world, rows, now) }
    case '/api/v1/queue':
      return { name: 'queue', fields: queueOf(world, rows) }
    case '/api/v1/policy':
      return { name: 'policy', fields: { version: 7, document: POLICY } }
    default:
      return steered(path)
  }
}

function countsOf(world: World, rows: readonly TableRow[], now: number): Counts {
  const holds = ['admitted', 'starting', 'running', 'stopping']
  return {
    holding: rows.filter(({ state }) => holds.includes(state)).length,
    waiting: queueOf(world, rows).waiting.length,
    nodesAway: nodesOf(world, rows, now).filter(({ state }) => state !== 'ready').length,
    findings: findingsOf(world, rows, now).length,
  }
}

/** What a token that is made is answered with; a list has it beside its own. */
const NEW_TOKEN = { name: 'ci', secret: 'plimsoll_fake_secret_that_opens_nothing' }

function tokensOf(world: World, now: number): Token[] {
  if (world === 'none') return []
  return Array.from({ length: world === 'many' ? 60 : 3 }, (_, index) => ({
    // Every third is of somebody with two roles.
    grants: (['admin', 'member'] as const).slice(0, index % 3 === 1 ? 2 : 1).map((role) => ({ role, project: null })),
    id: `t${index}`,
    name: world === 'odd' ? `${HTML} ${LONG}` : `token ${index}`,
    subject: ['lin', 'ci', 'collector'][index % 3] ?? 'lin',
    role: ['admin', 'member', 'viewer'][index % 3] ?? 'viewer',
    project: index % 3 === 1 ? 'pretraining' : null,
    createdAt: iso(now - index * HOUR),
    expiresAt: index % 4 === 0 ? null : iso(now + (index - 5) * 24 * HOUR),
    lastUsedAt: index % 2 === 0 ? iso(now - 60_000 * index) : null,
    revokedAt: index === 2 ? iso(now - HOUR) : null,
  }))
}

const AUDIT = 250

function auditOf(world: World, query: URLSearchParams, now: number) {
  const count = world === 'none' ? 0 : world === 'one' ? 1 : AUDIT
  const before = Number(query.get('after') ?? count + 1)
  const limit = Number(query.get('limit') ?? 100)
  const entries = Array.from({ length: count }, (_, index) => count - index)
    .filter((id) => id < before)
    .slice(0, limit)
    .map((id): AuditEntry => ({
      id,
      at: iso(now - (count - id) * 600_000),
      actor: id % 9 === 0 ? 'rule:node-lost' : `user:${['lin', 'sato', 'okafor'][id % 3]}`,
      verb: ['run.submit', 'run.stop', 'node.cordon', 'policy.apply'][id % 4] ?? '',
      target: world === 'odd' ? LONG : `r${String(id).padStart(15, '0')}`,
      detail:
        world === 'odd' ? { reason: HTML } : id % 4 === 3 ? { version: id, projects: ['a', 'b'] } : { reason: 'fan' },
    }))
  return { entries, next: entries.length === limit ? String(entries.at(-1)?.id) : null }
}

const POLICY = {
  defaultCluster: 'fake',
  currency: 'USD',
  projects: {
    pretraining: { quotaGpus: 1_024, maxPriority: 'high' },
    'post-training': { quotaGpus: 256 },
    research: {},
    'research/routing': { parent: 'research', quotaGpus: 64 },
    'research/long-context': { parent: 'research' },
    evaluation: { quotaGpus: 128 },
    multimodal: {},
  },
  prices: { 'h800-sxm': '2.00' },
}

/** Nobody waits where there is one run; where there are many, hundreds do. */
function queueOf(world: World, rows: readonly TableRow[]): Queue {
  const queued = rows.filter((row) => row.state === 'queued')
  const more = world === 'many' ? Array.from({ length: 60 }, () => queued).flat() : queued
  const odd = world === 'odd' ? rows.map((row) => ({ ...row, state: 'queued', reason: 'quota', message: LONG })) : more
  return {
    paused: world === 'odd',
    reason: world === 'odd' ? HTML : null,
    waiting: odd.map((row, index) => ({
      ...row,
      id: index < queued.length || world === 'odd' ? row.id : `${row.id}-${index}`,
      position: index + 1,
    })),
  }
}

function steered(path: string) {
  if (path.startsWith('/api/v1/tokens/')) return { name: 'token', fields: { id: path.split('/').at(-1) } }
  if (/\/queue\/(pause|resume)$/.test(path))
    return { name: 'queue-steered', fields: { paused: path.endsWith('pause') } }
  const [, node, verb] = /^\/api\/v1\/nodes\/([^/]+)\/(cordon|uncordon|forget)$/.exec(path) ?? []
  return node === undefined || verb === undefined ? null : { name: 'node-steered', fields: { node, note: null } }
}

const NODES: Readonly<Record<World, number>> = { none: 0, one: 1, many: 4_096, odd: 24 }

const clustersOf = (world: World): Cluster[] =>
  world === 'many'
    ? [
        { name: 'fake', health: 'reachable', message: null },
        { name: 'hamina', health: 'unknown', message: 'https://10.0.0.1:6443 does not answer: connect ETIMEDOUT' },
      ]
    : [{ name: 'fake', health: 'reachable', message: null }]

export function nodesOf(world: World, rows: readonly TableRow[], now: number): MachineNode[] {
  const running = rows.filter((row) => row.state === 'running')
  const places: { row: TableRow; left: number }[] = running.map((row) => ({ row, left: row.gpus }))
  return Array.from({ length: NODES[world] }, (_, index) => {
    const node = nodeOf(index, world, now)
    const free = node.state === 'cordoned' || node.state === 'lost' ? 0 : node.gpus - node.foreign
    const place = places.find(({ left }) => left > 0)
    if (place === undefined || free === 0) return node
    const gpus = Math.min(free, place.left)
    place.left -= gpus
    const { id: run, project, name } = place.row
    return { ...node, held: gpus, holders: [{ run, project, name, gpus }] }
  })
}

function nodeOf(index: number, world: World, now: number): MachineNode {
  const rack = String(Math.floor(index / 16) + 1).padStart(2, '0')
  const name = world === 'odd' && index === 3 ? LONG : `r${rack}-n${String((index % 16) + 1).padStart(2, '0')}`
  const well: MachineNode = {
    id: `fake/${name}/1`,
    cluster: 'fake',
    name,
    state: 'ready',
    reason: null,
    message: null,
    since: null,
    cordonedBy: null,
    unhealthy: false,
    taint: null,
    rack: world === 'one' ? null : `r${rack}`,
    block: index < 2_048 ? 'A' : 'B',
    gpuModel: index % 97 === 5 ? 'a100-sxm-80gb' : 'h800-sxm',
    declared: world === 'one',
    gpus: world === 'one' ? 2 : 8,
    held: 0,
    foreign: 0,
    holders: [],
    observedAt: iso(now - 3_000),
  }
  const since = iso(now - HOUR * (0.2 + 40 * chance(index, 21)))
  switch (world === 'many' ? index % 311 : world === 'odd' ? index : -1) {
    case 4:
      return {
        ...well,
        state: 'not-ready',
        reason: 'nodes-not-ready',
        unhealthy: true,
        since,
        message: 'it offers 7 GPUs and had 8: see what became of the others (dmesg, the device plugin)',
      }
    case 7:
      return {
        ...well,
        state: 'cordoned',
        reason: 'cordoned',
        cordonedBy: 'user:lindqvist',
        taint: 'plimsoll.dev/out=cordoned:NoSchedule',
        since,
        message: world === 'odd' ? `${HTML} ${LONG}` : 'GPU 5 fell off the bus (Xid 79), board is ordered',
      }
    case 12:
      return {
        ...well,
        state: 'draining',
        reason: 'cordoned',
        cordonedBy: 'user:sato',
        since: null,
        message: 'firmware',
      }
    case 18:
      return {
        ...well,
        state: 'suspect',
        since: iso(now - 200_000),
        observedAt: iso(now - 200_000),
        message: 'nothing was heard of it for 200 s',
      }
    case 21:
      return { ...well, state: 'lost', unhealthy: true, since, observedAt: since }
    case 22:
      return { ...well, foreign: 2 }
    case 23:
      return {
        ...well,
        state: 'not-ready',
        reason: 'preparing-environment',
        since: iso(now - 90_000),
        message: 'installs torch',
      }
    default:
      return well
  }
}
