// `$PLIMSOLL_*` and `$MASTER_*` in a spec: an unknown one would reach the program as it stands and fail late.
import { nearest } from './suggest.ts'

const KNOWN = [
  'PLIMSOLL_RUN',
  'PLIMSOLL_ATTEMPT',
  'PLIMSOLL_WORKER',
  'PLIMSOLL_NODES',
  'PLIMSOLL_NODE_RANK',
  'PLIMSOLL_GPUS_PER_NODE',
  'PLIMSOLL_CHECKPOINT_DIR',
  'PLIMSOLL_INGEST_URL',
  'PLIMSOLL_INGEST_TOKEN',
  'MASTER_ADDR',
  'MASTER_PORT',
]

export type VariableProblem = { readonly pointer: string; readonly message: string; readonly hint: string | null }

export function unknownVariables(command: readonly string[], env: Readonly<Record<string, string>>): VariableProblem[] {
  const problems: VariableProblem[] = []
  const look = (pointer: string, value: string): void => {
    for (const [, variable] of value.replaceAll('$$', '').matchAll(/\$(PLIMSOLL_[A-Z_]+|MASTER_[A-Z]+)/g)) {
      if (variable === undefined || KNOWN.includes(variable)) continue
      problems.push({ pointer, message: `there is no variable $${variable}`, hint: nearest(variable, KNOWN) })
    }
  }
  for (const [index, argument] of command.entries()) look(`/command/${index}`, argument)
  for (const [key, value] of Object.entries(env)) {
    look(`/env/${key}`, value)
    if (/^(PLIMSOLL_|MASTER_)/.test(key))
      problems.push({ pointer: `/env/${key}`, message: `${key} is set by plimsoll`, hint: 'choose another name' })
  }
  return problems
}
