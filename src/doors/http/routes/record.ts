/** What was recorded: audit entries and their proof, events, and whole exports. */
import { Failure } from '../../../std/std.ts'
import type { AuditView, Page, PageAsk } from '../../../store/store.ts'
import { auditAllowed } from '../allowed.ts'
import { eventStream } from '../event-stream.ts'
import { everyPage, ndjson } from '../lines.ts'
import { listOf, pageAsk, truth } from '../list.ts'
import { presentSettlement, presentTransfer } from '../present.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'
import type { Rooms } from '../rooms.ts'

/** Audit entries as a page: the cursor is the next sequence number. */
const auditPage = async (rooms: Rooms, { limit, after }: PageAsk): Promise<Page<AuditView>> => {
  const items = await rooms.store.read.audit(after === null ? 1 : Number(after), limit)
  const last = items.at(-1)
  return { items, next: last === undefined || items.length < limit ? null : String(last.seq + 1) }
}

const events = async (ask: Ask): Promise<Reply | Response> => {
  const { subject, newestFirst, after } = ask.query
  const streams = (ask.request.headers.get('accept') ?? '').includes('text/event-stream')
  if (streams && ask.method === 'GET') return eventStream(ask, ask.request.headers.get('last-event-id') ?? after)
  if (after !== undefined)
    throw new Failure('invalid', 'after belongs to the stream (Accept: text/event-stream); lists take cursor')
  const page = {
    ...pageAsk(ask),
    newestFirst: truth('newestFirst', newestFirst) ?? false,
    ...(subject !== undefined && { subject }),
  }
  return ok(listOf(ask, await ask.rooms.store.read.events(page), (event) => event))
}

/** Every kind of export: all of it, in the record's order. */
const exportsOf = (rooms: Rooms): Record<string, () => AsyncGenerator<readonly object[], void>> => {
  const { read } = rooms.store
  return {
    tasks: () =>
      everyPage(
        (page) => read.tasks({}, page),
        (task) => task,
      ),
    attempts: () =>
      everyPage(
        (page) => read.attemptsPage(page),
        (attempt) => attempt,
      ),
    settlements: () => everyPage((page) => read.settlements({}, page), presentSettlement),
    transfers: () => everyPage((page) => read.transfers(page), presentTransfer),
    audit: () =>
      everyPage(
        (page) => auditPage(rooms, page),
        (entry) => entry,
      ),
  }
}

/** Who takes a whole table out is named in the audit before the first line leaves. */
const exportAll = async (ask: Ask): Promise<Response> => {
  const kind = ask.params['kind']!
  const kinds = exportsOf(ask.rooms)
  if (!Object.hasOwn(kinds, kind)) throw new Failure('not-found', `exports are ${Object.keys(kinds).join(' ')}`)
  await auditAllowed(ask, 'export.read', kind)
  return ndjson(kinds[kind]!())
}

export const recordRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/v1/audit/entries',
    query: ['limit', 'cursor'],
    run: async (ask) => ok(listOf(ask, await auditPage(ask.rooms, pageAsk(ask)), (entry) => entry)),
  },
  { method: 'GET', path: '/api/v1/audit/verify', run: async ({ rooms }) => ok(await rooms.audit.verify()) },
  { method: 'GET', path: '/api/v1/events', query: ['limit', 'cursor', 'subject', 'newestFirst', 'after'], run: events },
  { method: 'GET', path: '/api/v1/export/:kind', run: exportAll },
]
