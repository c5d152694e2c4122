/**
 * Limits learned from answers, by upstream and credential. What a provider says is left is counted down by every call
 * that we send, and corrected by every answer; at nothing left everybody waits until the provider's window is over.
 * Where a provider refuses and says nothing at all, our own pace is found: a refusal takes a third of it away, a quiet
 * while gives a twentieth back, until it is twice what it was and needs no more watching.
 *
 * An answer tells what was left when the provider counted that call. Calls that are under way may not have been counted
 * yet, so they are taken off again; and answers overtake each other, so within one window what is left only gets less.
 * What is assumed to be left is never more than what is.
 */
import { remainingMs, type Clock, type Stamp } from '../../std/std.ts'
import type { LimitRow } from '../../store/store.ts'
import type { Gauge } from '../gauge.ts'
import type { Signal, Told } from './signals.ts'

/** Providers tell whole seconds, and round as they like. */
const roundedMs = 1_000
/** Ends that differ by less belong to one window; of a window that slides with each call a new half has begun. */
const sameWithin = (windowMs: number): number => Math.max(1.5 * roundedMs, windowMs / 2)
const rateOverMs = 10_000
/** Nothing is left, and nobody says until when. */
const unsaidMs = 10_000
/** Providers' signals that are kept of one scope, and scopes of one gate: more are forgotten, oldest first. */
const mostSignals = 16
const mostScopes = 20_000

/** One of a provider's limits, as far as it is known. */
interface Left {
  /** Calls that may still be sent in this window; Infinity = not counted in calls, and not used up. */
  readonly left: number
  readonly untilMs: number
  /** Calls of a whole window, and its length; null = not known. */
  readonly limit: number | null
  readonly windowMs: number | null
  /** Counted in weights, not in calls. */
  readonly weighs?: true
  /** Its windows begin with those of the provider's clock. */
  readonly aligned?: true
  /** Its window is over, and of the next one nothing is known. */
  readonly isGuess?: true
}
/** Our own pace, where nothing was told. */
export interface Pace {
  readonly perSecond: number
  /** The pace at which the provider refused first: beyond twice that no watching is needed. */
  readonly refusedAt: number
  readonly changedMs: number
}
const lessFactor = 0.67
const moreFactor = 0.05
const calmMs = 10_000
const slowest = 0.05

/**
 * The last part of a window of weights is used one call at a time. Those are counted by address or account, others use
 * them too, and what they used is only known by the next answer: so one call at most finds nothing left, and not all
 * that are under way. Measured with a stranger of a quarter of the limit (`test/gateway/exchange-hour.slow.ts`).
 */
const oneByOneShare = 0.1

/** After a refusal without a word. `perSecond` = what was really sent of late; refusals of one moment count once. */
export const slower = (before: Pace | null, perSecond: number, nowMs: number): Pace => {
  if (before !== null && nowMs - before.changedMs < 1_000) return before
  const from = before === null ? perSecond : Math.min(paceNow(before, nowMs) ?? perSecond, Math.max(perSecond, slowest))
  return {
    perSecond: Math.max(slowest, from * lessFactor),
    refusedAt: before === null ? Math.max(perSecond, slowest) : before.refusedAt,
    changedMs: nowMs,
  }
}

/** Calls a second now; null = it is as fast as ever again. */
export const paceNow = (pace: Pace, nowMs: number): number | null => {
  const calm = Math.max(0, nowMs - pace.changedMs) / calmMs
  const perSecond = pace.perSecond + calm * moreFactor * pace.refusedAt
  return perSecond >= 2 * pace.refusedAt ? null : perSecond
}

/**
 * The provider's window is over. What the next one may have is known from the last; where it is not, one call goes, and
 * its answer tells.
 */
const nextWindow = (one: Left, underWay: number, nowMs: number): Left => {
  const { limit, windowMs, left, untilMs } = one
  const isAligned = one.aligned === true && windowMs !== null && windowMs > 0
  const over = isAligned ? Math.floor((nowMs - untilMs) / windowMs) + 1 : 0
  const next = { ...one, untilMs: isAligned ? untilMs + over * windowMs : nowMs + (windowMs ?? unsaidMs) + roundedMs }
  if (left === Infinity || limit === Infinity) return { ...next, left: Infinity }
  // Calls under way may be counted in either window.
  return limit === null || windowMs === null ? { ...next, left: 1, isGuess: true } : { ...next, left: limit - underWay }
}

