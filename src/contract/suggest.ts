/** Longer words are nobody's slip of the finger, and comparing them costs the square of their length. */
const WORD_CHARS_MAX = 64
/** More than this is a list that nobody reads. */
const KNOWN_SHOWN_MAX = 20

/** "did you mean ...": the known word that needs the fewest edits, where it is near enough to be meant; else what is known. */
export function nearest(word: string, known: readonly string[]): string | null {
  let best: { word: string; distance: number } | null = null
  for (const each of word.length > WORD_CHARS_MAX ? [] : known) {
    const distance = editDistance(word.toLowerCase(), each.toLowerCase())
    if (best === null || distance < best.distance) best = { word: each, distance }
  }
  // Two edits turn any word of three letters into another one: a short word must be nearer.
  const distanceMax = word.length <= 3 ? 1 : Math.max(2, Math.floor(word.length / 3))
  if (best !== null && best.distance <= distanceMax) return `did you mean ${best.word}?`
  return known.length > 0 && known.length <= KNOWN_SHOWN_MAX ? `known are ${known.join(', ')}` : null
}

/** Insertions, deletions, replacements, and two neighbours in the wrong order: what fingers do. */
export function editDistance(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let least = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (before[j - 2] ?? 0) + 1)
      }
      next.push(least)
    }
    before = row
    row = next
  }
  return row[b.length] ?? 0
}
