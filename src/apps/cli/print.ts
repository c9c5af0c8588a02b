// Documents go to stdout; words for people to stdout, or to stderr where a document may follow.
import type { Command } from 'commander'
import { Option } from 'commander'

export type Output = { readonly output: 'text' | 'json' }

/** Every command has it: with `-o json` exactly one document stands on stdout. */
export const json = (command: Command): Command =>
  command.addOption(
    new Option('-o, --output <format>', 'for people or for programs').choices(['text', 'json']).default('text'),
  )

export const isJson = (options: Output): boolean => options.output === 'json'

export function printDocument(document: unknown): void {
  process.stdout.write(`${JSON.stringify(document)}\n`)
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** The document for a program, its words for a person. */
export function show<Document>(options: Output, document: Document, words: (document: Document) => string): void {
  if (isJson(options)) printDocument(document)
  else print(words(document))
}
