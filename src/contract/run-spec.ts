// The run spec: text to a resolved spec, or everything that is wrong with it at once.
import { z } from 'zod'
import { FRAMEWORKS } from '../domain/spec.ts'
import type { ModelSize, RunSpec } from '../domain/spec.ts'
import {
  COMMAND_ARGS_MAX,
  COMMAND_CHARS_MAX,
  ENV_CHARS_MAX,
  ENV_VARS_MAX,
  GPUS_PER_NODE_MAX,
  LABEL_CHARS_MAX,
  LABELS_MAX,
  NAME_CHARS_MAX,
  NODES_PER_RUN_MAX,
  NOTIFY_MAX,
  RESTARTS_MAX,
  SECRETS_MAX,
} from '../domain/limits.ts'
import { PRIORITIES } from '../domain/reasons.ts'
import type { ClusterName, ProjectName } from '../domain/ids.ts'
import { durationMs, gpuMs } from '../domain/units.ts'
import type { Problem } from './problems.ts'
import { applySet } from './set.ts'
import { countOf, durationOf } from './quantities.ts'
import { nearest } from './suggest.ts'
import { unknownVariables } from './variables.ts'
import type { Locate } from './yaml.ts'
import { parseYaml } from './yaml.ts'

export type SpecResult =
  | { readonly ok: true; readonly spec: RunSpec }
  | { readonly ok: false; readonly problems: Problem[] }
export type SpecOptions = {
  readonly file: string
  readonly set?: readonly string[]
  readonly presets: ReadonlyMap<string, ModelSize>
}

const name = z
  .string()
  .max(NAME_CHARS_MAX)
  .regex(
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
    'must be lower-case letters, digits and dashes, beginning and ending with a letter or digit',
  )
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/
const text = z.string().refine((value) => !CONTROL.test(value), 'must not have control characters')
const count = z.union([z.number(), z.string()]).transform((value, context) => {
  const parsed = countOf(value)
  if (parsed === null)
    context.addIssue({ code: 'custom', message: 'must be a whole number, or one with K, M, B or T such as 2T' })
  return parsed ?? 0
})
const duration = z.union([z.number(), z.string()]).transform((value, context) => {
  const parsed = durationOf(value)
  if (parsed === null) context.addIssue({ code: 'custom', message: 'must be a duration such as 90s, 30m, 12h or 14d' })
  return parsed ?? 0
})
const restarts = z.int().min(0).max(RESTARTS_MAX)

const schema = z.strictObject({
  version: z.literal(1).default(1),
  name,
  project: name.default('default'),
  priority: z.enum(PRIORITIES).default('normal'),
  cluster: name.nullish(),
  workdir: text.min(1).nullish(),
  labels: z
    .record(z.string().max(LABEL_CHARS_MAX), z.union([z.string().max(LABEL_CHARS_MAX), z.number()]).transform(String))
    .default({})
    .refine((labels) => Object.keys(labels).length <= LABELS_MAX, `at most ${LABELS_MAX} labels`),
  image: text.min(1).nullish(),
  command: z
    .array(z.union([text, z.number()]).transform(String))
    .min(1, 'must have a program')
    .max(COMMAND_ARGS_MAX)
    .refine(
      (command) => command.join(' ').length <= COMMAND_CHARS_MAX,
      `has at most ${COMMAND_CHARS_MAX} characters in all`,
    ),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.union([text, z.number(), z.boolean()]).transform(String))
    .default({})
    .refine((env) => Object.keys(env).length <= ENV_VARS_MAX, `at most ${ENV_VARS_MAX} variables`)
    .refine((env) => JSON.stringify(env).length <= ENV_CHARS_MAX, `at most ${ENV_CHARS_MAX} characters in all`),
  secrets: z.array(name).max(SECRETS_MAX).default([]),
  resources: z.strictObject({
    nodes: z.int().min(1).max(NODES_PER_RUN_MAX).default(1),
    gpusPerNode: z.int().min(1).max(GPUS_PER_NODE_MAX).default(1),
    gpu: z
      .union([text, z.array(text)])
      .nullish()
      .transform((value) => (value == null ? [] : Array.isArray(value) ? value : [value])),
    topology: z
      .strictObject({
        within: z.enum(['node', 'rack', 'block']),
        mode: z.enum(['preferred', 'required']).default('preferred'),
      })
      .nullish(),
    parallelism: z.record(z.string(), z.int().min(1)).default({}),
  }),
  training: z
    .strictObject({
      framework: z.enum(FRAMEWORKS).default('auto'),
      tokens: count.nullish(),
      sequenceLength: z.int().min(1).nullish(),
      model: z
        .strictObject({
          preset: text.optional(),
          config: text.optional(),
          parameters: count.optional(),
          activeParameters: count.optional(),
        })
        .nullish(),
    })
    .prefault({}),
  checkpoints: z
    .strictObject({
      path: text.startsWith('/', 'must be an absolute path').nullish(),
      everySteps: z.int().min(1).nullish(),
    })
    .prefault({}),
  limits: z.strictObject({ time: duration.nullish(), gpuHours: z.number().positive().nullish() }).prefault({}),
  restart: z
    .strictObject({ infrastructure: restarts.default(20), unknown: restarts.default(3), user: restarts.default(0) })
    .prefault({}),
  watch: z
    .strictObject({
      stall: z.enum(['auto', 'off']).default('auto'),
      loss: z.enum(['auto', 'off']).default('auto'),
      experts: z.enum(['auto', 'off']).default('auto'),
    })
    .prefault({}),
  notify: z.array(text).max(NOTIFY_MAX).default([]),
  source: z.strictObject({ remote: text.nullable(), commit: text, dirty: z.boolean() }).nullish(),
})

