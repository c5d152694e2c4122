/** The swarm as a whole: at a glance, frozen or not, what waits for a person, and its end. */
import { z } from 'zod'
import type { Trouble } from '../../../fleet/fleet.ts'
import { swarmTarget } from '../../../model/model.ts'
import { Failure, parseDuration } from '../../../std/std.ts'
import type { Page, PageAsk, SettlementView, TaskView } from '../../../store/store.ts'
import type { InboxItem } from '../../api.ts'
import { auditAllowed } from '../allowed.ts'
import { jsonText, shaped } from '../body.ts'
import { figuresMaker, gateStatus, personsModes } from '../figures.ts'
import { cut, listOf, pageAsk } from '../list.ts'
import type { Once } from '../once.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'
import type { Rooms } from '../rooms.ts'

const usualWithin = '30s'
const mostWithinMs = 3_600_000

export const downBody = z.strictObject({ within: z.string().max(20).default(usualWithin) })

const down = async (ask: Ask, once: Once): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  const withinMs = parseDuration(shaped(text, downBody).within)
  if (withinMs === undefined || withinMs > mostWithinMs)
    throw new Failure('invalid', 'within: a duration like 30s, at most 1h')
  return once(ask, text, async () => {
    await auditAllowed(ask, 'swarm.down', ask.rooms.name, { withinMs })
    ask.rooms.shutdown(withinMs, ask.actor)
    return { status: 202, body: { stopping: true, withinMs } }
  })
}

export const freezeBody = z.strictObject({ reason: z.string().min(1).max(500).default('no reason given') })

const freeze = async (ask: Ask): Promise<Reply> => {
  const { reason } = shaped(await jsonText(ask.request), freezeBody)
  // Freezing twice is one freeze, so a retry needs no memory; and no record that fails may keep it from its deed.
  const { note, gate } = await ask.rooms.freeze.freeze(ask.actor, reason)
  return ok({ frozen: true, gate, by: typeof note === 'string' ? null : note })
}

/** The swarm's own name, so that nobody thaws by mistake. */
export const thawBody = z.strictObject({
  confirm: z.string().max(100),
  /** In stages: the swarm is throttled for so long first, and nothing else of what is set is made milder. */
  throttledFor: z.string().max(20).optional(),
})

const mostStagedMs = 30 * 86_400_000

/** Set before the thaw, so that there is no moment at the full rate. */
const stage = async ({ rooms, actor }: Ask, text: string | undefined): Promise<void> => {
  // Without a gate the thaw is refused, and nothing has changed then.
  if (text === undefined || rooms.gatelink.gateId === null) return
  const forMs = parseDuration(text)
  if (forMs === undefined || forMs === 0 || forMs > mostStagedMs)
    throw new Failure('invalid', 'throttledFor: a duration like 5m, at most 30d')
  // Stricter already: then this would be the milder word.
  if (rooms.modes.of({ agent: null, channel: null }).mode !== 'active') return
  await rooms.modes.set(swarmTarget, 'throttled', { actor, reason: 'a thaw in stages', forMs })
}

const thaw = async (ask: Ask): Promise<Reply> => {
  const { confirm, throttledFor } = shaped(await jsonText(ask.request), thawBody)
  const { name, freeze: known } = ask.rooms
  if (confirm !== name) throw new Failure('invalid', `confirm must be the name of the swarm: ${name}`)
  await stage(ask, throttledFor)
  await known.thaw(ask.actor)
  return ok({ frozen: false })
}

/** What was proven not to have been sent is never to be resolved: a person who reads "unknown" might pay it by hand. */
const wayOutOf = ({ id, state, reason }: SettlementView): string => {
  if (reason?.startsWith('the swarm is frozen') === true) return 'sitter thaw'
  if (state === 'held') return `sitter settlement release ${id}, or sitter settlement cancel ${id}`
  return state === 'reserved'
    ? `it was not sent: mend the reason, then sitter settlement hold ${id} and release ${id}; or cancel ${id}`
    : `sitter settlement resolve ${id} --as settled|absent --evidence @file`
}

/** What is wrong with the payload stays wrong in another life: it wants another payload, or a mended agent. */
const deadWayOut = ({ id, error }: TaskView): string => {
  const isLasting = error?.kind === 'permanent' || error?.kind === 'refused'
  const other = isLasting ? `sitter task retry ${id} --payload @fixed.json; or mend the agent, and ` : ''
  return `sitter dlq show ${id}, then ${other}sitter dlq redrive ${id}`
}

/** The sources of the inbox, in this order; a cursor names the source and the last item seen in it. */
const inboxSources = ['settlement', 'dead-letter', 'agent', 'mode', 'credential'] as const
type InboxSource = (typeof inboxSources)[number]

