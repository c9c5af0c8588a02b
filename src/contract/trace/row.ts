// One line of a trace while it is read: its fields by the name of their column, and what is wrong with each.
import { TRACE_TEXT_CHARS_MAX } from '../../domain/limits.ts'
import type { Problem } from '../problems.ts'
import { excerpt } from '../problems.ts'
import type { Field } from './lines.ts'

/** Nothing that moves a terminal's cursor or is taken for the end of a line. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/u // oxlint-disable-line no-control-regex
const DECIMAL = /^\d{1,15}(?:\.\d{1,9})?$/

export class Row {
  readonly problems: Problem[] = []
  readonly number: number
  readonly #fields: ReadonlyMap<string, Field>

  constructor(number: number, fields: ReadonlyMap<string, Field>) {
    this.number = number
    this.#fields = fields
  }

  /** Null where the trace has no such column, or nothing in it. */
  raw(column: string): string | null {
    const text = this.#fields.get(column)?.text ?? ''
    return text === '' ? null : text
  }

  wrong(column: string, message: string, hint: string | null): null {
    const place = { line: this.number, column: this.#fields.get(column)?.column ?? 1 }
    this.problems.push({ message: `${column} ${message}`, pointer: '', hint, ...place })
    return null
  }

  text(column: string): string | null {
    const text = this.raw(column)
    if (text === null) return null
    if (CONTROL.test(text)) return this.wrong(column, `has control characters: ${excerpt(text, 40)}`, 'take them out')
    if (text.length <= TRACE_TEXT_CHARS_MAX) return text
    return this.wrong(column, `has ${text.length} characters`, `write at most ${TRACE_TEXT_CHARS_MAX}`)
  }

  needed(column: string): string | null {
    const text = this.text(column)
    if (text === null && this.raw(column) === null) return this.wrong(column, 'is empty', 'every job needs it')
    return text
  }

  /** Milliseconds of a plain number of seconds. */
  seconds(column: string, most: number): number | null {
    const text = this.raw(column)
    if (text === null) return this.wrong(column, 'is empty', 'every job needs it')
    if (!DECIMAL.test(text)) {
      const hint = 'write seconds as a plain decimal number of at least 0, such as 3600 or 0.5'
      return this.wrong(column, `is no number of seconds: ${excerpt(text, 40)}`, hint)
    }
    if (Number(text) > most)
      return this.wrong(column, `is more than ${most} s: ${excerpt(text, 40)}`, 'is it in seconds?')
    return Math.round(Number(text) * 1_000)
  }

  whole(column: string, least: number, most: number): number | null {
    const text = this.raw(column)
    if (text === null) return this.wrong(column, 'is empty', 'every job needs it')
    const value = Number(text)
    if (/^\d{1,15}(?:\.0{1,9})?$/.test(text) && value >= least && value <= most) return value
    return this.wrong(
      column,
      `is not a whole number from ${least} to ${most}: ${excerpt(text, 40)}`,
      'write it in digits',
    )
  }
}
