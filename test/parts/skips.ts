// A reporter for node:test that names what was skipped and why, a line each, for the closing lines of the whole run.
import type { TestEvent } from 'node:test/reporters'

export default async function* skips(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    const { skip } = event.data
    if (skip !== undefined && skip !== false)
      yield `${event.data.name}: ${skip === true ? 'no reason was given' : skip}\n`
  }
}
