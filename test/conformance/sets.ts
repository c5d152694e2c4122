/** The part of the record's suite about sets: many claims and ends at once, of which some are not what they seem. */
import fc from 'fast-check'
import { expect } from 'vitest'
import type { Claimed, Command, Finish, Finished, Result, Store } from '../../src/store/store.ts'
import { claim, submit, succeed, task, type Claim } from './samples.ts'
import { countedRight } from './together.ts'
import { after, end, move, type It } from './work-samples.ts'

type Ends = Extract<Command, { kind: 'attempts.finish' }>

const together = (...ends: readonly Ends[]): Ends => ({
  kind: 'attempts.finish',
  with: { wallMs: 30, finishes: ends.flatMap((one) => one.with.finishes) },
})
const retry: Partial<Finish> = { outcome: 'transient', event: { event: 'retry', untilMs: 10 } }
const interrupt: Partial<Finish> = { outcome: 'interrupted', error: null, event: { event: 'interrupt' }, counts: false }

const outcomes = ([result]: readonly [Result<readonly Finished[]>]): unknown =>
  result.ok ? result.value.map(({ outcome }) => outcome) : result.refusal

const claimed = async (store: Store, asked: Claim): Promise<{ tasks: string[]; more: boolean; number: number[] }> => {
  const [result] = await store.transact([asked])
  if (!result.ok) throw new Error(result.detail)
  const { claimed: all, more } = result.value
  return { tasks: all.map((one) => one.task), more, number: all.map((one) => one.number) }
}

const mixedEnds = async (store: Store): Promise<void> => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  await store.transact([
    submit([...names.map((name) => task(name)), after('behind', ['d'])]),
    claim([1, 2, 3, 4, 5, 6]),
  ])
  await store.transact([together(end('att_b.1', interrupt), succeed('f'))])
  await store.transact([claim([7, 8, 9])])
  const lists = [
    together(succeed('a'), succeed('b', 1), succeed('c')),
    together(succeed('d'), end('att_e.1', retry), succeed('nobody')),
    together(succeed('b', 2), succeed('b', 2), succeed('f')),
    together(succeed('g'), succeed('h')),
  ]
  const again = store.transact([together(succeed('g'), succeed('h'))] as const)
  const told = await Promise.all(lists.map((list) => store.transact([list] as const)))
  expect(told.slice(0, 3).map(outcomes)).toEqual([
    ['done', 'stale', 'done'],
    ['done', 'done', 'not-found'],
    ['done', 'repeat', 'repeat'],
  ])
  // Whichever of the two was first.
  expect(new Set([String(outcomes(told[3]!)), String(outcomes(await again))])).toEqual(
    new Set(['done,done', 'repeat,repeat']),
  )
  expect(outcomes(await store.transact([together(succeed('g'), end('att_h.1'))] as const))).toEqual(['repeat', 'stale'])
  const states = await Promise.all([...names, 'behind'].map((name) => store.read.task(`tsk_${name}`)))
  expect(states.map((one) => one?.state.state).join(' ')).toBe(
    'succeeded succeeded succeeded succeeded waiting succeeded succeeded succeeded ready',
  )
  await countedRight(store)
}

const endMeetsCancel = async (store: Store): Promise<void> => {
  const names = Array.from({ length: 12 }, (_, index) => `t${index}`)
  await store.transact([submit(names.map((name) => task(name))), claim(names.map((_, index) => index))])
  const ending = store.transact([together(...names.map((name) => succeed(name)))] as const)
  const cancelling = names.slice(0, 6).map((name) => store.transact([move(`tsk_${name}`, 'cancel')]))
  const [ended] = await ending
  const cancelled = (await Promise.all(cancelling)).map(([one]) => one.ok)
  const answers = ended.ok ? ended.value.map(({ outcome }) => outcome) : []
  for (const [at, name] of names.entries()) {
    const state = (await store.read.task(`tsk_${name}`))!.state.state
    // Whichever came first: one of both was taken, the other one was told so.
    const wasCancelled = cancelled[at] === true
    expect([state, answers[at]]).toEqual(wasCancelled ? ['cancelled', 'stale'] : ['succeeded', 'done'])
  }
  await countedRight(store)
}

const claimsAtOnce = async (store: Store): Promise<void> => {
  await store.transact([
    submit([task('low', { priority: 1 }), task('one'), task('two'), task('top', { priority: 9 }), task('three')]),
  ])
  const [first, second, third] = await Promise.all([
    claimed(store, claim([1, 2])),
    claimed(store, claim([3, 4])),
    claimed(store, claim([5, 6])),
  ])
  expect([first.tasks, second.tasks, third.tasks]).toEqual([
    ['tsk_top', 'tsk_one'],
    ['tsk_two', 'tsk_three'],
    ['tsk_low'],
  ])
  expect([first.more, second.more, third.more]).toEqual([true, true, false])
  expect(await claimed(store, claim([7]))).toEqual({ tasks: [], more: false, number: [] })
  const ended = store.transact([together(end('att_top.1', interrupt), end('att_one.1', retry))])
  await Promise.all([ended, store.transact([submit([task('late')])])])
  await store.transact([{ kind: 'tasks.due', with: { wallMs: 40, limit: 10 } }])
  // Those that begin anew keep the attempts before, and their numbers.
  expect(await claimed(store, claim([8, 9, 10, 11]))).toEqual({
    tasks: ['tsk_top', 'tsk_one', 'tsk_late'],
    more: false,
    number: [1, 2, 1],
  })
  const before = await store.read.attempts('tsk_one')
  expect(before.map(({ id, outcome }) => [id, outcome])).toEqual([
    ['att_one.1', 'transient'],
    ['att_one.2', null],
  ])
  await countedRight(store)
}

