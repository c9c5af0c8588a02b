// Numbers in sentences of findings.

/** `45 s`, `3 min`, `5 h 20 min`, `2 d 3 h`: two units at most, rounded down. */
export function durationText(ms: number): string {
  const seconds = Math.floor(ms / 1_000)
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  const days = Math.floor(hours / 24)
  if (minutes < 2) return `${seconds} s`
  if (hours < 1) return `${minutes} min`
  if (days < 1) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return hours % 24 === 0 ? `${days} d` : `${days} d ${hours % 24} h`
}

export const percent = (part: number): string => `${Math.floor(part * 1_000 + 1e-9) / 10} %`

/** Four digits that count. */
export const figure = (value: number): string => String(Number(value.toPrecision(4)))
