/** `1 GPU`, `2 GPUs`: a number with its noun, for people. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`
