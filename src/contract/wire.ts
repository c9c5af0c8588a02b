// Documents as they go over the wire: moments are ISO 8601 in UTC there, and each document names its schema at the top.
import type { EpochMs } from '../domain/units.ts'
import type { DocumentName } from './documents.ts'

/** What a document of the domain becomes in JSON. */
export type WireOf<Value> = unknown extends Value
  ? unknown
  : Value extends EpochMs
    ? string
    : Value extends number
      ? number
      : Value extends Uint32Array
        ? string
        : Value extends readonly (infer Item)[]
          ? WireOf<Item>[]
          : Value extends object
            ? { -readonly [Key in keyof Value]: WireOf<Value[Key]> }
            : Value

const MOMENT = /(?:At$|^at$|^from$|^to$)/
/** Written by people, or by a part of the program for itself: what is in them is not ours to read. */
const OPAQUE = new Set(['spec', 'document', 'detail', 'labels'])

/** Where `from` and `to` are steps. */
const OF_STEPS = new Set(['buckets', 'gaps'])

export function toWire(name: DocumentName, document: object): Record<string, unknown> {
  return { schema: `plimsoll.${name}/v1`, ...(convert(document, '') as object) }
}

function convert(value: unknown, parent: string): unknown {
  if (value instanceof Uint32Array) return base64Of(value)
  if (Array.isArray(value))
    return value.map((each) => (parent === 'at' && typeof each === 'number' ? iso(each) : convert(each, parent)))
  if (value === null || typeof value !== 'object' || OPAQUE.has(parent)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      typeof each === 'number' && isMoment(key, parent) ? iso(each) : convert(each, key),
    ]),
  )
}

const iso = (at: number): string => new Date(at).toISOString()

/** `p50` and `p90` are moments of an expected start, GPU-milliseconds and money elsewhere. */
const isMoment = (key: string, parent: string): boolean =>
  (MOMENT.test(key) && !OF_STEPS.has(parent)) || ((key === 'p50' || key === 'p90') && parent === 'expectedStart')

/** Least significant byte first, whatever this machine is. */
function base64Of(values: Uint32Array): string {
  let bytes = ''
  for (const value of values)
    bytes += String.fromCharCode(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24)
  return btoa(bytes)
}
