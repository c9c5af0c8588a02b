// What stands in the address after the question mark, as plain words.
import { useSearch } from '@tanstack/react-router'

export type Words = Readonly<Record<string, string>>

/** The router has let through nothing but strings (`validateSearch`). */
export const useWords = (): Words => useSearch({ strict: false, select: (search) => search as Words })

export const whole = (text: string | undefined): number | null =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null
