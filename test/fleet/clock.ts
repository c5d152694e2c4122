/** A clock that only moves when told, and lets everything happen that its moves set off. */
import type { Cancel, Clock, Stamp } from '../../src/std/std.ts'
import { settled, Timeline } from '../worlds/timeline.ts'

export class VirtualClock implements Clock {
  bootId = 'boot-1'
  readonly #timeline = new Timeline(1_000, 1_800_000_000_000)
  /** Timers that wait. */
  timers = 0

  wallMs(): number {
    return this.#timeline.wallMs
  }
  monoMs(): number {
    return this.#timeline.monoMs
  }
  stamp(): Stamp {
    return { wallMs: this.wallMs(), monoMs: this.monoMs(), bootId: this.bootId }
  }
  timer(delayMs: number, fire: () => void): Cancel {
    let waits = true
    const over = (): void => {
      if (waits) this.timers -= 1
      waits = false
    }
    this.timers += 1
    const cancel = this.#timeline.after(Math.max(0, delayMs), () => {
      over()
      fire()
    })
    return () => {
      over()
      cancel()
    }
  }

  /** Lets everything happen that needs no time. */
  settle(): Promise<void> {
    return settled()
  }

  /** Moves on, firing what becomes due in order, each followed by whatever it sets off. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.monoMs() + ms
    await settled()
    await this.#timeline.run(untilMs)
  }

  /** The machine stood still: time passed and nothing fired until now. */
  async sleepThrough(ms: number): Promise<void> {
    this.#timeline.stall(ms)
    await this.advance(0)
  }
}