/** Calls, and what they weigh. */
class Sum {
  calls = 0
  weight = 0

  add(weight: number, sign: 1 | -1): void {
    this.calls += sign
    this.weight += sign * weight
  }
  /** As one of a provider's limits counts. */
  by({ weighs }: Left): number {
    return weighs === true ? this.weight : this.calls
  }
}

/** How many calls were sent in each of the last seconds. */
class Recent {
  readonly #seconds: { readonly sinceMs: number; calls: number }[] = []

  add(nowMs: number): void {
    const last = this.#seconds.at(-1)
    if (last !== undefined && nowMs < last.sinceMs + 1_000) last.calls += 1
    else if (this.#seconds.push({ sinceMs: nowMs, calls: 1 }) > rateOverMs / 1_000) this.#seconds.shift()
  }

  /** Calls a second of late. */
  perSecond(nowMs: number): number {
    const recent = this.#seconds.filter(({ sinceMs }) => sinceMs > nowMs - rateOverMs)
    const calls = recent.reduce((sum, one) => sum + one.calls, 0)
    return (calls * 1_000) / Math.max(1_000, nowMs - (recent[0]?.sinceMs ?? nowMs))
  }
}

class Scope {
  readonly signals = new Map<string, Left>()
  readonly sent = new Recent()
  /** Sent, and nothing heard of yet. */
  readonly underWay = new Sum()
  readonly pending = new Sum()
  /** Nothing is known of it yet: one call goes, and its answer tells. */
  isNew = true
  lastSentMs = -Infinity
  pace: Pace | null = null

