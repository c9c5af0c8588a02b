// The text of a trace to jobs, or every broken line with its place. Nothing of it is guessed: a job that cannot be read whole is broken.
import { TRACE_JOBS_MAX, TRACE_SPAN_S_MAX } from '../../domain/limits.ts'
import type { TraceJob } from '../../domain/trace.ts'
import { durationMs } from '../../domain/units.ts'
import { counted } from '../../domain/words.ts'
import type { Problem } from '../problems.ts'
import { excerpt } from '../problems.ts'
import { nearest } from '../suggest.ts'
import { CSV_NEEDED, CSV_OPTIONAL, jobOfCsv } from './csv.ts'
import type { Field, Line } from './lines.ts'
import { linesOfTrace, splitBar, splitComma } from './lines.ts'
import { Row } from './row.ts'
import type { SacctJob } from './sacct.ts'
import { jobOfSacct, SACCT_EITHER, SACCT_NEEDED, SACCT_OPTIONAL } from './sacct.ts'

export type Trace = {
  /** In the order of their submits, those of one moment in the order of the file. The first one is submitted at 0. */
  readonly jobs: readonly TraceJob[]
  /** Of broken lines, in the order of the file. */
  readonly problems: readonly Problem[]
  readonly brokenLines: number
  /** Lines that are no job of ours, and columns that nobody reads: what to say of them. */
  readonly notes: readonly string[]
  readonly leftOutLines: number
}

/** `fatal`: nothing of the file can be used, not even its other lines. */
export type TraceResult =
  | ({ readonly ok: true } & Trace)
  | { readonly ok: false; readonly problems: readonly Problem[] }

type Format = {
  readonly split: typeof splitComma
  readonly needed: readonly string[]
  readonly either: readonly (readonly string[])[]
  readonly optional: readonly string[]
  readonly jobOf: (row: Row) => SacctJob | null
}

const CSV: Format = { split: splitComma, needed: CSV_NEEDED, either: [], optional: CSV_OPTIONAL, jobOf: jobOfCsv }
const SACCT: Format = {
  split: splitBar,
  needed: SACCT_NEEDED,
  either: SACCT_EITHER,
  optional: SACCT_OPTIONAL,
  jobOf: jobOfSacct,
}

export function parseTrace(text: string): TraceResult {
  const [first, ...lines] = linesOfTrace(text)
  if (first === undefined)
    return fatal(1, 'it is empty', `write the header ${CSV_NEEDED.join(',')} and a line for each job`)
  const format = first.text.includes('|') ? SACCT : CSV
  const header = headerOf(first, format)
  if ('ok' in header) return header
  if (lines.length === 0) return fatal(first.number, 'it has a header and no job', 'write a line for each job')
  const read = new Reading(header.columns, format)
  for (const line of lines) {
    read.line(line)
    if (read.jobs.length > TRACE_JOBS_MAX)
      return fatal(line.number, `it has more than ${TRACE_JOBS_MAX} jobs`, 'cut it into several traces')
  }
  return read.result(header.notes)
}

function fatal(line: number, message: string, hint: string): TraceResult {
  return { ok: false, problems: [{ message, pointer: '', line, column: 1, hint }] }
}

type Header = { readonly columns: readonly string[]; readonly notes: readonly string[] }

function headerOf(line: Line, format: Format): Header | (TraceResult & { ok: false }) {
  const split = format.split(line.text)
  if ('wrong' in split)
    return {
      ok: false,
      problems: [{ message: split.wrong, pointer: '', line: line.number, column: split.column, hint: split.hint }],
    }
  const known = [...format.needed, ...format.either.flat(), ...format.optional]
  const columns = split.fields.map(
    ({ text }) => known.find((each) => each.toLowerCase() === text.toLowerCase()) ?? text,
  )
  const problems: Problem[] = []
  const complain = (column: number, message: string, hint: string): void =>
    void problems.push({ message, pointer: '', line: line.number, column, hint })
  for (const [index, { text, column }] of split.fields.entries())
    if (text !== '' && columns.indexOf(columns[index] ?? '') < index)
      complain(column, `column ${excerpt(text, 40)} was given before`, 'take one of them out')
  for (const names of [...format.needed.map((each) => [each]), ...format.either]) {
    if (names.some((name) => columns.includes(name))) continue
    const near = split.fields.find(
      ({ text }) => !known.includes(text) && nearest(text, names)?.startsWith('did you') === true,
    )
    const hint =
      near === undefined
        ? `the header is ${known.join(format === CSV ? ',' : '|')}`
        : `is it ${excerpt(near.text, 40)}?`
    complain(near?.column ?? 1, `there is no column ${names.join(' or ')}`, hint)
  }
  if (problems.length > 0) return { ok: false, problems }
  const notes = columns
    .filter((each) => each !== '' && !known.includes(each))
    .map((each) => `column ${excerpt(each, 40)} is not used${hintOf(each, format.optional)}`)
  return { columns, notes }
}