/** One thing of a round: a claim, a list of ends of what runs, or a cancel. */
const step = fc.oneof(
  fc.record({ what: fc.constant('claim' as const), slots: fc.integer({ min: 1, max: 6 }), starts: fc.nat(12) }),
  fc.record({
    what: fc.constant('end' as const),
    picks: fc.array(fc.tuple(fc.nat(99), fc.constantFrom('succeed', 'retry', 'interrupt', 'old')), {
      minLength: 1,
      maxLength: 5,
    }),
  }),
  fc.record({ what: fc.constant('cancel' as const), pick: fc.nat(99) }),
)
const plan = fc.record({
  tasks: fc.array(
    fc.record({ type: fc.constantFrom('settle', 'settle', 'other'), priority: fc.constantFrom(1, 5, 5) }),
    {
      minLength: 1,
      maxLength: 14,
    },
  ),
  rounds: fc.array(fc.array(step, { minLength: 1, maxLength: 7 }), { minLength: 1, maxLength: 5 }),
})

type Planned = typeof plan extends fc.Arbitrary<infer Value> ? Value : never
type Step = Planned['rounds'][number][number]
type Running = Pick<Claimed, 'task' | 'type' | 'attempt' | 'fence'>

const endOf = ({ attempt, type, fence }: Running, how: string): Finish => {
  const name = attempt.slice(4, attempt.lastIndexOf('.'))
  if (how === 'succeed') return { ...succeed(name, fence).with.finishes[0]!, type }
  if (how === 'old') return { ...succeed(name, Math.max(1, fence - 1)).with.finishes[0]!, type }
  return end(attempt, { ...(how === 'retry' ? retry : interrupt), type }).with.finishes[0]!
}

/** Does a round at once, and gives what runs after it, as the answers say it. */
const perform = async (store: Store, steps: readonly Step[], running: readonly Running[]): Promise<Running[]> => {
  const pick = (at: number): Running | undefined => running[at % Math.max(1, running.length)]
  const started: Running[] = []
  const over = new Set<string>()
  const cancelled = new Set<string>()
  await Promise.all(
    steps.map(async (one, place) => {
      if (one.what === 'claim') {
        const turn = { starts: one.starts, lastType: null }
        const slots = Array.from({ length: one.slots }, (_, index) => place * 10 + index)
        const [result] = await store.transact([claim(slots, 1, { turn, wallMs: 90_000 })])
        if (!result.ok) throw new Error(result.detail)
        expect(new Set(result.value.claimed.map(({ agent }) => agent)).size).toBe(result.value.claimed.length)
        started.push(...result.value.claimed)
      } else if (one.what === 'cancel') {
        const at = pick(one.pick)
        if (at === undefined) return
        const [result] = await store.transact([move(at.task, 'cancel')])
        if (result.ok) cancelled.add(at.task)
      } else {
        const finishes = one.picks.flatMap(([at, how]) => (pick(at) === undefined ? [] : [endOf(pick(at)!, how)]))
        if (finishes.length === 0) return
        const [result] = await store.transact([{ kind: 'attempts.finish', with: { wallMs: 30, finishes } }] as const)
        if (!result.ok) throw new Error(result.detail)
        expect(result.value.map(({ attempt }) => attempt)).toEqual(finishes.map(({ attempt }) => attempt))
        for (const { attempt, outcome } of result.value) {
          if (outcome !== 'done') continue
          expect(over).not.toContain(attempt)
          over.add(attempt)
        }
      }
    }),
  )
  const twice = started.filter(({ attempt }, at) => started.findIndex((one) => one.attempt === attempt) !== at)
  expect(twice).toEqual([])
  const left = [...running, ...started].filter(({ attempt, task: id }) => !over.has(attempt) && !cancelled.has(id))
  const rows = (await store.read.tasks({ state: 'running' }, { limit: 1_000, after: null })).items
  expect(rows.map(({ id, fence }) => `${id} ${fence}`).toSorted()).toEqual(
    left.map(({ task: id, fence }) => `${id} ${fence}`).toSorted(),
  )
  await countedRight(store)
  return left
}

export const setsSuite = (it: It, open: () => Promise<Store>, runs: number): void => {
  it('ends come in lists: each is told what it has come to, whatever the others of its list are', mixedEnds)
  it('an end and a cancel at once: one is taken and the other told so, in lists of many too', endMeetsCancel)
  it('claims at once give each task once, in their order, and those that begin anew keep what was', claimsAtOnce)

  it('whatever is claimed, ended and cancelled at once, answers, rows and counts say the same', async () => {
    await fc.assert(
      fc.asyncProperty(plan, async ({ tasks, rounds }) => {
        const store = await open()
        try {
          await store.transact([submit(tasks.map((more, at) => task(`t${at}`, more)))])
          let running: Running[] = []
          for (const steps of rounds) {
            running = await perform(store, steps, running)
            await store.transact([{ kind: 'tasks.due', with: { wallMs: 40, limit: 100 } }])
          }
        } finally {
          await store.close()
        }
      }),
      { numRuns: runs },
    )
  })
}
