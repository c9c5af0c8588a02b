// Schemathesis, which asks a server everything that its OpenAPI document allows and much that it does not.
import { join } from 'node:path'
import { environmentOf } from './virtual-environment.ts'

type Found = { readonly kind: 'found'; readonly program: string } | { readonly kind: 'missing'; readonly why: string }

export function schemathesis(): Found {
  const made = environmentOf({ name: 'schemathesis', version: '4.32.5', oldestMinor: 10 })
  return made.kind === 'missing' ? made : { kind: 'found', program: join(made.folder, 'bin', 'schemathesis') }
}
