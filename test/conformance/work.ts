/** The part of the record's suite about work: dependencies, order of starts, dead letters, shared state, locks. */
import { expect } from 'vitest'
import type { Stamp } from '../../src/std/std.ts'
import type { Command, Finish, Store } from '../../src/store/store.ts'
import { attempts } from './attempts.ts'
import { parts } from './parts.ts'
import { claim, firstTurn, owner, slot, submit, succeed, task } from './samples.ts'
import { after, discard, end, move, redrive, stateOf, type It } from './work-samples.ts'

const statesOf = (store: Store, names: readonly string[]): Promise<(string | undefined)[]> =>
  Promise.all(names.map((name) => stateOf(store, name)))
const startedBy = async (store: Store, asked: Extract<Command, { kind: 'tasks.claim' }>): Promise<string[]> => {
  const [result] = await store.transact([asked])
  return result.ok ? result.value.claimed.map((one) => one.task) : []
}

const dependencies = (it: It): void => {
  it('a task starts only after all that it comes after, and is ready in the commit of the last success', async (store) => {
    await store.transact([submit([task('a'), task('b'), after('c', ['a', 'b'])])])
    expect(await store.read.task('tsk_c')).toMatchObject({ state: { state: 'blocked' }, after: ['tsk_a', 'tsk_b'] })
    expect(await startedBy(store, claim([1, 2, 3]))).toEqual(['tsk_a', 'tsk_b'])
    const [first] = await store.transact([succeed('a')])
    expect([first.ok && first.value[0]!.readied, await stateOf(store, 'c')]).toEqual([[], 'blocked'])
    expect(await store.read.dependencies('tsk_c')).toEqual([
      { task: 'tsk_a', ended: 'succeeded' },
      { task: 'tsk_b', ended: null },
    ])
    const [last] = await store.transact([succeed('b')])
    expect([last.ok && last.value[0]!.readied, await stateOf(store, 'c')]).toEqual([['settler'], 'ready'])
  })

  it('a task cannot come after one that is not there, and nothing of its list is taken', async (store) => {
    const [missing] = await store.transact([submit([task('a'), after('b', ['c']), task('c')])])
    expect(missing).toMatchObject({ ok: false, refusal: 'not-found', detail: 'tsk_c' })
    expect(await store.read.taskCounts()).toEqual([])
  })

  it('a bad end goes down the line: cancel ends it, run starts it, block keeps it for the redrive', async (store) => {
    await store.transact([
      submit([
        task('a'),
        after('stop', ['a']),
        after('behind', ['stop']),
        after('go', ['a'], { onFailed: 'run' }),
        after('hold', ['a'], { onFailed: 'block' }),
        after('later', ['stop'], { onFailed: 'run', notBeforeMs: 5_000 }),
      ]),
      claim([1]),
    ])
    const [ended] = await store.transact([end('att_a.1')])
    expect(ended.ok && ended.value[0]!.readied).toEqual(['settler'])
    expect(await statesOf(store, ['a', 'stop', 'behind', 'go', 'hold', 'later'])).toEqual([
      'dead',
      'cancelled',
      'cancelled',
      'ready',
      'blocked',
      'waiting',
    ])
    expect((await store.read.task('tsk_behind'))?.error).toMatchObject({ name: 'DependencyFailed' })
    expect(await store.read.nextTaskDueMs()).toBe(5_000)
    await store.transact([redrive(['tsk_a']), claim([2, 3])])
    await store.transact([succeed('a', 2), succeed('go')])
    expect(await statesOf(store, ['a', 'go', 'hold'])).toEqual(['succeeded', 'succeeded', 'ready'])
  })

  it('what waits for a dead letter ends with it: discarded, and the dependant is cancelled', async (store) => {
    await store.transact([submit([task('a'), after('b', ['a'], { onFailed: 'block' })]), claim([1])])
    await store.transact([end('att_a.1')])
    expect(await stateOf(store, 'b')).toBe('blocked')
    const [moved] = await store.transact([discard(['tsk_a', 'tsk_b', 'tsk_x'])])
    expect(moved!.ok && moved!.value).toEqual([
      { task: 'tsk_a', outcome: 'done' },
      { task: 'tsk_b', outcome: 'not-dead' },
      { task: 'tsk_x', outcome: 'not-found' },
    ])
    expect(await statesOf(store, ['a', 'b'])).toEqual(['cancelled', 'cancelled'])
  })

  it('what has ended already decides at once for a task that comes after it', async (store) => {
    await store.transact([submit([task('good'), task('bad')]), claim([1, 2])])
    await store.transact([succeed('good'), end('att_bad.1')])
    await store.transact([
      submit([
        after('a', ['good']),
        after('b', ['good', 'bad']),
        after('c', ['bad'], { onFailed: 'run' }),
        after('d', ['bad'], { onFailed: 'block' }),
      ]),
    ])
    expect(await statesOf(store, ['a', 'b', 'c', 'd'])).toEqual(['ready', 'cancelled', 'ready', 'blocked'])
  })

  it('a task that comes after others does not take a free agent at its submission', async (store) => {
    const [first] = await store.transact([
      submit([task('a'), after('b', ['a'])], { claim: [slot(1), slot(2), slot(3)] }),
    ])
    expect(first.ok && first.value.claimed.map((one) => one.task)).toEqual(['tsk_a'])
    expect(await stateOf(store, 'b')).toBe('blocked')
  })

  it('a thousand that come after one are ready with its end', async (store) => {
    await store.transact([submit([task('a')])])
    await store.transact([submit(Array.from({ length: 1_000 }, (_, index) => after(`n${index}`, ['a'])))])
    await store.transact([claim([1]), succeed('a')])
    expect(await store.read.taskCounts()).toMatchObject([
      { state: 'ready', count: 1_000 },
      { state: 'succeeded', count: 1 },
    ])
  })
}

