// Robust figures of a few numbers: one wild value moves neither.

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

/** The median absolute deviation x 1.4826, which is the standard deviation where the noise is normal. */
export function deviation(values: readonly number[], around: number): number {
  return 1.4826 * median(values.map((value) => Math.abs(value - around)))
}
