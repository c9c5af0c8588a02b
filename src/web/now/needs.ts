// What needs a person, worst first: what detectors found, what failed, machines that are away, walls that are near, who asks for more. Each has what, how much,
// since when, what to do and where it is seen; what lacks a measure says that it is not known.
import type { TableRow } from '../api/documents.ts'
import type { Budget, Cluster, Extension, Finding, MachineNode, Queue } from '../api/operate.ts'
import { scopeText } from '../../domain/budget.ts'
import { budgetText, countOf } from '../format/numbers.ts'
import { blindSince } from '../runs/freshness.ts'

export type Need = {
  readonly key: string
  readonly severity: 'crit' | 'warn'
  readonly what: string
  /** By which rule, as the log and the metrics name it. */
  readonly rule: string
  readonly run: { readonly id: string; readonly project: string; readonly name: string } | null
  readonly evidence: string
  readonly since: number | null
  readonly gpuMs: number | null
  readonly money: { readonly micros: number; readonly currency: string } | null
  /** GPUs that it is about, where no amount has come together. */
  readonly gpus: number | null
  readonly whatToDo: string
  readonly to: { readonly path: string; readonly name: string }
}

export type Seen = {
  readonly findings: readonly Finding[]
  readonly failed: readonly TableRow[]
  readonly holding: readonly TableRow[]
  readonly clusters: readonly Cluster[]
  readonly nodes: readonly MachineNode[]
  readonly budgets: readonly Budget[]
  /** Those that the viewer may decide. */
  readonly extensions: readonly Extension[]
  readonly queue: Queue | null
  readonly now: number
}

/** What failed earlier than that stands in the list of runs; nobody has to be told at night. */
export const FAILED_MS_MAX = 24 * 3_600_000
/** A budget with less than this left, of which no detector speaks. */
const LEFT_MIN = 0.02

export function needsOf(seen: Seen): readonly Need[] {
  const all = [
    ...seen.findings.map(ofFinding),
    ...ofClusters(seen.clusters),
    ...ofNodes(seen.nodes),
    ...ofSilent(seen.holding, seen.now),
    ...ofBudgets(seen.budgets, seen.findings),
    ...ofExtensions(seen.extensions),
    ...ofFailed(seen.failed, seen.findings, seen.now),
    ...ofQueue(seen.queue),
  ]
  return all.toSorted(
    (a, b) =>
      Number(b.severity === 'crit') - Number(a.severity === 'crit') ||
      (b.gpuMs ?? 0) - (a.gpuMs ?? 0) ||
      (a.since ?? seen.now) - (b.since ?? seen.now),
  )
}

const runPath = (run: string, tab = ''): string => `/runs/${encodeURIComponent(run)}${tab}`

const EVIDENCE_MAX = 3

function ofFinding(finding: Finding): Need {
  const { id, rule, severity, project, run, runName, budget, since, message, evidence, gpuMs, money, whatToTry } =
    finding
  const said = evidence.slice(0, EVIDENCE_MAX).map(({ what, value }) => (value === '' ? what : `${what}: ${value}`))
  const more = evidence.length > EVIDENCE_MAX ? [`${evidence.length - EVIDENCE_MAX} more`] : []
  return {
    key: id,
    severity: severity === 'critical' ? 'crit' : 'warn',
    what: message,
    rule,
    run: run === null ? null : { id: run, project: project ?? '', name: runName ?? run },
    evidence: [...said, ...more].join(' · '),
    since: Date.parse(since),
    gpuMs,
    money,
    gpus: null,
    whatToDo: whatToTry,
    to:
      run === null
        ? { path: '/projects', name: budget === null ? 'Open projects' : 'Open budget' }
        : rule.startsWith('experts-')
          ? { path: runPath(run, '/experts'), name: 'Open experts' }
          : { path: runPath(run), name: 'Open run' },
  }
}

function ofClusters(clusters: readonly Cluster[]): readonly Need[] {
  return clusters
    .filter(({ health }) => health === 'unknown')
    .map(({ name, message }) => ({
      key: `cluster-${name}`,
      severity: 'crit',
      what: `Cluster ${name} cannot be asked`,
      rule: 'cluster-unreachable',
      run: null,
      evidence: message ?? 'why is not known',
      since: null,
      gpuMs: null,
      money: null,
      gpus: null,
      whatToDo: `What runs there runs on, and nothing new is started. plimsoll doctor --cluster ${name} says what is in the way.`,
      to: { path: '/nodes', name: 'Open nodes' },
    }))
}

