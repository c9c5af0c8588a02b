// Parts of schemas that several documents have. Each accepts what a person writes and gives what the decisions take.
import { z } from 'zod'
import { NAME_CHARS_MAX } from '../domain/limits.ts'
import type { EpochMs } from '../domain/units.ts'
import { epochMs } from '../domain/units.ts'
import { bytesOf, countOf, durationOf, microsOf } from './quantities.ts'

/**
 * A mapping with exactly these keys. Its message for unknown keys is the list of the known ones: zod says which key is unknown, but
 * not what it would have taken, and `issues.ts` needs that for a suggestion.
 */
export function strict<Shape extends z.core.$ZodShape>(shape: Shape) {
  const known = Object.keys(shape).join(' ')
  return z.strictObject(shape, { error: (issue) => (issue.code === 'unrecognized_keys' ? known : undefined) })
}

/** A DNS label: names are used as they are for objects, directories and rows. */
export const name = z
  .string()
  .max(NAME_CHARS_MAX)
  .regex(
    /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/,
    'must be lower-case letters, digits and dashes, with a letter or digit at both ends',
  )

/** A name of the GPU catalogue, or the one that a cluster gives to a model that is not in it. */
export const gpuName = z
  .string()
  .max(NAME_CHARS_MAX)
  .regex(/^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/, 'must be a name of the GPU catalogue, such as h100-sxm')

export const text = z.string().min(1).max(4_096)

/** Adds an issue that carries a hint; `path` goes on from where the schema stands. */
export function refuse(
  context: z.core.$RefinementCtx,
  message: string,
  hint: string | null = null,
  path: PropertyKey[] = [],
): void {
  context.addIssue({ code: 'custom', message, path, input: context.value, params: { hint } })
}

const parsedBy = <Input extends number | string>(
  parse: (value: Input) => number | null,
  message: string,
  hint: (value: Input) => string | null = () => null,
) => {
  return (value: Input, context: z.core.$RefinementCtx): number => {
    const parsed = parse(value)
    if (parsed === null) refuse(context, message, hint(value))
    return parsed ?? 0
  }
}

const countHint = (value: number | string): string | null =>
  /[kmbt]$/.test(String(value)) ? `write ${String(value).toUpperCase()}: K, M, B and T are upper-case` : null

export const count = z
  .union([z.number(), z.string()])
  .transform(parsedBy(countOf, 'must be a whole number, or one with K, M, B or T such as 2T', countHint))
  .refine((value) => value >= 1, 'must be at least 1')

const durationHint = (value: string): string | null =>
  /^\d+$/.test(value) ? `write its unit: ${value}s, ${value}m or ${value}h` : null

const DURATION = 'must be a duration such as 90s, 30m, 12h or 14d'

/** A number without a unit is refused: half of its readers would take it for seconds. */
export const duration = z.string(DURATION).transform(parsedBy(durationOf, DURATION, durationHint))

const DATE = 'must be a day such as 2026-11-01'

/** The first millisecond of a day of UTC. */
export const day = z.string(DATE).transform((date, context): EpochMs => {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(date) ? Date.parse(`${date}T00:00:00Z`) : NaN
  // 2026-02-30 would be a day of March.
  const exists = !Number.isNaN(at) && new Date(at).toISOString().startsWith(date)
  if (!exists) refuse(context, DATE)
  return epochMs(exists ? at : 0)
})

const BYTES = 'must be a size such as 512MiB or 4GiB'

export const bytes = z.string(BYTES).transform(parsedBy(bytesOf, BYTES))

/** Millionths, exactly. */
export const amount = z
  .union([z.number(), z.string()])
  .transform(parsedBy(microsOf, 'must be a decimal number of at least 0 with at most six places'))
