/**
 * Limits learned from answers, by upstream and credential. What a provider says is left is counted down by every call
 * that we send, and corrected by every answer; at nothing left everybody waits until the provider's window is over.
 * Tokens are counted down by what calls of late took (tokens.ts). Where a provider refuses and says nothing at all, our
 * own pace is found (pace.ts).
 *
 * An answer tells what was left when the provider counted that call. Calls that are under way may not have been counted
 * yet, so they are taken off again; and answers overtake each other, so within one window what is left only gets less.
 * What is assumed to be left is never more than what is.
 */
import { remainingMs, type Clock, type Stamp } from '../../std/std.ts'
import type { LimitRow } from '../../store/store.ts'
import type { Gauge } from '../gauge.ts'
import { countOf, needOf, Sum, type Left } from './left.ts'
import { isPaceRow, paceNow, paceOf, paceRow, Recent, slower, type Pace } from './pace.ts'
import { peakOf, Peaks } from './peaks.ts'
import { Quotas, type Quota } from './quotas.ts'
import type { Signal, Told } from './signals.ts'
import { tokensAfter, TokensPerCall } from './tokens.ts'

/** Providers tell whole seconds, and round as they like. */
const roundedMs = 1_000
/** Ends that differ by less belong to one window; of a window that slides with each call a new half has begun. */
const sameWithin = (windowMs: number): number => Math.max(1.5 * roundedMs, windowMs / 2)
/** Nothing is left, and nobody says until when. */
const unsaidMs = 10_000
/** Providers' signals that are kept of one scope, and scopes of one gate: more are forgotten, oldest first. */
const mostSignals = 16
const mostScopes = 20_000

/**
 * The last part of a window of weights is used one call at a time. Those are counted by address or account, others use
 * them too, and what they used is only known by the next answer: so one call at most finds nothing left, and not all
 * that are under way. Measured with a stranger of a quarter of the limit (`test/gateway/exchange-hour.slow.ts`).
 */
const oneByOneShare = 0.1

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
  // Tokens may come back all at once or bit by bit. What was left is there still; where that is nothing, one call goes.
  if (one.tokens !== undefined) {
    const tokens = { ...one.tokens, told: Infinity, sinceMs: nowMs }
    const { perCall } = tokens.each
    return left >= perCall ? { ...next, left, tokens } : { ...next, left: perCall, tokens, isGuess: true }
  }
  // Calls under way may be counted in either window.
  return limit === null || windowMs === null ? { ...next, left: 1, isGuess: true } : { ...next, left: limit - underWay }
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
  readonly peaks = new Peaks()

  /** `asksFirst`: while nothing is known one call goes at a time, for its answer tells how these limits stand. */
  readyAt(nowMs: number, weight: number, asksFirst: boolean): number {
    let atMs = this.peaks.readyAt(nowMs)
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

  /** Others use it too, or calls take more than was assumed, and an answer is the only news of that. */
  #isNearEnd(one: Left): boolean {
    const { weighs, tokens, limit, left } = one
    if (limit === null || (weighs !== true && tokens === undefined)) return false
    return left - this.pending.by(one) < limit * oneByOneShare
  }
}

/** What is left of a limit by this signal: Infinity where calls do not count it down and something is left. */
const leftOf = (signal: Signal, limits: Readonly<Record<string, number>>): number | null => {
  const limit = signal.limit ?? limits[signal.name] ?? null
  const remaining =
    signal.remaining ?? (limit !== null && signal.used !== null ? Math.max(0, limit - signal.used) : null)
  if (remaining === null) return null
  return signal.unit === 'bytes' && remaining > 0 ? Infinity : remaining
}

