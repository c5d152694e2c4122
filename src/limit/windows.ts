/**
 * The windows of rated limits by name (ledger.ts), resumed from what the last gate saved. A sliding limit is its window
 * alone; a smooth one is paced beside it (smooth.ts).
 */
import type { RatedLimit, UpstreamLimit } from '../model/model.ts'
import { remainingMs, type Clock, type Stamp } from '../std/std.ts'
import type { LimitRow } from '../store/store.ts'
import type { Binding, Gauge } from './gauge.ts'
import { Ledger, type Place, type WindowShape } from './ledger.ts'
import { limitPrefix, placeOf, ruleOf } from './names.ts'
import { Road } from './road.ts'
import { shapeOf } from './shape.ts'
import type { Usage } from './usage.ts'

const mostKept = 20_000
/** Steps in which a history is told. */
const mostSteps = 500
/** Windows of smooth limits stand beside their buckets, which have the plain name. */
const beside = 'window\n'
/** A killed gate may have sent its last calls this much later than its last commit says. */
const lagMs = 1_000

const isRated = (rule: UpstreamLimit): rule is RatedLimit => 'rate' in rule

const windowOf = (rule: RatedLimit): WindowShape => {
  const { count } = shapeOf(rule)
  const { windowMs } = rule.rate
  // One call a window leaves no count to give away; its guard is taken from time instead, and is never nothing.
  return { count, windowMs: count === 1 ? windowMs * (1 + Math.max(rule.guard, 0.01)) : windowMs }
}

/**
 * How so many calls may have arrived up to a moment: a burst of them just then, and the others at the pace of the limit
 * before it. Of a sliding limit all of them just then.
 */
const historyOf = (rule: RatedLimit, used: number, atMs: number): readonly { atMs: number; weight: number }[] => {
  const { count, intervalMs, toleranceMs } = shapeOf(rule)
  const all = Math.min(used, count)
  const burst = rule.window === 'sliding' ? all : Math.min(all, Math.round(toleranceMs / intervalMs) + 1)
  const each = Math.max(1, Math.ceil((all - burst) / mostSteps))
  const paced = Array.from({ length: Math.ceil((all - burst) / each) }, (_, index) => {
    const weight = Math.min(each, all - burst - index * each)
    return { atMs: atMs - (all - burst - index * each - weight + 1) * intervalMs, weight }
  })
  return burst === 0 ? paced : [...paced, { atMs, weight: burst }]
}

interface Kept {
  readonly rule: RatedLimit
  readonly ledger: Ledger
}

/** One call as a window sees it. */
interface Weighed {
  readonly weight: number
  /** By which way it goes. */
  readonly road: Road
  readonly binding: Binding
}

export class WindowShelf {
  readonly #clock: Clock
  readonly #kept = new Map<string, Kept>()
  readonly #renewedMs = new Map<string, number>()
  readonly #dirty = new Set<string>()
  readonly #resumable: Map<string, LimitRow>

  constructor(clock: Clock, saved: readonly LimitRow[]) {
    this.#clock = clock
    const mine = saved.filter(({ name }) => name.startsWith(limitPrefix) || name.startsWith(beside))
    this.#resumable = new Map(mine.map((row) => [row.name, row]))
  }

  gauge(name: string, rule: RatedLimit, { weight, road, binding }: Weighed): Gauge {
    const get = (): Ledger => this.#get(name, rule, road)
    const touch = (): Ledger => {
      this.#dirty.add(name)
      return get()
    }
    const { count, windowMs } = windowOf(rule)
    let place: { readonly ledger: Ledger; readonly in: Place; readonly sentMs: number } | undefined
    const known = (nowMs: number): void => {
      place?.ledger.known(place.in, nowMs, weight)
      place = undefined
    }
    return {
      ...binding,
      // What weighs more than all there is goes when nothing else is counted.
      paceMs: (Math.min(weight, count) * windowMs) / count,
      readyAt: (nowMs) => get().readyAt(nowMs, weight),
      admit: () => touch().pend(weight),
      sent: (nowMs) => {
        const ledger = touch()
        place = { ledger, in: ledger.sent(nowMs, weight, road), sentMs: nowMs }
      },
      giveUp: () => touch().pend(-weight),
      heard: (nowMs) => {
        if (place !== undefined) road.heard(place.sentMs, nowMs)
        known(nowMs)
      },
      ended: (_failed, nowMs) => known(nowMs),
    }
  }

