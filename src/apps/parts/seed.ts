import type { Clock } from '../../ports/clock.ts'
import type { Store } from '../../ports/store.ts'
import type { Files } from './files.ts'

/** The policy lives in the database; the file is its seed, and never applied over what somebody changed. */
export async function seedPolicy(store: Store, clock: Clock, files: Files): Promise<void> {
  if ((await store.policy()) !== null) return
  const at = clock.now()
  await store.applyPolicy(files.policy, files.policyDocument, {
    at,
    actor: 'rule:seed',
    verb: 'policy.apply',
    target: 'policy',
    detail: { file: 'config/policy/seed.yaml' },
  })
}