const starts = (it: It): void => {
  it('task types of one priority take turns, whichever came first', async (store) => {
    const many = Array.from({ length: 6 }, (_, index) => task(`a${index}`, { type: 'a' }))
    await store.transact([submit([...many, task('b0', { type: 'b' }), task('b1', { type: 'b' })])])
    expect(await startedBy(store, claim([1, 2, 3]))).toEqual(['tsk_a0', 'tsk_b0', 'tsk_a1'])
    const next = claim([4, 5, 6], 1, { turn: { starts: 3, lastType: 'a' } })
    expect(await startedBy(store, next)).toEqual(['tsk_b1', 'tsk_a2', 'tsk_a3'])
  })

  it('the tenth start goes to the task that has waited longest, once that is a minute', async (store) => {
    const low = Array.from({ length: 3 }, (_, index) => task(`low${index}`, { priority: 0 }))
    const high = Array.from({ length: 30 }, (_, index) => task(`high${index}`, { priority: 9 }))
    await store.transact([submit([...low, ...high], { wallMs: 0 })])
    const ten = Array.from({ length: 10 }, (_, index) => index + 1)
    const early = await startedBy(store, claim(ten, 1, { wallMs: 59_999 }))
    expect(early).toEqual(ten.map((_, index) => `tsk_high${index}`))
    const later = await startedBy(
      store,
      claim(
        ten.map((number) => number + 10),
        1,
        { wallMs: 60_000, turn: { starts: 10, lastType: 'settle' } },
      ),
    )
    expect(later.at(-1)).toBe('tsk_low0')
    expect(later.filter((id) => id.startsWith('tsk_low'))).toHaveLength(1)
    const [single] = await startedBy(
      store,
      claim([30], 1, { wallMs: 60_000, turn: { starts: 29, lastType: 'settle' } }),
    )
    expect(single).toBe('tsk_low1')
  })
}

