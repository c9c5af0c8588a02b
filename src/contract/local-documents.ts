// Documents that the command line prints without a server.
import { z } from 'zod'
import { document } from './document-parts.ts'

export const login = document('login', 'Login', { url: z.string(), file: z.string() })
export const completion = document('completion', 'Completion', { shell: z.enum(['bash', 'zsh']), script: z.string() })
export const policyDiff = document('policy-diff', 'PolicyDiff', {
  changes: z.array(z.looseObject({ pointer: z.string(), before: z.unknown(), after: z.unknown() })),
})
