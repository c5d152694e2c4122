/**
 * Whom a provider's own limits count, and which calls: one credential, or all who come from here, whichever credential
 * or upstream they use; all calls, or some (orders that are placed). Which of its limits are of which kind a profile
 * says. A call weighs by them what it weighs by the configured limits of that kind, one where none is configured; by
 * those that count some calls alone, what the profile says that it counts.
 *
 * How much a limit lets through is told by the provider's answers (with its use, or in a list of its own, which is
 * saved); where they do not tell, the profile says.
 */
import type { UpstreamLimit } from '../../model/model.ts'
import type { Stamp } from '../../std/std.ts'
import type { LimitRow } from '../../store/store.ts'
import type { Gauge } from '../gauge.ts'
import { hostPlace, scopeName, type Scope } from '../names.ts'
import type { Known, Learned } from './learned.ts'
import type { Listed } from './listed.ts'
import type { Told } from './signals.ts'

/** What a call counts by the limits whose names begin so; 0 = they are not for it. */
export type Counts = Readonly<Record<string, number>>

interface Weighed {
  readonly perHost?: readonly string[] | undefined
  readonly counts?: Counts | undefined
  readonly weigh?: (rule: UpstreamLimit) => number
}
interface Heard {
  readonly status: number
  /** Monotonic ms at which its call was sent. */
  readonly sentMs?: number
  readonly limits: Readonly<Record<string, number>>
  readonly perHost?: readonly string[] | undefined
  readonly counts?: Counts | undefined
}
export interface Domains {
  /** What a call of this scope has to pass. */
  gauges(scope: Scope, rules: readonly UpstreamLimit[], weighed: Weighed): readonly Gauge[]
  hear(scope: Scope, told: Told, answer: Heard): void
  /** The most that limits of this scope let through, as an answer lists them. */
  listed(scope: Scope, limits: readonly Listed[]): void
  known(scope: Scope, counted?: readonly string[]): readonly Known[]
  /** How many more calls at once. */
  peaks(scope: Scope): readonly Known[]
  /** Nothing is left of these; false when none of them is known. */
  violated(scope: Scope, names: readonly string[]): boolean
  paces: Learned['paces']
  changed(stamp: Stamp): readonly LimitRow[]
}

/** Two parts, as the name of a credential's scope has. */
const hostScope = ({ host, upstream }: Scope): string => `${hostPlace(host ?? upstream)}\n`
/** As well. No upstream has such a name. */
const countedScope = (begins: string, scope: Scope): string => `${begins}@${scopeName(scope)}`

const weightBy = (rules: readonly UpstreamLimit[], isHost: boolean, { weigh }: Weighed): number => {
  let heaviest: number | undefined
  for (const rule of rules)
    if ('rate' in rule && (rule.per === 'host') === isHost)
      heaviest = Math.max(heaviest ?? -Infinity, weigh?.(rule) ?? 1)
  return heaviest ?? 1
}

const prefix = 'listed\n'
/** Names of limits with their most that are remembered, oldest forgotten first. */
const mostListed = 10_000

/** What providers have listed, by scope and name. */
class Lists {
  readonly #limits = new Map<string, number>()
  readonly #dirty = new Set<string>()

  constructor(saved: readonly LimitRow[]) {
    for (const { name, strikes } of saved)
      if (name.startsWith(prefix) && strikes > 0) this.#limits.set(name.slice(prefix.length), strikes)
  }

