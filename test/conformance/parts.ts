/** The part of the record's suite about tasks that did part of their work, and what is left of them. */
import { expect } from 'vitest'
import type { Command, Finish } from '../../src/store/store.ts'
import { claim, submit, succeed, task } from './samples.ts'
import { after, discard, end, redrive, type It } from './work-samples.ts'

export const parts = (it: It): void => {
  const left = (
    attempt: string,
    rest: string,
    more: Partial<Finish> = {},
  ): Extract<Command, { kind: 'attempts.finish' }> =>
    end(attempt, {
      outcome: 'transient',
      event: { event: 'retry', untilMs: 30 },
      error: { name: 'E', message: 'two refused', partial: { done: [1], rest: JSON.parse(rest) } },
      rest: { payload: rest, actor: 'agent:settler/1' },
      ...more,
    })
  const due: Command = { kind: 'tasks.due', with: { wallMs: 30, limit: 10 } }

  it('what an attempt leaves is the payload of the next, its redrive too; what it replaced is kept', async (store) => {
    await store.transact([submit([task('a', { payload: '[1,2,3]' }), task('b')]), claim([1])])
    await store.transact([left('att_a.1', '[2,3]')])
    expect(await store.read.task('tsk_a')).toMatchObject({
      payload: '[2,3]',
      version: 2,
      error: { message: 'two refused', partial: { done: [1], restVersion: 2 } },
    })
    const [, given] = await store.transact([due, claim([2])] as const)
    expect(given.ok && given.value.claimed.map(({ payload }) => payload)).toEqual(['[2,3]'])
    await store.transact([left('att_a.2', '[3]', { event: { event: 'give-up', reason: 'permanent' } })])
    expect(await store.read.deadLettersOf('tsk_a')).toMatchObject([
      { version: 2, error: { partial: { restVersion: 3 } } },
    ])
    const [, again] = await store.transact([redrive(['tsk_a']), claim([3])] as const)
    expect(again.ok && again.value.claimed.map(({ task: id, payload }) => [id, payload])).toContainEqual([
      'tsk_a',
      '[3]',
    ])
    expect((await store.read.payloadsOf('tsk_a')).map(({ payload, actor }) => [payload, actor])).toEqual([
      ['[1,2,3]', 'agent:settler/1'],
      ['[2,3]', 'agent:settler/1'],
    ])
    expect((await store.read.attempts('tsk_a')).map(({ error }) => error?.partial)).toEqual([
      { done: [1], restVersion: 2 },
      { done: [1], restVersion: 3 },
      undefined,
    ])
    expect(await store.read.partialCounts()).toEqual([{ type: 'settle', count: 2 }])
  })

  it('a part that is told twice, or too late, leaves its rest once, or not at all', async (store) => {
    await store.transact([submit([task('a', { payload: '[1,2]' })]), claim([1])])
    await store.transact([left('att_a.1', '[2]')])
    await store.transact([left('att_a.1', '[2]')])
    await store.transact([due, claim([2])])
    await store.transact([left('att_a.1', '[]', { outcome: 'permanent' })])
    expect(await store.read.task('tsk_a')).toMatchObject({ payload: '[2]', version: 2 })
    await store.transact([
      { kind: 'task.move', with: { task: 'tsk_a', event: { event: 'cancel' }, orNothing: false, wallMs: 40 } },
    ])
    await store.transact([left('att_a.2', '[]')])
    expect(await store.read.task('tsk_a')).toMatchObject({ payload: '[2]', version: 2 })
    expect(await store.read.partialCounts()).toEqual([{ type: 'settle', count: 1 }])
  })

  it('tasks and dead letters of which part is done can be listed alone, whatever became of the rest', async (store) => {
    await store.transact([submit(['a', 'b', 'c', 'd'].map((name) => task(name))), claim([1, 2, 3])])
    const given = { event: 'give-up', reason: 'permanent' } as const
    await store.transact([left('att_a.1', '[2]'), left('att_b.1', '[2]', { event: given }), end('att_c.1')])
    await store.transact([
      {
        kind: 'task.edit',
        with: { task: 'tsk_d', payload: '[9]', expectVersion: null, actor: 'operator:ann', wallMs: 40 },
      },
    ])
    const named = async (state?: string): Promise<string[]> => {
      const filter = { partial: true, ...(state !== undefined && { state }) } as const
      return (await store.read.tasks(filter, { limit: 10, after: null })).items.map(({ id }) => id)
    }
    expect([await named(), await named('waiting'), await named('nonsense')]).toEqual([
      ['tsk_a', 'tsk_b'],
      ['tsk_a'],
      [],
    ])
    const dead = await store.read.deadLetters({ partial: true }, { limit: 10, after: null })
    expect(dead.items.map(({ id }) => id)).toEqual(['tsk_b'])
    await store.transact([due, claim([4], 1), succeed('a', 2)])
    expect(await named('succeeded')).toEqual(['tsk_a'])
  })

  it('of the payloads that agents replaced the newest 50 are kept, and the first and those of people', async (store) => {
    await store.transact([submit([task('a', { payload: '0' })])])
    for (let at = 1; at <= 60; at += 1) {
      const edit = { task: 'tsk_a', payload: '"fixed"', expectVersion: null, actor: 'operator:ann', wallMs: 25 }
      await store.transact([due, ...(at === 3 ? [{ kind: 'task.edit', with: edit } as const] : []), claim([1])])
      await store.transact([left(`att_a.${at}`, String(at))])
    }
    const kept = await store.read.payloadsOf('tsk_a')
    expect(kept.slice(0, 3).map(({ version, payload }) => [version, payload])).toEqual([
      [1, '0'],
      [3, '2'],
      [12, '10'],
    ])
    expect(kept).toHaveLength(52)
  })

  it('an end that a task leaves again stays counted, whoever asks after which restart', async (store, reopen) => {
    await store.transact([submit([task('a'), task('b')]), claim([1, 2])])
    await store.transact([end('att_a.1'), end('att_b.1')])
    expect(await store.read.leftCounts()).toEqual([])
    await store.transact([redrive(['tsk_a'])])
    await store.transact([discard(['tsk_b'])])
    const left = [{ type: 'settle', outcome: 'dead', count: 2 }]
    expect(await store.read.leftCounts()).toEqual(left)
    // Refused as a whole, it counts nothing.
    await store.transact([redrive(['tsk_a'])])
    await store.close()
    expect(await (await reopen()).read.leftCounts()).toEqual(left)
  })

  it('a wait is told from when a task could start to its first start, whatever came after', async (store) => {
    expect(await store.read.taskWaits('settle')).toBeNull()
    // Submitted at 10, claimed at 20; one may not start before 15, and waited 5 alone.
    await store.transact([submit([task('a')]), claim([1])])
    expect(await store.read.taskWaits('settle')).toEqual({ p50: 10, p95: 10, p99: 10 })
    await store.transact([left('att_a.1', '[1]')])
    await store.transact([due, claim([2], 1, { wallMs: 500 })])
    expect(await store.read.taskWaits('settle')).toEqual({ p50: 10, p95: 10, p99: 10 })
    await store.transact([submit([task('b', { notBeforeMs: 700 })])])
    await store.transact([{ kind: 'tasks.due', with: { wallMs: 700, limit: 10 } }, claim([3], 1, { wallMs: 705 })])
    expect((await store.read.taskWaits('settle'))!.p50).toBe(7.5)
    await store.transact([submit([after('c', ['a'])])])
    expect(await store.read.taskWaits('other')).toBeNull()
  })
}
