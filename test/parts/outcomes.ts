// A reporter for node:test that writes down, a line each, what the closing lines of the whole run need: what was skipped and why, and in
// which files something failed.
import type { TestEvent } from 'node:test/reporters'

export default async function* outcomes(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    const { skip, file, name } = event.data
    if (skip !== undefined && skip !== false) yield `skipped ${name}: ${skip === true ? 'no reason was given' : skip}\n`
    if (event.type === 'test:fail') yield `failed ${file ?? name}\n`
  }
}
