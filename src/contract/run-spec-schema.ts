// The run spec as a person writes it. Every field may be null, as the resolved spec has it, so that a resolved spec is a spec again.
import { z } from 'zod'
import {
  COMMAND_ARGS_MAX,
  COMMAND_CHARS_MAX,
  ENV_CHARS_MAX,
  ENV_VARS_MAX,
  GPUS_PER_NODE_MAX,
  LABEL_CHARS_MAX,
  LABELS_MAX,
  NODES_PER_RUN_MAX,
  NOTIFY_MAX,
  RESTARTS_MAX,
  SECRETS_MAX,
} from '../domain/limits.ts'
import { PRIORITIES } from '../domain/reasons.ts'
import { FRAMEWORKS } from '../domain/spec.ts'
import type { ModelSize } from '../domain/spec.ts'
import type { Catalogue } from './catalogue.ts'
import { count, duration, gpuName, name, refuse, strict, text } from './fields.ts'
import { podOptionsSchema } from './pod-options.ts'
import { nearest } from './suggest.ts'
import { isReserved, unknownVariables } from './variables.ts'

/** More than there are GPUs in the largest gang. */
const DIMENSION_MAX = 1_000_000
const STEPS_MAX = 1_000_000_000
const GPU_CHOICES_MAX = 16

/** Text that is substituted for each worker. Of the numbers of a request only integers are taken: 1.0 was lost before it came here. */
const substituted = z
  .union([z.string(), z.int()])
  .transform(String)
  .superRefine((value, context) => {
    for (const { name: unknown, hint } of unknownVariables(value)) {
      refuse(context, `there is no variable $${unknown}`, hint ?? 'write $$ for a dollar')
    }
  })

const chars = (values: readonly string[]): number => values.reduce((sum, value) => sum + value.length + 1, 0)

const command = z
  .array(substituted)
  .min(1, 'must not be empty')
  .max(COMMAND_ARGS_MAX)
  .refine((words) => chars(words) <= COMMAND_CHARS_MAX, `must have at most ${COMMAND_CHARS_MAX} characters in all`)
  .refine((words) => words[0] !== '', 'must begin with a program')

const envName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be letters, digits and underscores, not beginning with a digit')
  .refine((key) => !isReserved(key), 'is set by plimsoll itself: choose another name')

const env = z
  .record(envName, substituted)
  .refine((all) => Object.keys(all).length <= ENV_VARS_MAX, `must have at most ${ENV_VARS_MAX} variables`)
  .refine(
    (all) => chars(Object.entries(all).flat()) <= ENV_CHARS_MAX,
    `must have at most ${ENV_CHARS_MAX} characters in all`,
  )

/** What Kubernetes takes as the value of a label, since there each label of a run becomes one. */
const LABEL = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/
const LABEL_MESSAGE = 'must be letters, digits, dashes, underscores and dots, with a letter or digit at both ends'
const label = z.string().max(LABEL_CHARS_MAX).regex(LABEL, LABEL_MESSAGE)

const labels = z
  .record(label.min(1), z.union([label, z.int()]).transform(String))
  .refine((all) => Object.keys(all).length <= LABELS_MAX, `must have at most ${LABELS_MAX} labels`)

const dimension = z.int().min(1).max(DIMENSION_MAX).optional()
const parallelism = strict({
  tensor: dimension,
  pipeline: dimension,
  virtualPipeline: dimension,
  context: dimension,
  sequence: dimension,
  expert: dimension,
  expertTensor: dimension,
  data: dimension,
  shard: dimension,
  replicate: dimension,
})

const resources = ({ gpus }: Catalogue) => {
  const known = gpuName.superRefine((id, context) => {
    if (!gpus.has(id)) refuse(context, 'is not in the GPU catalogue', nearest(id, [...gpus]) ?? GPU_CATALOGUE)
  })
  return strict({
    nodes: z.int().min(1).max(NODES_PER_RUN_MAX).nullish().describe('How many workers.').meta({ default: 1 }),
    gpusPerNode: z.int().min(1).max(GPUS_PER_NODE_MAX).nullish().describe('GPUs of each worker.').meta({ default: 1 }),
    gpu: z
      .union([known, z.array(known).max(GPU_CHOICES_MAX)])
      .nullish()
      .describe('GPU models of the catalogue, in order of preference; none means any.'),
    topology: strict({
      within: z.enum(['node', 'rack', 'block']),
      mode: z.enum(['preferred', 'required']).nullish().meta({ default: 'preferred' }),
    })
      .nullish()
      .describe('How near its workers should be.'),
    parallelism: parallelism.nullish().describe('How the model is divided; what the framework was told.'),
  })
}

const GPU_CATALOGUE = 'config/catalogue/gpus.json lists what there is'

function model({ presets }: Catalogue) {
  return strict({
    preset: text.nullish().describe('A name of config/catalogue/models.json.'),
    config: text.nullish().describe('Not read by this version.'),
    parameters: count.nullish().describe('All parameters, such as 16B.'),
    activeParameters: count.nullish().describe('Those that one token uses; the same for a dense model.'),
  }).transform((given, context): ModelSize => {
    const none = { parameters: 1, activeParameters: 1 }
    if (given.config != null) {
      refuse(
        context,
        'this version does not read the configuration of a model',
        'write preset, or parameters and activeParameters',
        ['config'],
      )
      return none
    }
    if (given.preset != null) {
      if (given.parameters != null || given.activeParameters != null) {
        refuse(context, 'give either a preset or parameters, not both')
      }
      const size = presets.get(given.preset)
      if (size === undefined) {
        refuse(
          context,
          'there is no such preset',
          nearest(given.preset, [...presets.keys()]) ?? 'write parameters and activeParameters',
          ['preset'],
        )
      }
      return size ?? none
    }
    if (given.parameters == null) {
      refuse(context, 'needs a preset, or parameters')
      return none
    }
    const active = given.activeParameters ?? given.parameters
    if (active > given.parameters) refuse(context, 'must be at most parameters', null, ['activeParameters'])
    return { parameters: given.parameters, activeParameters: active }
  })
}

