// Who wants what in the other world: projects with quotas and budgets, runs of every kind, and how their trainers behave.
import type { BudgetId, ClusterName, ProjectName } from '../domain/ids.ts'
import type { Policy } from '../domain/policy.ts'
import type { Principal } from '../domain/principal.ts'
import type { Durations } from '../domain/settings.ts'
import { DEFAULT_DURATIONS } from '../domain/settings.ts'
import type { RunSpec } from '../domain/spec.ts'
import { durationMs, epochMs, gpuMs, micros } from '../domain/units.ts'
import type { SeededChance } from './chance.ts'
import type { ClusterShape } from './machines.ts'
import type { Trainer } from './trainer.ts'

export const CLUSTER = 'simulated' as ClusterName
const PROJECT = 'default' as ProjectName
const TEAM = 'team' as ProjectName
export const ADA: Principal = { kind: 'user', name: 'ada', grants: [{ role: 'admin', project: null }] }

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** Mostly short ones, so that everything that takes long in the field happens within minutes; their order is that of the defaults. */
export function durationsOf(chance: SeededChance): Durations {
  if (chance.happens(0.1)) return DEFAULT_DURATIONS
  const short: Partial<Record<keyof Durations, number>> = {
    nodeLostAfterMs: 90_000,
    fenceAfterMs: 150_000,
    startDeadlineMs: 120_000,
    checkpointMs: 30_000,
    graceMs: chance.pick([10_000, 30_000]),
    restartHoldMs: chance.pick([20_000, 120_000]),
    reserveSliceMs: chance.pick([10 * MINUTE_MS, 24 * HOUR_MS]),
    cellSettleMs: MINUTE_MS,
    backoffMaxMs: 30_000,
  }
  return { ...DEFAULT_DURATIONS, ...short } as Durations
}

export const shapeOf = (chance: SeededChance): ClusterShape => ({
  nodes: chance.between(2, 6),
  slots: chance.pick([4, 8]),
})

/** Some budgets are near their limit, some of the projects have a quota, and some GPU-hours have no price. */
export function policyOf(chance: SeededChance, { nodes, slots }: ClusterShape): Policy {
  const gpus = nodes * slots
  const hours = chance.pick([10 ** 6, 20, 4, 1])
  const money = chance.pick([null, 10 ** 6, 20, 2])
  const priced = money === null || chance.happens(0.95)
  // Time begins shortly before midnight: a day turns in every history.
  const period = chance.pick([null, null, { kind: 'every', every: 'day' } as const])
  return {
    defaultCluster: CLUSTER,
    projects: [
      { name: PROJECT, parent: null, quotaGpus: null, maxPriority: 'critical' },
      {
        name: TEAM,
        parent: PROJECT,
        quotaGpus: chance.pick([null, gpus, Math.ceil(gpus / 2), 4]),
        maxPriority: 'high',
      },
    ],
    budgets: [
      {
        id: 'hours' as BudgetId,
        project: PROJECT,
        user: null,
        label: null,
        run: null,
        unit: { kind: 'gpu-ms' },
        hard: chance.happens(0.8),
        limit: hours * HOUR_MS,
        period,
      },
      ...(money === null
        ? []
        : [
            {
              id: 'money' as BudgetId,
              project: TEAM,
              user: null,
              label: null,
              run: null,
              unit: { kind: 'money', currency: 'EUR' } as const,
              hard: chance.happens(0.7),
              limit: money * 1_000_000,
              period,
            },
          ]),
    ],
    prices: priced
      ? [{ gpuModel: 'simulated', since: epochMs(0), price: { microsPerGpuHour: micros(1_234_567), currency: 'EUR' } }]
      : [],
  }
}

/** The same policy after somebody thought about it: limits and quotas go up or down, a price changes for what comes. */
export function changedPolicy(policy: Policy, chance: SeededChance): Policy {
  const factor = (): number => chance.pick([0.1, 0.5, 1, 2, 10])
  const scaled = (amount: number): number => Math.round(amount * factor())
  return {
    ...policy,
    projects: policy.projects.map((project) => ({
      ...project,
      quotaGpus: project.quotaGpus === null ? null : Math.max(1, scaled(project.quotaGpus)),
    })),
    budgets: policy.budgets.map((budget) => ({ ...budget, limit: scaled(budget.limit) })),
    prices: policy.prices.map(({ gpuModel, since, price }) => ({
      gpuModel,
      since,
      price: { ...price, microsPerGpuHour: micros(scaled(price.microsPerGpuHour)) },
    })),
  }
}

/** Only what has a limit hangs: nobody would ever end the others. */
export function trainerOf(chance: SeededChance, limitMs: number | null): Trainer {
  return {
    steps: chance.between(5, 80) * chance.pick([1, 1, 4]),
    stepMs: chance.between(200, 4_000),
    saveEvery: chance.between(3, 20),
    failure: chance.pick([0, 0.3, 0.8]),
    hang: limitMs === null ? 0 : chance.pick([0, 0, 0, 0.3]),
  }
}

export function specOf(chance: SeededChance, name: string, shape: ClusterShape): RunSpec {
  // One that could fit nowhere, or wants what is not there, waits with a reason and takes nothing from the others.
  const absent = chance.happens(0.03)
  return {
    version: 1,
    name,
    project: chance.pick([PROJECT, TEAM]),
    priority: chance.pick(['low', 'normal', 'high']),
    cluster: null,
    workdir: null,
    labels: {},
    image: null,
    command: ['train'],
    env: {},
    secrets: [],
    resources: {
      nodes: chance.between(1, Math.min(3, shape.nodes)),
      gpusPerNode: chance.pick([1, 1, 2, 3, 4, shape.slots]),
      gpu: absent ? ['absent'] : [],
      topology: chance.pick([null, null, { within: 'node', mode: 'required' }, { within: 'rack', mode: 'preferred' }]),
      parallelism: {},
    },
    training: { framework: 'megatron', tokens: null, sequenceLength: 128, model: null },
    checkpoints: { path: '/ckpt', everySteps: null },
    limits: {
      timeMs: chance.pick([null, durationMs(3 * MINUTE_MS), durationMs(10 * MINUTE_MS), durationMs(90 * MINUTE_MS)]),
      gpuMs: chance.pick([null, null, gpuMs(chance.between(1, 60) * MINUTE_MS)]),
    },
    restart: { infrastructure: 50, unknown: 50, user: chance.pick([0, 1]) },
    watch: { stall: 'auto', loss: 'auto', experts: 'auto' },
    notify: [],
    source: null,
  }
}
