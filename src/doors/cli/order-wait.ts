/** `--wait` behind an order to agents: until what was ordered is so by what the sitter sees of each, not by its yes. */
import type { AgentView } from '../../fleet/fleet.ts'
import { waitUntil } from './asking.ts'
import type { Api } from './client.ts'
import { count, counted, plain } from './text.ts'
import type { Invocation } from './verb.ts'

type Agents = ReadonlyMap<string, AgentView>

const there = new Set<AgentView['state']>(['idle', 'busy', 'paused', 'hibernating'])

/** Of one type (or one agent), by id. */
export const agentsNow = async (api: Api, ids: readonly string[]): Promise<Agents> => {
  const types = new Set(ids.map((id) => id.split('/')[0]!))
  const wanted = new Set(ids)
  const found = new Map<string, AgentView>()
  for (const type of types)
    for (const agent of await api.all<AgentView>('/api/v1/agents', { type }))
      if (wanted.has(agent.id)) found.set(agent.id, agent)
  return found
}

/** What an order has become of an agent: `done`, `failed` (it does not get there without a person), or not yet. */
type Outcome = 'done' | 'failed' | undefined

const outcomes: Readonly<Record<'start' | 'stop' | 'restart', (now: AgentView, before?: AgentView) => Outcome>> = {
  stop: ({ state }) => (state === 'stopped' ? 'done' : undefined),
  start: ({ state }) => (there.has(state) ? 'done' : state === 'quarantined' ? 'failed' : undefined),
  restart: ({ state, epoch }, before) => {
    // A person's stop outlives a restart of its type.
    if (before?.state === 'stopped') return 'done'
    if (state === 'quarantined' || state === 'stopped') return 'failed'
    return there.has(state) && (state === 'hibernating' || epoch > (before?.epoch ?? 0)) ? 'done' : undefined
  },
}

/** Resolves with the exit code: 0, or 4 when some of them are quarantined or stopped instead. Rejects `timed-out`. */
export const waitForAgents = async (
  invocation: Invocation,
  api: Api,
  order: 'start' | 'stop' | 'restart',
  { ids, before }: { readonly ids: readonly string[]; readonly before?: Agents },
): Promise<number> => {
  let told = 0
  const ended = await waitUntil(invocation, `${order} of ${counted(ids.length, 'agent')}`, async () => {
    const now = await agentsNow(api, ids)
    const list = ids.map((id) => {
      const agent = now.get(id)
      // Whoever left the configuration meanwhile is stopped as well as anybody.
      return { id, agent, outcome: agent === undefined ? ('done' as const) : outcomes[order](agent, before?.get(id)) }
    })
    const done = list.filter(({ outcome }) => outcome !== undefined).length
    if (done !== told && done < ids.length)
      invocation.printer.note(`${order}: ${count(done)} of ${counted(ids.length, 'agent')}`)
    told = done
    return done === ids.length ? list : undefined
  })
  const failed = ended.filter(({ outcome }) => outcome === 'failed')
  for (const { id, agent } of failed)
    invocation.printer.warn(`${plain(id)} is ${agent!.state}: ${plain(agent!.reason ?? 'no reason is known')}`)
  return failed.length > 0 ? 4 : 0
}
