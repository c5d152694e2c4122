/**
 * Who may be the death of the sitter: a pure function of what the record says about its last lives.
 *
 *   a life ends without order ─▶ touched: who was started or given work just before ─┐
 *   three lives or more in a row ── in all of them, and few ─▶ suspect: starts last, by itself
 *     or the same work in the same hand in all of them, and little of it: where all start in one moment, and
 *     the sitter dies in it, only the work tells them apart
 *   a suspect that was started by itself, and touched again ─▶ it starts later each time
 *
 * A sitter that is killed from outside touches somebody too: where few have all the work, the same ones each time. So
 * nobody is quarantined for it. A suspect waits while all others work, longer each time, and people are told its name.
 */

/** Started or given work this shortly before the end. */
export const justBeforeMs = 2_000
/** So many lives in a row point at somebody. */
export const leastLives = 3
export const mostLives = 8
/** Of those who were touched the last ones: a share of all, but so many at least. */
const mostShare = 0.01
const mostTouched = 10
/** Of one cell so many may be suspects: each starts two seconds after the one before. */
const mostOfHome = 10

export interface Touch {
  readonly agent: string
  readonly atMs: number
}
export interface LostLife {
  readonly epoch: number
  readonly diedMs: number
  readonly touched: readonly string[]
  /** What had just been given: `agent task`. */
  readonly hands: readonly string[]
}

/** Of a life that ended at `diedMs`: each once, the last ones first. */
export const touchedAt = (touches: readonly Touch[], diedMs: number, agents: number): readonly string[] => {
  const last = new Map<string, number>()
  for (const { agent, atMs } of touches)
    if (atMs >= diedMs - justBeforeMs) last.set(agent, Math.max(atMs, last.get(agent) ?? -Infinity))
  const sorted = [...last].toSorted(([, one], [, other]) => other - one)
  const most = Math.max(mostTouched, Math.floor(agents * mostShare))
  // Those of one moment (a cell that was started) belong together.
  const edgeMs = sorted[Math.min(most, sorted.length) - 1]?.[1] ?? Infinity
  return sorted.filter(([, atMs]) => atMs >= edgeMs).map(([agent]) => agent)
}

/** More is no little work: it would not point at anybody. */
const mostHands = 200

/** Of a life that ended at `diedMs`: what had been given just before, the newest first. */
export const handsAt = (
  given: readonly { readonly agent: string; readonly task: string; readonly startedMs: number }[],
  diedMs: number,
): readonly string[] =>
  given
    .filter(({ startedMs }) => startedMs >= diedMs - justBeforeMs)
    .slice(0, mostHands)
    .map(({ agent, task }) => `${agent} ${task}`)

const inAll = (lives: readonly LostLife[], of: 'touched' | 'hands'): readonly string[] => {
  const [first, ...others] = lives
  const sets = others.map((life) => new Set(life[of]))
  return (first?.[of] ?? []).filter((one) => sets.every((set) => set.has(one)))
}

/** The lives that speak about the same agents, the newest last; one that touched none of them begins anew. */
export const chainOf = (before: readonly LostLife[], life: LostLife): readonly LostLife[] => {
  if (life.touched.length === 0) return []
  const chain = [...before, life].slice(-mostLives)
  return inAll(chain, 'touched').length > 0 || inAll(chain, 'hands').length > 0 ? chain : [life]
}

/** The first two times by itself it is only the last. */
const patientTimes = 2
const longestWaitMs = 300_000
/** How long all others work before a suspect is started that has been touched so often by a death of its own. */
export const aloneAfterMs = (solo: number): number =>
  solo < patientTimes ? 0 : Math.min(longestWaitMs, 1_000 * 2 ** Math.min(20, solo))

/** `sharesHome` tells whether these are of one cell, of which one is as likely as another. */
export const suspectsOf = (
  chain: readonly LostLife[],
  agents: number,
  sharesHome: (agents: readonly string[]) => boolean,
): readonly string[] => {
  if (chain.length < leastLives) return []
  const most = Math.max(1, Math.floor(agents * mostShare))
  const common = inAll(chain, 'touched')
  const isFew = common.length <= most || (common.length <= mostOfHome && sharesHome(common))
  if (common.length > 0 && isFew) return common
  const hands = [...new Set(inAll(chain, 'hands').map((hand) => hand.slice(0, hand.indexOf(' '))))]
  return hands.length <= most ? hands : []
}