/** One row for all of a type that share a cause; `release` of the type is for all of it. */
const quarantineItem = (trouble: Trouble, states: Readonly<Record<string, number>>): InboxItem => {
  const { type, agent, agents, count, cause, starts, sinceMs } = trouble
  const what = starts ? `cannot start: ${cause}` : `quarantined: ${cause}`
  const item = { kind: 'quarantined', count, sinceMs } as const
  if (count === 1) return { ...item, id: agent, what, wayOut: `sitter describe ${agent}, then sitter release ${agent}` }
  const held = states['quarantined'] ?? 0
  const all = held > count ? ` (all ${held} quarantined ones of ${type})` : ''
  const wayOut = `sitter describe ${agent}, then sitter release ${type}${all}`
  return { ...item, id: type, what: `${count} agents (${agents}) ${what}`, wayOut }
}

const inboxPages: Record<InboxSource, (rooms: Rooms, page: PageAsk) => Promise<Page<InboxItem>>> = {
  settlement: async (rooms, page) => {
    const { items, next } = await rooms.store.read.settlements({ person: true }, page)
    return {
      next,
      items: items.map((item) => ({
        count: 1,
        kind: item.state === 'held' || item.state === 'reserved' ? 'held-settlement' : 'unknown-settlement',
        id: item.id,
        what: `payment ${item.reference} is ${item.state}: ${item.reason ?? 'no reason recorded'}`,
        sinceMs: item.updatedMs,
        wayOut: wayOutOf(item),
      })),
    }
  },
  'dead-letter': async (rooms, page) => {
    const { items, next } = await rooms.store.read.tasks({ state: 'dead' }, page)
    return {
      next,
      items: items.map((item) => ({
        count: 1,
        kind: 'dead-letter',
        id: item.id,
        what: `${item.type} task gave up after ${item.attempts} tries: ${item.error?.message ?? 'no error recorded'}`,
        sinceMs: item.updatedMs,
        wayOut: deadWayOut(item),
      })),
    }
  },
  agent: async (rooms, page) => {
    const all = rooms.fleet.troubles().filter(({ quarantined }) => quarantined > 0)
    const byAgent = all.toSorted((one, other) => (one.agent < other.agent ? -1 : 1))
    const { items, next } = cut(byAgent, page, ({ agent }) => agent)
    const { byType } = rooms.fleet.summary()
    return { next, items: items.map((item) => quarantineItem(item, byType[item.type] ?? {})) }
  },
  credential: async (rooms, page) => {
    // A gate that does not answer is an alert of its own; what it knows is unknown until it is back.
    const status = await gateStatus(rooms)
    if ('unknown' in status || status.credentialsWaiting === 0) return { items: [], next: null }
    const { renewals } = await rooms.gatelink.vaultList()
    const all = renewals.flatMap(({ name, concern }) => (concern === null ? [] : [{ name, ...concern }]))
    const { items, next } = cut(
      all.toSorted((one, other) => (one.name < other.name ? -1 : 1)),
      page,
      ({ name }) => name,
    )
    return {
      next,
      items: items.map(({ name, what, wayOut, sinceMs }) => ({
        kind: 'credential',
        id: name,
        count: 1,
        what: `credential ${name} ${what}`,
        sinceMs,
        wayOut,
      })),
    }
  },
  mode: async (rooms, page) => {
    const { items, next } = cut(personsModes(rooms.modes.list()), page, ({ target }) => target)
    return {
      next,
      items: items.map(({ target, mode, actor, reason, sinceMs }) => ({
        count: 1,
        kind: 'mode',
        id: target,
        what: `${target} is ${mode} by ${actor}: ${reason}`,
        sinceMs,
        wayOut: `sitter mode active ${target}`,
      })),
    }
  },
}

/**
 * Reads from the sources in turn until the page is full; the next cursor is `source:after` (after empty = its
 * beginning).
 */
export const inboxPage = async (rooms: Rooms, { limit, after }: PageAsk): Promise<Page<InboxItem>> => {
  const [from, inner] =
    after === null ? [inboxSources[0], ''] : [after.slice(0, after.indexOf(':')), after.slice(after.indexOf(':') + 1)]
  const items: InboxItem[] = []
  let start = inboxSources.indexOf(from as InboxSource)
  let cursor = inner === '' ? null : inner
  for (; start < inboxSources.length; start += 1, cursor = null) {
    const source = inboxSources[start]!
    if (items.length === limit) return { items, next: `${source}:` }
    const page = await inboxPages[source](rooms, { limit: limit - items.length, after: cursor })
    items.push(...page.items)
    if (page.next !== null) return { items, next: `${source}:${page.next}` }
  }
  return { items, next: null }
}

export const swarmRoutes = (once: Once): readonly Route[] => {
  const figures = figuresMaker()
  return [
    { method: 'GET', path: '/api/v1/swarm', run: async (ask) => ok(await figures(ask.rooms)) },
    { method: 'POST', path: '/api/v1/swarm/down', run: (ask) => down(ask, once) },
    { method: 'POST', path: '/api/v1/swarm/freeze', run: freeze },
    { method: 'POST', path: '/api/v1/swarm/thaw', run: thaw },
    {
      method: 'GET',
      path: '/api/v1/inbox',
      query: ['limit', 'cursor'],
      run: async (ask) => ok(listOf(ask, await inboxPage(ask.rooms, pageAsk(ask)), (item) => item)),
    },
  ]
}
