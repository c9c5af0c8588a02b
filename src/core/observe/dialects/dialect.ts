// A dialect reads what one family of frameworks prints. It sees one line at a time, without a past, and says nothing about lines
// that it does not know: an unreadable line is never an error.
import type { FactBody } from '../../../domain/fact.ts'
import type { Framework } from '../../../domain/spec.ts'
import { megatron } from './megatron.ts'

export type Dialect = {
  readonly framework: Framework
  readonly read: (line: string) => readonly FactBody[]
}

const DIALECTS: readonly Dialect[] = [megatron]

/** `auto` tries all; a framework without a dialect yet, and `custom`, have none. */
export function dialectsFor(framework: Framework): readonly Dialect[] {
  return framework === 'auto' ? DIALECTS : DIALECTS.filter((dialect) => dialect.framework === framework)
}

/** Whether a source of progress is known before it has spoken. */
export const progressExpected = (framework: Framework): boolean =>
  framework !== 'auto' && DIALECTS.some((dialect) => dialect.framework === framework)
