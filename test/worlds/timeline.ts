/**
 * Virtual time for whole worlds. Events lie in a heap by their due time, in order of making where times are equal, and
 * time jumps from one to the next: an idle hour costs nothing. Each event belongs to a process of the world; what is
 * due for a process that was stopped waits until it goes on, what belongs to one that is dead is dropped. Between two
 * events the engine's microtasks run dry, because each event is a macrotask of its own. `setImmediate`, which the rooms
 * use to gather what one turn of the loop brings, is taken over while a world runs, so that it too has one order.
 */
import type { Cancel, Clock, Stamp } from '../../src/std/std.ts'

type Fire = () => void

interface Entry {
  readonly atMs: number
  readonly order: number
  readonly owner: WorldProcess
  readonly kind: 'timer' | 'arrival'
  fire: Fire | null
}

const before = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

/** A binary heap whose times can all be put off at once. */
class Heap {
  readonly #entries: Entry[] = []
  /** Added to every entry's time. */
  offsetMs = 0

  get size(): number {
    return this.#entries.length
  }
  get first(): Entry | undefined {
    return this.#entries[0]
  }
  get firstMs(): number {
    return this.#entries[0] === undefined ? Infinity : this.#entries[0].atMs + this.offsetMs
  }
  push(entry: Entry): void {
    const list = this.#entries
    let at = list.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(entry, list[parent]!)) break
      list[at] = list[parent]!
      at = parent
    }
    list[at] = entry
  }
  pop(): Entry {
    const list = this.#entries
    const first = list[0]!
    const last = list.pop()!
    if (list.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= list.length) break
      if (child + 1 < list.length && before(list[child + 1]!, list[child]!)) child += 1
      if (!before(list[child]!, last)) break
      list[at] = list[child]!
      at = child
    }
    list[at] = last
    return first
  }
}

/** Something that runs, can be stopped (SIGSTOP) and go on, and ends. */
export class WorldProcess {
  readonly name: string
  readonly clock: Clock
  readonly timeline: Timeline
  alive = true
  #stopped = false
  #late: Entry[] = []
  readonly #ends: Fire[] = []

  constructor(timeline: Timeline, name: string, bootId: string) {
    this.name = name
    this.timeline = timeline
    this.clock = {
      wallMs: () => timeline.wallMs,
      monoMs: () => timeline.monoMs,
      stamp: (): Stamp => ({ wallMs: timeline.wallMs, monoMs: timeline.monoMs, bootId }),
      timer: (delayMs, fire) =>
        timeline.at(timeline.monoMs + Math.max(0, delayMs), { owner: this, kind: 'timer', fire }),
    }
  }

  get stopped(): boolean {
    return this.#stopped
  }
  stop(): void {
    this.#stopped = true
  }
  /** Timers that came due meanwhile fire first, then what had arrived: as a loop does that slept in its poll. */
  goOn(): void {
    if (!this.#stopped) return
    this.#stopped = false
    const late = this.#late
    this.#late = []
    for (const kind of ['timer', 'arrival'] as const)
      for (const entry of late) if (entry.kind === kind) this.timeline.soon(this, () => entry.fire?.())
  }
  /** Its event is due while it is stopped. */
  hold(entry: Entry): void {
    this.#late.push(entry)
  }
  onEnd(listener: Fire): void {
    this.#ends.push(listener)
  }
  end(): void {
    if (!this.alive) return
    this.alive = false
    this.#late = []
    for (const listener of this.#ends.splice(0)) listener()
  }
}

const realImmediate = globalThis.setImmediate

/** Lets everything happen that needs no time, outside of a run. */
export const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => realImmediate(resolve))
}

export class Timeline {
  monoMs: number
  /** Wall minus monotonic; a jump of the wall clock changes it. */
  wallOffsetMs: number
  /** Events that fired, for figures. */
  fired = 0
  readonly #timers = new Heap()
  readonly #arrivals = new Heap()
  #order = 0
  #soon: { readonly owner: WorldProcess; readonly fire: Fire }[] = []
  #soonAt = 0
  #current: WorldProcess
  /** The world itself: never stopped, never dead. */
  readonly outside: WorldProcess

