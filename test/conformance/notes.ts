/** What the fleet keeps beside its agents, and who has work in hand. */
import { expect } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import { claim, owner, submit, succeed, task } from './samples.ts'

/** `it` opens a record with host `owner` at epoch 1. */
export const notesSuite = (
  it: (title: string, body: (store: Store, reopen: () => Promise<Store>) => Promise<void>) => void,
): void => {
  const note = (notes: readonly { name: string; value: string | null }[], epoch = 1) =>
    ({ kind: 'fleet.note', with: { owner, epoch, notes } }) as const

  it('notes of the fleet are kept under their names, replaced, forgotten, and refused to an older sitter', async (store, reopen) => {
    await store.transact([
      note([
        { name: 'governor', value: '{"a":1}' },
        { name: 'lives', value: 'x' },
      ]),
    ])
    await store.transact([
      note([
        { name: 'governor', value: '{"a":2}' },
        { name: 'lives', value: null },
      ]),
    ])
    expect(await store.read.fleetNotes(owner)).toEqual([{ name: 'governor', value: '{"a":2}' }])
    expect(await store.read.fleetNotes('another host')).toEqual([])
    await store.transact([{ kind: 'host.open', with: { owner, bootId: 'boot', wallMs: 2 } }])
    const [old] = await store.transact([note([{ name: 'governor', value: null }])])
    expect(old).toMatchObject({ ok: false, refusal: 'stale' })
    await store.close()
    expect(await (await reopen()).read.fleetNotes(owner)).toEqual([{ name: 'governor', value: '{"a":2}' }])
  })

  it('who has work in hand is told with the time of its beginning, until it ends', async (store) => {
    expect(await store.read.inHand(10)).toEqual([])
    await store.transact([submit([task('one'), task('two')]), claim([1])])
    expect(await store.read.inHand(10)).toEqual([{ agent: 'settler/1', task: 'tsk_one', startedMs: 20 }])
    await store.transact([claim([2], 1, { wallMs: 25 })])
    expect(await store.read.inHand(1)).toEqual([{ agent: 'settler/2', task: 'tsk_two', startedMs: 25 }])
    await store.transact([succeed('one'), succeed('two')])
    expect(await store.read.inHand(10)).toEqual([])
  })
}
