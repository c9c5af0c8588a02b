// Made-up runs for the fake server: seeded by their number, so that each picture is the same each time. Nothing here ran anywhere.
import type { Experts, Series, Show, Statement, TableRow } from '../../src/web/api/documents.ts'
import type { WireOf } from '../../src/contract/wire.ts'
import type { LogDocument } from '../../src/domain/documents.ts'

export const HOUR = 3_600_000
const STATES = ['running', 'running', 'succeeded', 'failed', 'succeeded', 'cancelled', 'queued', 'starting'] as const
const PROJECTS = [
  'pretraining',
  'post-training',
  'research/routing',
  'research/long-context',
  'evaluation',
  'multimodal',
]
const USERS = ['lin', 'okafor', 'sato', 'amira', 'novak', 'petrov', 'ci']
const NAMES = [
  'moe-671b',
  'dense-70b-anneal',
  'bias-sweep',
  'rl-code-32b',
  'vit-moe-8b',
  'ctx-1m',
  'olmoe-7b-ablate',
  'nightly',
]

/** A number from 0 to 1 that looks like chance and is none. */
export function chance(a: number, b = 0, c = 0): number {
  let hash = Math.imul(a + 1, 374_761_393) ^ Math.imul(b + 7, 668_265_263) ^ Math.imul(c + 13, 2_246_822_519)
  hash = Math.imul(hash ^ (hash >>> 13), 1_274_126_177)
  return ((hash ^ (hash >>> 16)) >>> 0) / 4_294_967_296
}

const pick = <Item>(list: readonly Item[], index: number): Item => list[index % list.length] as Item
const iso = (at: number): string => new Date(at).toISOString()
const idOf = (index: number): string => `r${index.toString(16).padStart(15, '0')}`

/** One that burns its whole gang, and one that has no price. */
const foundOf = (now: number, gpus: number): Show['findings'] => [
  {
    kind: 'experts-collapsed',
    attempt: 3,
    severity: 'critical',
    since: iso(now - HOUR / 2),
    text: 'one expert takes part in 98.4 % of the tokens of layer decoder.layers.37 (and the same is so in 2 more of its layers), in each of the last 5 reported steps',
    whatToDo:
      'Stop it and resume from a checkpoint before this step. Look at the auxiliary loss or the bias update rate.',
    gpuMs: (gpus * HOUR) / 2,
    money: { micros: gpus * 1_000_000, currency: 'EUR' },
  },
  {
    kind: 'experts-dead',
    attempt: 3,
    severity: 'warning',
    since: null,
    text: '2 of 256 experts of layer decoder.layers.5 get less than a twentieth of an even share, in each of the last 50 reported steps',
    whatToDo: 'Its Experts tab shows which it is and since when.',
    gpuMs: null,
    money: null,
  },
]