export function parseRunSpec(source: string, options: SpecOptions): SpecResult {
  const parsed = parseYaml(source)
  if (!parsed.ok) return parsed
  const set = applySet(parsed.value, options.set ?? [])
  if (set.problems.length > 0) return { ok: false, problems: set.problems }
  return resolve(set.value, options, (pointer) =>
    set.pointers.has(pointer) ? { line: null, column: null } : parsed.locate(pointer),
  )
}

export function parseRunSpecValue(value: unknown, options: Omit<SpecOptions, 'file' | 'set'>): SpecResult {
  return resolve(value, { ...options, file: '' }, () => ({ line: null, column: null }))
}

function resolve(value: unknown, options: SpecOptions, locate: Locate): SpecResult {
  const parsed = schema.safeParse(value)
  const problems = parsed.success ? [] : parsed.error.issues.flatMap((issue) => problemsOf(issue, value, locate))
  if (!parsed.success) return { ok: false, problems }
  const data = parsed.data
  for (const { pointer, message, hint } of unknownVariables(data.command, data.env))
    problems.push({ pointer, message, hint, ...locate(pointer) })
  const model = modelOf(data.training.model ?? null, options.presets, locate, problems)
  if (problems.length > 0) return { ok: false, problems }
  return {
    ok: true,
    spec: {
      version: 1,
      name: data.name,
      project: data.project as ProjectName,
      priority: data.priority,
      cluster: (data.cluster ?? null) as ClusterName | null,
      workdir: data.workdir ?? null,
      labels: data.labels,
      image: data.image ?? null,
      command: data.command,
      env: data.env,
      secrets: data.secrets,
      resources: { ...data.resources, topology: data.resources.topology ?? null },
      training: {
        framework: data.training.framework,
        tokens: data.training.tokens ?? null,
        sequenceLength: data.training.sequenceLength ?? null,
        model,
      },
      checkpoints: { path: data.checkpoints.path ?? null, everySteps: data.checkpoints.everySteps ?? null },
      limits: {
        timeMs: data.limits.time == null ? null : durationMs(data.limits.time),
        gpuMs: data.limits.gpuHours == null ? null : gpuMs(Math.round(data.limits.gpuHours * 3_600_000)),
      },
      restart: data.restart,
      watch: data.watch,
      notify: data.notify,
      source: data.source ?? null,
    },
  }
}

type ModelText = {
  preset?: string | undefined
  config?: string | undefined
  parameters?: number | undefined
  activeParameters?: number | undefined
}

function modelOf(
  model: ModelText | null,
  presets: ReadonlyMap<string, ModelSize>,
  locate: Locate,
  problems: Problem[],
): ModelSize | null {
  if (model === null) return null
  const problem = (pointer: string, message: string, hint: string | null): null => {
    problems.push({ pointer, message, hint, ...locate(pointer) })
    return null
  }
  if (model.config !== undefined) {
    return problem(
      '/training/model/config',
      'a Hugging Face configuration is not read yet',
      'give parameters and activeParameters, or a preset',
    )
  }
  if (model.preset !== undefined) {
    const size = presets.get(model.preset)
    return (
      size ??
      problem(
        '/training/model/preset',
        `there is no preset ${model.preset}`,
        nearest(model.preset, [...presets.keys()]),
      )
    )
  }
  if (model.parameters === undefined) return problem('/training/model', 'a model needs a preset, or parameters', null)
  return { parameters: model.parameters, activeParameters: model.activeParameters ?? model.parameters }
}

function problemsOf(issue: z.core.$ZodIssue, value: unknown, locate: Locate): Problem[] {
  const pointer = pointerOf(issue.path)
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(issue.path)
    return issue.keys.map((key) => {
      const where = `${pointer}/${key}`
      return { message: `unknown key ${key}`, pointer: where, hint: nearest(key, known), ...locate(where) }
    })
  }
  if (issue.code === 'invalid_type' && at(value, issue.path) === undefined) {
    return [{ message: `${String(issue.path.at(-1) ?? 'it')} is missing`, pointer, hint: null, ...locate(pointer) }]
  }
  if (issue.code === 'invalid_value') {
    const given = at(value, issue.path)
    const known = issue.values.map(String)
    return [
      {
        message: `must be one of ${known.join(', ')}`,
        pointer,
        hint: typeof given === 'string' ? nearest(given, known) : null,
        ...locate(pointer),
      },
    ]
  }
  const hint =
    pointer === '/command' && typeof at(value, issue.path) === 'string'
      ? 'write a list: [python, train.py]; there is no shell'
      : null
  return [{ message: issue.message, pointer, hint, ...locate(pointer) }]
}

export const pointerOf = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, part) =>
      inner !== null && typeof inner === 'object' ? (inner as Record<PropertyKey, unknown>)[part] : undefined,
    value,
  )
}

function knownKeys(path: readonly PropertyKey[]): string[] {
  let node: unknown = schema
  for (const part of path) node = unwrap(node)?.shape[String(part)]
  return Object.keys(unwrap(node)?.shape ?? {})
}

function unwrap(node: unknown): { shape: Record<string, unknown> } | null {
  let inner = node
  while (inner !== null && typeof inner === 'object' && !('shape' in inner)) {
    inner = 'unwrap' in inner && typeof inner.unwrap === 'function' ? (inner.unwrap() as unknown) : null
  }
  return inner as { shape: Record<string, unknown> } | null
}

/** For editors. Transforms are left out: it describes what a person writes. */
export const runSpecJsonSchema = (): unknown => z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'input' })
