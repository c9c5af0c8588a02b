// Sessions of people whom an identity provider vouches for, in both stores.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { ProjectName } from '../../src/domain/ids.ts'
import type { Grant } from '../../src/domain/principal.ts'
import { SESSION_KEPT_MS } from '../../src/domain/limits.ts'
import { epochMs } from '../../src/domain/units.ts'
import type { Store } from '../../src/ports/store.ts'
import { openSimulated, PostgresBenches } from '../parts/stores.ts'
import { auditOf, T0 } from './things.ts'

let benches: PostgresBenches
before(async () => {
  benches = await PostgresBenches.start()
})
after(() => benches.stop())

const ADMIN: Grant = { role: 'admin', project: null }
/** No policy has this project: what a session may is no reason to keep one. */
const MEMBER: Grant = { role: 'member', project: 'gone' as ProjectName }
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const add = (store: Store, id: string, identity: string, signIn: string, grants: readonly Grant[], minutes = 60) =>
  store.addSession(
    {
      id,
      name: 'browser session',
      subject: identity,
      role: grants[0]?.role ?? 'viewer',
      project: grants[0]?.project ?? null,
      createdAt: epochMs(T0),
      expiresAt: epochMs(T0 + minutes * 60_000),
      lastUsedAt: null,
      revokedAt: null,
      session: { identity, grants },
    },
    bytes(`hash of ${id}`),
    bytes(signIn),
    auditOf('session.create'),
  )
const found = (store: Store, id: string) => store.findToken(bytes(`hash of ${id}`))
const audited = async (store: Store): Promise<number> => (await store.audit(100, null)).length

for (const name of ['simulated', 'PostgreSQL'] as const)
  describe(`sessions of a provider: ${name}`, () => {
    const on = async (work: (store: Store) => Promise<void>): Promise<void> => {
      const bench = await (name === 'simulated' ? openSimulated : benches.open)(T0)
      try {
        await work(bench.store)
      } finally {
        await bench.close()
      }
    }

    test('one is found by its hash, with all that it may', () =>
      on(async (store) => {
        assert.equal(await add(store, 't1', 'ada', 'first', [ADMIN, MEMBER]), true)
        const token = await found(store, 't1')
        assert.deepEqual(token?.session, { identity: 'ada', grants: [ADMIN, MEMBER] })
        assert.deepEqual([token.role, token.project, token.subject], ['admin', null, 'ada'])
        assert.deepEqual((await store.tokens())[0]?.session, token.session)
      }))

    test('a sign-in makes one, however many come with it at once', () =>
      on(async (store) => {
        const all = ['t1', 't2', 't3'].map((id) => add(store, id, 'ada', 'same', [ADMIN]))
        assert.equal((await Promise.all(all)).filter(Boolean).length, 1)
        assert.equal((await store.tokens()).length, 1)
        assert.equal(await audited(store), 1)
      }))

    test('a new one gives what it may to the others of the same person, and to nobody else', () =>
      on(async (store) => {
        await add(store, 't1', 'ada', 'a', [ADMIN])
        await add(store, 't2', 'bob', 'b', [ADMIN])
        await add(store, 't3', 'ada', 'c', [MEMBER])
        const [ada, bob] = [await found(store, 't1'), await found(store, 't2')]
        assert.deepEqual([ada?.session?.grants, ada?.role, ada?.project], [[MEMBER], 'member', 'gone'])
        assert.deepEqual(bob?.session?.grants, [ADMIN])
      }))

    test('somebody without a role loses all of them, and what was ended stays so', () =>
      on(async (store) => {
        for (const id of ['t1', 't2']) await add(store, id, 'ada', id, [ADMIN])
        await add(store, 't3', 'bob', 't3', [ADMIN])
        await store.revokeToken('t1', epochMs(T0 + 1), auditOf('session.end'))
        await store.endSessions('ada', epochMs(T0 + 5), auditOf('session.refuse'))
        const ends = await Promise.all(['t1', 't2', 't3'].map(async (id) => (await found(store, id))?.revokedAt))
        assert.deepEqual(ends, [T0 + 1, T0 + 5, null])
        // A session that comes afterwards wakes none of them.
        await add(store, 't4', 'ada', 't4', [MEMBER])
        assert.deepEqual((await found(store, 't2'))?.session?.grants, [ADMIN])
        assert.equal(await audited(store), 6)
      }))

    test('those that have been over for a day are forgotten, tokens never', () =>
      on(async (store) => {
        const day = SESSION_KEPT_MS / 60_000
        await add(store, 't1', 'ada', 't1', [ADMIN], -day - 1)
        await add(store, 't2', 'ada', 't2', [ADMIN], -day + 1)
        const old = { id: 't0', name: 'ci', subject: 'ci', role: 'viewer', project: null, lastUsedAt: null } as const
        await store.addToken(
          { ...old, createdAt: epochMs(1), expiresAt: epochMs(2), revokedAt: null, session: null },
          bytes('hash of t0'),
          auditOf('token.create'),
        )
        await add(store, 't3', 'bob', 't3', [ADMIN])
        assert.deepEqual((await store.tokens()).map(({ id }) => id).toSorted(), ['t0', 't2', 't3'])
      }))
  })