/** What is known after a signal; undefined when it says nothing new. */
const keptOf = (
  signal: Signal,
  { remaining, limits, refused, sentMs = Infinity }: Heard & { readonly remaining: number },
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
    limit: signal.unit === 'bytes' ? Infinity : limit,
    windowMs,
    ...(signal.unit === 'weight' && { weighs: true as const }),
    ...(signal.aligned === true && { aligned: true as const }),
  }
  const isOver = before === undefined || before.untilMs <= nowMs
  const laterMs = isOver ? Infinity : untilMs - before.untilMs
  // An answer that was long on its way tells of the window before.
  if (whole.aligned === true && -laterMs >= sameWithin(windowMs)) return undefined
  if (signal.unit === 'tokens' && sentMs < (before?.tokens?.sinceMs ?? -Infinity)) return undefined
  const isFirst = before?.tokens?.told === Infinity
  const isNew = laterMs >= sameWithin(windowMs) || before!.isGuess === true || isFirst
  const tokens =
    signal.unit === 'tokens' ? tokensAfter(before?.tokens, { isNew, remaining, refused, limit }) : undefined
  const kept = { ...whole, untilMs, ...(tokens && { tokens }) }
  const left = (tokens?.told ?? remaining) - of.underWay.by({ ...kept, left: remaining })
  if (isNew) return { ...kept, left }
  // Of a window that is the provider's own, no reading of its end is too early.
  const endsMs = whole.aligned === true ? Math.min(untilMs, before!.untilMs) : before!.untilMs
  // What calls take in tokens was assumed: it may have been less.
  return { ...kept, left: tokens === undefined ? Math.min(before!.left, left) : left, untilMs: endsMs }
}

/** By the provider's word; of what calls under way are assumed to take nobody says that it is used up. */
const leftNow = ({ left, tokens }: Left): number | null => {
  if (left === Infinity) return null
  return Math.max(tokens !== undefined && tokens.told > 0 ? 1 : 0, Math.floor(left))
}

const prefix = 'learned\n'

const unitOf = ({ weighs, tokens }: Left): string =>
  tokens !== undefined ? '\ntokens' : weighs === true ? '\nweight' : ''

const quotaOf = ({ limit, windowMs, aligned, tokens }: Left): Quota | undefined =>
  limit === null || windowMs === null
    ? undefined
    : { limit, windowMs, isAligned: aligned === true, perCall: tokens?.each.perCall ?? 0 }

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
  /** For people: how many more calls it takes at once, by the provider's word. */
  peaks(scope: string): readonly Known[]
  /** Calls a second, of scopes that begin so and whose pace was found. */
  paces(begins: string): readonly { readonly scope: string; readonly perSecond: number }[]
  changed(stamp: Stamp): readonly LimitRow[]
}
export interface Heard {
  readonly refused: boolean
  /** Monotonic ms at which its call was sent. */
  readonly sentMs?: number
  readonly limits: Readonly<Record<string, number>>
}
export interface Known {
  readonly name: string
  /** Calls, weights or tokens, as the limit counts; null = something is left, nobody knows how much in calls. */
  readonly left: number | null
  readonly untilMs: number
}

class Book implements Learned {
  readonly #clock: Clock
  readonly #scopes = new Map<string, Scope>()
  readonly #dirty = new Set<string>()
  /** Scopes whose pace was found since the last commit. */
  readonly #paced = new Set<string>()
  /** Scopes of which it was told how many calls they take at once. */
  readonly #peaked = new Set<string>()
  readonly #quotas: Quotas

  constructor(clock: Clock, saved: readonly LimitRow[]) {
    this.#clock = clock
    this.#quotas = new Quotas(saved, clock.stamp())
    const start = clock.stamp()
    for (const row of saved) {
      if (!row.name.startsWith(prefix)) continue
      const [, upstream, credential, name, unit] = row.name.split('\n')
      const untilMs = start.monoMs + remainingMs(start, row, row.pauseMs)
      const quota = this.#quotas.of(row.name)
      if (name === undefined || (untilMs <= start.monoMs && quota === undefined)) continue
      const { limit = null, windowMs = null, isAligned = false, perCall = 0 } = quota ?? {}
      const of = this.#of(`${upstream}\n${credential}`)
      of.isNew = false
      of.signals.set(name, {
        left: row.strikes,
        untilMs,
        limit,
        windowMs,
        ...(unit === 'weight' && { weighs: true as const }),
        ...(unit === 'tokens' && { tokens: { each: new TokensPerCall(perCall), told: Infinity, sinceMs: -Infinity } }),
        // Where its windows begin is known as long as one lasts.
        ...(isAligned && untilMs > start.monoMs && { aligned: true as const }),
      })
    }
    for (const row of saved) {
      const found = isPaceRow(row) ? paceOf(row, start) : undefined
      if (found !== undefined) this.#of(found.scope).pace = found.pace
      const peak = peakOf(row, start)
      if (peak !== undefined) this.#of(peak.scope).peaks.take(peak.name, peak.most, peak.toldMs)
    }
  }