export function rowOf(index: number, now: number): TableRow {
  // A cluster has few runs that live and many that ended.
  const state =
    index < 22
      ? pick(['running', 'running', 'running', 'starting', 'stopping'], index)
      : index < 30
        ? 'queued'
        : pick(STATES.slice(2, 6), index)
  const ended = state === 'succeeded' || state === 'failed' || state === 'cancelled'
  const queued = state === 'queued'
  const created = now - HOUR * (1 + index * 0.4)
  const gpus = 2 ** Math.floor(chance(index, 1) * 11)
  const started = queued ? null : created + 60_000
  const endedAt = ended ? (started ?? created) + HOUR * (0.2 + 3 * chance(index, 2)) : null
  const held = started === null ? 0 : Math.round(gpus * ((endedAt ?? now) - started))
  const total = 20_000
  const step = queued || state === 'starting' ? null : Math.floor(total * (ended ? 1 : chance(index, 3)))
  return {
    id: idOf(index),
    project: pick(PROJECTS, index),
    name: `${pick(NAMES, index)}-${index}`,
    user: pick(USERS, Math.floor(chance(index, 4) * 7)),
    cluster: 'fake',
    priority: pick(['normal', 'high', 'low'], index),
    state,
    reason: queued ? pick(['capacity', 'quota', 'budget'], index) : null,
    message:
      state === 'failed'
        ? 'worker 0 exited with 1: CUDA error: unspecified launch failure'
        : queued
          ? `needs ${gpus} GPUs, 2 are free`
          : null,
    gpus,
    nodes: Math.max(1, gpus / 8),
    gpusPerNode: Math.min(8, gpus),
    labels: {},
    attempt: queued ? null : `${idOf(index)}-1`,
    createdAt: iso(created),
    startedAt: started === null ? null : iso(started),
    endedAt: endedAt === null ? null : iso(endedAt),
    position: queued ? index - 21 : null,
    step,
    totalSteps: step === null ? null : total,
    loss: step === null ? null : 2 + chance(index, 5),
    tokensPerSecond: state === 'running' ? Math.round(gpus * 1500 * (0.8 + 0.4 * chance(index, 6))) : null,
    etaMs: state === 'running' && step !== null ? (total - step) * 4_000 : null,
    // Number 5 has been silent for a while.
    observedAt: step === null ? null : iso(index === 5 ? now - 900_000 : now - 2_000),
    heldGpuMs: held,
    paidGpuMs: held,
    money: { micros: Math.round((held / HOUR) * 2e6), currency: 'USD' },
    restarts: index % 3,
    finding:
      index % 20 === 1 && state === 'running'
        ? {
            kind: 'experts-collapsed',
            severity: 'critical',
            text: 'one expert takes part in 98.4 % of the tokens of layer decoder.layers.37',
          }
        : null,
  }
}

export const HTML = '<img src=x onerror="document.title=1"><b>bold</b>'
export const LONG = `${'a-very-long-name-that-somebody-made-by-joining-every-flag-'.repeat(4)}end`

/** Runs with names that break pages. */
export function oddRows(now: number): TableRow[] {
  return [
    { ...rowOf(0, now), name: LONG, project: `${'deep/'.repeat(12)}project` },
    { ...rowOf(1, now), name: HTML, user: '<script>alert(1)</script>', message: HTML },
    { ...rowOf(3, now), name: 'מודל-עברי-訓練-🚢', message: 'a\u202eb' },
    { ...rowOf(33, now), money: null, message: `${HTML} ${LONG}` },
  ]
}

const BEGIN = 90 * 60_000

export function showOf(row: TableRow, now: number): Show {
  const {
    position: _position,
    step,
    totalSteps,
    loss,
    tokensPerSecond,
    etaMs,
    observedAt,
    heldGpuMs,
    paidGpuMs,
    money,
    restarts: _restarts,
    finding: _finding,
    ...run
  } = row
  const workers = Array.from({ length: Math.min(128, Math.ceil(row.nodes)) }, (_, index) => ({
    id: `${row.id}-1-${index}`,
    node: `r01-n${String(index + 1).padStart(2, '0')}`,
    knownAs: null,
    slots: [0, 1, 2, 3, 4, 5, 6, 7],
    state: 'running' as const,
    startedAt: row.startedAt,
    endedAt: null,
    exit: null,
  }))
  const start = Date.parse(row.startedAt ?? row.createdAt)
  const end = row.endedAt === null ? now : Date.parse(row.endedAt)
  const attempt = (number: number, from: number, to: number | null, last: number | null): Show['attempts'][number] => ({
    id: `${row.id}-${number}`,
    number,
    state: to === null ? 'running' : 'ended',
    outcome: to === null ? null : number === 3 && row.state === 'succeeded' ? 'succeeded' : 'failed',
    failure:
      to === null || (number === 3 && row.state === 'succeeded') ? null : number === 1 ? 'unknown' : 'infrastructure',
    message:
      to === null ? null : number === 1 ? 'collective timeout: rank 88' : 'GPU 5 of r05-n04 fell off the bus (Xid 79)',
    verdict: to === null || (number === 3 && row.state === 'succeeded') ? null : verdictOf(`${row.id}-${number}`, to),
    plannedAt: iso(from - 20_000),
    startedAt: iso(from),
    endedAt: to === null ? null : iso(to),
    deadlineAt: to === null ? iso(now + 4 * HOUR) : null,
    resumedFromStep: number === 1 ? null : number === 2 ? 3_000 : 9_000,
    lastStep: last,
    workers,
  })
  const third = (end - start) / 3
  return {
    ...run,
    attempts:
      row.startedAt === null
        ? []
        : [
            attempt(1, start, start + third * 0.95, 3_400),
            attempt(2, start + third, start + 2 * third * 0.97, 9_700),
            attempt(3, start + 2 * third, row.endedAt === null ? null : end, step),
          ],
    progress: {
      recognised: step !== null,
      step,
      totalSteps,
      loss,
      stepMs: step === null ? null : 4_012,
      tokensPerSecond,
      observedAt,
      etaMs,
      heldGpuMs,
      paidGpuMs,
      money,
    },
    findings: row.state === 'running' ? foundOf(now, row.gpus) : [],
    spec: {
      version: 1,
      name: row.name,
      project: row.project,
      command: ['torchrun', '--nnodes=$PLIMSOLL_NODES', 'pretrain_gpt.py', HTML],
      resources: { nodes: row.nodes, gpusPerNode: row.gpusPerNode, gpu: 'h800-sxm' },
      training: {
        framework: 'megatron',
        sequenceLength: 4096,
        learningRate: 0.0003 + Number.parseInt(row.id.slice(-2), 16) / 1e6,
      },
      checkpoints: { path: '/ckpt', everySteps: 500 },
      restart: { infrastructure: 20, unknown: 2, user: 0 },
    },
  }
}

