/**
 * An exchange's own limits, as Binance publishes them: weights in fixed windows that begin with those of its clock, by
 * source address and by account, each counted whether the request is answered or refused. Over the limit it says 429
 * and until when; who goes on asking meanwhile is banned by address, 418, for longer each time.
 */

export interface WeightRules {
  readonly windowMs: number
  /** Weights in a window: of an address on `/api`, of an address on `/sapi`, of an account on `/sapi`. */
  readonly ip: number
  readonly sapiIp: number
  readonly uid: number
  /** Requests of a window that may come after its first 429: they may have been under way. One more bans. */
  readonly mercy: number
  readonly firstBanMs: number
  readonly longestBanMs: number
}
export const publishedRules: WeightRules = {
  windowMs: 60_000,
  ip: 6_000,
  sapiIp: 12_000,
  uid: 180_000,
  mercy: 10,
  firstBanMs: 120_000,
  longestBanMs: 3 * 86_400_000,
}

export interface Weighed {
  readonly address: string
  readonly account: string | null
  readonly api: 'api' | 'sapi'
  /** By address; 0 = counted by account alone. */
  readonly ip: number
  readonly uid: number
}
export interface Verdict {
  readonly is: 'in' | 'limited' | 'banned'
  /** Whole seconds until it may come again; null = it is in. */
  readonly retryAfterS: number | null
  /** What was used of the windows that it counts in. */
  readonly headers: Readonly<Record<string, string>>
}
export interface Weights {
  readonly rules: WeightRules
  enter(wallMs: number, asked: Weighed): Verdict
  /** Bans an address whatever it did. */
  ban(wallMs: number, address: string, forMs: number): void
}

interface Conduct {
  /** The window in which it was refused, and how often since. */
  window: number
  ignored: number
  bans: number
  bannedUntilMs: number
}
/** Addresses and accounts that are remembered; the oldest are forgotten. */
const mostKept = 10_000

/** `1m`, `10s`: as it stands in the headers' names. */
const intervalOf = (windowMs: number): string =>
  windowMs % 60_000 === 0 ? `${windowMs / 60_000}m` : `${windowMs / 1_000}s`

const keep = <Value>(map: Map<string, Value>, key: string, value: Value): Value => {
  map.set(key, value)
  if (map.size > mostKept) map.delete(map.keys().next().value!)
  return value
}

export const openWeights = (rules: WeightRules = publishedRules): Weights => {
  const { windowMs } = rules
  const interval = intervalOf(windowMs)
  const counters = new Map<string, { window: number; used: number }>()
  const addresses = new Map<string, Conduct>()
  const recordOf = (address: string): Conduct =>
    addresses.get(address) ?? keep(addresses, address, { window: -1, ignored: 0, bans: 0, bannedUntilMs: 0 })
  const count = (name: string, window: number, weight: number): number => {
    const known = counters.get(name)
    const used = (known?.window === window ? known.used : 0) + weight
    return keep(counters, name, { window, used }).used
  }
  /** Which counters a request is in, with what they hold at most and the headers that tell of them. */
  const countersOf = ({ address, account, api, ip, uid }: Weighed) =>
    api === 'api'
      ? [{ name: `api ${address}`, weight: ip, most: rules.ip, header: `x-mbx-used-weight-${interval}` }]
      : [
          { name: `sapi ${address}`, weight: ip, most: rules.sapiIp, header: `x-sapi-used-ip-weight-${interval}` },
          { name: `uid ${account}`, weight: uid, most: rules.uid, header: `x-sapi-used-uid-weight-${interval}` },
        ].filter(({ weight }) => weight > 0)
  const secondsUntil = (untilMs: number, wallMs: number): number => Math.max(1, Math.ceil((untilMs - wallMs) / 1_000))

  return {
    rules,
    enter: (wallMs, asked) => {
      const record = recordOf(asked.address)
      const banned = (): Verdict => ({
        is: 'banned',
        retryAfterS: secondsUntil(record.bannedUntilMs, wallMs),
        headers: {},
      })
      if (record.bannedUntilMs > wallMs) return banned()
      const window = Math.floor(wallMs / windowMs)
      const headers: Record<string, string> = {}
      let isOver = false
      for (const { name, weight, most, header } of countersOf(asked)) {
        const used = count(name, window, weight)
        headers[header] = String(used)
        if (used > most) isOver = true
      }
      if (!isOver) return { is: 'in', retryAfterS: null, headers }
      record.ignored = record.window === window ? record.ignored + 1 : 0
      record.window = window
      if (record.ignored > rules.mercy) {
        record.bannedUntilMs = wallMs + Math.min(rules.longestBanMs, rules.firstBanMs * 2 ** Math.min(20, record.bans))
        record.bans += 1
        return banned()
      }
      return { is: 'limited', retryAfterS: secondsUntil((window + 1) * windowMs, wallMs), headers }
    },
    ban: (wallMs, address, forMs) => {
      const record = recordOf(address)
      record.bannedUntilMs = wallMs + forMs
      record.bans += 1
    },
  }
}
