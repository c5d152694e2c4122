import fc from 'fast-check'
import { expect, test } from 'vitest'
import { every, remainingMs, sleep, type Clock, type Stamp } from '../../src/std/std.ts'

/** A clock that moves only when it is told to. */
const handClock = (): Clock & { advance(byMs: number): void; readonly armed: number } => {
  let now = 0
  let timers: { readonly at: number; readonly fire: () => void }[] = []
  return {
    wallMs: () => now,
    monoMs: () => now,
    stamp: () => ({ wallMs: now, monoMs: now, bootId: 'hand' }),
    timer: (delayMs, fire) => {
      const timer = { at: now + delayMs, fire }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
    get armed() {
      return timers.length
    },
    advance: (byMs) => {
      const end = now + byMs
      for (;;) {
        const next = timers.filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)[0]
        if (!next) break
        now = next.at
        timers = timers.filter((other) => other !== next)
        next.fire()
      }
      now = end
    },
  }
}

const ms = fc.integer({ min: 0, max: 10 ** 10 })
const anyMs = fc.integer({ min: -(10 ** 12), max: 10 ** 13 })
const stamp = (wallMs: number, monoMs: number, bootId: string): Stamp => ({ wallMs, monoMs, bootId })

test('Within one boot the wall clock may jump as it likes: the deadline stays where it was', () => {
  fc.assert(
    fc.property(ms, ms, anyMs, anyMs, (delayMs, passedMs, wallThen, wallNow) => {
      const left = remainingMs(stamp(wallNow, 5_000 + passedMs, 'boot'), stamp(wallThen, 5_000, 'boot'), delayMs)
      expect(left).toBe(Math.max(0, delayMs - passedMs))
    }),
  )
})

test('After a reboot the wall clock decides, and nothing waits longer than it was meant to', () => {
  fc.assert(
    fc.property(ms, anyMs, anyMs, ms, (delayMs, wallThen, wallNow, mono) => {
      const left = remainingMs(stamp(wallNow, mono, 'second'), stamp(wallThen, 9_999, 'first'), delayMs)
      expect(left).toBeGreaterThanOrEqual(0)
      expect(left).toBeLessThanOrEqual(delayMs)
      if (wallNow >= wallThen) expect(left).toBe(Math.max(0, delayMs - (wallNow - wallThen)))
    }),
  )
})

test('A sleep ends when its time has come, not before', async () => {
  const clock = handClock()
  let woke = false
  const sleeping = sleep(clock, 100).then(() => {
    woke = true
  })
  clock.advance(99)
  await Promise.resolve()
  expect(woke).toBe(false)
  clock.advance(1)
  await sleeping
  expect(woke).toBe(true)
})

test('A sleep ends at once when it is aborted, and leaves no timer behind', async () => {
  const clock = handClock()
  const abort = new AbortController()
  const sleeping = sleep(clock, 100, abort.signal)
  expect(clock.armed).toBe(1)
  abort.abort()
  await sleeping
  expect(clock.armed).toBe(0)
  await sleep(clock, 100, abort.signal)
  expect(clock.armed).toBe(0)
})

test('A tick comes every time until it is cancelled, even from within itself', () => {
  const clock = handClock()
  const seen: number[] = []
  const cancel = every(clock, 10, () => {
    seen.push(clock.monoMs())
    if (seen.length === 3) cancel()
  })
  clock.advance(1_000)
  expect(seen).toEqual([10, 20, 30])
  expect(clock.armed).toBe(0)
})
