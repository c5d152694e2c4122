/** The part of the record's suite about modes: what is set, and tasks that wait while nobody may start them. */
import { expect } from 'vitest'
import type { Command, ModeRow, Store } from '../../src/store/store.ts'
import { submit, task } from './samples.ts'

type It = (title: string, body: (store: Store) => Promise<void>) => void

const row = (change: Partial<ModeRow> = {}): ModeRow => ({
  target: 'type:settler',
  source: 'person',
  mode: 'shadow',
  reason: 'a trial',
  actor: 'token:ada',
  sinceMs: 10,
  untilMs: null,
  state: null,
  ...change,
})
const put = (change: Partial<ModeRow> = {}): Command => ({ kind: 'mode.put', with: row(change) })
const hold = (asked: { readonly hold: boolean; readonly limit?: number; readonly afterSeq?: number }) =>
  ({ kind: 'tasks.hold', with: { agentType: 'settler', afterSeq: 0, limit: 10, wallMs: 50, ...asked } }) as const

export const modesSuite = (it: It): void => {
  it('a target has one mode of a person and one of a rule; each is replaced and cleared by itself', async (store) => {
    const rule = { source: 'rule', mode: 'parked', actor: 'rule:degrade', state: '{"trips":2}' } as const
    await store.transact([put(), put(rule), put({ target: 'swarm', mode: 'readonly', untilMs: 99 })])
    await store.transact([put({ mode: 'throttled' })])
    expect(await store.read.modes()).toEqual([
      row({ target: 'swarm', mode: 'readonly', untilMs: 99 }),
      row({ mode: 'throttled' }),
      row(rule),
    ])
    await store.transact([{ kind: 'mode.clear', with: { target: 'type:settler', source: 'person' } }])
    expect(await store.read.modes()).toMatchObject([{ target: 'swarm' }, { source: 'rule' }])
  })

  it('ready tasks of one type wait without a time, and are ready again; others, and those with a time, are left', async (store) => {
    await store.transact([submit([task('a'), task('b'), task('c', { agentType: 'other' })])])
    const counts = async (): Promise<unknown> =>
      (await store.read.taskCounts()).map(({ state, count }) => `${state} ${count}`).toSorted()
    const [first] = await store.transact([hold({ hold: true, limit: 1 })])
    expect(first.ok && first.value.moved).toBe(1)
    await store.transact([hold({ hold: true })])
    expect(await counts()).toEqual(['ready 1', 'waiting 2'])
    expect((await store.read.task('tsk_a'))!.state).toEqual({ state: 'waiting', reason: 'maintenance', untilMs: null })
    await store.transact([{ kind: 'tasks.due', with: { wallMs: 1e12, limit: 9 } }])
    expect(await counts()).toEqual(['ready 1', 'waiting 2'])
    const [one] = await store.transact([hold({ hold: false, limit: 1 })])
    expect(one.ok && one.value.moved).toBe(1)
    const [rest] = await store.transact([hold({ hold: false, afterSeq: one.ok ? one.value.lastSeq : 0 })])
    expect(rest.ok && rest.value.moved).toBe(1)
    expect(await counts()).toEqual(['ready 3'])
    expect((await store.read.task('tsk_a'))!.state).toEqual({ state: 'ready' })
  })
}
