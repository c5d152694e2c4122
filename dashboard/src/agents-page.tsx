/** All agents as a table, filtered by type, state and text. Type and state are asked of the sitter, text is found here. */
import type { AgentView, List } from '../../src/doors/api.ts'
import { agentStates } from '../../src/model/agent.ts'
import { useList } from './asked.ts'
import { DeedButton } from './deed.tsx'
import { Fresh } from './fresh.tsx'
import { swarm } from './known.ts'
import { askOrder } from './order.tsx'
import { Pick, Said, State, TextFilter } from './parts.tsx'
import { agentHref, place } from './route.ts'
import { Rows, type Column } from './rows.tsx'
import { When } from './time.tsx'
import { counted, coverageText } from './words.ts'

/** 5,000 agents are five pages of the API: not every second. */
const everyMs = 5_000
const pageSize = 1_000
const mostPages = 20

const columns: readonly Column<AgentView>[] = [
  { name: 'agent', cell: (agent) => <a href={agentHref(agent.id)}>{agent.id}</a> },
  {
    name: 'state',
    cell: (agent) => (
      <>
        <State of={agent.state} />
        {agent.mode === 'active' ? '' : ` · ${agent.mode}`}
      </>
    ),
  },
  { name: 'entered', cell: (agent) => <When ms={agent.sinceMs} /> },
  { name: 'restarts', wide: true, cell: (agent) => agent.restarts },
  { name: 'cell', wide: true, cell: (agent) => agent.cell?.id ?? 'none' },
  { name: 'reason', wide: true, cell: (agent) => (agent.reason === null ? '' : <Said text={agent.reason} />) },
]

/** Whether the text stands in anything that the table shows. */
export const agentHas = (agent: AgentView, text: string): boolean =>
  [agent.id, agent.state, agent.mode, agent.reason, agent.cell?.id, agent.attempt].some((part) =>
    part?.toLowerCase().includes(text.toLowerCase()),
  )

const restartType = (type: string): void => {
  const byState = swarm.value?.fleet.byType[type] ?? {}
  const all = Object.values(byState).reduce((sum, some) => sum + some, 0)
  askOrder({
    title: `Restart every agent of type ${type}?`,
    radius: (
      <>
        <p>
          <b>{counted(all, 'agent')}</b> of one type are restarted, at once:{' '}
          {Object.entries(byState)
            .map(([state, some]) => `${some} ${state}`)
            .join(', ')}
          .
        </p>
        <p>Every attempt that they have in hand is lost, without cost to its task. Filters do not narrow this order.</p>
      </>
    ),
    button: `Restart ${counted(all, 'agent')}`,
    typed: String(all),
    path: `/api/v1/agents/${encodeURIComponent(type)}/restart`,
    done: (answer) => `The restart of ${counted((answer as { agents: string[] }).agents.length, 'agent')} is ordered.`,
  })
}

const Found = ({ list, text }: { list: List<AgentView>; text: string }) => {
  const found = text === '' ? list.items : list.items.filter((agent) => agentHas(agent, text))
  return (
    <>
      <p class="count" role="status">
        {counted(found.length, 'agent')}
        {list.next !== null && ` among the first ${list.items.length}`}
        {list.coverage === undefined ? '' : ` · whole swarm: ${coverageText(list.coverage)}`}
      </p>
      {found.length === 0 ? (
        <p class="empty">No agent is like that now.</p>
      ) : (
        <Rows label="Agents" look="of-agents" items={found} keyOf={(agent) => agent.id} columns={columns} />
      )}
    </>
  )
}

export const AgentsPage = () => {
  const { type, state, text = '' } = place.value.query
  const types = Object.keys(swarm.value?.fleet.byType ?? {})
  const asked = useList<AgentView>({
    path: '/api/v1/agents',
    query: { type, state },
    limit: pageSize,
    pages: mostPages,
    everyMs,
  })
  return (
    <section class="sheet" aria-labelledby="sheet-title">
      <h2 id="sheet-title">Agents</h2>
      <div class="filters">
        <Pick name="type" label="Type" values={types} />
        <Pick name="state" label="State" values={agentStates} />
        <TextFilter name="text" label="Text" hint="id, reason, cell" />
        {type !== undefined && types.includes(type) && (
          <DeedButton deed="restartType" onClick={() => restartType(type)}>
            Restart type …
          </DeedButton>
        )}
      </div>
      <Fresh asked={asked}>{(list) => <Found list={list} text={text} />}</Fresh>
    </section>
  )
}
