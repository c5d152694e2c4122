/** The part of the record's suite about lists that arrive together: each is answered as if it had come alone. */
import { expect } from 'vitest'
import { chainStart, followChain, type Command, type Store } from '../../src/store/store.ts'
import { claim, firstTurn, slot, submit, succeed, task } from './samples.ts'

type It = (title: string, body: (store: Store, reopen: () => Promise<Store>) => Promise<void>) => void

const numbers = Array.from({ length: 40 }, (_, index) => index + 1)

/** Rows and counts must say the same. */
export const countedRight = async (store: Store): Promise<void> => {
  const count = <Item>(items: readonly Item[], label: (item: Item) => string): Record<string, number> =>
    Object.fromEntries([...Map.groupBy(items, label)].map(([name, group]) => [name, group.length]))
  const all = { limit: 1_000, after: null }
  const tasks = count((await store.read.tasks({}, all)).items, ({ type, state }) => `${type} ${state.state}`)
  const told = (await store.read.taskCounts()).map(({ type, state, count: number }) => [`${type} ${state}`, number])
  expect(Object.fromEntries(told)).toEqual(tasks)
  const attempts = count((await store.read.attemptsPage(all)).items, ({ outcome }) => outcome ?? 'running')
  const outcomes = (await store.read.attemptCounts()).map(({ outcome, count: number }) => [outcome, number])
  expect(Object.fromEntries(outcomes)).toEqual(attempts)
}

