/** What somebody must know of: incidents with their time line, who was told, who has seen it, and silences. */
import { z } from 'zod'
import { Failure, parseDuration } from '../../../std/std.ts'
import type { EventView, IncidentView } from '../../../store/store.ts'
import type { AlertAnswer, IncidentDescription } from '../../api.ts'
import { jsonText, nothing, shaped } from '../body.ts'
import { listOf, pageAsk, truth } from '../list.ts'
import type { Once } from '../once.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'
import type { Rooms } from '../rooms.ts'
import { belongs, timeLine } from './time-line.ts'

const longestSilenceMs = 30 * 86_400_000

export const silenceBody = z.strictObject({
  /** Of keys; empty = everything. */
  prefix: z.string().max(200),
  for: z.string().max(20).default('1h'),
})
export const unsilenceBody = z.strictObject({ prefix: z.string().max(200) })

/** What happened shortly before it began belongs to it. */
const beforeMs = 60_000
/** Events are read back from the newest; an incident older than these has no time line, and its answer says so. */
const pages = 10
const pageSize = 1_000

/** Null when it lies too far back. */
const timeLineOf = async (rooms: Rooms, incident: IncidentView): Promise<readonly EventView[] | null> => {
  const fromMs = incident.openedMs - beforeMs
  const untilMs = incident.resolvedMs ?? Number.MAX_SAFE_INTEGER
  const found: EventView[] = []
  let after: string | null = null
  for (let page = 0; page < pages; page += 1) {
    const { items, next }: { items: readonly EventView[]; next: string | null } = await rooms.store.read.events({
      limit: pageSize,
      after,
      newestFirst: true,
    })
    found.push(...items.filter((event) => belongs(event) && event.wallMs >= fromMs && event.wallMs <= untilMs))
    if (next === null || (items.at(-1)?.wallMs ?? 0) < fromMs) return timeLine(found)
    after = next
  }
  return null
}

const incidents = async (ask: Ask): Promise<Reply> => {
  const open = truth('open', ask.query['open'])
  const page = await ask.rooms.store.read.incidents({ ...pageAsk(ask), ...(open !== undefined && { open }) })
  return ok(listOf(ask, page, (incident) => incident))
}

const incident = async ({ rooms, params }: Ask): Promise<Reply> => {
  const id = params['id']!
  const found = await rooms.store.read.incident(id)
  if (found === undefined) throw new Failure('not-found', `there is no incident ${id.slice(0, 80)}`)
  const [notices, timeLine] = await Promise.all([rooms.store.read.noticesOf(id), timeLineOf(rooms, found)])
  const answer: IncidentDescription = { ...found, notices, timeLine }
  return ok(answer)
}

/** Open incidents, with whether something is said about them. */
const alerts = async (ask: Ask): Promise<Reply> => {
  const { read } = ask.rooms.store
  const [page, silences] = await Promise.all([
    read.incidents({ ...pageAsk(ask), open: true }),
    read.silences(ask.rooms.clock.wallMs()),
  ])
  const present = (one: IncidentView): AlertAnswer => ({
    ...one,
    silencedUntilMs: silences.find(({ prefix }) => one.key.startsWith(prefix))?.untilMs ?? null,
  })
  return ok(listOf(ask, page, present))
}

const silences = async (ask: Ask): Promise<Reply> => {
  const items = await ask.rooms.store.read.silences(ask.rooms.clock.wallMs())
  return ok(listOf(ask, { items, next: null }, (one) => one))
}

const silence = async (ask: Ask, once: Once): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  const { prefix, for: wanted } = shaped(text, silenceBody)
  const forMs = parseDuration(wanted)
  if (forMs === undefined || forMs === 0 || forMs > longestSilenceMs)
    throw new Failure('invalid', 'for: a duration over zero like 2h, at most 30d')
  return once(ask, text, async () => ok(await ask.rooms.alerts.silence(prefix, forMs, ask.actor)))
}

const unsilence = async (ask: Ask, once: Once): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  const { prefix } = shaped(text, unsilenceBody)
  return once(ask, text, async () => {
    await ask.rooms.alerts.unsilence(prefix, ask.actor)
    return ok({ unsilenced: prefix })
  })
}

const deed =
  (done: 'acked' | 'resolved', act: (rooms: Rooms, id: string, actor: string) => Promise<void>) =>
  async (ask: Ask, once: Once): Promise<Reply | Response> => {
    const text = await jsonText(ask.request)
    shaped(text, nothing)
    const id = ask.params['id']!
    return once(ask, text, async () => {
      await act(ask.rooms, id, ask.actor)
      return ok({ [done]: id })
    })
  }
const ack = deed('acked', (rooms, id, actor) => rooms.alerts.ack(id, actor))
const resolve = deed('resolved', (rooms, id, actor) => rooms.alerts.resolve(id, actor))

export const incidentRoutes = (once: Once): readonly Route[] => [
  { method: 'GET', path: '/api/v1/incidents', query: ['limit', 'cursor', 'open'], run: incidents },
  { method: 'GET', path: '/api/v1/incidents/:id', run: incident },
  { method: 'POST', path: '/api/v1/incidents/:id/ack', run: (ask) => ack(ask, once) },
  { method: 'POST', path: '/api/v1/incidents/:id/resolve', run: (ask) => resolve(ask, once) },
  { method: 'GET', path: '/api/v1/alerts', query: ['limit', 'cursor'], run: alerts },
  { method: 'GET', path: '/api/v1/alerts/silences', run: silences },
  { method: 'POST', path: '/api/v1/alerts/silence', run: (ask) => silence(ask, once) },
  { method: 'POST', path: '/api/v1/alerts/unsilence', run: (ask) => unsilence(ask, once) },
]
