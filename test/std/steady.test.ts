/** The clock of the record while the machine's own jumps, in one process and over many. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromCivil, remainingMs, steadyClock, toCivil, type Clock, type Kept } from '../../src/std/std.ts'

const hourMs = 3_600_000
const startMs = 1_800_000_000_000

interface Machine extends Clock {
  pass(ms: number): void
  jump(ms: number): void
  sleep(ms: number): void
  reboot(): void
  readonly slept: number
}
const machineOf = (): Machine => {
  const at = { wall: startMs, mono: 5_000, boot: 1, slept: 0 }
  return {
    wallMs: () => at.wall,
    monoMs: () => at.mono,
    stamp: () => ({ wallMs: at.wall, monoMs: at.mono, bootId: `boot-${at.boot}` }),
    timer: () => () => {},
    pass: (ms) => {
      at.wall += ms
      at.mono += ms
    },
    jump: (ms) => {
      at.wall += ms
    },
    sleep: (ms) => {
      at.wall += ms
      at.slept += ms
    },
    reboot: () => {
      at.boot += 1
      at.mono = 1_000
      at.slept = 0
    },
    get slept() {
      return at.slept
    },
  }
}

const step = fc.record({
  passMs: fc.integer({ min: 0, max: hourMs }),
  jumpMs: fc.oneof(fc.constant(0), fc.integer({ min: -2 * hourMs, max: 2 * hourMs })),
  begins: fc.boolean(),
})

test('Whatever the machine’s clock does, what passes on ours is what passes, over all processes of a boot, and it never goes back', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
      const machine = machineOf()
      let clock = steadyClock({ machine, kept: null })
      for (const { passMs, jumpMs, begins } of steps) {
        const before = clock.wallMs()
        machine.jump(jumpMs)
        if (begins) clock = steadyClock({ machine, kept: clock.kept() })
        machine.pass(passMs)
        const passed = clock.wallMs() - before
        expect(Math.abs(passed - passMs)).toBeLessThanOrEqual(passMs / 2_000 + 1)
        expect(passed).toBeGreaterThanOrEqual(0)
      }
    }),
  )
})

test('It comes nearer to the machine’s by 1.8 s an hour, from both sides, and then stays with it', () => {
  for (const jumpMs of [60_000, -60_000]) {
    const machine = machineOf()
    const clock = steadyClock({ machine, kept: null })
    machine.jump(jumpMs)
    machine.pass(hourMs)
    expect(Math.abs(clock.aheadMs())).toBe(58_200)
    machine.pass(40 * hourMs)
    expect(clock.aheadMs()).toBe(0)
  }
})

test('What was to come in ten minutes comes in ten, whatever was done to the clock, also for a sitter that begins in between', () => {
  for (const jumpMs of [2 * hourMs, -2 * hourMs]) {
    const machine = machineOf()
    const first = steadyClock({ machine, kept: null })
    const set = first.stamp()
    const dueMs = first.wallMs() + 600_000
    machine.jump(jumpMs)
    machine.pass(300_000)
    const next = steadyClock({ machine, kept: first.kept() })
    machine.jump(-2 * jumpMs)
    machine.pass(298_999)
    expect(next.wallMs()).toBeLessThan(dueMs)
    expect(remainingMs(next.stamp(), set, 600_000)).toBeGreaterThan(0)
    machine.pass(1_601)
    expect(next.wallMs()).toBeGreaterThanOrEqual(dueMs)
    expect(remainingMs(next.stamp(), set, 600_000)).toBe(0)
  }
})

test('After a boot the machine is believed, unless it says that it is earlier than it was: nothing waits for ever', () => {
  const machine = machineOf()
  const before = steadyClock({ machine, kept: null })
  machine.pass(hourMs)
  const kept = before.kept()
  machine.reboot()
  machine.jump(hourMs)
  expect(steadyClock({ machine, kept }).wallMs()).toBe(machine.wallMs())
  machine.jump(-5 * hourMs)
  expect(steadyClock({ machine, kept }).wallMs()).toBe(Math.floor(kept.wallMs))
})

test('The time for which the machine itself slept counts, though its monotonic clock stood still', () => {
  const machine = machineOf()
  let clock = steadyClock({ machine, kept: null, sleptMs: () => machine.slept })
  const before = clock.wallMs()
  machine.sleep(8 * hourMs)
  machine.pass(2_000)
  expect([clock.wallMs() - before, clock.aheadMs()]).toEqual([8 * hourMs + 2_000, 0])
  const kept: Kept = clock.kept()
  machine.sleep(hourMs)
  clock = steadyClock({ machine, kept, sleptMs: () => machine.slept })
  expect(clock.wallMs() - before).toBe(9 * hourMs + 2_000)
})

test('A date of somebody else is a time of ours by the difference of the clocks, and back', () => {
  const machine = machineOf()
  const clock = steadyClock({ machine, kept: null })
  machine.jump(2 * hourMs)
  const inAMinute = machine.wallMs() + 60_000
  expect(fromCivil(clock, inAMinute) - clock.wallMs()).toBe(60_000)
  expect(toCivil(clock, fromCivil(clock, inAMinute))).toBe(inAMinute)
  expect([fromCivil(machine, 7), toCivil(machine, 7)]).toEqual([7, 7])
})
