/**
 * What was spent in the windows of now, and what calls under way may still spend. A call is let out while less than the
 * budget is spent and reserved, and reserves the most that it can cost until its end tells. So a window never sees
 * more than its budget and one call, however many go at once.
 *
 *   reserve ── sent, ended ──▶ settle (what it cost, or counts as)
 *       └───── never sent ───▶ release
 *
 * The journal keeps the same sums (store/gate/spending.ts), and what each open call has reserved: a gate that was
 * killed counts its open calls as that.
 */
import type { Budget } from '../../model/model.ts'
import type { Clock, Cost } from '../../std/std.ts'

/** Whose call it is, and where it goes. */
export interface Payer {
  readonly agent: string | null
  readonly upstream: string
}
/** One window of one owner's budget. */
export interface Place {
  readonly budget: Budget
  readonly owner: string
  readonly windowMs: number
}
export interface Reservation {
  readonly most: Cost
  readonly places: readonly Place[]
}
export interface Standing {
  readonly budget: Budget
  readonly owner: string
  readonly spent: bigint
  readonly endsMs: number
}
/** Why a call may not go out now. `reserved`: it may when calls under way turn out to cost less than they may. */
export interface Short {
  readonly place: Place
  readonly why: 'spent' | 'reserved'
}
export interface SavedSum {
  readonly budget: string
  readonly owner: string
  readonly windowMs: number
  readonly spent: bigint
}

export interface Budgets {
  take(budgets: readonly Budget[]): void
  /** Undefined = it may go out, as far as is known now; reserves nothing. */
  look(payer: Payer, most: Cost): Short | undefined
  /** `forced`: is counted and never refused. */
  reserve(payer: Payer, most: Cost, forced: boolean): Reservation | Short
  release(reservation: Reservation): void
  settle(reservation: Reservation, counted: Cost): void
  /** Whether a call of this owner may go out by this budget now; so it may by one that is there no more. */
  hasLeft(budget: string, owner: string): boolean
  /** Whoever has spent so much that people are warned, the most spent first; at most `limit`. */
  standing(limit: number): readonly Standing[]
}

const typeOf = (agent: string): string => agent.slice(0, agent.lastIndexOf('/'))

const ownerOf = ({ per }: Budget, { agent, upstream }: Payer): string | null => {
  if (per === 'swarm') return 'swarm'
  if (per === 'upstream') return upstream
  return agent === null ? null : per === 'agent' ? agent : typeOf(agent)
}

const counts = ({ types, upstreams, spend }: Budget, payer: Payer, currency: string): boolean =>
  spend.currency === currency &&
  (upstreams.length === 0 || upstreams.includes(payer.upstream)) &&
  (types.length === 0 || (payer.agent !== null && types.includes(typeOf(payer.agent))))

export const windowOf = ({ everyMs }: Budget, nowMs: number): number => Math.floor(nowMs / everyMs) * everyMs

/** Where a call counts that begins now; nothing is counted for what costs nothing. */
export const placesOf = (
  budgets: readonly Budget[],
  payer: Payer,
  { pico, currency }: Cost,
  nowMs: number,
): readonly Place[] =>
  pico === 0n
    ? []
    : budgets.flatMap((budget) => {
        const owner = counts(budget, payer, currency) ? ownerOf(budget, payer) : null
        return owner === null ? [] : [{ budget, owner, windowMs: windowOf(budget, nowMs) }]
      })

/** The least that has to be spent for people to be warned. */
export const warnAt = ({ spend, warn }: Budget): bigint =>
  (spend.pico * BigInt(Math.round(warn * 1_000_000))) / 1_000_000n

/** Names of budgets that are remembered, also after they were taken out. */
const mostKnown = 1_000

interface Sum {
  spent: bigint
  reserved: bigint
}
/** One budget's window of now. */
interface Window {
  readonly budget: Budget
  windowMs: number
  owners: Map<string, Sum>
  /** Those at or over the warning. */
  readonly warned: Set<string>
}

class OpenBudgets implements Budgets {
  readonly #clock: Clock
  readonly #saved: readonly SavedSum[]
  readonly #known = new Map<string, Window>()
  #windows: readonly Window[] = []

  constructor(clock: Clock, saved: readonly SavedSum[]) {
    this.#clock = clock
    this.#saved = saved
  }