function verdictOf(attempt: string, endedAt: number): Show['attempts'][number]['verdict'] {
  const text = `NVRM: Xid (PCI:0000:9b:00): 79, pid=4121, GPU has fallen off the bus. ${HTML}`
  return {
    kind: 'gpu-fault',
    decision: 'restart-elsewhere',
    meaning: 'a GPU or its links broke',
    whatToTry: 'cordon the node, look at dmesg there for Xid lines',
    worker: `${attempt}-1`,
    node: 'r01-n02',
    evidence: [{ worker: `${attempt}-1`, printedAt: iso(endedAt - 5_000), text }],
  }
}

export function statementOf(row: TableRow): Statement {
  const parts = {
    productive: 0.9,
    checkpoint: 0.01,
    startup: 0.02,
    provision: 0.005,
    restore: 0.015,
    recovery: 0.004,
    teardown: 0.001,
    stalled: 0.02,
    lost: 0.02,
  }
  const byAccount: Record<string, number> = {}
  for (const [account, share] of Object.entries(parts)) byAccount[account] = Math.floor(row.heldGpuMs * share)
  byAccount.unknown = row.heldGpuMs - Object.values(byAccount).reduce((sum, each) => sum + each, 0)
  const third = (number: number) => {
    const part = Object.fromEntries(
      Object.entries(byAccount).map(([account, gpuMs]) => [
        account,
        number === 3 ? gpuMs - 2 * Math.floor(gpuMs / 3) : Math.floor(gpuMs / 3),
      ]),
    )
    return {
      id: `${row.id}-${number}`,
      outcome: number === 3 && row.endedAt === null ? null : ('failed' as const),
      heldGpuMs: Object.values(part).reduce((sum, each) => sum + each, 0),
      byAccount: part,
    }
  }
  const has = row.heldGpuMs > 0
  return {
    run: row.id,
    project: row.project,
    name: row.name,
    state: row.state,
    attempts: has ? [1, 2, 3].map(third) : [],
    heldGpuMs: row.heldGpuMs,
    paidGpuMs: row.paidGpuMs,
    byAccount: has ? byAccount : {},
    provisionalGpuMs: has && row.endedAt === null ? Math.floor(row.heldGpuMs / 300) : 0,
    money: row.money,
    goodput: has ? 0.9 : null,
    ettr: has ? 0.88 : null,
    tokens: has ? 614_400_000 : null,
    tokensPerGpuHour: has ? 153_600 : null,
    efficiency: {
      mfuProductive: has ? 0.412 : null,
      mfuHeld: has ? 0.371 : null,
      mfuUnknown: has ? null : 'nothing-kept',
      checkpoints: {
        saves: has ? 120 : 0,
        saveMs: has ? 8_200 : null,
        intervalMs: has ? 605_000 : null,
        intervalSteps: has ? 100 : null,
        failures: has ? 2 : 0,
        restartMs: has ? 214_000 : null,
        meanToFailureMs: 11_124_000,
        best: has
          ? {
              intervalMs: 419_000,
              intervalSteps: 69,
              ettrNow: 0.9413,
              ettrBest: 0.9438,
              savedGpuMs: Math.floor(row.heldGpuMs / 400),
            }
          : null,
        bestUnknown: has ? null : 'no-checkpoint',
      },
    },
    experts: has && row.name.startsWith('moe') ? { layers: LAYERS, experts: EXPERTS, maxVio: 1.4, dead: 3 } : null,
    alerts: { sent: 0, failed: 0 },
  }
}

