// The difference between two specs, as a person reads it: one line for each place that is not the same.

export type Leaf = { readonly path: string; readonly text: string }

export type Difference = {
  readonly path: string
  /** Null: the place is not there. */
  readonly here: string | null
  readonly there: string | null
}

/** A spec as lines `place: value`. Short lists of plain values (a command) are one value: their places mean little. */
export function leaves(value: unknown, path = ''): readonly Leaf[] {
  if (Array.isArray(value)) {
    if (value.every((each) => typeof each !== 'object' || each === null)) return [{ path, text: JSON.stringify(value) }]
    return value.flatMap((each, index) => leaves(each, `${path}[${index}]`))
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
    if (entries.length === 0) return path === '' ? [] : [{ path, text: '{}' }]
    return entries.flatMap(([key, each]) => leaves(each, path === '' ? key : `${path}.${key}`))
  }
  return [{ path, text: typeof value === 'string' ? value : JSON.stringify(value) }]
}

export function differences(here: unknown, there: unknown): readonly Difference[] {
  const a = new Map(leaves(here).map(({ path, text }) => [path, text]))
  const b = new Map(leaves(there).map(({ path, text }) => [path, text]))
  return [...new Set([...a.keys(), ...b.keys()])]
    .toSorted()
    .map((path) => ({ path, here: a.get(path) ?? null, there: b.get(path) ?? null }))
    .filter((each) => each.here !== each.there)
}
