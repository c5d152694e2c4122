/**
 * Bans: an answer that refuses not a call but whoever comes from here (a source address), or one credential. Nobody of
 * the banned goes before its end; then one call goes, as a probe, and only when it was answered by something else than
 * another refusal do the others follow. A ban that comes back is longer. Saved, so that no new gate walks into it.
 *
 *   none ── a ban is told ──▶ banned until ── its end ──▶ over, not proven ── a call goes ──▶ its probe is under way
 *    ▲                          ▲   ▲                         ▲    it was lost, or never sent        │        │
 *    │                          │   └──────────────────────── └──────────────────────────────────────┘        │
 *    │                          └───────────────────────────────────────────── it is told of a ban again ─────┤
 *    └─────────────────────────────────────────────────────────────────────────────────── it is answered ─────┘
 */
import { remainingMs, type Clock, type Random, type Stamp } from '../std/std.ts'
import type { LimitRow } from '../store/store.ts'
import type { Gauge } from './gauge.ts'
import { hostPlace, scopeName, type Scope } from './names.ts'

/** Whom a ban is for: all who come from here, or one credential. */
export type Banned = 'host' | 'credential'

export interface Ban {
  /** Monotonic ms. */
  readonly untilMs: number
  /** Bans in a row, those of one ban counted once. */
  readonly strikes: number
  /** A call that shows whether it is over is under way. */
  readonly isProbed: boolean
}
export interface Told {
  /** The wait that was asked for. */
  readonly retryAfterMs: number | undefined
  /** Monotonic ms at which the call was sent. */
  readonly sentMs: number
}

/** Where nobody says for how long: Binance's bans last from two minutes to three days, longer each time. */
const firstMs = 120_000
const longestMs = 3 * 86_400_000
/** Those who come back must not do so in the same instant as others of their address. */
const mostJitterMs = 5_000

/** After an answer that bans. */
export const banAfter = (before: Ban | undefined, told: Told, nowMs: number, random: Random): Ban => {
  const { retryAfterMs, sentMs } = told
  // Calls that were under way when it began are refused by the same ban.
  const strikes = before === undefined ? 1 : sentMs > before.untilMs ? before.strikes + 1 : before.strikes
  const forMs = retryAfterMs ?? Math.min(longestMs, firstMs * 2 ** Math.min(20, strikes - 1))
  const untilMs = nowMs + forMs + 1 + random.next() * Math.min(forMs / 10, mostJitterMs)
  return { untilMs: Math.max(untilMs, before?.untilMs ?? 0), strikes, isProbed: before?.isProbed === true }
}

/** Whether an answer proves that a ban is over: to a call that was sent after its end, and no refusal itself. */
export const isProof = ({ untilMs }: Ban, status: number, sentMs: number): boolean =>
  sentMs >= untilMs && status !== 403 && status !== 418 && status !== 429

/** When the next call may go: Infinity = when the probe that is under way has ended. */
export const readyAfter = ({ untilMs, isProbed }: Ban, nowMs: number): number =>
  untilMs > nowMs ? untilMs : isProbed ? Infinity : nowMs

export interface Bans {
  /** Monotonic ms until which this scope is banned; -Infinity when it is not. */
  until(scope: Scope): number
  gauge(scope: Scope): Gauge
  /** An answer: `banned` = it bans. True when the scope is banned for longer than before. */
  answered(scope: Scope, answer: Told & { readonly status: number; readonly banned: Banned | undefined }): boolean
  /** Those that nothing has proven to be over: of credentials whose names begin so, and of the host. */
  lasting(begins: string, host: string): readonly { readonly name: string; readonly untilMs: number }[]
  changed(stamp: Stamp): readonly LimitRow[]
}

const prefix = 'ban\n'
/** More are forgotten, those that end first. */
const mostBans = 10_000

class Book implements Bans {
  readonly #clock: Clock
  readonly #random: Random
  readonly #bans = new Map<string, Ban>()
  readonly #dirty = new Set<string>()

