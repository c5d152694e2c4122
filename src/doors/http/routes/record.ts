/** What was recorded: audit entries and their proof, events, and whole exports. */
import { searchAudit, type Anchor, type AuditFilter } from '../../../record/record.ts'
import { Failure } from '../../../std/std.ts'
import type { AuditView, EventFilter, Page, PageAsk } from '../../../store/store.ts'
import type { AuditAnswer, Checkpoint } from '../../api.ts'
import { auditAllowed } from '../allowed.ts'
import { eventStream } from '../event-stream.ts'
import { everyPage, ndjson } from '../lines.ts'
import { listOf, pageAsk, truth } from '../list.ts'
import { presentSettlement, presentTransfer } from '../present.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'
import type { Rooms } from '../rooms.ts'

/** Audit entries as a page: the cursor is the next sequence number. */
const auditPage = (rooms: Rooms, { limit, after }: PageAsk, filter: AuditFilter = {}): Promise<Page<AuditView>> =>
  searchAudit(rooms.store.read, filter, { fromSeq: after === null ? 1 : Number(after), limit })

const wallTime = (sinceMs: string): number => {
  if (!/^[0-9]{1,15}$/.test(sinceMs)) throw new Failure('invalid', 'sinceMs is a wall time in milliseconds')
  return Number(sinceMs)
}

const auditFilter = ({ query: { actor, action, object, sinceMs, text } }: Ask): AuditFilter => {
  return {
    ...(actor !== undefined && { actor }),
    ...(action !== undefined && { action }),
    ...(object !== undefined && { object }),
    ...(text !== undefined && { text }),
    ...(sinceMs !== undefined && { sinceMs: wallTime(sinceMs) }),
  }
}

/** Both or neither: half an anchor must not look as if it had been checked. */
const anchorOf = ({ query: { seq, hash } }: Ask): Anchor | undefined => {
  if (seq === undefined && hash === undefined) return undefined
  if (!/^[0-9]{1,15}$/.test(seq ?? '') || !/^[0-9a-f]{64}$/.test(hash ?? ''))
    throw new Failure('invalid', 'an anchor is seq, a whole number, and hash, 64 hexadecimal digits')
  return { seq: Number(seq), hash: hash! }
}

const checkpoint = async ({ rooms }: Ask): Promise<Reply> => {
  const { seq, hash } = await rooms.store.read.auditHead()
  const answer: Checkpoint = { swarm: rooms.name, seq, hash, atMs: rooms.clock.wallMs() }
  return ok(answer)
}

const eventFilter = ({ query: { subject, kind, sinceMs } }: Ask): EventFilter => {
  if (kind !== undefined && !/^[a-z][a-z0-9.-]{0,63}$/.test(kind))
    throw new Failure('invalid', 'kind is the kind of an event like cell.lost, or its beginning like cell')
  return {
    ...(subject !== undefined && { subject }),
    ...(kind !== undefined && { kind }),
    ...(sinceMs !== undefined && { sinceMs: wallTime(sinceMs) }),
  }
}

const events = async (ask: Ask): Promise<Reply | Response> => {
  const { newestFirst, after } = ask.query
  const streams = (ask.request.headers.get('accept') ?? '').includes('text/event-stream')
  if (streams && ask.method === 'GET') return eventStream(ask, ask.request.headers.get('last-event-id') ?? after)
  if (after !== undefined)
    throw new Failure('invalid', 'after belongs to the stream (Accept: text/event-stream); lists take cursor')
  const page = {
    ...pageAsk(ask),
    newestFirst: truth('newestFirst', newestFirst) ?? false,
    ...eventFilter(ask),
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
    query: ['limit', 'cursor', 'actor', 'action', 'object', 'sinceMs', 'text'],
    run: async (ask) =>
      ok(listOf(ask, await auditPage(ask.rooms, pageAsk(ask), auditFilter(ask)), (entry): AuditAnswer => entry)),
  },
  {
    method: 'GET',
    path: '/api/v1/audit/verify',
    query: ['seq', 'hash'],
    run: async (ask) => ok(await ask.rooms.audit.verify(anchorOf(ask))),
  },
  { method: 'GET', path: '/api/v1/audit/checkpoint', run: checkpoint },
  {
    method: 'GET',
    path: '/api/v1/events',
    query: ['limit', 'cursor', 'subject', 'kind', 'sinceMs', 'newestFirst', 'after'],
    run: events,
  },
  { method: 'GET', path: '/api/v1/export/:kind', run: exportAll },
]
