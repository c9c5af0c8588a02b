// Documents that the command line prints without a server.
import { z } from 'zod'
import { document } from './document-parts.ts'

export const login = document('login', 'Login', { url: z.string(), file: z.string() })
export const completion = document('completion', 'Completion', { shell: z.enum(['bash', 'zsh']), script: z.string() })
export const policyDiff = document('policy-diff', 'PolicyDiff', {
  changes: z.array(z.looseObject({ pointer: z.string(), before: z.unknown(), after: z.unknown() })),
})

export const doctor = document('doctor', 'Doctor', {
  checks: z.array(
    z.looseObject({
      name: z.string(),
      state: z.enum(['good', 'missing', 'wrong', 'note']),
      detail: z.string(),
      whatToDo: z.string().nullable(),
    }),
  ),
})
export const simulate = document('simulate', 'Simulate', {
  from: z.int(),
  seeds: z.int(),
  runs: z.int(),
  attempts: z.int(),
  crashes: z.int(),
  virtualMs: z.int(),
  failures: z.array(z.looseObject({ seed: z.int(), problem: z.string(), repeat: z.string() })),
})