export function seriesOf(row: TableRow, now: number): Series {
  if (row.step === null || row.startedAt === null) return { run: row.id, attempts: [], marks: [], thinned: false }
  const start = Date.parse(row.startedAt)
  const end = row.endedAt === null ? now - 2_000 : Date.parse(row.endedAt)
  const third = (end - start) / 3
  const part = (number: number, first: number, last: number, from: number, to: number): Series['attempts'][number] => {
    const count = 650
    const at = Array.from({ length: count }, (_, index) => index / (count - 1))
    const step = at.map((share) => Math.round(first + share * (last - first)))
    return {
      number,
      step,
      at: at.map((share) => iso(from + share * (to - from))),
      loss: step.map(
        (each, index) =>
          1.7 + 8 * (each + 20) ** -0.3 + 0.04 * (chance(each, number) - 0.5) + (index === 300 ? 0.5 : 0),
      ),
      stepMs: step.map((each) => 4_000 + 300 * (chance(each, number, 2) - 0.5) + (each % 500 === 0 ? 900 : 0)),
    }
  }
  const last = Math.max(9_500, row.step)
  return {
    run: row.id,
    attempts: [
      part(1, 1, 3_400, start + 0.05 * third, start + third * 0.9),
      part(2, 3_001, 9_700, start + third * 1.08, start + 2 * third * 0.95),
      part(3, 9_001, last, start + 2 * third * 1.04, end),
    ],
    marks: Array.from({ length: 18 }, (_, index) => ({
      kind: 'saved' as const,
      attempt: index < 6 ? 1 : index < 12 ? 2 : 3,
      step: 500 * (index + 1),
      at: iso(start + ((index + 0.7) / 18) * (end - start)),
    })),
    thinned: true,
  }
}

export function logOf(worker: number, asked: number, complete: boolean, now: number): WireOf<LogDocument> {
  const offset = asked < 0 ? Math.max(0, 400_000 + asked) : asked
  const lines = Array.from({ length: 200 }, (_, index) => {
    const number = Math.floor(offset / 100) + index
    return {
      offset: number * 100,
      at: iso(now - BEGIN + number * 800),
      stream: number % 40 === 17 ? 'stderr' : 'stdout',
      text:
        number % 40 === 17
          ? `\u001b[33mwarning\u001b[0m: ${HTML} on worker ${worker}`
          : ` iteration ${number}/ 20000 | consumed samples: ${number * 7680} | elapsed time per iteration (ms): 4012.5 | lm loss: ${(2 + chance(number)).toFixed(6)} | grad norm: 0.208 |`,
      partial: false,
    }
  }).filter((line) => line.offset < 400_000)
  return {
    worker: `fake-${worker}`,
    lines,
    nextOffset: lines.length === 0 ? offset : offset + 200 * 100,
    complete: complete && lines.length < 200,
    cut: false,
  }
}