  gauge(scope: string, weight = 1, isOfSome = false): Gauge {
    const of = this.#of(scope)
    let isUnderWay = false
    const place = of.peaks.place()
    const heard = (): void => {
      if (isUnderWay) of.underWay.add(weight, -1)
      isUnderWay = false
    }
    return {
      shared: !isOfSome,
      readyAt: (nowMs) => of.readyAt(nowMs, weight, isOfSome),
      admit: () => {
        of.pending.add(weight, 1)
        place.take()
        if (of.signals.size > 0) this.#dirty.add(scope)
      },
      sent: (nowMs) => {
        of.pending.add(weight, -1)
        of.underWay.add(weight, 1)
        isUnderWay = true
        of.lastSentMs = nowMs
        of.sent.add(nowMs)
        for (const [name, one] of of.signals) of.signals.set(name, { ...one, left: one.left - countOf(one, weight) })
      },
      giveUp: () => {
        of.pending.add(weight, -1)
        place.leave()
      },
      heard,
      ended: () => {
        heard()
        place.leave()
      },
    }
  }

  hear(scope: string, told: Told, answer: Heard): void {
    const { refused, limits } = answer
    const of = this.#of(scope)
    of.isNew = false
    // Most providers tell nothing at all.
    if (told.signals.length === 0 && of.signals.size === 0 && !refused) return
    const nowMs = this.#clock.monoMs()
    let said = told.retryAfterMs !== null
    for (const signal of told.signals.slice(0, mostSignals)) {
      if (signal.unit === 'concurrent') {
        said ||= signal.remaining !== null
        if (of.peaks.hear(signal, nowMs)) this.#peaked.add(scope)
        continue
      }
      const remaining = leftOf(signal, limits)
      if (remaining === null) continue
      said = true
      const kept = keptOf(signal, { ...answer, remaining }, of, nowMs)
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
    if (!refused || said) return
    of.pace = slower(of.pace, of.sent.perSecond(nowMs), nowMs)
    this.#paced.add(scope)
  }

  violated(scope: string, names: readonly string[]): boolean {
    const of = this.#scopes.get(scope)
    const signals = of?.signals
    const nowMs = this.#clock.monoMs()
    const isPeak = of?.peaks.violated(names, nowMs) === true
    const found = names.filter((name) => (signals?.get(name)?.untilMs ?? -Infinity) > nowMs)
    for (const name of found) signals!.set(name, { ...signals!.get(name)!, left: 0 })
    if (found.length > 0) this.#dirty.add(scope)
    return found.length > 0 || isPeak
  }

  known(scope: string): readonly Known[] {
    const signals = this.#scopes.get(scope)?.signals
    if (signals === undefined || signals.size === 0) return []
    const nowMs = this.#clock.monoMs()
    return [...signals].flatMap(([name, one]) =>
      one.untilMs <= nowMs ? [] : [{ name, left: leftNow(one), untilMs: one.untilMs }],
    )
  }

  peaks(scope: string): readonly Known[] {
    return this.#scopes.get(scope)?.peaks.left(this.#clock.monoMs()) ?? []
  }

  paces(begins: string): ReturnType<Learned['paces']> {
    return [...this.#scopes].flatMap(([scope, { pace }]) => {
      const perSecond = pace === null || !scope.startsWith(begins) ? null : paceNow(pace, this.#clock.monoMs())
      return perSecond === null ? [] : [{ scope, perSecond }]
    })
  }

  changed(stamp: Stamp): readonly LimitRow[] {
    const rows: LimitRow[] = []
    for (const scope of this.#dirty) {
      const { signals, pending } = this.#of(scope)
      for (const [signal, one] of signals) {
        if (one.left === Infinity) continue
        const name = `${prefix}${scope}\n${signal}${unitOf(one)}`
        const pauseMs = Math.max(0, one.untilMs - stamp.monoMs)
        const strikes = Math.max(0, Math.floor(one.left - pending.by(one)))
        rows.push({ name, aheadMs: 0, pauseMs, strikes, ...stamp }, ...this.#quotas.changed(name, quotaOf(one), stamp))
      }
    }
    for (const scope of this.#paced) rows.push(paceRow(scope, this.#of(scope).pace, stamp))
    for (const scope of this.#peaked) rows.push(...this.#of(scope).peaks.rows(scope, stamp))
    this.#dirty.clear()
    this.#paced.clear()
    this.#peaked.clear()
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