  /** Where a rule has another shape, all of its window counts as used. */
  renew(place: string, rules: readonly UpstreamLimit[]): void {
    const nowMs = this.#clock.monoMs()
    this.#renewedMs.set(place, nowMs)
    for (const [name, kept] of this.#kept) {
      const rule = ruleOf(name, place, rules)
      if (rule !== undefined) this.#reshape(name, kept, rule, nowMs)
    }
  }

  /** The same for one limit alone. */
  reshape(name: string, rule: UpstreamLimit): void {
    const kept = this.#kept.get(name)
    if (kept !== undefined) this.#reshape(name, kept, rule, this.#clock.monoMs())
  }

  /** Also of one that nobody has used since the last gate: it goes on with what that one sent. */
  usage(name: string, rule: RatedLimit, nowMs: number): Usage {
    const ledger = this.#kept.get(name)?.ledger ?? this.#begun(name, rule, new Road())
    return { used: ledger.used(nowMs), of: ledger.shape.count, freeAtMs: ledger.readyAt(nowMs, 1) }
  }

  names(): Iterable<string> {
    return this.#kept.keys()
  }

  changed(stamp: Stamp): readonly LimitRow[] {
    const rows = [...this.#dirty].map((name): LimitRow => {
      const { rule, ledger } = this.#kept.get(name)!
      const row = rule.window === 'smooth' ? beside + name : name
      const used = ledger.used(stamp.monoMs)
      return { name: row, aheadMs: 0, pauseMs: rule.rate.windowMs, strikes: used, ...stamp }
    })
    this.#dirty.clear()
    return rows
  }

  #reshape(name: string, { rule: before, ledger }: Kept, rule: UpstreamLimit, nowMs: number): void {
    if (!isRated(rule)) return
    const [was, will] = [windowOf(before), windowOf(rule)]
    if (was.count === will.count && was.windowMs === will.windowMs && before.window === rule.window) return
    this.#kept.set(name, { rule, ledger: ledger.renewed(will, historyOf(rule, will.count, nowMs)) })
    this.#dirty.add(name)
  }

  #get(name: string, rule: RatedLimit, road: Road): Ledger {
    const known = this.#kept.get(name)
    if (known !== undefined) return known.ledger
    const ledger = this.#begun(name, rule, road)
    this.#resumable.delete(rule.window === 'smooth' ? beside + name : name)
    if (this.#kept.size >= mostKept) this.#prune(this.#clock.monoMs())
    this.#kept.set(name, { rule, ledger })
    return ledger
  }

  /** With what may have been sent before. */
  #begun(name: string, rule: RatedLimit, road: Road): Ledger {
    const ledger = new Ledger(windowOf(rule), road)
    const renewedMs = this.#renewedMs.get(placeOf(name))
    ledger.fill(renewedMs === undefined ? this.#resumed(name, rule) : historyOf(rule, Infinity, renewedMs))
    return ledger
  }

  /** What the last gate may have sent: all that it counted, the last of it as late as it may have been killed. */
  #resumed(name: string, rule: RatedLimit): ReturnType<typeof historyOf> {
    const own = rule.window === 'smooth' ? beside + name : name
    const row = this.#resumable.get(own)
    const other = this.#resumable.get(rule.window === 'smooth' ? name : beside + name)
    const now = this.#clock.stamp()
    const { windowMs } = rule.rate
    // A limit of another kind stood here, or a gate that kept no windows: how much of this one is used is not known.
    if (row === undefined || row.pauseMs === 0)
      return row === undefined && other === undefined ? [] : historyOf(rule, Infinity, now.monoMs)
    const leftMs = remainingMs(now, row, windowMs + lagMs)
    return leftMs <= 0 ? [] : historyOf(rule, row.strikes, Math.min(now.monoMs, now.monoMs + leftMs - windowMs))
  }

  #prune(nowMs: number): void {
    for (const [name, { ledger }] of this.#kept)
      if (ledger.used(nowMs) === 0 && !this.#dirty.has(name)) this.#kept.delete(name)
  }
}
