// What the palette offers, and which of it matches what was typed. Pure.

export type Entry = {
  readonly key: string
  readonly kind: 'page' | 'run' | 'action'
  readonly name: string
  /** In lighter ink behind it. */
  readonly note: string
}

/** Each word must be found; names that begin with what was typed come first, then those that have it at the beginning of a word. */
export function matching(entries: readonly Entry[], typed: string): readonly Entry[] {
  const words = typed
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  if (words.length === 0) return entries
  return entries
    .flatMap((entry, index) => {
      const text = `${entry.name} ${entry.note}`.toLowerCase()
      return words.every((word) => text.includes(word)) ? [{ entry, index, rank: rankOf(text, words) }] : []
    })
    .toSorted((a, b) => a.rank - b.rank || a.index - b.index)
    .map(({ entry }) => entry)
}

function rankOf(text: string, words: readonly string[]): number {
  const [first = ''] = words
  if (text.startsWith(first)) return 0
  return text.split(/[^\p{L}\p{N}]+/u).some((word) => word.startsWith(first)) ? 1 : 2
}

/** Where a key leads from a line of so many; null: it is no key of the list. */
export function moved(at: number, lines: number, key: string): number | null {
  if (lines === 0) return null
  switch (key) {
    case 'ArrowDown':
      return (at + 1) % lines
    case 'ArrowUp':
      return (at - 1 + lines) % lines
    case 'PageDown':
      return Math.min(lines - 1, at + 8)
    case 'PageUp':
      return Math.max(0, at - 8)
    default:
      return null
  }
}