const deadLetters = (it: It): void => {
  it('a dead letter keeps its reason and history, and its redrive is linked to it', async (store) => {
    await store.transact([submit([task('a', { deadlineMs: 1_010 })]), claim([1])])
    await store.transact([end('att_a.1')])
    expect(await store.read.deadLettersOf('tsk_a')).toMatchObject([
      { life: 1, reason: 'permanent', outcome: 'permanent', attempts: 1, version: 1, diedMs: 30, closed: null },
    ])
    await store.transact([redrive(['tsk_a'], 9_000)])
    expect(await store.read.task('tsk_a')).toMatchObject({
      state: { state: 'waiting', untilMs: 9_000 },
      life: 2,
      attempts: 0,
      error: null,
      deadlineMs: 10_000,
    })
    expect(await store.read.deadLettersOf('tsk_a')).toMatchObject([{ closed: 'redriven', actor: 'operator:ann' }])
    await store.transact([{ kind: 'tasks.due', with: { wallMs: 9_000, limit: 9 } }, claim([2])])
    await store.transact([end('att_a.2', { event: { event: 'give-up', reason: 'poison' }, outcome: 'poison' })])
    expect((await store.read.attempts('tsk_a')).map(({ life, number }) => [life, number])).toEqual([
      [1, 1],
      [2, 1],
    ])
    expect((await store.read.deadLettersOf('tsk_a')).map(({ life, reason }) => [life, reason])).toEqual([
      [1, 'permanent'],
      [2, 'poison'],
    ])
    const [again] = await store.transact([redrive(['tsk_a', 'tsk_a'])])
    expect(again!.ok && again!.value).toEqual([
      { task: 'tsk_a', outcome: 'done' },
      { task: 'tsk_a', outcome: 'not-dead' },
    ])
  })

  it('dead letters are found by type, part of their error and time, in the order in which they died', async (store) => {
    await store.transact([submit([task('a'), task('b', { type: 'other' }), task('c')]), claim([1, 2, 3])])
    await store.transact([end('att_c.1'), end('att_a.1', { error: { name: 'E', message: 'timeout', code: 'T_1' } })])
    await store.transact([end('att_b.1')])
    const found = async (filter: Parameters<Store['read']['deadLetters']>[0]): Promise<string[]> =>
      (await store.read.deadLetters(filter, { limit: 10, after: null })).items.map((one) => one.id)
    expect(await found({})).toHaveLength(3)
    expect(await found({ type: 'other' })).toHaveLength(1)
    expect(await found({ error: 't_1' })).toHaveLength(1)
    expect(await found({ error: 'tx1' })).toEqual([])
    expect(await found({ error: '100%' })).toHaveLength(2)
    expect(await found({ sinceMs: 31 })).toEqual([])
    const first = await store.read.deadLetters({}, { limit: 2, after: null })
    const rest = await store.read.deadLetters({}, { limit: 2, after: first.next })
    const all = [...first.items, ...rest.items].map((one) => one.id)
    expect([all, rest.next]).toEqual([await found({}), null])
  })

  it('a payload is replaced as a new version, and the old one is kept', async (store) => {
    const edit = (expectVersion: number | null): Command => ({
      kind: 'task.edit',
      with: { task: 'tsk_a', payload: '{"to":"ann"}', expectVersion, actor: 'operator:ann', wallMs: 5 },
    })
    await store.transact([submit([task('a')])])
    expect((await store.transact([edit(1)]))[0]).toMatchObject({ ok: true, value: { version: 2 } })
    expect((await store.transact([edit(1)]))[0]).toMatchObject({ ok: false, refusal: 'stale' })
    expect(await store.read.task('tsk_a')).toMatchObject({ payload: '{"to":"ann"}', version: 2 })
    expect(await store.read.payloadsOf('tsk_a')).toEqual([
      { version: 1, payload: '{}', actor: 'operator:ann', replacedMs: 5 },
    ])
    const [again] = await store.transact([submit([task('a', { id: 'tsk_other' })])])
    expect(again.ok && again.value.submitted).toEqual([{ id: 'tsk_a', outcome: 'exists' }])
    await store.transact([claim([1])])
    expect((await store.transact([edit(null)]))[0]).toMatchObject({ ok: false, refusal: 'illegal' })
  })

  it('past its deadline a task that nobody has in hand is a dead letter, but not one that waits for a person', async (store) => {
    await store.transact([
      submit([
        task('held', { deadlineMs: 500 }),
        task('ready', { deadlineMs: 500 }),
        task('none'),
        after('blocked', ['none'], { deadlineMs: 400 }),
        task('late', { deadlineMs: 900 }),
      ]),
      claim([1]),
    ])
    const park: Finish['event'] = { event: 'park', reason: 'approval', untilMs: null }
    await store.transact([end('att_held.1', { outcome: 'interrupted', error: null, event: park, counts: false })])
    expect(await store.read.nextTaskDeadlineMs()).toBe(400)
    const [expired] = await store.transact([{ kind: 'tasks.expire', with: { wallMs: 500, limit: 9 } }])
    expect(expired.ok && expired.value.expired.map((one) => one.task)).toEqual(['tsk_blocked', 'tsk_ready'])
    expect((await store.read.deadLettersOf('tsk_ready')).map((one) => one.reason)).toEqual(['deadline'])
    await store.transact([move('tsk_held', 'wake', 1_030)])
    expect(await store.read.task('tsk_held')).toMatchObject({ state: { state: 'ready' }, deadlineMs: 1_500 })
    expect(await store.read.nextTaskDeadlineMs()).toBe(900)
  })

  it('a claim says how urgent its task is, also one that is given with its submission', async (store) => {
    const [urgent] = await store.transact([submit([{ ...task('a'), priority: 9 }], { claim: [slot(1)] })])
    expect(urgent.ok && urgent.value.claimed).toMatchObject([{ task: 'tsk_a', priority: 9 }])
    const [, low] = await store.transact([submit([{ ...task('b'), priority: 1 }]), claim([2])])
    expect(low.ok && low.value.claimed).toMatchObject([{ task: 'tsk_b', priority: 1 }])
  })

  it('deaths with a task as the only one in hand are counted, and told with its next claim', async (store) => {
    await store.transact([submit([task('a')]), claim([1])])
    const retry: Partial<Finish> = { outcome: 'transient', event: { event: 'retry', untilMs: 35 }, deadly: true }
    await store.transact([end('att_a.1', retry), { kind: 'tasks.due', with: { wallMs: 35, limit: 1 } }])
    const [next] = await store.transact([claim([2])])
    expect(next.ok && next.value.claimed).toMatchObject([{ deaths: 1, number: 2 }])
    await store.transact([end('att_a.2'), redrive(['tsk_a'])])
    const [anew] = await store.transact([claim([3])])
    expect(anew.ok && anew.value.claimed).toMatchObject([{ deaths: 0, number: 1 }])
  })
}

