// Whom a finding is about, and what it costs.
import type { Sighting, Subject } from '../../domain/finding.ts'
import type { Running } from './look.ts'

/** A finding of an attempt: another attempt of the same run begins anew. */
export const subjectOf = ({ run, attempt }: Pick<Running, 'run' | 'attempt'>, part = ''): Subject => ({
  project: run.project,
  run: run.id,
  attempt: attempt.id,
  budget: null,
  part,
})

/** All GPUs of the gang compute for nothing. */
export const costOf = ({ gpus, price }: Running): Pick<Sighting, 'gpus' | 'price'> => ({ gpus, price })

/** None do, or nobody can say how many. */
export const FREE: Pick<Sighting, 'gpus' | 'price'> = { gpus: null, price: null }
