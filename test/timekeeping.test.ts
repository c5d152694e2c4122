/** People hear when the machine's clock jumps, and the next sitter finds the clock where this one left it. */
import { expect, test } from 'vitest'
import { steadyClock, type Kept } from '../src/std/std.ts'
import type { Command, NewEvent } from '../src/store/store.ts'
import { keepTime } from '../src/timekeeping.ts'
import { movedClock } from './worlds/clock.ts'

const open = (kept: Kept | null = null) => {
  const machine = movedClock(1_800_000_000_000)
  const clock = steadyClock({ machine, kept })
  const told: NewEvent[] = []
  const keeps: Kept[] = []
  const faults: unknown[] = []
  const end = keepTime({
    clock: { ...clock, keep: () => keeps.push(clock.kept()) },
    store: {
      transact: (async (commands: readonly Command[]) => {
        for (const command of commands) if (command.kind === 'events.add') told.push(...command.with.events)
        return []
      }) as never,
    },
    failed: (error) => faults.push(error),
  })
  return { machine, clock, told, keeps, faults, end }
}

test('A jump is told once, with by how much; that the clocks come nearer afterwards is no news', async () => {
  const { machine, told, end } = open()
  await machine.move(60_000)
  expect(told).toEqual([])
  machine.jumpWall(7_200_000)
  await machine.move(3_600_000)
  expect(told.map(({ kind, facts }) => [kind, Math.round((facts['byMs'] as number) / 1_000)])).toEqual([
    ['clock.jumped', 7_200],
  ])
  expect(told[0]!.message).toContain("the swarm's clock is 7200.0 s behind the machine's")
  machine.jumpWall(-14_400_000)
  await machine.move(10_000)
  expect(told.map(({ kind }) => kind)).toEqual(['clock.jumped', 'clock.jumped'])
  expect(told[1]!.message).toContain('went back by 14400.0 s')
  end()
})

test('It is kept at the beginning, each minute and at the end; who goes on with another clock than the machine’s says so', async () => {
  const { machine, keeps, end } = open()
  await machine.move(150_000)
  expect(keeps).toHaveLength(3)
  end()
  expect(keeps).toHaveLength(4)
  const next = open({ ...keeps.at(-1)!, monoMs: 1_800_000_000_000, wallMs: 1_800_000_000_000 + 3_600_000 })
  await next.machine.move(1_000)
  expect(next.told.map(({ kind, message }) => [kind, message])).toEqual([
    ['clock.differs', expect.stringContaining('3600.0 s ahead of the machine')],
  ])
  next.end()
})
