/**
 * How many orders an account may place, as Binance counts them: in fixed windows of its clock, those that were taken
 * and no others. A request over it is refused; the counts stand in the answers to those that were taken.
 */

export interface OrderRule {
  readonly windowMs: number
  /** Orders of an account in a window. */
  readonly most: number
}
export const publishedOrders: readonly OrderRule[] = [
  { windowMs: 10_000, most: 100 },
  { windowMs: 86_400_000, most: 200_000 },
]

export interface OrderBook {
  readonly rules: readonly OrderRule[]
  /** Counts orders that are placed, or none of them when one of the rules has no room: then that rule. */
  place(
    wallMs: number,
    account: string,
    count: number,
  ): { readonly over: OrderRule } | { readonly headers: Readonly<Record<string, string>> }
  /** What was counted in the windows of now, in the order of the rules. */
  counts(wallMs: number, account: string): readonly number[]
}

/** Accounts that are remembered; the oldest are forgotten. */
const mostKept = 10_000

/** `10s`, `1d`: as it stands in the headers' names. */
export const orderInterval = ({ windowMs }: OrderRule): { readonly num: number; readonly unit: 'SECOND' | 'DAY' } =>
  windowMs % 86_400_000 === 0 ? { num: windowMs / 86_400_000, unit: 'DAY' } : { num: windowMs / 1_000, unit: 'SECOND' }

export const openOrders = (rules: readonly OrderRule[] = publishedOrders): OrderBook => {
  const kept = new Map<string, readonly { readonly window: number; readonly used: number }[]>()
  const usedBy = (wallMs: number, account: string): readonly { window: number; used: number }[] =>
    rules.map(({ windowMs }, at) => {
      const window = Math.floor(wallMs / windowMs)
      const known = kept.get(account)?.[at]
      return { window, used: known?.window === window ? known.used : 0 }
    })
  return {
    rules,
    place: (wallMs, account, count) => {
      const now = usedBy(wallMs, account)
      const over = rules.find(({ most }, at) => now[at]!.used + count > most)
      if (over !== undefined) return { over }
      const next = now.map(({ window, used }) => ({ window, used: used + count }))
      kept.set(account, next)
      if (kept.size > mostKept) kept.delete(kept.keys().next().value!)
      const headers = rules.map((rule, at) => {
        const { num, unit } = orderInterval(rule)
        return [`x-mbx-order-count-${num}${unit[0]!.toLowerCase()}`, String(next[at]!.used)] as const
      })
      return { headers: Object.fromEntries(headers) }
    },
    counts: (wallMs, account) => usedBy(wallMs, account).map(({ used }) => used),
  }
}
