/** What a drill found. Pure: it holds when each of its checks does. What was not seen is null, and does not hold. */

export interface Check {
  readonly what: string
  readonly held: boolean
  /** What was seen. */
  readonly found: string
}

export interface DrillReport {
  readonly name: string
  readonly what: string
  readonly held: boolean
  /** From the fault to the first word of the swarm about it; null = it said none. */
  readonly detectMs: number | null
  /** From the fault until every agent works again and all work that was given has its end. */
  readonly recoverMs: number | null
  /** Cells that were ended beside the one that was harmed. */
  readonly falseKills: number
  /** Payments that the provider accepted more than once, by its own log. */
  readonly doubleEffects: number
  /** Processes and files that are still there and should not be. */
  readonly leftovers: readonly string[]
  readonly checks: readonly Check[]
}

export interface DrillRun {
  readonly id: string
  readonly atMs: number
  readonly version: string
  readonly tookMs: number
  readonly held: boolean
  /** Of the swarm itself, looked for when it was down. */
  readonly leftovers: readonly string[]
  readonly drills: readonly DrillReport[]
  /** The canary of a swarm that worked; absent = a swarm of its own. */
  readonly live?: { readonly swarm: string; readonly agent: string }
}

export const check = (what: string, held: boolean, found: unknown): Check => ({
  what,
  held,
  found: typeof found === 'string' ? found : (JSON.stringify(found) ?? 'nothing'),
})

export interface Found {
  readonly name: string
  readonly what: string
  readonly detectMs: number | null
  /** Null = a fault that passes before anything has to be told of it. */
  readonly detectWithinMs: number | null
  readonly recoverMs: number | null
  readonly recoverWithinMs: number
  readonly falseKills: number
  readonly doubleEffects: number
  readonly leftovers: readonly string[]
  readonly more?: readonly Check[]
}

const within = (what: string, ms: number | null, mostMs: number): Check =>
  check(`${what} within ${mostMs} ms`, ms !== null && ms <= mostMs, ms === null ? 'not seen' : `${Math.round(ms)} ms`)

export const reportOf = (found: Found): DrillReport => {
  const { name, what, detectMs, recoverMs, falseKills, doubleEffects, leftovers } = found
  const checks = [
    ...(found.detectWithinMs === null ? [] : [within('found', detectMs, found.detectWithinMs)]),
    within('recovered', recoverMs, found.recoverWithinMs),
    check('nobody else was ended', falseKills === 0, `${falseKills} other cells`),
    check('nothing was done twice', doubleEffects === 0, `${doubleEffects} payments`),
    check('nothing is left', leftovers.length === 0, leftovers.join(', ') || 'nothing'),
    ...(found.more ?? []),
  ]
  const held = checks.every((one) => one.held)
  return { name, what, held, detectMs, recoverMs, falseKills, doubleEffects, leftovers, checks }
}