/** One row for each kind of trouble, not for each node: a rack that is away is one thing to look at. What a person cordoned is known. */
function ofNodes(nodes: readonly MachineNode[]): readonly Need[] {
  const kinds = [
    { state: 'lost', is: 'lost', whatToDo: 'Look at the machine. One that is gone for good: forget it.' },
    {
      state: 'suspect',
      is: 'silent',
      whatToDo: 'Wait, or look at the machine: it is declared lost if the silence goes on.',
    },
    { state: 'not-ready', is: 'out of service', whatToDo: 'Mend what its message says; it comes back by itself.' },
  ] as const
  return kinds.flatMap(({ state, is, whatToDo }) => {
    const away = nodes.filter((node) => node.state === state && node.reason !== 'preparing-environment')
    const [first] = away
    if (first === undefined) return []
    const gpus = away.reduce((sum, node) => sum + node.gpus, 0)
    const held = away.reduce((sum, node) => sum + node.held, 0)
    const begins = away.flatMap((node) => (node.since === null ? [] : [Date.parse(node.since)]))
    const names = away.slice(0, 3).map(({ name }) => name)
    const said = state === 'not-ready' ? (first.message ?? '') : ''
    return [
      {
        key: `nodes-${state}`,
        severity: state === 'lost' || held > 0 ? ('crit' as const) : ('warn' as const),
        what: away.length === 1 ? `${first.name} is ${is}` : `${countOf(away.length, 'node')} are ${is}`,
        rule: `node-${state}`,
        run: null,
        evidence: [
          ...(away.length === 1 ? [] : [`${names.join(', ')}${away.length > 3 ? ` and ${away.length - 3} more` : ''}`]),
          ...(said === '' ? [] : [said]),
          held > 0 ? `${countOf(held, 'GPU')} of them held by runs` : 'no run holds them',
        ].join(' · '),
        since: begins.length === 0 ? null : Math.min(...begins),
        gpuMs: null,
        money: null,
        gpus,
        whatToDo,
        to:
          away.length === 1
            ? { path: `/nodes?node=${encodeURIComponent(first.id)}`, name: 'Open node' }
            : { path: `/nodes?state=${state}`, name: 'Open nodes' },
      },
    ]
  })
}

/** Runs of which nothing is heard. Detectors say nothing of what they cannot see, so nobody else would. */
function ofSilent(holding: readonly TableRow[], now: number): readonly Need[] {
  return holding.flatMap((row): Need[] => {
    const since = blindSince(row, now)
    if (since === null) return []
    return [
      {
        key: `silent-${row.id}`,
        severity: 'warn',
        what: 'Nothing is heard of its steps',
        rule: 'unheard',
        run: { id: row.id, project: row.project, name: row.name },
        evidence: row.step === null ? 'no step was seen' : `last step ${row.step}`,
        since,
        gpuMs: (now - since) * row.gpus,
        money: null,
        gpus: null,
        whatToDo: 'Look at its log and its nodes. The GPU-time reads unknown until something is heard.',
        to: { path: runPath(row.id), name: 'Open run' },
      },
    ]
  })
}

function ofBudgets(budgets: readonly Budget[], findings: readonly Finding[]): readonly Need[] {
  return budgets.flatMap((budget): Need[] => {
    const { id, hard, limit, left } = budget
    if (findings.some((finding) => finding.budget === id) || left > limit * LEFT_MIN) return []
    return [
      {
        key: `budget-${id}`,
        severity: 'warn',
        what: left < 0 ? `More than budget ${id} is promised` : `Budget ${id} is used or reserved`,
        rule: 'budget-reserved',
        run: null,
        evidence: `${scopeText(budget)}, ${hard ? 'a wall: its runs wait, and none starts' : 'soft: nothing stops'}`,
        since: null,
        gpuMs: null,
        money: null,
        gpus: null,
        whatToDo: 'Ask for more under Projects, or let what waits wait: reserves come back as runs end.',
        to: { path: '/projects', name: 'Open budget' },
      },
    ]
  })
}

function ofExtensions(extensions: readonly Extension[]): readonly Need[] {
  return extensions
    .filter(({ state }) => state === 'waiting')
    .map((extension) => ({
      key: `extension-${extension.id}`,
      severity: 'warn',
      what: `${extension.askedBy} asks for ${budgetText(extension, extension.amount)} more in ${extension.budget}`,
      rule: 'extension-waiting',
      run: null,
      evidence: extension.reason,
      since: Date.parse(extension.askedAt),
      gpuMs: null,
      money: null,
      gpus: null,
      whatToDo: 'Grant it or refuse it: runs that a hard budget stopped go on by themselves when there is money again.',
      to: { path: '/projects', name: 'Open budget' },
    }))
}

const FAILED_MAX = 5

/** Of whose end a detector speaks already stands here once. */
function ofFailed(failed: readonly TableRow[], findings: readonly Finding[], now: number): readonly Need[] {
  const told = new Set(findings.flatMap(({ rule, run }) => (rule === 'run-failed' && run !== null ? [run] : [])))
  return failed
    .filter((row) => row.endedAt !== null && now - Date.parse(row.endedAt) < FAILED_MS_MAX && !told.has(row.id))
    .slice(0, FAILED_MAX)
    .map((row) => ({
      key: `failed-${row.id}`,
      severity: 'warn' as const,
      what: 'Failed, and will not start again by itself',
      rule: 'failed',
      run: { id: row.id, project: row.project, name: row.name },
      evidence: row.message ?? row.reason ?? 'why is not known',
      since: row.endedAt === null ? null : Date.parse(row.endedAt),
      gpuMs: row.heldGpuMs,
      money: row.money,
      gpus: null,
      whatToDo: 'Its page says what was first, whose fault it is, and what to try.',
      to: { path: runPath(row.id), name: 'Open run' },
    }))
}

function ofQueue(queue: Queue | null): readonly Need[] {
  if (queue === null || !queue.paused) return []
  return [
    {
      key: 'queue-paused',
      severity: 'warn',
      what: 'Placing is paused',
      rule: 'queue-paused',
      run: null,
      evidence: queue.reason === null || queue.reason === '' ? 'no reason was given' : queue.reason,
      since: null,
      gpuMs: null,
      money: null,
      gpus: queue.waiting.reduce((sum, { gpus }) => sum + gpus, 0),
      whatToDo: 'Resume it when its reason is over: nothing new starts until then.',
      to: { path: '/queue', name: 'Open queue' },
    },
  ]
}
