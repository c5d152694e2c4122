/** The part of the record's suite about attempts: all are kept, late ones are noted, and the counts are those of the rows. */
import { expect } from 'vitest'
import type { Command, Finish, Store } from '../../src/store/store.ts'
import { claim, owner, submit, succeed, task } from './samples.ts'
import { after, end, move, redrive, stateOf, type It } from './work-samples.ts'

export const attempts = (it: It): void => {
  it('every attempt is kept and listed in the order of tasks, page by page, also those of an earlier life', async (store) => {
    const retry: Partial<Finish> = { outcome: 'transient', event: { event: 'retry', untilMs: 35 } }
    const due: Command = { kind: 'tasks.due', with: { wallMs: 35, limit: 9 } }
    await store.transact([submit([task('a'), task('b')]), claim([1, 2]), end('att_a.1', retry), succeed('b'), due])
    await store.transact([claim([2]), end('att_a.2'), redrive(['tsk_a']), claim([3])])
    const listed: string[] = []
    for (let after: string | null | undefined = undefined; after !== null;) {
      const page: Awaited<ReturnType<Store['read']['attemptsPage']>> = await store.read.attemptsPage({
        limit: 1,
        after: after ?? null,
      })
      listed.push(...page.items.map(({ id, life, number, outcome }) => `${id} ${life} ${number} ${outcome ?? 'runs'}`))
      after = page.next
    }
    expect(listed).toEqual([
      'att_a.1 1 1 transient',
      'att_a.2 1 2 permanent',
      'att_a.3 2 1 runs',
      'att_b.1 1 1 succeeded',
    ])
    expect(await store.read.attempt('att_a.2')).toMatchObject({ agent: 'settler/2', error: { name: 'E' } })
    expect(await store.read.attempt('att_a.4')).toBeUndefined()
    expect(await store.read.attempt('nothing')).toBeUndefined()
    const { items, ofNewestTasks } = await store.read.attemptsOf('settler/2', 5)
    expect([items.map(({ id }) => id).toSorted(), ofNewestTasks]).toEqual([['att_a.2', 'att_b.1'], null])
  })

  it('how long a task was in hand is told of the attempts of its present life, but not of one that ended with its sitter', async (store) => {
    const retry: Partial<Finish> = { outcome: 'transient', event: { event: 'retry', untilMs: 35 } }
    const due: Command = { kind: 'tasks.due', with: { wallMs: 35, limit: 9 } }
    const lasted = async (): Promise<number> => {
      const all = (await store.read.attempts('tsk_a')).filter(({ outcome }) => outcome === 'transient')
      return all.reduce((sum, { startedMs, endedMs }) => sum + endedMs! - startedMs, 0)
    }
    await store.transact([submit([task('a')]), claim([1]), end('att_a.1', retry), due, claim([2])])
    expect([await store.read.spentMs('tsk_a'), await lasted()]).toEqual([await lasted(), 10])
    await store.transact([{ kind: 'host.open', with: { owner, bootId: 'boot', wallMs: 40 } }])
    const [recovered] = await store.transact([{ kind: 'attempts.recover', with: { owner, epoch: 2, wallMs: 9_999 } }])
    expect(recovered).toMatchObject({ ok: true, value: { interrupted: 1 } })
    await store.transact([claim([3], 2)])
    expect((await store.read.attempts('tsk_a')).map(({ outcome }) => outcome)).toEqual([
      'transient',
      'interrupted',
      null,
    ])
    expect(await store.read.spentMs('tsk_a')).toBe(10)
    expect(await store.read.spentMs('tsk_nobody')).toBe(0)
  })

  it('what an attempt says after its task went on without it is noted with that attempt', async (store) => {
    const retry: Partial<Finish> = { outcome: 'transient', event: { event: 'retry', untilMs: 35 } }
    await store.transact([submit([task('a')]), claim([1]), end('att_a.1', retry)])
    const told = async (command: Extract<Command, { kind: 'attempts.finish' }>): Promise<string | undefined> => {
      const [result] = await store.transact([command])
      return result.ok ? result.value[0]!.outcome : result.refusal
    }
    expect(await told(end('att_a.1', retry))).toBe('repeat')
    expect(await told(succeed('a', 1))).toBe('stale')
    await store.transact([{ kind: 'tasks.due', with: { wallMs: 35, limit: 9 } }, claim([2])])
    expect(await told(succeed('a', 1))).toBe('stale')
    expect(await told(succeed('a', 3))).toBe('not-found')
    expect(await told(succeed('z', 1))).toBe('not-found')
    expect(await told(succeed('a', 2))).toBe('done')
    expect(await stateOf(store, 'a')).toBe('succeeded')
  })

  it('counts by state and outcome are those of the rows, whatever was refused on the way', async (store) => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    const retry: Partial<Finish> = { outcome: 'transient', event: { event: 'retry', untilMs: 35 } }
    await store.transact([submit(names.map((name) => task(name, name === 'f' ? { notBeforeMs: 99 } : {})))])
    await store.transact([submit([after('g', ['a']), after('h', ['b']), after('i', ['b'], { onFailed: 'run' })])])
    await store.transact([claim([1, 2, 3, 4])])
    await store.transact([succeed('a'), end('att_b.1'), end('att_c.1', retry), move('tsk_d', 'cancel')])
    // Refused after it had written: nothing of it counts.
    await Promise.all([
      store.transact([submit([task('x')]), move('tsk_a', 'cancel')]),
      store.transact([submit([task('y'), task('a', { payloadHash: 'other' })])]),
      store.transact([submit([task('z')])]),
    ])
    await store.transact([redrive(['tsk_b']), { kind: 'tasks.due', with: { wallMs: 35, limit: 9 } }])
    const rows = (await store.read.tasks({}, { limit: 100, after: null })).items
    const counted = new Map<string, number>()
    for (const { state } of rows) counted.set(state.state, (counted.get(state.state) ?? 0) + 1)
    const told = (await store.read.taskCounts()).map(({ state, count }) => [state, count] as const)
    expect(new Map(told)).toEqual(counted)
    expect(rows.map(({ id }) => id)).not.toContain('tsk_x')
    const ends = new Map<string, number>()
    for (const { outcome } of (await store.read.attemptsPage({ limit: 100, after: null })).items)
      ends.set(outcome ?? 'running', (ends.get(outcome ?? 'running') ?? 0) + 1)
    const outcomes = (await store.read.attemptCounts()).map(({ outcome, count }) => [outcome, count] as const)
    expect(new Map(outcomes)).toEqual(ends)
  })
}