  constructor(clock: Clock, random: Random, saved: readonly LimitRow[]) {
    this.#clock = clock
    this.#random = random
    const start = clock.stamp()
    for (const { name, strikes, pauseMs, ...set } of saved) {
      if (!name.startsWith(prefix) || strikes === 0) continue
      const untilMs = start.monoMs + remainingMs(start, set, pauseMs)
      this.#bans.set(name.slice(prefix.length), { untilMs, strikes, isProbed: false })
    }
  }

  until(scope: Scope): number {
    let untilMs = -Infinity
    for (const [, ban] of this.#of(scope)) untilMs = Math.max(untilMs, ban.untilMs)
    return untilMs
  }

  gauge(scope: Scope): Gauge {
    /** The bans that this call shows the end of. */
    let probed: readonly string[] = []
    const release = (): void => {
      for (const name of probed) {
        const ban = this.#bans.get(name)
        if (ban !== undefined) this.#bans.set(name, { ...ban, isProbed: false })
      }
      probed = []
    }
    return {
      shared: true,
      readyAt: (nowMs) => {
        let atMs = nowMs
        for (const [, ban] of this.#of(scope)) atMs = Math.max(atMs, readyAfter(ban, nowMs))
        return atMs
      },
      admit: () => {
        const bans = this.#of(scope)
        for (const [name, ban] of bans) this.#bans.set(name, { ...ban, isProbed: true })
        probed = bans.map(([name]) => name)
      },
      sent: () => {},
      giveUp: release,
      ended: release,
    }
  }

  answered(scope: Scope, answer: Parameters<Bans['answered']>[1]): boolean {
    const { status, banned, sentMs } = answer
    for (const [name, ban] of this.#of(scope)) if (isProof(ban, status, sentMs)) this.#put(name, undefined)
    if (banned === undefined) return false
    const name = this.#names(scope)[banned]
    const before = this.#bans.get(name)
    const after = banAfter(before, answer, this.#clock.monoMs(), this.#random)
    this.#put(name, after)
    return after.untilMs > (before?.untilMs ?? -Infinity)
  }

  lasting(begins: string, host: string): ReturnType<Bans['lasting']> {
    return [...this.#bans].flatMap(([name, { untilMs }]) =>
      name.startsWith(begins) || name === host ? [{ name, untilMs }] : [],
    )
  }

  changed(stamp: Stamp): readonly LimitRow[] {
    const rows = [...this.#dirty].map((name): LimitRow => {
      const { untilMs = 0, strikes = 0 } = this.#bans.get(name) ?? {}
      return { name: prefix + name, aheadMs: 0, pauseMs: Math.max(0, untilMs - stamp.monoMs), strikes, ...stamp }
    })
    this.#dirty.clear()
    return rows
  }

  #names(scope: Scope): Readonly<Record<Banned, string>> {
    return { host: hostPlace(scope.host ?? scope.upstream), credential: scopeName(scope) }
  }

  #of(scope: Scope): readonly (readonly [string, Ban])[] {
    // Nearly always nobody is banned.
    if (this.#bans.size === 0) return []
    const { host, credential } = this.#names(scope)
    return [host, credential].flatMap((name) => {
      const ban = this.#bans.get(name)
      return ban === undefined ? [] : [[name, ban] as const]
    })
  }

  #put(name: string, ban: Ban | undefined): void {
    this.#dirty.add(name)
    if (ban === undefined) this.#bans.delete(name)
    else this.#bans.set(name, ban)
    if (this.#bans.size <= mostBans) return
    const [first] = [...this.#bans].toSorted(([, one], [, other]) => one.untilMs - other.untilMs)
    this.#bans.delete(first![0])
  }
}

export const openBans = (options: {
  readonly clock: Clock
  readonly random: Random
  readonly saved: readonly LimitRow[]
}): Bans => new Book(options.clock, options.random, options.saved)