  /** `asksFirst`: while nothing is known one call goes at a time, for its answer tells how these limits stand. */
  readyAt(nowMs: number, weight: number, asksFirst: boolean): number {
    let atMs = nowMs
    let isOneByOne = asksFirst && this.isNew
    for (const [name, known] of this.signals) {
      const one = known.untilMs > nowMs ? known : nextWindow(known, this.underWay.by(known), nowMs)
      if (one !== known) this.signals.set(name, one)
      // Of a new window too: all of it may be under way already.
      if (one.left - this.pending.by(one) < needOf(one, weight)) atMs = Math.max(atMs, one.untilMs)
      else if (this.#isNearEnd(one)) isOneByOne = true
    }
    if (isOneByOne && atMs <= nowMs && this.pending.calls + this.underWay.calls > 0) return Infinity
    const perSecond = this.pace === null ? null : paceNow(this.pace, nowMs)
    if (perSecond === null) this.pace = null
    else if (this.pending.calls > 0) return Infinity
    else atMs = Math.max(atMs, this.lastSentMs + 1_000 / perSecond)
    return atMs
  }

  /** Others use it too, and an answer is the only news of them. */
  #isNearEnd({ weighs, limit, left }: Left): boolean {
    return weighs === true && limit !== null && left - this.pending.weight < limit * oneByOneShare
  }
}

/** What must be left for a call. One that weighs more than all there is goes when nothing else is counted. */
const needOf = ({ weighs, limit, isGuess }: Left, weight: number): number =>
  weighs === true && isGuess !== true ? Math.max(1, Math.min(weight, limit ?? weight)) : 1

/** What is left of a limit by this signal: Infinity where calls do not count it down and something is left. */
const leftOf = (signal: Signal, limits: Readonly<Record<string, number>>): number | null => {
  const limit = signal.limit ?? limits[signal.name] ?? null
  const remaining =
    signal.remaining ?? (limit !== null && signal.used !== null ? Math.max(0, limit - signal.used) : null)
  if (remaining === null || signal.unit === 'concurrent') return null
  if (signal.unit === 'requests' || signal.unit === 'weight') return remaining
  return remaining > 0 ? Infinity : 0
}

/** What is known after a signal; undefined when it says nothing new. */
const keptOf = (
  signal: Signal,
  { remaining, limits }: { readonly remaining: number; readonly limits: Readonly<Record<string, number>> },
  of: Scope,
  nowMs: number,
): Left | undefined => {
  const forMs = signal.resetMs ?? signal.windowMs
  // Something is left and nobody says for how long: that bounds nothing.
  if (forMs === null && remaining > 0) return undefined
  const before = of.signals.get(signal.name)
  const untilMs = nowMs + (forMs ?? unsaidMs) + roundedMs
  const limit = signal.limit ?? limits[signal.name] ?? before?.limit ?? null
  const windowMs = signal.windowMs ?? Math.max(before?.windowMs ?? 0, signal.resetMs ?? 0)
  const whole = {
    limit: signal.unit === 'tokens' || signal.unit === 'bytes' ? Infinity : limit,
    windowMs,
    ...(signal.unit === 'weight' && { weighs: true as const }),
    ...(signal.aligned === true && { aligned: true as const }),
  }
  const left = remaining - of.underWay.by({ ...whole, left: remaining, untilMs })
  if (before === undefined || before.untilMs <= nowMs || before.isGuess) return { left, untilMs, ...whole }
  const laterMs = untilMs - before.untilMs
  if (laterMs >= sameWithin(windowMs)) return { left, untilMs, ...whole }
  // An answer that was long on its way tells of the window before.
  if (whole.aligned === true && -laterMs >= sameWithin(windowMs)) return undefined
  // Of a window that is the provider's own, no reading of its end is too early.
  const endsMs = whole.aligned === true ? Math.min(untilMs, before.untilMs) : before.untilMs
  return { left: Math.min(before.left, left), untilMs: endsMs, ...whole }
}

const prefix = 'learned\n'

export interface Learned {
  /**
   * `weight` = of the call, by limits that are counted in weights. `isOfSome`: these are there for certain, and only
   * for some calls, so that others of the same line pass whoever waits for them.
   */
  gauge(scope: string, weight?: number, isOfSome?: boolean): Gauge
  /** Takes what an answer said. `refused` = with 429; `limits` = those of the profile. */
  hear(scope: string, told: Told, answer: Heard): void
  /** Of these limits nothing is left until their windows end; false when none of them is known. */
  violated(scope: string, names: readonly string[]): boolean
  /** For people: what is known of a scope now. */
  known(scope: string): readonly Known[]
  /** Calls a second, of scopes that begin so and whose pace was found. */
  paces(begins: string): readonly { readonly scope: string; readonly perSecond: number }[]
  changed(stamp: Stamp): readonly LimitRow[]
}
export interface Heard {
  readonly refused: boolean
  readonly limits: Readonly<Record<string, number>>
}
export interface Known {
  readonly name: string
  /** Calls; null = something is left, how many calls that is nobody knows. */
  readonly left: number | null
  readonly untilMs: number
}

class Book implements Learned {
  readonly #clock: Clock
  readonly #scopes = new Map<string, Scope>()
  readonly #dirty = new Set<string>()

  constructor(clock: Clock, saved: readonly LimitRow[]) {
    this.#clock = clock
    const start = clock.stamp()
    for (const row of saved) {
      if (!row.name.startsWith(prefix)) continue
      const [, upstream, credential, name, unit] = row.name.split('\n')
      const untilMs = start.monoMs + remainingMs(start, row, row.pauseMs)
      if (untilMs <= start.monoMs || name === undefined) continue
      const left = { left: row.strikes, untilMs, limit: null, windowMs: null, ...(unit && { weighs: true as const }) }
      const of = this.#of(`${upstream}\n${credential}`)
      of.isNew = false
      of.signals.set(name, left)
    }
  }

