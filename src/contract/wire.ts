// Documents as they go over the wire: moments are ISO 8601 in UTC there, and each names its schema.
const MOMENT = /(?:At$|^at$|^from$|^to$|^p50$|^p90$)/
/** Numbers beyond this are moments; GPU-ms and micros live under keys of their own. */
const isMoment = (key: string, value: unknown, parent: string): value is number =>
  typeof value === 'number' && MOMENT.test(key) && (key !== 'p50' && key !== 'p90' ? true : parent === 'expectedStart')

export function toWire(name: string, document: object): Record<string, unknown> {
  return { schema: `plimsoll.${name}/v1`, ...(convert(document, '') as object) }
}

function convert(value: unknown, parent: string): unknown {
  if (Array.isArray(value)) return value.map((each) => convert(each, parent))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      isMoment(key, each, parent) ? new Date(each).toISOString() : convert(each, key),
    ]),
  )
}