export const togetherSuite = (it: It): void => {
  it('forty submissions at once take the slots they came with, and stand in the order in which they were asked', async (store) => {
    const asked = numbers.map((number) => submit([task(`t${number}`, { key: null })], { claim: [slot(number)] }))
    const results = await Promise.all(asked.map((one) => store.transact([one])))
    const claimed = results.flatMap(([one]) => (one.ok ? one.value.claimed : []))
    expect(claimed.map(({ task: id, agent, attempt }) => [id, agent, attempt])).toEqual(
      numbers.map((number) => [`tsk_t${number}`, `settler/${number}`, `att_t${number}.1`]),
    )
    const { items } = await store.read.tasks({ state: 'running' }, { limit: 100, after: null })
    expect(items.map(({ id, agent }) => [id, agent])).toEqual(claimed.map(({ task: id, agent }) => [id, agent]))
    await Promise.all(numbers.map((number) => store.transact([succeed(`t${number}`)])))
    expect(await store.read.taskCounts()).toEqual([{ type: 'settle', state: 'succeeded', count: 40 }])
    expect(await store.read.attempt('att_t7.1')).toMatchObject({
      agent: 'settler/7',
      outcome: 'succeeded',
      endedMs: 30,
    })
    expect(await store.read.task('tsk_t7')).toMatchObject({ result: '1', attempts: 1, fence: 1 })
    await countedRight(store)
  })

  it('a task that was left ready by one of them keeps those behind it from starting before it', async (store) => {
    const [, second, third] = await Promise.all([
      store.transact([submit([task('a')])]),
      store.transact([submit([task('b')], { claim: [slot(1)] })]),
      store.transact([submit([task('c', { agentType: 'other' })], { claim: [slot(2)] })]),
    ])
    const started = [second, third].map(([one]) => (one.ok ? one.value.claimed.map(({ task: id }) => id) : one))
    expect(started).toEqual([[], ['tsk_c']])
    const [next] = await store.transact([claim([3, 4])])
    expect(next.ok && next.value.claimed.map(({ task: id }) => id)).toEqual(['tsk_a', 'tsk_b'])
    const [behind] = await Promise.all([
      store.transact([submit([task('d'), task('e')], { claim: [slot(5)] })]),
      store.transact([submit([task('f')], { claim: [slot(6)] })]),
    ])
    expect(behind[0].ok && behind[0].value.claimed).toHaveLength(1)
    await countedRight(store)
  })

  it('a ready task of before keeps all of them from starting', async (store) => {
    await store.transact([submit([task('old')])])
    const results = await Promise.all(
      numbers.map((number) => store.transact([submit([task(`t${number}`)], { claim: [slot(number)] })])),
    )
    expect(results.flatMap<unknown>(([one]) => (one.ok ? one.value.claimed : [one]))).toEqual([])
    expect(await store.read.taskCounts()).toEqual([{ type: 'settle', state: 'ready', count: 41 }])
    expect(await store.read.task('tsk_t3')).toMatchObject({ agent: null, fence: 0 })
    await countedRight(store)
  })

  it('one key at once is one task: the others are told so, or refused, and harm nobody', async (store) => {
    await store.transact([submit([task('old')])])
    const results = await Promise.all([
      store.transact([submit([task('a')])]),
      store.transact([submit([task('again', { key: 'a' })])]),
      store.transact([submit([task('differs', { key: 'a', payloadHash: 'other' })])]),
      store.transact([submit([task('b'), task('late', { key: 'old', payloadHash: 'other' })])]),
      store.transact([submit([task('c'), task('late', { key: 'old', payloadHash: 'other' })], { all: false })]),
      store.transact([submit([task('d')])]),
      store.transact([submit([task('twice'), task('two', { key: 'twice' })])]),
    ])
    const told = results.map(([one]) =>
      one.ok ? one.value.submitted.map(({ id, outcome }) => `${id} ${outcome}`) : one.refusal,
    )
    expect(told).toEqual([
      ['tsk_a created'],
      ['tsk_a exists'],
      'exists-with-different',
      'exists-with-different',
      ['tsk_c created', 'tsk_old exists-with-different'],
      ['tsk_d created'],
      ['tsk_twice created', 'tsk_twice exists'],
    ])
    const { items } = await store.read.tasks({}, { limit: 100, after: null })
    expect(items.map(({ id }) => id).toSorted()).toEqual(['tsk_a', 'tsk_c', 'tsk_d', 'tsk_old', 'tsk_twice'])
    await countedRight(store)
  })

  it('ends at once are each told what they have come to: done, told again, too late, unknown, awaited', async (store) => {
    await store.transact([submit([task('a'), task('b'), task('c'), task('d'), task('gone')]), claim([1, 2, 3, 4, 5])])
    await store.transact([submit([task('behind', { after: ['tsk_d'] })])])
    await store.transact([succeed('gone')])
    const interrupt = succeed('b')
    const [finish] = interrupt.with.finishes
    const interrupted = { ...finish!, outcome: 'interrupted', result: null, event: { event: 'interrupt' } } as const
    await store.transact([{ ...interrupt, with: { ...interrupt.with, finishes: [interrupted] } }, claim([6])])
    const asked = [succeed('a'), succeed('a'), succeed('b', 1), succeed('b', 2), succeed('c', 9), succeed('nobody')]
    const results = await Promise.all([...asked, succeed('d'), succeed('gone')].map((one) => store.transact([one])))
    const told = results.map(([one]) => (one.ok ? [one.value[0]!.outcome, ...one.value[0]!.readied] : one))
    expect(told).toEqual([
      ['done'],
      ['repeat'],
      ['stale'],
      ['done'],
      ['not-found'],
      ['not-found'],
      ['done', 'settler'],
      ['repeat'],
    ])
    const states = await Promise.all(['a', 'b', 'c', 'd', 'behind'].map((name) => store.read.task(`tsk_${name}`)))
    expect(states.map((one) => one?.state.state)).toEqual(['succeeded', 'succeeded', 'running', 'succeeded', 'ready'])
    await countedRight(store)
  })

  it('audit entries of submissions that come together are one chain, without those of lists that were refused', async (store) => {
    const told = (name: string): Command => ({
      kind: 'audit.append',
      with: { wallMs: 1, entries: [{ actor: 'ann', action: name, object: 'x', decision: 'done', facts: {} }] },
    })
    const submitted = async (name: string, key: string, payloadHash = 'same'): Promise<boolean> => {
      const results = await store.transact([submit([task(name, { key, payloadHash })]), told(name)])
      return results.every((one) => one.ok)
    }
    expect(await submitted('old', 'old')).toBe(true)
    expect(await Promise.all(['a', 'b', 'c'].map((name) => submitted(name, name)))).toEqual([true, true, true])
    const mixed = [submitted('d', 'd'), submitted('late', 'old', 'other'), submitted('e', 'e'), submitted('again', 'a')]
    expect(await Promise.all(mixed)).toEqual([true, false, true, true])
    await store.transact([told('last')])
    const entries = await store.read.audit(1, 99)
    const actions = entries.map(({ entry }) => (JSON.parse(entry) as { action: string }).action)
    expect(actions.toSorted()).toEqual(['a', 'again', 'b', 'c', 'd', 'e', 'last', 'old'])
    expect([actions[0], actions.at(-1)]).toEqual(['old', 'last'])
    const ids = (await store.read.tasks({}, { limit: 100, after: null })).items.map(({ key }) => key)
    expect(ids.map(String).toSorted()).toEqual(['a', 'b', 'c', 'd', 'e', 'old'])
    expect(followChain({ seq: 0, hash: chainStart }, entries)).toEqual({ head: await store.read.auditHead() })
    await countedRight(store)
  })

  it('what was told to a listener comes in an order in which it can have happened', async (store) => {
    const heard: string[] = []
    store.onCommit((committed) => {
      for (const { command } of committed) heard.push(command.kind)
    })
    await store.transact([submit([task('a')], { claim: [slot(1)], turn: firstTurn })])
    await Promise.all([store.transact([succeed('a')]), store.transact([submit([task('b')], { claim: [slot(1)] })])])
    expect(heard.toSorted()).toEqual(['attempts.finish', 'tasks.submit', 'tasks.submit'])
    expect(heard[0]).toBe('tasks.submit')
  })
}