  take(scope: string, limits: readonly Listed[]): void {
    for (const { name, limit } of limits) {
      const key = `${scope}\n${name}`
      if (this.#limits.get(key) === limit) continue
      this.#limits.delete(key)
      this.#limits.set(key, limit)
      this.#dirty.add(key)
      if (this.#limits.size > mostListed) this.#limits.delete(this.#limits.keys().next().value!)
    }
  }

  /** What was listed goes before what is assumed. */
  over(assumed: Readonly<Record<string, number>>, scope: string, told: Told): Readonly<Record<string, number>> {
    if (this.#limits.size === 0) return assumed
    const found = told.signals.flatMap(({ name }) => {
      const limit = this.#limits.get(`${scope}\n${name}`)
      return limit === undefined ? [] : [[name, limit] as const]
    })
    return found.length === 0 ? assumed : { ...assumed, ...Object.fromEntries(found) }
  }

  changed(stamp: Stamp): readonly LimitRow[] {
    const rows = [...this.#dirty].map((key): LimitRow => {
      return { name: prefix + key, aheadMs: 0, pauseMs: 0, strikes: this.#limits.get(key) ?? 0, ...stamp }
    })
    this.#dirty.clear()
    return rows
  }
}

/** Signals of limits that count some calls alone, taken from the others; what such a call counts is its weight. */
const countedOf = (told: Told, begins: string): Told['signals'] =>
  told.signals.filter(({ name }) => name.startsWith(begins)).map((one) => ({ ...one, unit: 'weight' }))

class Kinds implements Domains {
  readonly #learned: Learned
  readonly #lists: Lists

  constructor(learned: Learned, saved: readonly LimitRow[]) {
    this.#learned = learned
    this.#lists = new Lists(saved)
  }

  gauges(scope: Scope, rules: readonly UpstreamLimit[], weighed: Weighed): readonly Gauge[] {
    const { perHost, counts } = weighed
    const all = [this.#learned.gauge(scopeName(scope), weightBy(rules, false, weighed))]
    if (perHost !== undefined) all.push(this.#learned.gauge(hostScope(scope), weightBy(rules, true, weighed)))
    if (counts === undefined) return all
    for (const [begins, count] of Object.entries(counts))
      if (count > 0) all.push(this.#learned.gauge(countedScope(begins, scope), count, true))
    return all
  }

  hear(scope: Scope, told: Told, { status, sentMs = Infinity, perHost, counts, ...answer }: Heard): void {
    const refused = status === 429
    const limits = this.#lists.over(answer.limits, scopeName(scope), told)
    const rest = counts === undefined ? told : this.#hearCounted(scope, told, { status, limits, counts })
    if (perHost === undefined) return this.#learned.hear(scopeName(scope), rest, { refused, sentMs, limits })
    const isHosts = (name: string): boolean => perHost.some((begins) => name.startsWith(begins))
    const [ours, own] = [true, false].map((is) => rest.signals.filter(({ name }) => isHosts(name) === is))
    // Of a refusal that says nothing of them they stay as they are.
    if (ours!.length > 0 || !refused)
      this.#learned.hear(hostScope(scope), { ...rest, signals: ours! }, { refused, sentMs, limits })
    // A pace is found only where neither says anything.
    const unsaid = refused && ours!.length === 0
    this.#learned.hear(scopeName(scope), { ...rest, signals: own! }, { refused: unsaid, sentMs, limits })
  }

  /** Gives what is said of other limits. */
  #hearCounted(scope: Scope, told: Told, { status, limits, counts }: Heard & { readonly counts: Counts }): Told {
    const all = Object.entries(counts)
    for (const [begins, count] of all) {
      const signals = countedOf(told, begins)
      // What was refused counts nothing, and says nothing.
      if (count === 0 || (signals.length === 0 && status >= 400)) continue
      this.#learned.hear(countedScope(begins, scope), { ...told, signals }, { refused: false, limits })
    }
    return { ...told, signals: told.signals.filter(({ name }) => !all.some(([begins]) => name.startsWith(begins))) }
  }

  listed(scope: Scope, limits: readonly Listed[]): void {
    this.#lists.take(scopeName(scope), limits)
  }

  known(scope: Scope, counted: readonly string[] = []): readonly Known[] {
    const [own, ours] = [this.#learned.known(scopeName(scope)), this.#learned.known(hostScope(scope))]
    if (ours.length === 0 && counted.length === 0) return own
    return [...own, ...ours, ...counted.flatMap((begins) => this.#learned.known(countedScope(begins, scope)))]
  }

  peaks(scope: Scope): readonly Known[] {
    return [...this.#learned.peaks(scopeName(scope)), ...this.#learned.peaks(hostScope(scope))]
  }

  violated(scope: Scope, names: readonly string[]): boolean {
    const isOwn = this.#learned.violated(scopeName(scope), names)
    return this.#learned.violated(hostScope(scope), names) || isOwn
  }

  paces(upstream: string): ReturnType<Learned['paces']> {
    return this.#learned.paces(upstream)
  }

  changed(stamp: Stamp): readonly LimitRow[] {
    return [...this.#learned.changed(stamp), ...this.#lists.changed(stamp)]
  }
}

export const openDomains = (learned: Learned, saved: readonly LimitRow[]): Domains => new Kinds(learned, saved)