  gauge(scope: string, weight = 1, isOfSome = false): Gauge {
    const of = this.#of(scope)
    let isUnderWay = false
    const heard = (): void => {
      if (isUnderWay) of.underWay.add(weight, -1)
      isUnderWay = false
    }
    return {
      shared: !isOfSome,
      readyAt: (nowMs) => of.readyAt(nowMs, weight, isOfSome),
      admit: () => {
        of.pending.add(weight, 1)
        if (of.signals.size > 0) this.#dirty.add(scope)
      },
      sent: (nowMs) => {
        of.pending.add(weight, -1)
        of.underWay.add(weight, 1)
        isUnderWay = true
        of.lastSentMs = nowMs
        of.sent.add(nowMs)
        for (const [name, one] of of.signals)
          of.signals.set(name, { ...one, left: one.left - (one.weighs === true ? weight : 1) })
      },
      giveUp: () => of.pending.add(weight, -1),
      heard,
      ended: heard,
    }
  }

  hear(scope: string, told: Told, { refused, limits }: Heard): void {
    const of = this.#of(scope)
    of.isNew = false
    // Most providers tell nothing at all.
    if (told.signals.length === 0 && of.signals.size === 0 && !refused) return
    const nowMs = this.#clock.monoMs()
    let said = told.retryAfterMs !== null
    for (const signal of told.signals.slice(0, mostSignals)) {
      const remaining = leftOf(signal, limits)
      if (remaining === null) continue
      said = true
      const kept = keptOf(signal, { remaining, limits }, of, nowMs)
      if (kept === undefined) continue
      // The last one that was told stands last.
      of.signals.delete(signal.name)
      of.signals.set(signal.name, kept)
      while (of.signals.size > mostSignals) of.signals.delete(of.signals.keys().next().value!)
      this.#dirty.add(scope)
    }
    // The call that went to be told of a new window was not: then nobody counts by that limit any more.
    const names = new Set(told.signals.map(({ name }) => name))
    for (const [name, { isGuess }] of of.signals) if (isGuess && !refused && !names.has(name)) of.signals.delete(name)
    if (refused && !said) of.pace = slower(of.pace, of.sent.perSecond(nowMs), nowMs)
  }

  violated(scope: string, names: readonly string[]): boolean {
    const signals = this.#scopes.get(scope)?.signals
    const nowMs = this.#clock.monoMs()
    const found = names.filter((name) => (signals?.get(name)?.untilMs ?? -Infinity) > nowMs)
    for (const name of found) signals!.set(name, { ...signals!.get(name)!, left: 0 })
    if (found.length > 0) this.#dirty.add(scope)
    return found.length > 0
  }

  known(scope: string): readonly Known[] {
    const signals = this.#scopes.get(scope)?.signals
    if (signals === undefined || signals.size === 0) return []
    const nowMs = this.#clock.monoMs()
    return [...signals].flatMap(([name, { left, untilMs }]) =>
      untilMs <= nowMs ? [] : [{ name, left: left === Infinity ? null : Math.max(0, left), untilMs }],
    )
  }

  paces(begins: string): ReturnType<Learned['paces']> {
    return [...this.#scopes].flatMap(([scope, { pace }]) => {
      const perSecond = pace === null || !scope.startsWith(begins) ? null : paceNow(pace, this.#clock.monoMs())
      return perSecond === null ? [] : [{ scope, perSecond }]
    })
  }

  changed(stamp: Stamp): readonly LimitRow[] {
    const rows = [...this.#dirty].flatMap((scope) => {
      const { signals, pending } = this.#of(scope)
      return [...signals].flatMap(([name, one]): LimitRow[] =>
        one.left === Infinity
          ? []
          : [
              {
                name: `${prefix}${scope}\n${name}${one.weighs === true ? '\nweight' : ''}`,
                aheadMs: 0,
                pauseMs: Math.max(0, one.untilMs - stamp.monoMs),
                strikes: Math.max(0, one.left - pending.by(one)),
                ...stamp,
              },
            ],
      )
    })
    this.#dirty.clear()
    return rows
  }

  #of(scope: string): Scope {
    const known = this.#scopes.get(scope)
    if (known !== undefined) return known
    if (this.#scopes.size >= mostScopes) {
      const idle = [...this.#scopes].find(([, { pending }]) => pending.calls === 0)
      if (idle !== undefined) this.#scopes.delete(idle[0])
    }
    const made = new Scope()
    this.#scopes.set(scope, made)
    return made
  }
}

export const openLearned = (clock: Clock, saved: readonly LimitRow[]): Learned => new Book(clock, saved)
