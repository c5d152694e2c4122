/** What calls have cost: by agent, type or upstream over a time, and of one task or settlement. */
import { costAmount, Failure, parseCost, parseDuration } from '../../../std/std.ts'
import type { AttemptView, IntentView } from '../../../store/store.ts'
import type { CostTold } from '../../../wire/wire.ts'
import type { CostAnswer, CostOfAnswer } from '../../api.ts'
import { listOf, pageAsk } from '../list.ts'
import type { Rooms } from '../rooms.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'

const usualSince = '24h'

/** @throws Failure `invalid`. */
const sinceMsOf = (text: string, nowMs: number): number => {
  if (text === 'all') return 0
  const ms = parseDuration(text)
  if (ms === undefined || ms === 0) throw new Failure('invalid', 'since: a duration like 24h or 7d, or all')
  return Math.max(1, nowMs - ms)
}

const isBy = (text: string): text is CostAnswer['by'] => text === 'agent' || text === 'type' || text === 'upstream'

/** The page that follows begins after so many; who overtakes meanwhile may be seen twice. */
const costs = async (ask: Ask): Promise<Reply> => {
  const { by = 'type', since = usualSince } = ask.query
  if (!isBy(by)) throw new Failure('invalid', 'by: agent, type or upstream')
  const { limit, after } = pageAsk(ask)
  const offset = Number(after ?? 0)
  const { gatelink, clock } = ask.rooms
  const sinceMs = sinceMsOf(since, clock.wallMs())
  const { fromMs, totals, items, more } = await gatelink.costs({ by, sinceMs, limit, offset })
  const { budgets } = await gatelink.standing()
  const page = listOf(ask, { items, next: more ? String(offset + limit) : null }, (row) => row)
  const answer: CostAnswer = { ...page, by, fromMs, totals, budgets }
  return ok(answer)
}

interface Sum {
  cost: bigint
  counted: bigint
  calls: number
  unknown: number
}

/** Of several answers one, by currency. */
const added = (all: readonly CostTold[]): CostTold[] => {
  const sums = new Map<string, Sum>()
  for (const { currency, cost, counted, calls, unknown } of all) {
    const sum = sums.get(currency) ?? { cost: 0n, counted: 0n, calls: 0, unknown: 0 }
    sums.set(currency, {
      cost: sum.cost + parseCost(`${cost} ${currency}`).pico,
      counted: sum.counted + parseCost(`${counted} ${currency}`).pico,
      calls: sum.calls + calls,
      unknown: sum.unknown + unknown,
    })
  }
  return [...sums].map(([currency, { cost, counted, ...counts }]) => ({
    currency,
    cost: costAmount({ pico: cost, currency }),
    counted: costAmount({ pico: counted, currency }),
    ...counts,
  }))
}

/** An agent has one attempt in hand at a time: what it called meanwhile was for that. */
const ofAttempts = async ({ gatelink, clock }: Rooms, attempts: readonly AttemptView[]): Promise<CostTold[]> => {
  const all: CostTold[] = []
  for (const { agent, startedMs, endedMs } of attempts)
    all.push(...(await gatelink.costOf(agent, startedMs, endedMs ?? clock.wallMs() + 1)))
  return added(all)
}

/** Its own requests, as the record has them. */
const ofIntents = (intents: readonly IntentView[]): { sums: CostTold[]; unknown: number } => {
  const costs = intents.flatMap(({ cost }) => cost ?? [])
  const known = costs.filter((cost) => cost !== 'unknown').map(parseCost)
  const sums = known.map(({ pico, currency }): CostTold => {
    const cost = costAmount({ pico, currency })
    return { currency, cost, counted: cost, calls: 1, unknown: 0 }
  })
  return { sums: added(sums), unknown: costs.length - known.length }
}

const costOf = async (ask: Ask): Promise<Reply> => {
  const id = ask.params['id']!
  const { read } = ask.rooms.store
  const missing = (): Failure => new Failure('not-found', `there is no task or settlement ${id.slice(0, 80)}`)
  if (id.startsWith('set_')) {
    if ((await read.settlement(id)) === undefined) throw missing()
    return ok({ id, ...ofIntents(await read.intents(id)) } satisfies CostOfAnswer)
  }
  if ((await read.task(id)) === undefined) throw missing()
  const sums = await ofAttempts(ask.rooms, await read.attempts(id))
  return ok({ id, sums, unknown: sums.reduce((sum, one) => sum + one.unknown, 0) } satisfies CostOfAnswer)
}

export const costRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/v1/costs', query: ['by', 'since', 'limit', 'cursor'], run: costs },
  { method: 'GET', path: '/api/v1/costs/:id', run: costOf },
]
