/** Drills on what all agents stand on hold only by what the swarm itself said and did; here it is one that a test plays. */
import { expect, test } from 'vitest'
import { clockJump, recordLocked } from '../../src/drill/host-drills.ts'
import type { EventSeen, Scratch } from '../../src/drill/scratch.ts'
import { movedClock } from '../worlds/clock.ts'

interface Played {
  /** By how much the swarm says that its clock went, when it is set by so much; absent = it says nothing. */
  readonly tells?: (byMs: number) => number
  /** Its own time goes where the machine's is set. */
  readonly moves?: boolean
  readonly cannotLock?: boolean
  /** A submission is answered though nothing can be written. */
  readonly lies?: boolean
}

/** A swarm that pays whatever it is given; time goes on while somebody waits for it. */
const played = ({ tells, moves = false, cannotLock = false, lies = false }: Played) => {
  const clock = movedClock()
  const events: EventSeen[] = []
  const [begunMs, begunMonoMs] = [clock.wallMs(), clock.monoMs()]
  let offMs = 0
  let locked = Promise.withResolvers<void>()
  locked.resolve()
  const nowMs = (): number => begunMs + clock.monoMs() - begunMonoMs + (moves ? offMs : 0)
  const scratch = {
    clock,
    data: '/nowhere/of/a/drill',
    until: async () => {},
    isWhole: async () => true,
    events: async () => events.toReversed(),
    seen: async (look: () => Promise<unknown>, withinMs: number) => {
      for (let at = 0; at <= 10; at += 1) {
        const found = await look()
        if (found) return found
        await clock.move(withinMs / 10)
      }
      return null
    },
    api: async () => ({ nowMs: nowMs() }),
    submit: async (_type: string, _payload: object, key: string) => {
      if (!lies) await locked.promise
      return key
    },
    stateOf: async () => 'succeeded',
    bankLog: () => [],
    setClock: (ms: number) => {
      const byMs = ms - offMs
      offMs = ms
      if (tells)
        events.push({ seq: events.length + 1, kind: 'clock.jumped', subject: '', facts: { byMs: tells(byMs) } })
    },
    lockRecord: () => {
      if (cannotLock) return null
      locked = Promise.withResolvers<void>()
      return () => locked.resolve()
    },
  }
  return { scratch: scratch as unknown as Scratch, clock }
}

/** But for the sitter's process, which a played swarm has not. */
const notHeld = (report: { readonly checks: readonly { readonly what: string; readonly held: boolean }[] }) =>
  report.checks.filter(({ held, what }) => !held && what !== 'the sitter lived on').map(({ what }) => what)

test('A jump of the clock holds when the swarm told of both, and its own time went on', async () => {
  const report = await clockJump.run(played({ tells: (byMs) => byMs + 3 }).scratch)
  expect([notHeld(report), report.detectMs, report.checks.length]).toEqual([[], 0, 8])
})

test.each([
  ['nobody told of it: the clock may never have been set', {}, 'found within 10000 ms'],
  ['only the way there was told', { tells: (byMs: number) => (byMs > 0 ? byMs : 0) }, 'found within 10000 ms'],
  ['another jump was told', { tells: (byMs: number) => byMs / 2 }, 'found within 10000 ms'],
  ['the swarm’s time moved with it', { tells: (byMs: number) => byMs, moves: true }, 'what is due did not move by it'],
])('It does not hold when %s', async (_why, how, what) => {
  const report = await clockJump.run(played(how).scratch)
  expect(notHeld(report)).toContain(what)
})

const locking = async (how: Played) => {
  const { scratch, clock } = played(how)
  const running = recordLocked.run(scratch)
  await clock.move(10_000)
  return running
}

test('A record that is locked so shortly is nothing that is found; it is judged by what was answered meanwhile', async () => {
  const report = await locking({})
  expect([report.detectMs, notHeld(report), report.held]).toEqual([null, [], false])
})

test.each([
  ['the record could not be locked', { cannotLock: true }, 'the record was locked'],
  ['an answer came that could not be kept', { lies: true }, 'nothing was taken in before it could be written'],
])('It does not hold when %s', async (_why, how, what) => {
  expect(notHeld(await locking(how))).toContain(what)
})
