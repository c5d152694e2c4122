/**
 * Who asks the same again and again: by agent, the calls of lately that are alike in method, path, query and body. What
 * was refused counts as well, for whoever does not stop is known by that. Whether there is a good reason for it (work
 * that gets done) is not known here: the sitter knows, and is told.
 *
 * A call of an agent whose mode is throttled or stricter, on a path on which it repeats itself, goes out a quarter as
 * often as makes a run of repeats. Kept in memory alone: a gate that begins anew counts anew.
 */
import { createHash } from 'node:crypto'
import { throttledShare, type RepeatRule } from '../model/model.ts'
import type { Clock } from '../std/std.ts'

/** At the bound those are forgotten that have asked nothing for longest. */
const mostAgents = 20_000
const mostCalls = 16

export interface AskedAgain {
  readonly agent: string
  /** `POST /llm/v1/messages` */
  readonly call: string
  /** Since `sinceMs`, without a pause as long as the window. */
  readonly times: number
  /** Within the window until now, about. */
  readonly lately: number
  /** Wall ms. */
  readonly sinceMs: number
}
export interface Repeats {
  watch(rule: RepeatRule | null): void
  /** `body`: null = none; a number = as many bytes as it has, for one that is not held. */
  asked(agent: string, call: { readonly method: string; readonly path: string }, body: Uint8Array | number | null): void
  /** How long a call on this path has to wait for an agent that is slowed; 0 = not at all, and it is counted. */
  paceMs(agent: string, call: { readonly method: string; readonly path: string }): number
  /** One for each agent that has asked so often lately as the rule says, or did so in the same run. */
  list(limit: number): readonly AskedAgain[]
}

interface Run {
  readonly call: string
  readonly path: string
  times: number
  readonly sinceMs: number
  lastMs: number
  /** In this window and in the one before. */
  window: number
  now: number
  before: number
  isMany: boolean
  /** Let out in this window while it was slowed. */
  let: number
}

const nameOf = ({ method, path }: { readonly method: string; readonly path: string }): string =>
  `${method} ${path.split('?', 1)[0]!.slice(0, 120)}`

/** A short path stands for itself where there is no body; no digest has a blank. */
const digestOf = (path: string, body: Uint8Array | number | null): string => {
  if (body === null && path.length <= 200) return path
  const hash = createHash('sha1').update(path)
  if (typeof body === 'number') hash.update(`\n${body} bytes`)
  else if (body !== null) hash.update('\n').update(body)
  return hash.digest('base64')
}

const roll = (run: Run, { withinMs }: RepeatRule, nowMs: number): void => {
  const window = Math.floor(nowMs / withinMs)
  if (window === run.window) return
  run.before = window === run.window + 1 ? run.now : 0
  run.now = 0
  run.let = 0
  run.window = window
}
const lately = (run: Run, { withinMs }: RepeatRule, nowMs: number): number =>
  run.now + Math.round(run.before * (1 - (nowMs % withinMs) / withinMs))
const isOver = (run: Run, { withinMs }: RepeatRule, nowMs: number): boolean => nowMs - run.lastMs > withinMs

type Named = Parameters<Repeats['paceMs']>[1]

class CountedRepeats implements Repeats {
  readonly #clock: Clock
  readonly #agents = new Map<string, Map<string, Run>>()
  #rule: RepeatRule | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  watch(next: RepeatRule | null): void {
    if (JSON.stringify(next) !== JSON.stringify(this.#rule)) this.#agents.clear()
    this.#rule = next
  }

  asked(agent: string, call: Named, body: Uint8Array | number | null): void {
    const rule = this.#rule
    if (rule === null) return
    const path = `${call.method} ${call.path}`
    const run = this.#runOf(agent, digestOf(path, body), { call: nameOf(call), path })
    const nowMs = this.#clock.monoMs()
    roll(run, rule, nowMs)
    run.times += 1
    run.now += 1
    run.lastMs = nowMs
    run.isMany ||= lately(run, rule, nowMs) >= rule.calls
  }

  paceMs(agent: string, call: Named): number {
    const rule = this.#rule
    const runs = this.#agents.get(agent)
    if (rule === null || runs === undefined) return 0
    const path = `${call.method} ${call.path}`
    const nowMs = this.#clock.monoMs()
    const run = runs.values().find((one) => one.isMany && one.path === path && !isOver(one, rule, nowMs))
    if (run === undefined) return 0
    roll(run, rule, nowMs)
    if (run.let >= Math.max(1, Math.floor(rule.calls * throttledShare)))
      return Math.ceil((run.window + 1) * rule.withinMs - nowMs)
    run.let += 1
    return 0
  }

  list(limit: number): readonly AskedAgain[] {
    const rule = this.#rule
    if (rule === null) return []
    const [nowMs, wallMs] = [this.#clock.monoMs(), this.#clock.wallMs()]
    const all: AskedAgain[] = []
    for (const [agent, runs] of this.#agents) {
      const many = [...runs.values()].filter((run) => run.isMany && !isOver(run, rule, nowMs))
      const [most] = many.toSorted((one, other) => other.times - one.times)
      if (most === undefined) continue
      roll(most, rule, nowMs)
      const sinceMs = Math.round(wallMs - (nowMs - most.sinceMs))
      all.push({ agent, call: most.call, times: most.times, lately: lately(most, rule, nowMs), sinceMs })
      if (all.length >= limit) break
    }
    return all
  }

  /** The newest stand last, in both maps. */
  #runOf(agent: string, key: string, of: Pick<Run, 'call' | 'path'>): Run {
    const nowMs = this.#clock.monoMs()
    const runs = this.#agents.get(agent) ?? new Map<string, Run>()
    this.#agents.delete(agent)
    this.#agents.set(agent, runs)
    if (this.#agents.size > mostAgents) this.#agents.delete(this.#agents.keys().next().value!)
    const known = runs.get(key)
    runs.delete(key)
    const fresh = { times: 0, sinceMs: nowMs, lastMs: nowMs, window: -2, now: 0, before: 0, isMany: false, let: 0 }
    const run = known === undefined || isOver(known, this.#rule!, nowMs) ? { ...of, ...fresh } : known
    runs.set(key, run)
    if (runs.size > mostCalls) runs.delete(runs.keys().next().value!)
    return run
  }
}

export const openRepeats = (clock: Clock): Repeats => new CountedRepeats(clock)
