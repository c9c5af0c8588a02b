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

const MOMENT = /(?:At$|^at$|^since$|^from$|^to$)/
/** Written by people, or by a part of the program for itself: what is in them is not ours to read. */
const OPAQUE = new Set(['spec', 'document', 'detail', 'labels'])

/** Where `from` and `to` are steps. */
const OF_STEPS = new Set(['buckets', 'gaps'])

export function toWire(name: DocumentName, document: object): Record<string, unknown> {
  return { schema: `plimsoll.${name}/v1`, ...(convert(document, '') as object) }
}

function convert(value: unknown, parent: string): unknown {
  // Nearly all that is in a large document.
  if (value === null || typeof value !== 'object') return value
  if (value instanceof Uint32Array) return base64Of(value)
  if (Array.isArray(value))
    return value.map((each) => (parent === 'at' && typeof each === 'number' ? iso(each) : convert(each, parent)))
  if (OPAQUE.has(parent)) return value
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

/** Characters that are made at once: each is an argument of a function. */
const AT_ONCE = 8_192

/** Least significant byte first, whatever this machine is. */
function base64Of(values: Uint32Array): string {
  const view = new DataView(new ArrayBuffer(values.length * 4))
  for (const [index, value] of values.entries()) view.setUint32(index * 4, value, true)
  const bytes = new Uint8Array(view.buffer)
  let text = ''
  for (let at = 0; at < bytes.length; at += AT_ONCE) text += String.fromCharCode(...bytes.subarray(at, at + AT_ONCE))
  return btoa(text)
}
