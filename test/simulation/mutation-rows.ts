// Runs rows that each break one string of the sources: the simulator must find it within a few seeds and say what is wrong. A row whose
// string is not there any more fails too (mutant-loader.ts).
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { SourceMutation } from './mutant-loader.ts'

export type Row = SourceMutation & {
  readonly what: string
  readonly caught: RegExp
  /** Of what needs a rare chain of events: a seed right before one that has it, so that it is met soon. */
  readonly from?: number
  readonly seeds?: number
}

const MUTANT = fileURLToPath(new URL('mutant.ts', import.meta.url))
const SEEDS = 12

export function testRows(rows: readonly Row[]): void {
  for (const { what, caught, from = 1, seeds = SEEDS, ...mutation } of rows) {
    void test(`the simulator finds that ${what}`, async () => {
      const args = [MUTANT, mutation.file, mutation.find, mutation.replace, String(from), String(seeds)]
      const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 24 })
      assert.match(stdout, caught)
    })
  }
}
