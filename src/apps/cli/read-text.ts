import { readFileSync } from 'node:fs'
import { CliError, EXIT } from './exit.ts'

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'is not there',
  EISDIR: 'is a folder, not a file',
  EACCES: 'may not be read by this user',
}

/** A file that somebody named on the command line. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new CliError(EXIT.usage, `${file} ${WHY[code] ?? `cannot be read (${code})`}`)
  }
}
