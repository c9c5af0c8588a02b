// What several documents are made of. Objects are loose: a reader accepts keys that it does not know, so that a newer server may add
// some.
import { z } from 'zod'
import { ATTEMPT_ACCOUNTS, POOLS, PRIORITIES } from '../domain/reasons.ts'

export const moment = z.iso.datetime().meta({ description: 'ISO 8601 in UTC' })
export const amount = z.int().meta({ description: 'a safe integer; GPU-milliseconds where the name ends in GpuMs' })

export const money = z
  .looseObject({ micros: z.int(), currency: z.string() })
  .meta({ id: 'Money', description: 'micros: millionths of the currency' })

export const byAccount = z
  .partialRecord(z.enum([...ATTEMPT_ACCOUNTS, ...POOLS]), z.int())
  .meta({ id: 'ByAccount', description: 'GPU-milliseconds by account' })

export const expectedStart = z.looseObject({ p50: moment, p90: moment }).meta({ id: 'ExpectedStart' })

/** The fields of a run that a list shows too. */
export const runFields = {
  id: z.string(),
  project: z.string(),
  name: z.string(),
  user: z.string(),
  cluster: z.string(),
  priority: z.enum(PRIORITIES),
  state: z.string(),
  reason: z.string().nullable(),
  message: z.string().nullable(),
  gpus: z.int(),
  nodes: z.int(),
  gpusPerNode: z.int(),
  labels: z.record(z.string(), z.string()),
  attempt: z.string().nullable(),
  createdAt: moment,
  startedAt: moment.nullable(),
  endedAt: moment.nullable(),
}

/** A document of its own: it names its schema. */
export function document<Name extends string, Shape extends z.core.$ZodLooseShape>(
  name: Name,
  id: string,
  shape: Shape,
) {
  return z.looseObject({ schema: z.literal(`plimsoll.${name}/v1`), ...shape }).meta({ id })
}