const at = (monoMs: number, bootId = 'boot', wallMs = monoMs): Stamp => ({ wallMs, monoMs, bootId })
const take = (holder: string, now: Stamp, taskId: string | null = null): Extract<Command, { kind: 'lock.take' }> => ({
  kind: 'lock.take',
  with: { name: 'ledger', holder, task: taskId, leaseMs: 1_000, now },
})

const shared = (it: It): void => {
  it('a value is written where its version is the expected one, once, and kept over a reopening', async (store, reopen) => {
    const put = (
      value: string,
      expectVersion: number,
      actor = 'agent:a/1',
    ): Extract<Command, { kind: 'state.put' }> => ({
      kind: 'state.put',
      with: { name: 'cursor', value, expectVersion, actor, wallMs: 5 },
    })
    expect((await store.transact([put('1', 0)]))[0]).toEqual({ ok: true, value: { version: 1 } })
    expect((await store.transact([put('1', 0)]))[0]).toEqual({ ok: true, value: { version: 1 } })
    expect((await store.transact([put('1', 0, 'agent:a/2')]))[0]).toEqual({ ok: false, refusal: 'stale', detail: '1' })
    const both = await Promise.all([store.transact([put('"x"', 1)]), store.transact([put('"y"', 1)])])
    expect(both.filter(([one]) => one.ok)).toHaveLength(1)
    await store.close()
    const next = await reopen()
    expect(await next.read.state('cursor')).toMatchObject({ version: 2, actor: 'agent:a/1', updatedMs: 5 })
    expect(await next.read.state('other')).toBeUndefined()
    expect((await next.read.states({ limit: 9, after: null })).items.map((one) => one.name)).toEqual(['cursor'])
  })

  it('a lock has one holder, frees itself when its lease is over, and its fence only grows', async (store) => {
    expect((await store.transact([take('att_1', at(0))]))[0]).toEqual({
      ok: true,
      value: { taken: true, fence: 1, leftMs: 1_000 },
    })
    expect((await store.transact([take('att_2', at(400))]))[0]).toEqual({
      ok: true,
      value: { taken: false, holder: 'att_1', leftMs: 600 },
    })
    expect((await store.transact([take('att_2', at(1_000))]))[0]).toMatchObject({ value: { taken: true, fence: 2 } })
    const renew = (holder: string, fence: number, now: Stamp): Command => ({
      kind: 'lock.renew',
      with: { name: 'ledger', holder, fence, leaseMs: 1_000, now },
    })
    expect((await store.transact([renew('att_1', 1, at(1_001))]))[0]).toMatchObject({ ok: false, refusal: 'stale' })
    expect((await store.transact([renew('att_2', 2, at(1_900))]))[0]).toMatchObject({ ok: true })
    expect((await store.transact([take('att_3', at(2_500))]))[0]).toMatchObject({ value: { taken: false } })
    expect((await store.transact([renew('att_2', 2, at(2_900))]))[0]).toMatchObject({ ok: false, refusal: 'stale' })
  })

  it('a lock given back is free at once; only its holder gives it back, and a later fence is higher', async (store) => {
    const free = (holder: string, fence: number): Command => ({
      kind: 'lock.free',
      with: { name: 'ledger', holder, fence },
    })
    await store.transact([take('att_1', at(0))])
    expect((await store.transact([free('att_2', 1)]))[0]).toEqual({ ok: true, value: { freed: false } })
    expect((await store.transact([free('att_1', 1)]))[0]).toEqual({ ok: true, value: { freed: true } })
    expect(await store.read.lock('ledger')).toBeUndefined()
    expect((await store.transact([take('att_2', at(1))]))[0]).toMatchObject({ value: { taken: true, fence: 2 } })
    expect((await store.read.locks({ limit: 9, after: null })).items).toMatchObject([{ name: 'ledger', fence: 2 }])
  })

  it('asked again its holder gets the same fence; a newer attempt of its task takes it over with a higher one', async (store) => {
    await store.transact([take('att_1', at(0), 'tsk_a')])
    expect((await store.transact([take('att_1', at(5), 'tsk_a')]))[0]).toMatchObject({
      value: { taken: true, fence: 1 },
    })
    expect((await store.transact([take('att_9', at(6), 'tsk_b')]))[0]).toMatchObject({ value: { taken: false } })
    expect((await store.transact([take('att_2', at(7), 'tsk_a')]))[0]).toMatchObject({
      value: { taken: true, fence: 2 },
    })
  })

  it('a lease outlives a boot by the wall clock, and is never longer than it was given', async (store) => {
    await store.transact([take('att_1', at(50_000, 'one', 100_000))])
    expect((await store.transact([take('att_2', at(3, 'two', 100_400))]))[0]).toMatchObject({
      value: { taken: false, leftMs: 600 },
    })
    expect((await store.transact([take('att_2', at(4, 'two', 90_000))]))[0]).toMatchObject({
      value: { taken: false, leftMs: 1_000 },
    })
    expect((await store.transact([take('att_2', at(5, 'two', 101_000))]))[0]).toMatchObject({ value: { taken: true } })
  })
}

/** Each engine runs it as the last part of `storeSuite`. */
export const workSuite = (it: It): void => {
  dependencies(it)
  starts(it)
  attempts(it)
  parts(it)
  deadLetters(it)
  shared(it)
  it('an older epoch claims nothing by the new order either', async (store) => {
    await store.transact([submit([task('a')]), { kind: 'host.open', with: { owner, bootId: 'b', wallMs: 2 } }])
    expect((await store.transact([claim([1], 1, { turn: firstTurn })]))[0]).toMatchObject({ refusal: 'stale' })
  })
}
