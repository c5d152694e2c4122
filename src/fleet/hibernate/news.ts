/**
 * Wakes and sleeps as events: the first at once, with names, then what came meanwhile as a count every ten seconds. A
 * hundred wakes a second for months must not fill the record.
 */
import type { Agent, Live, Sleepers } from '../live.ts'
import { formatAgents } from '../range.ts'
import { notify } from '../wiring.ts'

const everyMs = 10_000

type Kind = 'agent.woken' | 'agent.asleep'
const past: Record<Kind, string> = { 'agent.woken': 'woken', 'agent.asleep': 'laid to rest' }

const wait = (live: Live, sleepers: Sleepers, kind: Kind): void => {
  const { type, news } = sleepers
  news.set(kind, 0)
  live.agenda.after(everyMs, () => {
    const count = news.get(kind)
    news.delete(kind)
    if (count === undefined || count === 0) return
    notify(live, kind, 'info', {
      subject: type,
      message: `${count} more agents of ${type} were ${past[kind]} in the last ${everyMs / 1_000} s`,
      facts: { count, withinMs: everyMs },
    })
    wait(live, sleepers, kind)
  })
}

export const tellNews = (
  live: Live,
  sleepers: Sleepers,
  kind: Kind,
  { agents, why }: { readonly agents: readonly Agent[]; readonly why: string },
): void => {
  const untold = sleepers.news.get(kind)
  if (untold !== undefined) {
    sleepers.news.set(kind, untold + agents.length)
    return
  }
  notify(live, kind, 'info', {
    subject: agents.length === 1 ? agents[0]!.id : sleepers.type,
    message: `${formatAgents(agents)} ${past[kind]}: ${why}`,
    facts: { agents: formatAgents(agents), count: agents.length, why },
  })
  wait(live, sleepers, kind)
}
