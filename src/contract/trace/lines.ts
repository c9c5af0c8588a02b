// The lines of a trace as fields with their columns. A job is one line in both formats, so that a broken one is skipped alone and is
// named by a number that an editor shows.
import { TRACE_LINE_CHARS_MAX } from '../../domain/limits.ts'

export type Field = { readonly text: string; /** From 1, as editors count. */ readonly column: number }
export type Line = { readonly number: number; readonly text: string }
/** Fields, or what is wrong with the line as a whole. */
export type Split =
  | { readonly fields: readonly Field[] }
  | { readonly wrong: string; readonly hint: string; readonly column: number }

/** Without empty ones at the end; Windows' line ends and byte order mark are nobody's mistake. */
export function linesOfTrace(text: string): Line[] {
  const clean = text.startsWith('\uFEFF') ? text.slice(1) : text
  return clean
    .split('\n')
    .map((line, index) => ({ number: index + 1, text: line.endsWith('\r') ? line.slice(0, -1) : line }))
    .filter(({ text: line }) => line.trim() !== '')
}

/** RFC 4180, but for one thing: a field in quotes ends in its line. */
export function splitComma(line: string): Split {
  if (line.length > TRACE_LINE_CHARS_MAX) return tooLong(line)
  const fields: Field[] = []
  for (let at = 0; at <= line.length;) {
    const column = at + 1
    if (line[at] !== '"') {
      const end = endOf(line, ',', at)
      const text = line.slice(at, end)
      if (text.includes('"')) {
        const hint = 'write the whole field in quotes, and a quote in it twice'
        return { wrong: 'a quote stands inside a field', hint, column: at + text.indexOf('"') + 1 }
      }
      fields.push({ text: text.trim(), column })
      at = end + 1
      continue
    }
    const [, quoted] = /^"((?:[^"]|"")*)"(?=,|$)/.exec(line.slice(at)) ?? []
    if (quoted === undefined)
      return { wrong: 'a quote is never closed', hint: 'close it before the next comma, in the same line', column }
    fields.push({ text: quoted.replaceAll('""', '"'), column })
    at += quoted.length + 3
  }
  return { fields }
}

/** `sacct --parsable2` has no quotes; `--parsable` ends each line with one more bar. */
export function splitBar(line: string): Split {
  if (line.length > TRACE_LINE_CHARS_MAX) return tooLong(line)
  const fields: Field[] = []
  for (let at = 0; at <= line.length;) {
    const end = endOf(line, '|', at)
    fields.push({ text: line.slice(at, end).trim(), column: at + 1 })
    at = end + 1
  }
  return { fields }
}

function endOf(line: string, separator: string, from: number): number {
  const end = line.indexOf(separator, from)
  return end < 0 ? line.length : end
}

const tooLong = (line: string): Split => ({
  wrong: `the line has ${line.length} characters`,
  hint: `a line has at most ${TRACE_LINE_CHARS_MAX}; is it a trace?`,
  column: TRACE_LINE_CHARS_MAX,
})
