// Many effects at once, and not all of them: what is asked has a limit of its own.

/**
 * Does `body` for each item, `width` of them at once; what comes back is in the order of the items. After an error nothing more is begun,
 * and it is thrown when what was under way is over.
 */
export async function atOnce<Item, Result>(
  items: readonly Item[],
  width: number,
  body: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results = new Array<Result>(items.length)
  const failures: unknown[] = []
  const rest = items.entries()
  async function lane(): Promise<void> {
    for (const [index, item] of rest) {
      try {
        results[index] = await body(item)
      } catch (error) {
        failures.push(error)
      }
      if (failures.length > 0) return
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane))
  if (failures.length > 0) throw failures[0]
  return results
}
