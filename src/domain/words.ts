/** `1 GPU`, `2 GPUs`: a number with its noun, for people. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

const BYTE_UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** `4 GiB`, `1.5 MiB`, for people. */
export function bytesText(bytes: number): string {
  let [value, unit] = [bytes, 0]
  for (; value >= 1_024 && unit < BYTE_UNITS.length - 1; unit += 1) value /= 1_024
  return `${Math.round(value * 10) / 10} ${BYTE_UNITS[unit]}`
}