  constructor(monoMs = 1_000_000, wallMs = 1_800_001_000_000) {
    this.monoMs = monoMs
    this.wallOffsetMs = wallMs - monoMs
    this.outside = new WorldProcess(this, 'outside', 'outside')
    this.#current = this.outside
  }

  get wallMs(): number {
    return Math.round(this.monoMs + this.wallOffsetMs)
  }
  /** Entries that wait, those that were cancelled and not yet reached among them. */
  get waiting(): number {
    return this.#timers.size + this.#arrivals.size
  }

  at(atMs: number, what: { owner: WorldProcess; kind: 'timer' | 'arrival'; fire: Fire }): Cancel {
    const heap = what.kind === 'timer' ? this.#timers : this.#arrivals
    const entry: Entry = { ...what, atMs: atMs - heap.offsetMs, order: (this.#order += 1) }
    heap.push(entry)
    return () => {
      entry.fire = null
    }
  }
  after(delayMs: number, fire: Fire, owner = this.outside): Cancel {
    return this.at(this.monoMs + delayMs, { owner, kind: 'timer', fire })
  }
  /** In a macrotask of its own, before time moves. */
  soon(owner: WorldProcess, fire: Fire): void {
    this.#soon.push({ owner, fire })
  }

  /** The whole machine stands still: time passes, timers are late, what was on its way is later by as much. */
  stall(ms: number): void {
    this.monoMs += ms
    this.#arrivals.offsetMs += ms
  }

  /** Fires what is due, event by event, until this monotonic time or until `enough`. Rejects with what was thrown. */
  async run(untilMs: number, enough: () => boolean = () => false): Promise<void> {
    if (Number.isNaN(untilMs)) throw new Error('time cannot move to NaN')
    const { setImmediate: own } = globalThis
    const taken = (fire: (...given: unknown[]) => void, ...given: unknown[]): NodeJS.Immediate => {
      this.soon(this.#current, () => fire(...given))
      return undefined as unknown as NodeJS.Immediate
    }
    globalThis.setImmediate = taken as typeof setImmediate
    try {
      await new Promise<void>((resolve, reject) => {
        const step = (): void => {
          try {
            if (!this.#next(untilMs) || enough()) return resolve()
          } catch (error) {
            return reject(error as Error)
          }
          realImmediate(step)
        }
        realImmediate(step)
      })
    } finally {
      globalThis.setImmediate = own
    }
  }

  /** False when nothing is due any more before `untilMs`. */
  #next(untilMs: number): boolean {
    const soon = this.#soon[this.#soonAt]
    if (soon !== undefined) {
      this.#soonAt += 1
      if (this.#soonAt === this.#soon.length) {
        this.#soon = []
        this.#soonAt = 0
      }
      this.#fire(soon.owner, soon.fire, undefined)
      return true
    }
    const heap = this.#earlier()
    const dueMs = heap.firstMs
    if (dueMs > untilMs) {
      this.monoMs = Math.max(this.monoMs, untilMs)
      return false
    }
    const entry = heap.pop()
    if (entry.fire === null || !entry.owner.alive) return true
    this.monoMs = Math.max(this.monoMs, dueMs)
    this.#fire(entry.owner, entry.fire, entry)
    return true
  }

  #earlier(): Heap {
    const [timers, arrivals] = [this.#timers, this.#arrivals]
    if (timers.firstMs !== arrivals.firstMs) return timers.firstMs < arrivals.firstMs ? timers : arrivals
    return (timers.first?.order ?? 0) < (arrivals.first?.order ?? 0) ? timers : arrivals
  }

  #fire(owner: WorldProcess, fire: Fire, entry: Entry | undefined): void {
    if (!owner.alive) return
    if (owner.stopped) return owner.hold(entry ?? { atMs: 0, order: 0, owner, kind: 'arrival', fire })
    this.#current = owner
    this.fired += 1
    fire()
  }
}
