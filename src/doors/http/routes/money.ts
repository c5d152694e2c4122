/** Settlements, batches and the ledger. */
import { z } from 'zod'
import { settlementStates } from '../../../model/model.ts'
import { Failure, formatAmount } from '../../../std/std.ts'
import type { SettlementFilter, SettlementView } from '../../../store/store.ts'
import type { BatchDescription, SettlementDescription } from '../../api.ts'
import { bodyText, expectMedia, jsonText, shaped } from '../body.ts'
import { listOf, pageAsk, truth } from '../list.ts'
import type { Once } from '../once.ts'
import { presentAccount, presentSettlement, presentTransfer } from '../present.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'
import type { Rooms } from '../rooms.ts'

/** A payment file is refused or taken whole, so it is held whole; 16 MiB are about 200,000 rows. */
const fileBytes = 16_777_216
const timeLineEvents = 50
/** A settlement has a handful of transfers: reserve, post or void, return. */
const transfersShown = 100

export const resolveBody = z.strictObject({
  as: z.enum(['settled', 'absent']),
  evidence: z.string().min(1).max(65_536),
})

const settlementAsked = async (ask: Ask): Promise<SettlementView> => {
  const view = await ask.rooms.store.read.settlement(ask.params['id']!)
  if (view === undefined) throw new Failure('not-found', `there is no settlement ${ask.params['id']!.slice(0, 80)}`)
  return view
}

const describe = async (ask: Ask): Promise<Reply> => {
  const view = await settlementAsked(ask)
  const { read } = ask.rooms.store
  const description: SettlementDescription = {
    ...presentSettlement(view),
    intents: await read.intents(view.id),
    transfers: (await read.transfers({ limit: transfersShown, after: null }, view.id)).items.map(presentTransfer),
    timeLine: (await read.events({ limit: timeLineEvents, after: null, subject: view.id, newestFirst: true })).items,
  }
  return ok(description)
}

const settlementFilter = ({ query: { state, batch, channel, person } }: Ask): SettlementFilter => {
  if (state !== undefined && !(settlementStates as readonly string[]).includes(state)) {
    throw new Failure('invalid', `state must be one of ${settlementStates.join(' ')}`)
  }
  const waits = truth('person', person)
  return {
    ...(state !== undefined && { state }),
    ...(batch !== undefined && { batch }),
    ...(channel !== undefined && { channel }),
    ...(waits !== undefined && { person: waits }),
  }
}

const list = async (ask: Ask): Promise<Reply> =>
  ok(listOf(ask, await ask.rooms.store.read.settlements(settlementFilter(ask), pageAsk(ask)), presentSettlement))

const resolve = async (ask: Ask, once: Once): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  const body = shaped(text, resolveBody)
  return once(ask, text, async () => {
    const { id } = await settlementAsked(ask)
    await ask.rooms.settle.decide(id, { order: 'resolve', as: body.as, why: body.evidence }, ask.actor)
    return ok(presentSettlement(await settlementAsked(ask)))
  })
}

export const reasonBody = z.strictObject({ reason: z.string().min(1).max(500).default('no reason given') })

const decide = async (ask: Ask, once: Once, order: 'hold' | 'release' | 'cancel'): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  const { reason } = shaped(text, reasonBody)
  return once(ask, text, async () => {
    const { id } = await settlementAsked(ask)
    await ask.rooms.settle.decide(id, { order, why: reason }, ask.actor)
    return ok(presentSettlement(await settlementAsked(ask)))
  })
}

const batchQuery = ({
  query: { name = 'unnamed', channel, dryRun },
}: Ask): { name: string; channel: string | null; dryRun: boolean } => {
  if (name.length > 200) throw new Failure('invalid', 'name may have 200 characters')
  return { name, channel: channel ?? null, dryRun: truth('dryRun', dryRun) ?? false }
}

const takeBatch = async (ask: Ask, once: Once): Promise<Reply | Response> => {
  expectMedia(ask.request, ['text/csv'])
  const asked = batchQuery(ask)
  const text = await bodyText(ask.request, fileBytes)
  return once(
    ask,
    text,
    async () => {
      const answer = await ask.rooms.settle.batch({ ...asked, text, actor: ask.actor })
      return { status: answer.created && !asked.dryRun ? 201 : 200, body: answer }
    },
    'repeatable',
  )
}