const limits = strict({
  time: duration.nullish().describe('How long after its first start it is stopped, such as 14d.'),
  gpuHours: z.number().positive().max(1e9).nullish().describe('The most that all of its attempts together may use.'),
  timeMs: z.int().min(1).nullish().describe('`time`, as a resolved spec has it.'),
  gpuMs: z.int().min(1).nullish().describe('`gpuHours`, as a resolved spec has it.'),
}).superRefine((given, context) => {
  if (given.time != null && given.timeMs != null) refuse(context, 'give either time or timeMs', null, ['timeMs'])
  if (given.gpuHours != null && given.gpuMs != null) refuse(context, 'give either gpuHours or gpuMs', null, ['gpuMs'])
})

const restarts = (usual: number) => z.int().min(0).max(RESTARTS_MAX).nullish().meta({ default: usual })
const watched = z.enum(['auto', 'off']).nullish().meta({ default: 'auto' })

const absolute = text
  .refine((path) => path.startsWith('/'), 'must be an absolute path: workers of several machines share it')
  .superRefine((path, context) => {
    for (const { name: unknown, hint } of unknownVariables(path))
      refuse(context, `there is no variable $${unknown}`, hint)
  })

function schemaWith(catalogue: Catalogue) {
  return strict({
    version: z.literal(1).nullish().describe('Of this format.').meta({ default: 1 }),
    name: name.describe('Refused while a run of this name lives in the project.'),
    project: name.nullish().meta({ default: 'default' }),
    priority: z.enum(PRIORITIES).nullish().meta({ default: 'normal' }),
    cluster: name.nullish().describe("The policy's default where it is not given."),
    workdir: text
      .nullish()
      .describe("Where the command starts. Without it: the folder of this file, or the image's own in a container."),
    folder: text.nullish().describe('Where this file lay; the command line adds it.'),
    labels: labels.nullish().describe('Frozen at submit; a dimension of budgets and of the ledger.'),
    image: text.regex(/^\S+$/, 'must have no spaces').nullish().describe('For clusters that run containers.'),
    command: command.describe(
      'The program and its arguments. There is no shell; $PLIMSOLL_* and $MASTER_* are substituted.',
    ),
    env: env.nullish(),
    kubernetes: podOptionsSchema.nullish().describe('What the pods have beside the defaults of their cluster.'),
    secrets: z.array(name).max(SECRETS_MAX).nullish().describe('Names; values never stand in a spec.'),
    resources: resources(catalogue),
    training: strict({
      framework: z.enum(FRAMEWORKS).nullish().describe('Whose output is read for progress.').meta({ default: 'auto' }),
      tokens: count.nullish().describe('To train on in all, such as 2T.'),
      sequenceLength: z
        .int()
        .min(1)
        .max(STEPS_MAX)
        .nullish()
        .describe('Tokens of a sample; without it tokens are never guessed.'),
      model: model(catalogue).nullish(),
    }).nullish(),
    checkpoints: strict({
      path: absolute.nullish().describe('A directory; null: one that plimsoll keeps for the run.'),
      everySteps: z.int().min(1).max(STEPS_MAX).nullish(),
    }).nullish(),
    limits: limits.nullish(),
    restart: strict({ infrastructure: restarts(20), unknown: restarts(3), user: restarts(0) })
      .nullish()
      .describe('How often it is started again after a failure of each class.'),
    watch: strict({ stall: watched, loss: watched, experts: watched }).nullish(),
    notify: z
      .array(
        z
          .string()
          .max(256)
          .regex(/^[a-z][a-z0-9-]*:\S+$/, 'must be a kind and a target, such as slack:pretraining'),
      )
      .max(NOTIFY_MAX)
      .nullish(),
    source: strict({ remote: text.nullable(), commit: text, dirty: z.boolean() })
      .nullish()
      .describe('Where the working directory came from; the command line adds it.'),
  })
}

export type RunSpecSchema = ReturnType<typeof schemaWith>
export type RunSpecInput = z.output<RunSpecSchema>

/** To build a schema costs more than to use it, and the catalogue of a process does not change. */
const built = new WeakMap<Catalogue, RunSpecSchema>()

export function runSpecSchema(catalogue: Catalogue): RunSpecSchema {
  const known = built.get(catalogue) ?? schemaWith(catalogue)
  built.set(catalogue, known)
  return known
}

/** For editors: what a person writes, before anything is computed from it. */
export function runSpecJsonSchema(): unknown {
  const generated = z.toJSONSchema(schemaWith({ presets: new Map(), gpus: new Set() }), {
    target: 'draft-2020-12',
    io: 'input',
  })
  return {
    ...generated,
    title: 'Plimsoll run spec',
    description: 'One training run. docs/run-spec.md explains each field.',
  }
}
