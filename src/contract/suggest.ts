/** "did you mean ...": the known word that needs the fewest edits, where it is near enough to be meant. */
export function nearest(word: string, known: readonly string[]): string | null {
  let best: { word: string; distance: number } | null = null
  for (const each of known) {
    const distance = editDistance(word.toLowerCase(), each.toLowerCase())
    if (best === null || distance < best.distance) best = { word: each, distance }
  }
  const near = best !== null && best.distance <= Math.max(2, Math.floor(word.length / 3))
  if (near && best !== null) return `did you mean ${best.word}?`
  return known.length > 0 && known.length <= 20 ? `known are ${known.join(', ')}` : null
}

function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 8) return Infinity
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + cost))
    }
    row = next
  }
  return row[b.length] ?? Infinity
}