  take(budgets: readonly Budget[]): void {
    const nowMs = this.#clock.wallMs()
    this.#windows = budgets.map((budget) => {
      const known = this.#known.get(budget.name)
      const goesOn = known !== undefined && known.budget.per === budget.per && known.budget.everyMs === budget.everyMs
      const window: Window = goesOn
        ? { ...known, budget, warned: new Set() }
        : { budget, ...this.#savedOf(budget, nowMs), warned: new Set() }
      for (const [owner, { spent }] of window.owners) if (spent >= warnAt(budget)) window.warned.add(owner)
      return window
    })
    // One that is taken out and put in again has not forgotten what was spent.
    for (const window of this.#windows) this.#known.set(window.budget.name, window)
    for (const name of this.#known.keys()) if (this.#known.size > mostKnown) this.#known.delete(name)
  }

  look(payer: Payer, most: Cost): Short | undefined {
    for (const place of this.#places(payer, most)) {
      const short = this.#short(place)
      if (short !== undefined) return short
    }
    return undefined
  }

  reserve(payer: Payer, most: Cost, forced: boolean): Reservation | Short {
    const places = this.#places(payer, most)
    const short = forced ? undefined : this.look(payer, most)
    if (short !== undefined) return short
    for (const place of places) this.#sum(place)!.reserved += most.pico
    return { most, places }
  }

  release({ most, places }: Reservation): void {
    for (const place of places) {
      const sum = this.#sum(place)
      if (sum !== undefined) sum.reserved -= most.pico
    }
  }

  settle(reservation: Reservation, { pico }: Cost): void {
    this.release(reservation)
    for (const place of reservation.places) {
      const sum = this.#sum(place)
      if (sum === undefined) continue
      sum.spent += pico
      if (sum.spent >= warnAt(place.budget)) this.#window(place.budget.name)!.warned.add(place.owner)
    }
  }

  hasLeft(name: string, owner: string): boolean {
    const window = this.#window(name)
    if (window === undefined) return true
    this.#roll(window)
    const { spent = 0n, reserved = 0n } = window.owners.get(owner) ?? {}
    return spent + reserved < window.budget.spend.pico
  }

  standing(limit: number): readonly Standing[] {
    const all = this.#windows.flatMap((window) => {
      this.#roll(window)
      const { budget, windowMs, owners, warned } = window
      const endsMs = windowMs + budget.everyMs
      return [...warned].map((owner): Standing => ({ budget, owner, spent: owners.get(owner)!.spent, endsMs }))
    })
    const share = ({ spent, budget }: Standing): bigint => (spent * 1_000_000n) / budget.spend.pico
    return all.toSorted((one, other) => Number(share(other) - share(one))).slice(0, limit)
  }

  /** What was written by the gate before, of the window of now; or of the next, where the clock was set back since. */
  #savedOf(budget: Budget, nowMs: number): Pick<Window, 'windowMs' | 'owners'> {
    const newest = windowOf(budget, nowMs) + budget.everyMs
    const known = this.#saved.filter((one) => one.budget === budget.name && one.windowMs <= newest)
    const windowMs = known.reduce((latest, one) => Math.max(latest, one.windowMs), windowOf(budget, nowMs))
    const mine = known.filter((one) => one.windowMs === windowMs)
    return { windowMs, owners: new Map(mine.map(({ owner, spent }) => [owner, { spent, reserved: 0n }])) }
  }

  #window(name: string): Window | undefined {
    return this.#windows.find(({ budget }) => budget.name === name)
  }

  /** A window that is over is forgotten whole. A clock that is set back begins none anew. */
  #roll(window: Window): void {
    const windowMs = windowOf(window.budget, this.#clock.wallMs())
    if (windowMs <= window.windowMs) return
    window.windowMs = windowMs
    window.owners = new Map()
    window.warned.clear()
  }

  #places(payer: Payer, most: Cost): readonly Place[] {
    for (const window of this.#windows) this.#roll(window)
    const budgets = this.#windows.map(({ budget }) => budget)
    return placesOf(budgets, payer, most, this.#clock.wallMs()).map((place) => ({
      ...place,
      windowMs: this.#window(place.budget.name)!.windowMs,
    }))
  }

  /** Undefined when its window is over, or its budget is gone. */
  #sum({ budget, owner, windowMs }: Place): Sum | undefined {
    const window = this.#window(budget.name)
    if (window === undefined) return undefined
    this.#roll(window)
    if (window.windowMs !== windowMs) return undefined
    const sum = window.owners.get(owner) ?? { spent: 0n, reserved: 0n }
    window.owners.set(owner, sum)
    return sum
  }

  #short(place: Place): Short | undefined {
    const { spent = 0n, reserved = 0n } = this.#window(place.budget.name)?.owners.get(place.owner) ?? {}
    const most = place.budget.spend.pico
    if (spent >= most) return { place, why: 'spent' }
    return spent + reserved >= most ? { place, why: 'reserved' } : undefined
  }
}

/** Windows of `saved` that are of now are gone on with. */
export const openBudgets = (clock: Clock, budgets: readonly Budget[], saved: readonly SavedSum[] = []): Budgets => {
  const opened = new OpenBudgets(clock, saved)
  opened.take(budgets)
  return opened
}