function hintOf(column: string, known: readonly string[]): string {
  const hint = nearest(column, known) ?? ''
  return hint.startsWith('did you') ? `: ${hint}` : ''
}

class Reading {
  readonly jobs: TraceJob[] = []
  readonly #columns: readonly string[]
  readonly #format: Format
  readonly #problems: Problem[] = []
  readonly #broken = new Set<number>()
  readonly #lineOf = new Map<string, number>()
  readonly #leftOut = new Map<string, number>()

  constructor(columns: readonly string[], format: Format) {
    this.#columns = columns
    this.#format = format
  }

  line(line: Line): void {
    const split = this.#format.split(line.text)
    if ('wrong' in split) return this.#complain(line.number, split.column, split.wrong, split.hint)
    const { fields } = split
    if (fields.length !== this.#columns.length) {
      const message = `it has ${counted(fields.length, 'field')}, and the header ${this.#columns.length}`
      return this.#complain(line.number, fields.at(-1)?.column ?? 1, message, 'write one field for each column')
    }
    const row = new Row(
      line.number,
      new Map(this.#columns.map((name, index): [string, Field] => [name, fields[index] ?? NONE])),
    )
    const job = this.#format.jobOf(row)
    if (job !== null && 'leftOut' in job) {
      this.#leftOut.set(job.leftOut, (this.#leftOut.get(job.leftOut) ?? 0) + 1)
      return
    }
    if (job === null) return this.#reject(row)
    const before = this.#lineOf.get(job.id)
    if (before !== undefined) {
      row.wrong(
        this.#columns.find((each) => each === 'id' || each === 'JobID') ?? 'id',
        `${excerpt(job.id, 40)} was given before, in line ${before}`,
        'give each job an id of its own',
      )
      return this.#reject(row)
    }
    this.#lineOf.set(job.id, line.number)
    this.jobs.push(job)
  }

  #reject(row: Row): void {
    this.#broken.add(row.number)
    this.#problems.push(...row.problems)
  }

  #complain(line: number, column: number, message: string, hint: string): void {
    this.#broken.add(line)
    this.#problems.push({ message, pointer: '', line, column, hint })
  }

  result(notes: readonly string[]): TraceResult {
    const first = this.jobs.reduce((least, job) => Math.min(least, job.submitMs), Infinity)
    const kept: TraceJob[] = []
    for (const job of this.jobs) {
      const submitMs = durationMs(job.submitMs - first)
      if (submitMs <= TRACE_SPAN_S_MAX * 1_000) kept.push({ ...job, submitMs })
      else
        this.#complain(
          job.line,
          1,
          `it is submitted ${Math.round(submitMs / 86_400_000)} days after the first one`,
          'a trace spans at most 5 years: is a moment of another clock in it?',
        )
    }
    return {
      ok: true,
      jobs: kept.toSorted((a, b) => a.submitMs - b.submitMs || a.line - b.line),
      problems: this.#problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)),
      brokenLines: this.#broken.size,
      notes: [...notes, ...[...this.#leftOut].map(([what, lines]) => `${counted(lines, 'line')} left out: ${what}`)],
      leftOutLines: [...this.#leftOut.values()].reduce((sum, lines) => sum + lines, 0),
    }
  }
}

const NONE: Field = { text: '', column: 1 }
