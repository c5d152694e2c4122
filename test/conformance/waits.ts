/** The part of the record's suite about tasks that wait for something to open. */
import { expect } from 'vitest'
import type { Command, Store } from '../../src/store/store.ts'
import { claim, submit, task } from './samples.ts'

type It = (title: string, body: (store: Store) => Promise<void>) => void

const park = (attempt: string, waitsFor: string | undefined, untilMs: number, wallMs = 20): Command => ({
  kind: 'attempts.finish',
  with: {
    wallMs,
    finishes: [
      {
        attempt,
        type: 'settle',
        outcome: 'interrupted',
        result: null,
        error: null,
        event: { event: 'park', reason: 'retry', untilMs, ...(waitsFor !== undefined && { waitsFor }) },
        counts: false,
        deadly: false,
      },
    ],
  },
})
const open = (waitsFor: string, more: { readonly limit?: number; readonly sinceMs?: number } = {}) =>
  ({ kind: 'tasks.open', with: { waitsFor, sinceMs: 20, limit: 10, wallMs: 30, ...more } }) as const

export const waitsSuite = (it: It): void => {
  const states = async (store: Store, ids: string): Promise<string> =>
    (await Promise.all([...ids].map(async (id) => (await store.read.task(`tsk_${id}`))!.state.state))).join(' ')

  it('what waits for something to open is known by it, each once and in order, and opens in lots by its own time', async (store) => {
    await store.transact([submit([task('a'), task('b'), task('c'), task('d')]), claim([1, 2, 3, 4])])
    await store.transact([
      park('att_a.1', 'call bank POST /x', 900),
      park('att_b.1', 'call bank POST /x', 800),
      park('att_c.1', 'budget b swarm', 700),
      park('att_d.1', undefined, 600),
    ])
    expect(await store.read.waitedFor('', 10)).toEqual(['budget b swarm', 'call bank POST /x'])
    expect(await store.read.waitedFor('', 1)).toEqual(['budget b swarm'])
    expect(await store.read.waitedFor('budget b swarm', 10)).toEqual(['call bank POST /x'])
    expect((await store.read.task('tsk_a'))!.state).toEqual({
      state: 'waiting',
      reason: 'retry',
      untilMs: 900,
      waitsFor: 'call bank POST /x',
    })
    const [none] = await store.transact([open('call bank POST /x', { sinceMs: 19 })])
    expect(none.ok && none.value).toEqual({ ready: 0, agentTypes: [] })
    const [first] = await store.transact([open('call bank POST /x', { limit: 1 })])
    expect(first.ok && first.value).toEqual({ ready: 1, agentTypes: ['settler'] })
    expect(await states(store, 'abcd')).toBe('waiting ready waiting waiting')
    await store.transact([open('call bank POST /x'), open('call other')])
    expect(await states(store, 'abcd')).toBe('ready ready waiting waiting')
    expect(await store.read.waitedFor('', 10)).toEqual(['budget b swarm'])
    const counts = await store.read.taskCounts()
    expect(counts.map(({ state, count }) => `${state} ${count}`).toSorted()).toEqual(['ready 2', 'waiting 2'])
  })

  it('whoever woke it, what a task waited for is forgotten when it waits no more', async (store) => {
    await store.transact([submit([task('a'), task('b'), task('c')]), claim([1, 2, 3])])
    await store.transact([park('att_a.1', 'x', 50), park('att_b.1', 'x', 60), park('att_c.1', 'x', 70)])
    const wake = { task: 'tsk_b', event: { event: 'wake' }, orNothing: false, wallMs: 50 } as const
    await store.transact([
      { kind: 'tasks.due', with: { wallMs: 50, limit: 9 } },
      { kind: 'task.move', with: wake },
    ])
    expect(await states(store, 'abc')).toBe('ready ready waiting')
    expect(await store.read.waitedFor('', 10)).toEqual(['x'])
    const hold = { agentType: 'settler', hold: true, afterSeq: 0, limit: 9, wallMs: 51 }
    await store.transact([{ kind: 'tasks.hold', with: hold }])
    // Held by a mode, the two wait for nothing that anybody but that mode opens.
    const [opened] = await store.transact([open('x', { sinceMs: 99 })])
    expect(opened.ok && opened.value.ready).toBe(1)
    expect(await states(store, 'abc')).toBe('waiting waiting ready')
    await store.transact([claim([4])])
    await store.transact([park('att_c.2', undefined, 90, 60)])
    expect((await store.read.task('tsk_c'))!.state).toEqual({ state: 'waiting', reason: 'retry', untilMs: 90 })
    expect(await store.read.waitedFor('', 10)).toEqual([])
  })
}
