// Fixed answers for what the pages read. No real thing is behind them.
import type { ComparisonDocument } from '../../domain/comparison.ts'
import type { Efficiency } from '../../domain/efficiency.ts'
import type {
  ExpertFrameDocument,
  ExpertsDocument,
  ExpertTileDocument,
  LogHit,
  RunDocument,
  TableRow,
} from '../../domain/documents.ts'
import type { EpochMs, Money } from '../../domain/units.ts'

export const efficiency: Efficiency = {
  mfuProductive: 0.412,
  mfuHeld: 0.372,
  mfuUnknown: null,
  checkpoints: {
    saves: 12,
    saveMs: 1_240,
    intervalMs: 95_000,
    intervalSteps: 50,
    failures: 1,
    restartMs: null,
    meanToFailureMs: 7_200_000,
    best: { intervalMs: 132_400, intervalSteps: 70, ettrNow: 0.9806, ettrBest: 0.9817, savedGpuMs: 16_200 },
    bestUnknown: null,
  },
}

export function pageFakes(run: RunDocument, at: (minutes: number) => EpochMs, eur: (amount: number) => Money) {
  const tableRow: TableRow = {
    ...run,
    position: null,
    step: 120,
    totalSteps: 600,
    loss: 4.1234,
    tokensPerSecond: 4_096,
    etaMs: 3_840_000,
    observedAt: at(2),
    heldGpuMs: 14_400_000,
    paidGpuMs: 14_400_000,
    money: eur(10),
    restarts: 0,
    finding: null,
  }

  const hit: LogHit = { attempt: 1, worker: 0, offset: 20, at: at(1), stream: 'stderr', text: 'RuntimeError: out' }

  const experts: ExpertsDocument = {
    run: run.id,
    attempt: 1,
    set: 1,
    sets: [{ layers: 2, first: 'layers.0.mlp', last: 'layers.1.mlp', experts: 4, frames: 118, unconserved: 0 }],
    layers: ['layers.0.mlp', 'layers.1.mlp'],
    experts: 4,
    topK: 2,
    firstStep: 1,
    lastStep: 120,
    frames: 118,
    buckets: [
      { from: 0, to: 63, frames: 60 },
      { from: 64, to: 127, frames: 58 },
    ],
    maxVio: {
      min: [
        [0.1, 0.2],
        [0.1, null],
      ],
      mean: [
        [0.2, 0.3],
        [0.2, null],
      ],
      max: [
        [0.4, 2.5],
        [0.3, null],
      ],
      p99: [
        [0.4, 2.5],
        [0.3, null],
      ],
    },
    cv: [
      [0.1, 0.2],
      [0.1, null],
    ],
    entropy: [
      [0.99, 0.98],
      [0.99, null],
    ],
    dead: [
      [0, 1],
      [0, null],
    ],
    hot: [
      [0, 1],
      [0, null],
    ],
    gaps: [{ from: 61, to: 63 }],
    apart: null,
    unconserved: 1,
    finding: {
      attempt: 1,
      steps: 1,
      step: 120,
      layer: 'layers.1.mlp',
      layers: 1,
      counted: 16,
      expected: 18,
      text: 'the experts of layer layers.1.mlp counted 16',
      whatToDo: 'look at the script',
    },
    observedAt: at(2),
  }

  const expertTile: ExpertTileDocument = {
    run: run.id,
    attempt: 1,
    measure: 'maxVio',
    layers: experts.layers,
    firstStep: 1,
    lastStep: 120,
    buckets: experts.buckets,
    ...experts.maxVio,
  }

  const expertFrame: ExpertFrameDocument = {
    run: run.id,
    attempt: 1,
    step: 120,
    layers: ['layers.0.mlp', 'layers.1.mlp'],
    experts: 4,
    topK: 2,
    tokens: 8,
    flags: ['summed'],
    counts: new Uint32Array([5, 4, 4, 3, 12, 4, 0, 0]),
    maxVio: [0.25, 2],
    cv: [0.18, 1.22],
    entropy: [0.99, 0.41],
    dead: [[], [2, 3]],
    hot: [[], [0]],
    observedAt: at(2),
  }

  const rate = { tokensPerGpuHour: 5_000_000, gpuHoursPerBillionTokens: 200, tflopsPerGpu: 308.3, ofPeak: 0.312 }
  const comparison: ComparisonDocument = {
    from: at(0),
    to: at(60),
    runs: [
      {
        ...rate,
        run: run.id,
        project: run.project,
        state: run.state,
        name: run.name,
        gpuModels: ['h800-sxm'],
        activeParameters: 37e9,
        tokens: 5_000_000,
        heldGpuMs: 3_600_000,
      },
    ],
    published: [
      {
        ...rate,
        name: 'DeepSeek-V3',
        gpuModels: ['h800-sxm'],
        activeParameters: 37e9,
        tokens: 14.8e12,
        heldGpuMs: 2_788_000 * 3_600_000,
        precision: 'FP8',
        hoursAre: 'all phases',
        source: 'a report',
        month: '2024-12',
      },
    ],
    leftOut: { withoutModel: 2, withoutTokens: 1, heldLess: 0 },
  }

  return { tableRow, hit, experts, expertTile, expertFrame, comparison }
}
