/** The page of one agent, and what may be ordered: restart and release, each named with everything that it touches. */
import type { AgentDescription } from '../../src/doors/api.ts'
import { AgentFacts, AgentHistory } from './agent-facts.tsx'
import { useOne, type Asked } from './asked.ts'
import { BarNote, DeedButton } from './deed.tsx'
import { Fresh } from './fresh.tsx'
import { Log } from './log.tsx'
import { askOrder, type Order } from './order.tsx'
import { agentHref, hrefOf } from './route.ts'
import { visible } from './visible.ts'

const everyMs = 2_000

const inHand = (agent: AgentDescription): string =>
  agent.attempt === null
    ? 'It has no work in hand.'
    : `Its attempt in hand, ${agent.attempt}, is lost; that costs its task no try, and the task goes back to ready.`

const neighbours = (agent: AgentDescription): string => {
  if (agent.cell === null) return 'It has no cell now; one is found or started for it.'
  if (agent.cell.kind !== 'pool') return `Its process, pid ${agent.cell.pid}, is killed; no other agent lives in it.`
  return `The other agents in its cell ${agent.cell.id} go on.`
}

const restartOrder = (agent: AgentDescription, after: () => void): Order => ({
  title: `Restart ${agent.id}?`,
  radius: (
    <>
      <p>
        One agent is restarted: <b>{agent.id}</b>, {agent.state} now.
      </p>
      <p>
        {inHand(agent)} {neighbours(agent)}
      </p>
    </>
  ),
  button: 'Restart 1 agent',
  path: `/api/v1/agents/${agent.id}/restart`,
  done: () => 'The restart is ordered and recorded. Its time line tells when the agent is back.',
  after,
})

const releaseOrder = (agent: AgentDescription, after: () => void): Order => ({
  title: `Release ${agent.id}?`,
  radius: (
    <>
      <p>
        One agent is released: <b>{agent.id}</b>, {agent.state} now
        {agent.reason === null ? '' : ` (${visible(agent.reason)})`}.
      </p>
      <p>
        It starts again at once and its count of restarts begins anew. When what felled it is still there, it falls
        again.
      </p>
    </>
  ),
  button: 'Release 1 agent',
  path: `/api/v1/agents/${agent.id}/release`,
  done: () => 'The release is ordered and recorded. Its time line tells whether it holds.',
  after,
})

const Deeds = ({ agent, again }: { agent: AgentDescription; again: () => void }) => (
  <p class="deeds">
    <DeedButton deed="restart" onClick={() => askOrder(restartOrder(agent, again))}>
      Restart …
    </DeedButton>
    {(agent.state === 'quarantined' || agent.state === 'backoff') && (
      <DeedButton deed="release" onClick={() => askOrder(releaseOrder(agent, again))}>
        Release …
      </DeedButton>
    )}
    <BarNote deeds={['restart', 'release']} />
  </p>
)

const sheet = (asked: Asked<AgentDescription>) => (agent: AgentDescription) => (
  <>
    <Deeds agent={agent} again={asked.again} />
    <AgentFacts agent={agent} />
  </>
)

export const AgentPage = ({ id }: { id: string }) => {
  const asked = useOne<AgentDescription>(`/api/v1/agents/${id.split('/').map(encodeURIComponent).join('/')}`, everyMs)
  return (
    <section class="sheet" aria-labelledby="sheet-title">
      <p class="trail">
        <a href={hrefOf(['agents'])}>Agents</a> / <a href={agentHref(id)}>{visible(id)}</a>
      </p>
      <h2 id="sheet-title">{visible(id)}</h2>
      <Fresh asked={asked}>{sheet(asked)}</Fresh>
      {asked.answer !== null && (
        <>
          <h3>Log</h3>
          <Log id={asked.answer.id} />
          {asked.answer.cell !== null && (
            <p class="hint">
              What its cell says stands under <a href={hrefOf(['log'], { id: asked.answer.cell.id })}>the cell’s log</a>
              .
            </p>
          )}
          <Fresh asked={asked}>{(agent) => <AgentHistory agent={agent} />}</Fresh>
        </>
      )}
    </section>
  )
}
