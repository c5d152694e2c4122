/** What waits for a person: one by one, or by what they have in common. */
import { fingerprintOf, type Trouble } from '../../../fleet/fleet.ts'
import { Failure } from '../../../std/std.ts'
import type { Page, PageAsk, SettlementView, TaskView } from '../../../store/store.ts'
import type { InboxCause, InboxItem } from '../../api.ts'
import { gateStatus, personsModes } from '../figures.ts'
import { byCause } from '../by-cause.ts'
import { cut, listOf, pageAsk } from '../list.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'
import type { Rooms } from '../rooms.ts'

/** What was proven not to have been sent is never to be resolved: a person who reads "unknown" might pay it by hand. */
const wayOutOf = ({ id, state, reason }: SettlementView): string => {
  if (reason?.startsWith('the swarm is frozen') === true) return 'sitter thaw'
  if (state === 'held') return `sitter settlement release ${id}, or sitter settlement cancel ${id}`
  return state === 'reserved'
    ? `it was not sent: mend the reason, then sitter settlement hold ${id} and release ${id}; or cancel ${id}`
    : `sitter settlement resolve ${id} --as settled|absent --evidence @file`
}

/**
 * What is wrong with the payload stays wrong in another life: it wants another payload, or a mended agent. What is left
 * of a part that is done is a payload of its own.
 */
const deadWayOut = ({ id, error }: TaskView): string => {
  if (error?.partial !== undefined) return `sitter dlq show ${id}, then sitter dlq redrive ${id}: what is left, alone`
  const isLasting = error?.kind === 'permanent' || error?.kind === 'refused'
  const other = isLasting ? `sitter task retry ${id} --payload @fixed.json; or mend the agent, and ` : ''
  return `sitter dlq show ${id}, then ${other}sitter dlq redrive ${id}`
}

const errorOf = ({ error }: TaskView): string => error?.message ?? 'no error recorded'
const triesText = (tries: number): string => (tries === 1 ? '1 try' : `${tries} tries`)

/** The sources of the inbox, in this order; a cursor names the source and the last item seen in it. */
const inboxSources = ['settlement', 'dead-letter', 'agent', 'mode', 'credential'] as const
type InboxSource = (typeof inboxSources)[number]

/** One row for all of a type that share a cause; `release` of the type is for all of it. */
const quarantineItem = (trouble: Trouble, states: Readonly<Record<string, number>>): InboxItem => {
  const { type, agent, agents, count, cause, starts, sinceMs } = trouble
  const what = starts ? `cannot start: ${cause}` : `quarantined: ${cause}`
  const item = { kind: 'quarantined', count, sinceMs, cause: `${type}: ${fingerprintOf(cause)}` } as const
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
        cause: `${item.state}: ${fingerprintOf(item.reason ?? '')}`,
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
        what: `${item.type} task gave up after ${triesText(item.attempts)}: ${errorOf(item)}`,
        cause: `${item.type}: ${fingerprintOf(errorOf(item))}`,
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
        cause: name,
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
        cause: target,
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

/** Items that are looked through for their causes: 20 ms a thousand. What is beyond is told as not looked at. */
const mostLookedAt = 5_000
const together = 1_000

const causes = async (rooms: Rooms): Promise<{ readonly items: readonly InboxCause[]; readonly more: boolean }> => {
  const items: InboxItem[] = []
  let after: string | null = null
  do {
    const page: Page<InboxItem> = await inboxPage(rooms, { limit: together, after })
    items.push(...page.items)
    after = page.next
  } while (after !== null && items.length < mostLookedAt)
  return { items: byCause(items), more: after !== null }
}

const list = async (ask: Ask): Promise<Reply> => {
  const { by } = ask.query
  if (by === undefined) return ok(listOf(ask, await inboxPage(ask.rooms, pageAsk(ask)), (item) => item))
  if (by !== 'cause') throw new Failure('invalid', 'by must be cause')
  return ok({ ...(await causes(ask.rooms)), next: null })
}

export const inboxRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/v1/inbox', query: ['limit', 'cursor', 'by'], run: list },
]
