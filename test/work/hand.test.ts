/** Attempts in hand: successes that are told in one breath share a list, and none pays for another. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Failure, seeded } from '../../src/std/std.ts'
import type { Claimed, Command, Store } from '../../src/store/store.ts'
import { openBudgets } from '../../src/work/budget.ts'
import { succeeded } from '../../src/work/endings.ts'
import { Hand } from '../../src/work/hand.ts'
import { claim, owner, submit, task } from '../conformance/samples.ts'
import { movedClock } from '../worlds/clock.ts'
import { openRecord } from '../store/record.ts'

interface Held {
  readonly store: Store
  readonly hand: Hand
  readonly claimed: readonly Claimed[]
  /** Names of the lists that the record was given, in order. */
  readonly lists: string[]
  readonly ended: string[]
  /** What the next writes throw, when they say so. */
  readonly fault: { of?: (attempts: readonly string[]) => Error | undefined }
}

/** Five tasks in hand. */
const held = async (): Promise<Held> => {
  const store = openRecord(join(mkdtempSync(join(tmpdir(), 'sitter-hand-')), 'swarm.db'))
  onTestFinished(() => store.close())
  const names = ['a', 'b', 'c', 'd', 'e']
  const opened: Command = { kind: 'host.open', with: { owner, bootId: 'b', wallMs: 1 } }
  const [, , given] = await store.transact([opened, submit(names.map((name) => task(name))), claim([1, 2, 3, 4, 5])])
  if (!given.ok) throw new Error(given.detail)
  const lists: string[] = []
  const ended: string[] = []
  const fault: Held['fault'] = {}
  const through = (commands: readonly Command[]): Promise<never> => {
    const attempts = commands.flatMap((command) =>
      command.kind === 'attempts.finish' ? command.with.finishes.map(({ attempt }) => attempt) : [],
    )
    lists.push(attempts.join(' '))
    const error = fault.of?.(attempts)
    return (error ? Promise.reject(error) : store.transact(commands)) as Promise<never>
  }
  const hand = new Hand({
    store: { ...store, read: store.read, fullSinceMs: null, transact: through, writable: () => store.writable() },
    clock: movedClock(),
    budgets: openBudgets({}, seeded(1)),
    ended: (ends) => ended.push(...ends.map(({ finish }) => finish.attempt)),
  })
  return { store, hand, claimed: hand.take(given.value.claimed), lists, ended, fault }
}

/** What the agent is told: `done`, or why not. */
const told = ({ hand, claimed }: Held, at: number): Promise<string> =>
  hand.succeed(claimed[at]!, succeeded(claimed[at]!, `${at}`)).then(() => 'done')
const states = async ({ store }: Held): Promise<string> =>
  (await store.read.tasks({}, { limit: 9, after: null })).items.map(({ state }) => state.state).join(' ')

test('successes of one breath are one list, and each is answered for itself', async () => {
  const at = await held()
  const first = Promise.all([told(at, 0), told(at, 1), told(at, 2)])
  expect(at.hand.get('att_a.1')).toBeUndefined()
  expect(await first).toEqual(['done', 'done', 'done'])
  await told(at, 3)
  expect(at.lists).toEqual(['att_a.1 att_b.1 att_c.1', 'att_d.1'])
  expect(at.ended).toEqual(['att_a.1', 'att_b.1', 'att_c.1', 'att_d.1'])
  expect(await states(at)).toBe('succeeded succeeded succeeded succeeded running')
  expect((await at.store.read.task('tsk_c'))?.result).toBe('2')
})

test('one that was cancelled in that breath is told so, and the others are done', async () => {
  const at = await held()
  const cancel: Command = {
    kind: 'task.move',
    with: { task: 'tsk_b', event: { event: 'cancel' }, orNothing: false, wallMs: 25 },
  }
  const ends = [told(at, 0), told(at, 1), told(at, 2)]
  await at.store.transact([cancel])
  expect(at.hand.cancelled('tsk_b', [])).toBeUndefined()
  const stale = expect.objectContaining({ code: 'stale' }) as unknown
  expect((await Promise.allSettled(ends)).map((one) => (one.status === 'rejected' ? one.reason : one.value))).toEqual([
    'done',
    stale,
    'done',
  ])
  expect(await states(at)).toBe('succeeded cancelled succeeded running running')
})

test('what the record says to a list holds for all of it: they are in hand again, and told again they are done', async () => {
  const at = await held()
  at.fault.of = () => new Failure('disk-full', 'no room')
  const ends = await Promise.allSettled([told(at, 0), told(at, 1)])
  expect(ends.map((one) => one.status === 'rejected' && (one.reason as Failure).code)).toEqual([
    'disk-full',
    'disk-full',
  ])
  expect(at.lists).toEqual(['att_a.1 att_b.1'])
  expect(at.hand.held.map(({ attempt }) => attempt).toSorted()).toEqual(at.claimed.map(({ attempt }) => attempt))
  delete at.fault.of
  expect(await Promise.all([told(at, 0), told(at, 1)])).toEqual(['done', 'done'])
  expect(at.ended).toEqual(['att_a.1', 'att_b.1'])
})

test('one end that cannot be written is refused alone, and is in hand again', async () => {
  const at = await held()
  at.fault.of = (attempts) => (attempts.includes('att_b.1') ? new Error('no such text') : undefined)
  const ends = await Promise.allSettled([told(at, 0), told(at, 1), told(at, 2)])
  expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(at.lists).toEqual(['att_a.1 att_b.1 att_c.1', 'att_a.1', 'att_b.1', 'att_c.1'])
  expect(at.hand.get('att_b.1')).toBeDefined()
  expect(await states(at)).toBe('succeeded running succeeded running running')
})
