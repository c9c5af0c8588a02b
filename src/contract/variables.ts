// `$PLIMSOLL_*` and `$MASTER_*` in a spec: an unknown one would reach the program as it stands and fail late.
import { nearest } from './suggest.ts'

export const WORKER_VARIABLES = [
  'PLIMSOLL_RUN',
  'PLIMSOLL_ATTEMPT',
  'PLIMSOLL_WORKER',
  'PLIMSOLL_NODES',
  'PLIMSOLL_NODE_RANK',
  'PLIMSOLL_GPUS_PER_NODE',
  'PLIMSOLL_CHECKPOINT_DIR',
  'MASTER_ADDR',
  'MASTER_PORT',
] as const

const known = new Set<string>(WORKER_VARIABLES)

export type UnknownVariable = { readonly name: string; readonly hint: string | null }

/** The names in a text (as `substitute` of domain/plan finds them) that will not be substituted. `$$` is a dollar, so that `$$PLIMSOLL_X` is text. */
export function unknownVariables(text: string): UnknownVariable[] {
  const names = new Set<string>()
  for (const [, name] of text.matchAll(/\$\$|\$(PLIMSOLL_[A-Z_]+|MASTER_[A-Z]+)/g)) {
    if (name !== undefined && !known.has(name)) names.add(name)
  }
  return [...names].map((name) => ({ name, hint: nearest(name, WORKER_VARIABLES) }))
}

/** Names that belong to us, those that later versions add included: a spec that set its own rank would start two workers 0. */
export const isReserved = (name: string): boolean => /^(?:PLIMSOLL|MASTER)_/.test(name)
