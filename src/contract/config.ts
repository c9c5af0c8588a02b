// config/default.yaml, and what an operator puts over it. A key that the defaults do not have is refused, with its place.
import { z } from 'zod'
import type { Durations } from '../domain/settings.ts'
import { pointerOf } from './run-spec.ts'
import type { Problem } from './problems.ts'
import { durationOf } from './quantities.ts'
import { nearest } from './suggest.ts'
import type { Locate } from './yaml.ts'
import { parseYaml } from './yaml.ts'

const ms = z.string().transform((value, context) => {
  const parsed = durationOf(value)
  if (parsed === null) context.addIssue({ code: 'custom', message: 'must be a duration such as 90s, 5m or 24h' })
  return parsed ?? 0
})

const schema = z.strictObject({
  listen: z.strictObject({ host: z.string(), port: z.int().min(0).max(65_535) }),
  database: z.strictObject({ url: z.string().nullable(), poolMax: z.int().min(2).max(100) }),
  queue: z.strictObject({
    url: z
      .string()
      .regex(/^rediss?:\/\//, 'must begin with redis://')
      .nullable(),
  }),
  durations: z.strictObject({
    heartbeat: ms,
    persist: ms,
    blindAfter: ms,
    lease: ms,
    leaseRenew: ms,
    nodeLostAfter: ms,
    fenceAfter: ms,
    startDeadline: ms,
    checkpoint: ms,
    grace: ms,
    restartHold: ms,
    reserveSlice: ms,
    cellSettle: ms,
    backoffMin: ms,
    backoffMax: ms,
  }),
  local: z.strictObject({
    name: z.string().regex(/^[a-z0-9][-a-z0-9]{0,62}$/),
    slots: z.union([z.literal('auto'), z.int().min(1).max(64)]),
  }),
  loops: z.strictObject({ place: ms, launch: ms, observe: ms, account: ms }),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']) }),
})

type Raw = z.output<typeof schema>
export type Config = Omit<Raw, 'durations'> & { readonly durations: Durations }

export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly file: string; readonly problems: readonly Problem[] }

export function parseConfig(
  defaultText: string,
  overrideText: string | null,
  names: { readonly default: string; readonly override: string },
): ConfigResult {
  const defaults = parseYaml(defaultText)
  if (!defaults.ok) return { ok: false, file: names.default, problems: defaults.problems }
  let value = defaults.value
  let { locate } = defaults
  let file = names.default
  if (overrideText !== null && overrideText.trim() !== '') {
    const override = parseYaml(overrideText)
    if (!override.ok) return { ok: false, file: names.override, problems: override.problems }
    value = merge(value, override.value)
    locate = override.locate
    file = names.override
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success)
    return {
      ok: false,
      file,
      problems: parsed.error.issues.flatMap((issue) => problemsOf(issue, defaults.value, locate)),
    }
  const durations = withMs(parsed.data.durations)
  const broken = orderProblems(durations, locate)
  return broken.length > 0 ? { ok: false, file, problems: broken } : { ok: true, config: { ...parsed.data, durations } }
}

function merge(base: unknown, over: unknown): unknown {
  const isTree = (value: unknown): value is Record<string, unknown> =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
  if (!isTree(base) || !isTree(over)) return over
  return {
    ...base,
    ...Object.fromEntries(
      Object.entries(over).map(([key, value]) => [key, key in base ? merge(base[key], value) : value]),
    ),
  }
}

function problemsOf(issue: z.core.$ZodIssue, defaults: unknown, locate: Locate): Problem[] {
  const pointer = pointerOf(issue.path)
  if (issue.code !== 'unrecognized_keys') return [{ message: issue.message, pointer, hint: null, ...locate(pointer) }]
  const known = Object.keys(
    issue.path.reduce<object>((node, part) => (node as Record<PropertyKey, object>)[part] ?? {}, defaults as object),
  )
  return issue.keys.map((key) => ({
    message: `unknown setting ${key}`,
    pointer: `${pointer}/${key}`,
    hint: nearest(key, known),
    ...locate(`${pointer}/${key}`),
  }))
}

function withMs(durations: Raw['durations']): Durations {
  return Object.fromEntries(
    Object.entries(durations).map(([key, value]) => [`${key}Ms`, value]),
  ) as unknown as Durations
}

/** Values that break this order make a healthy node look lost, or two gangs write one checkpoint. */
function orderProblems(d: Durations, locate: Locate): Problem[] {
  const rules: [boolean, string, string][] = [
    [d.leaseMs < d.blindAfterMs, 'lease', 'lease must be shorter than blindAfter'],
    [d.leaseRenewMs * 2 < d.leaseMs, 'leaseRenew', 'leaseRenew must be less than half of lease'],
    [3 * d.persistMs <= d.blindAfterMs, 'persist', 'three times persist must be at most blindAfter'],
    [d.blindAfterMs < d.nodeLostAfterMs, 'blindAfter', 'blindAfter must be shorter than nodeLostAfter'],
    [d.nodeLostAfterMs <= d.fenceAfterMs, 'fenceAfter', 'nodeLostAfter must be at most fenceAfter'],
    [d.fenceAfterMs >= d.graceMs + 120_000, 'fenceAfter', 'fenceAfter must be at least grace + 2m'],
  ]
  return rules
    .filter(([holds]) => !holds)
    .map(([, key, message]) => ({ message, pointer: `/durations/${key}`, hint: null, ...locate(`/durations/${key}`) }))
}