export const LAYERS = 58
export const EXPERTS = 256
export const FIRST_STEP = 1
export const LAST_STEP = 20_000
export const TOKENS = 31_457_280
const TOP_K = 8

/** Tokens by layer and expert at a step: layer 34 goes wrong after step 15,000. */
export function countsAt(step: number): Uint32Array {
  const counts = new Uint32Array(LAYERS * EXPERTS)
  const sick = Math.max(0, (step - 15_000) / 5_000)
  for (let layer = 0; layer < LAYERS; layer += 1) {
    for (let expert = 0; expert < EXPERTS; expert += 1) {
      let ratio = 2 ** (1.1 * (chance(layer, expert) - 0.5) + 0.3 * (chance(layer, expert, step) - 0.5))
      if (layer === 34 && (expert === 114 || expert === 7 || expert === 180)) ratio *= 1 + 7 * sick
      if (layer === 34 && (expert === 41 || expert === 198) && sick > 0.3) ratio = 0
      if (layer === 1 && expert === 230) ratio = 0
      counts[layer * EXPERTS + expert] = Math.round(ratio * 983_040)
    }
    conserve(counts.subarray(layer * EXPERTS, (layer + 1) * EXPERTS))
  }
  return counts
}

/** As a router does: the experts of a layer share what there is. */
function conserve(row: Uint32Array): void {
  const all = TOKENS * TOP_K
  const total = row.reduce((sum, each) => sum + each, 0)
  for (const [expert, count] of row.entries()) row[expert] = Math.floor((count * all) / total)
  row[0] = (row[0] ?? 0) + all - row.reduce((sum, each) => sum + each, 0)
}

export function measuresOf(counts: Uint32Array) {
  const maxVio: number[] = []
  const cv: number[] = []
  const entropy: number[] = []
  const dead: number[][] = []
  const hot: number[][] = []
  for (let layer = 0; layer < LAYERS; layer += 1) {
    const row = counts.subarray(layer * EXPERTS, (layer + 1) * EXPERTS)
    const total = row.reduce((sum, each) => sum + each, 0)
    const ratios = [...row].map((each) => (each * EXPERTS) / total)
    maxVio.push(Math.max(...ratios) - 1)
    cv.push(Math.sqrt(ratios.reduce((sum, each) => sum + (each - 1) ** 2, 0) / EXPERTS))
    entropy.push(
      ratios.reduce((sum, each) => (each > 0 ? sum - (each / EXPERTS) * Math.log(each / EXPERTS) : sum), 0) /
        Math.log(EXPERTS),
    )
    dead.push(ratios.flatMap((each, index) => (each < 0.01 ? [index] : [])))
    hot.push(ratios.flatMap((each, index) => (each > 2.5 ? [index] : [])))
  }
  return { maxVio, cv, entropy, dead, hot }
}

const BUCKETS = 200

export function expertsOf(run: string): Experts {
  const buckets = Array.from({ length: BUCKETS }, (_, index) => ({
    from: 1 + index * 100,
    to: (index + 1) * 100,
    frames: 10,
  }))
  const measures = buckets.map(({ to }) => measuresOf(countsAt(to)))
  const vio = measures.map((each) => each.maxVio)
  return {
    run,
    attempt: 3,
    set: 1,
    sets: [],
    layers: Array.from({ length: LAYERS }, (_, index) => String(index + 3)),
    experts: EXPERTS,
    topK: 8,
    firstStep: FIRST_STEP,
    lastStep: LAST_STEP,
    frames: 2_000,
    buckets,
    maxVio: {
      min: vio.map((row) => row.map((each) => each * 0.9)),
      mean: vio,
      max: vio.map((row) => row.map((each) => each * 1.1)),
    },
    cv: measures.map((each) => each.cv),
    entropy: measures.map((each) => each.entropy),
    dead: measures.map((each) => each.dead.map((list) => list.length)),
    hot: measures.map((each) => each.hot.map((list) => list.length)),
    gaps: [{ from: 6_000, to: 6_400 }],
    apart: null,
    finding: null,
  }
}