/** Settlements of a batch by state, amounts summed by currency. */
const settlementsOf = async (rooms: Rooms, batch: string): Promise<BatchDescription['settlements']> => {
  const states: Record<string, { count: number; minor: Record<string, bigint> }> = {}
  for (const { state, currency, count, amountMinor } of await rooms.store.read.settlementCounts(batch)) {
    const entry = (states[state] ??= { count: 0, minor: {} })
    entry.count += count
    entry.minor[currency] = (entry.minor[currency] ?? 0n) + amountMinor
  }
  return Object.fromEntries(
    Object.entries(states).map(([state, { count, minor }]) => {
      const amounts = Object.entries(minor).map(([currency, sum]) => [currency, formatAmount(sum, currency)])
      return [state, { count, amounts: Object.fromEntries(amounts) as Record<string, string> }]
    }),
  )
}

/** In which of the four a state counts; every other one is open. */
const outcomes: Readonly<Record<string, 'accepted' | 'rejected' | 'inDoubt'>> = {
  settled: 'accepted',
  accepted: 'accepted',
  rejected: 'rejected',
  failed: 'rejected',
  cancelled: 'rejected',
  returned: 'rejected',
  submitting: 'inDoubt',
  unknown: 'inDoubt',
}

/** Rows without a payment yet are open; a payment that another batch had opened before counts where it was opened. */
export const outcomeOf = (
  rows: number,
  settlements: Readonly<Record<string, { readonly count: number }>>,
): BatchDescription['outcome'] => {
  const outcome = { accepted: 0, rejected: 0, inDoubt: 0 }
  for (const [state, { count }] of Object.entries(settlements)) {
    const which = Object.hasOwn(outcomes, state) ? outcomes[state] : undefined
    if (which !== undefined) outcome[which] += count
  }
  return { ...outcome, open: rows - outcome.accepted - outcome.rejected - outcome.inDoubt }
}

const describeBatch = async (ask: Ask): Promise<Reply> => {
  const { read } = ask.rooms.store
  const view = await read.batch(ask.params['id']!)
  if (view === undefined) throw new Failure('not-found', `there is no batch ${ask.params['id']!.slice(0, 80)}`)
  const tasks: Record<string, number> = {}
  for (const { state, count } of await read.taskCounts(view.id)) tasks[state] = (tasks[state] ?? 0) + count
  const settlements = await settlementsOf(ask.rooms, view.id)
  const outcome = outcomeOf(view.rows, settlements)
  const description: BatchDescription = { ...view, tasks, settlements, outcome }
  return ok(description)
}

const transfers = async (ask: Ask): Promise<Reply> =>
  ok(listOf(ask, await ask.rooms.store.read.transfers(pageAsk(ask), ask.query['settlement']), presentTransfer))

export const moneyRoutes = (once: Once): readonly Route[] => [
  {
    method: 'GET',
    path: '/api/v1/settlements',
    query: ['limit', 'cursor', 'state', 'batch', 'channel', 'person'],
    run: list,
  },
  { method: 'GET', path: '/api/v1/settlements/:id', run: describe },
  { method: 'POST', path: '/api/v1/settlements/:id/resolve', run: (ask) => resolve(ask, once) },
  { method: 'POST', path: '/api/v1/settlements/:id/hold', run: (ask) => decide(ask, once, 'hold') },
  { method: 'POST', path: '/api/v1/settlements/:id/release', run: (ask) => decide(ask, once, 'release') },
  { method: 'POST', path: '/api/v1/settlements/:id/cancel', run: (ask) => decide(ask, once, 'cancel') },
  {
    method: 'GET',
    path: '/api/v1/batches',
    query: ['limit', 'cursor'],
    run: async (ask) => ok(listOf(ask, await ask.rooms.store.read.batches(pageAsk(ask)), (batch) => batch)),
  },
  { method: 'POST', path: '/api/v1/batches', query: ['name', 'channel', 'dryRun'], run: (ask) => takeBatch(ask, once) },
  { method: 'GET', path: '/api/v1/batches/:id', run: describeBatch },
  {
    method: 'GET',
    path: '/api/v1/ledger/accounts',
    run: async ({ rooms }) => ok({ items: (await rooms.store.read.accounts()).map(presentAccount), next: null }),
  },
  { method: 'GET', path: '/api/v1/ledger/transfers', query: ['limit', 'cursor', 'settlement'], run: transfers },
  { method: 'GET', path: '/api/v1/ledger/check', run: async ({ rooms }) => ok(await rooms.settle.ledgerCheck('all')) },
]
