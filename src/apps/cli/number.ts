import { CliError, EXIT } from './exit.ts'

/** An option that must be a whole number, such as `--rank 3`. */
export function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
    throw new CliError(EXIT.usage, `${option} ${text} is not a whole number from ${least} on`)
  return value
}
