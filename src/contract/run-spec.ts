// The run spec: text to a resolved spec, or everything that is wrong with it at once.
import type { ClusterName, ProjectName } from '../domain/ids.ts'
import type { RunSpec } from '../domain/spec.ts'
import { durationMs, gpuMs, MS_PER_HOUR } from '../domain/units.ts'
import type { Catalogue } from './catalogue.ts'
import { faultsOf, PARSE } from './issues.ts'
import { toPlain } from './plain.ts'
import type { Fault, Problem } from './problems.ts'
import { nowhere, placed, shown } from './problems.ts'
import type { RunSpecInput } from './run-spec-schema.ts'
import { runSpecSchema } from './run-spec-schema.ts'
import { applySet, placedWithSets } from './set.ts'
import { parseYaml } from './yaml.ts'

export { runSpecJsonSchema } from './run-spec-schema.ts'

export type SpecResult =
  | { readonly ok: true; readonly spec: RunSpec }
  | { readonly ok: false; readonly problems: Problem[] }
export type SpecOptions = {
  readonly file: string
  /** `path=value`, applied in order over the file. */
  readonly set?: readonly string[]
  readonly catalogue: Catalogue
}

export function parseRunSpec(text: string, options: SpecOptions): SpecResult {
  const parsed = parseYaml(text, isAsWritten)
  if (!parsed.ok) return parsed
  const set = applySet(parsed.value, options.set ?? [], isAsWritten)
  const resolved = resolve(set.value, options.catalogue)
  if (resolved.ok && set.problems.length === 0) return resolved
  const faults = resolved.ok ? [] : resolved.faults
  return { ok: false, problems: shown([...set.problems, ...placedWithSets(faults, set.writers, parsed.locate)]) }
}

/** A spec that was never text: the body of a request. */
export function parseRunSpecValue(value: unknown, options: Omit<SpecOptions, 'file' | 'set'>): SpecResult {
  const resolved = resolve(value, options.catalogue)
  return resolved.ok ? resolved : { ok: false, problems: shown(placed(resolved.faults, nowhere)) }
}

type Resolved =
  | { readonly ok: true; readonly spec: RunSpec }
  | { readonly ok: false; readonly faults: readonly Fault[] }

/** What is text whatever it looks like: `[sleep, 1.0]`, `env: { RETRIES: 3 }`, `labels: { year: 2026 }`. */
const isAsWritten = (path: readonly (string | number)[]): boolean =>
  path.length === 2 && (path[0] === 'command' || path[0] === 'env' || path[0] === 'labels')

/** Scripts have line breaks; names, paths and the rest do not. */
const scriptsStandAt = (path: readonly (string | number)[]): boolean => path[0] === 'command' || path[0] === 'env'

function resolve(value: unknown, catalogue: Catalogue): Resolved {
  const plain = toPlain(value, scriptsStandAt)
  const parsed = runSpecSchema(catalogue).safeParse(plain.value, PARSE)
  if (plain.faults.length === 0 && parsed.success) return { ok: true, spec: specOf(parsed.data) }
  // Text with a control character breaks the rule of its field as well: the first complaint is the true one.
  const said = new Set(plain.faults.map((each) => each.pointer))
  const more = parsed.success ? [] : faultsOf(parsed.error.issues).filter((each) => !said.has(each.pointer))
  return { ok: false, faults: [...plain.faults, ...more] }
}

function specOf(given: RunSpecInput): RunSpec {
  return {
    version: 1,
    name: given.name,
    // A DNS label by its schema; whether there is such a project or cluster is for admission to say.
    project: (given.project ?? 'default') as ProjectName,
    priority: given.priority ?? 'normal',
    cluster: (given.cluster ?? null) as ClusterName | null,
    workdir: given.workdir ?? null,
    ...(given.folder == null ? {} : { folder: given.folder }),
    labels: given.labels ?? {},
    image: given.image ?? null,
    command: given.command,
    env: given.env ?? {},
    secrets: given.secrets ?? [],
    ...(given.kubernetes == null ? {} : { kubernetes: given.kubernetes }),
    resources: resourcesOf(given.resources),
    training: {
      framework: given.training?.framework ?? 'auto',
      tokens: given.training?.tokens ?? null,
      sequenceLength: given.training?.sequenceLength ?? null,
      model: given.training?.model ?? null,
    },
    checkpoints: { path: given.checkpoints?.path ?? null, everySteps: given.checkpoints?.everySteps ?? null },
    limits: limitsOf(given.limits ?? {}),
    restart: {
      infrastructure: given.restart?.infrastructure ?? 20,
      unknown: given.restart?.unknown ?? 3,
      user: given.restart?.user ?? 0,
    },
    watch: {
      stall: given.watch?.stall ?? 'auto',
      loss: given.watch?.loss ?? 'auto',
      experts: given.watch?.experts ?? 'auto',
    },
    notify: given.notify ?? [],
    source: given.source ?? null,
  }
}

function resourcesOf(given: RunSpecInput['resources']): RunSpec['resources'] {
  const { topology, gpu } = given
  const parallelism = Object.entries(given.parallelism ?? {}).flatMap(([key, size]) =>
    size === undefined ? [] : [[key, size] as const],
  )
  return {
    nodes: given.nodes ?? 1,
    gpusPerNode: given.gpusPerNode ?? 1,
    gpu: typeof gpu === 'string' ? [gpu] : (gpu ?? []),
    topology: topology == null ? null : { within: topology.within, mode: topology.mode ?? 'preferred' },
    parallelism: Object.fromEntries(parallelism),
  }
}

function limitsOf(given: NonNullable<RunSpecInput['limits']>): RunSpec['limits'] {
  const time = given.time ?? given.timeMs ?? null
  // A limit of less than a millisecond would round to none at all.
  const gpu = given.gpuHours == null ? (given.gpuMs ?? null) : Math.max(1, Math.round(given.gpuHours * MS_PER_HOUR))
  return { timeMs: time === null ? null : durationMs(time), gpuMs: gpu === null ? null : gpuMs(gpu) }
}
