/** The part of the record's suite about access and change: tokens, writes that began, configuration versions. */
import { expect } from 'vitest'
import type { Command, Store } from '../../src/store/store.ts'

type It = (title: string, body: (store: Store) => Promise<void>) => void

const create = (id: string, name: string): Command => ({
  kind: 'token.create',
  with: { token: { id, name, role: 'viewer', hash: `hash of ${id}`, expiresMs: null }, actor: 'token:ada', wallMs: 10 },
})
const begin = (requestHash: string, wallMs = 1): Command => ({
  kind: 'request.begin',
  with: { key: 'k', requestHash, untilMs: 100, wallMs },
})
const version = (hash: string): Command => ({
  kind: 'config.add',
  with: {
    version: { hash, file: '/c.json', baseDirectory: '/', raw: '{"a":1}', changes: ['+ a = 1'] },
    actor: 'up',
    wallMs: 5,
  },
})
const outcome = async (store: Store, command: Command): Promise<unknown> => {
  const [result] = await store.transact([command])
  return result.ok ? 'done' : result.refusal
}

export const accessSuite = (it: It): void => {
  it('a token’s name lives once; a revoked one makes room, and a use only ever moves forward', async (store) => {
    expect(await outcome(store, create('tok_1', 'ci'))).toBe('done')
    expect(await outcome(store, create('tok_2', 'ci'))).toBe('exists')
    await store.transact([
      { kind: 'token.used', with: { id: 'tok_1', wallMs: 30 } },
      { kind: 'token.used', with: { id: 'tok_1', wallMs: 20 } },
    ])
    expect(await outcome(store, { kind: 'token.revoke', with: { id: 'tok_1', wallMs: 40 } })).toBe('done')
    expect(await outcome(store, { kind: 'token.revoke', with: { id: 'tok_1', wallMs: 50 } })).toBe('illegal')
    expect(await outcome(store, { kind: 'token.revoke', with: { id: 'tok_9', wallMs: 50 } })).toBe('not-found')
    expect(await outcome(store, create('tok_3', 'ci'))).toBe('done')
    expect(await store.read.tokens()).toMatchObject([
      { id: 'tok_1', name: 'ci', hash: 'hash of tok_1', createdMs: 10, usedMs: 30, revokedMs: 40, expiresMs: null },
      { id: 'tok_3', usedMs: null, revokedMs: null },
    ])
  })

  it('a write that began is known until it is answered, forgotten, or out of time', async (store) => {
    expect(await outcome(store, begin('a'))).toBe('done')
    expect(await outcome(store, begin('a'))).toBe('exists')
    expect(await outcome(store, begin('b'))).toBe('exists-with-different')
    expect(await store.read.requestBegun('k')).toEqual({ requestHash: 'a', untilMs: 100 })
    expect(await outcome(store, { kind: 'request.forget', with: { key: 'k', requestHash: 'a' } })).toBe('done')
    expect(await outcome(store, begin('b'))).toBe('done')
    const answer = { key: 'k', requestHash: 'b', status: 200, body: '{}', untilMs: 100, wallMs: 2 }
    expect(await outcome(store, { kind: 'request.remember', with: answer })).toBe('done')
    expect(await store.read.requestBegun('k')).toBeUndefined()
    expect(await outcome(store, begin('b'))).toBe('exists')
    expect(await outcome(store, begin('c', 101))).toBe('done')
  })

  it('versions of the configuration are numbered, told newest first, and the same one twice is one', async (store) => {
    expect(await store.read.configVersion(null)).toBeUndefined()
    expect(await store.transact([version('a')])).toMatchObject([{ ok: true, value: { version: 1 } }])
    expect(await outcome(store, version('a'))).toBe('exists')
    await store.transact([version('b')])
    await store.transact([version('a')])
    const first = await store.read.configVersions({ limit: 2, after: null })
    expect(first.items.map((one) => one.version)).toEqual([3, 2])
    const rest = await store.read.configVersions({ limit: 2, after: first.next })
    expect(rest).toMatchObject({
      items: [{ version: 1, raw: '{"a":1}', changes: ['+ a = 1'], actor: 'up' }],
      next: null,
    })
    expect(await store.read.configVersion(2)).toMatchObject({ version: 2, hash: 'b' })
    expect(await store.read.configVersion(null)).toMatchObject({ version: 3 })
    expect(await store.read.configVersion(9)).toBeUndefined()
  })
}
