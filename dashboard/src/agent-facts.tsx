/** One agent in full: what is known of it, from where and since when; what is not known says so. */
import type { AgentDescription } from '../../src/doors/api.ts'
import { EventLine } from './events.tsx'
import { exitText, Pair, Said, State } from './parts.tsx'
import { hrefOf } from './route.ts'
import { lookOf } from './states.ts'
import { Clock, When } from './time.tsx'
import { visible } from './visible.ts'
import { count } from './words.ts'

const Evidence = ({ agent }: { agent: AgentDescription }) => (
  <table>
    <caption class="spoken">Evidence</caption>
    <thead>
      <tr>
        <th scope="col">evidence</th>
        <th scope="col">value</th>
        <th scope="col">source</th>
        <th scope="col">age</th>
      </tr>
    </thead>
    <tbody>
      {agent.evidence.map((one) => (
        <tr key={one.fact}>
          <th scope="row">{one.fact}</th>
          <td>
            <State of={one.value} />
          </td>
          <td>
            {visible(one.source)}
            {one.detail === undefined ? '' : ` (${visible(one.detail)})`}
          </td>
          <td>
            <When ms={one.atMs} none="never seen" />
          </td>
        </tr>
      ))}
    </tbody>
  </table>
)

const Attempts = ({ agent }: { agent: AgentDescription }) =>
  agent.attempts.length === 0 ? (
    <p class="empty">No attempt is recorded.</p>
  ) : (
    <ul class="plain lines">
      {agent.attempts.map((one) => (
        <li key={one.id}>
          {one.outcome === null ? <State of="running" /> : <State of={one.outcome} />}{' '}
          <a href={hrefOf(['tasks', one.task])}>{visible(one.task)}</a> try {one.number}, began{' '}
          <Clock ms={one.startedMs} />
          {one.error !== null && (
            <>
              : <Said text={one.error.message} />
            </>
          )}
        </li>
      ))}
    </ul>
  )

export const AgentFacts = ({ agent }: { agent: AgentDescription }) => (
  <>
    <dl class="pairs">
      <Pair name="state">
        <b>
          <State of={agent.state} />
        </b>{' '}
        · {lookOf(agent.state).says}, <When ms={agent.sinceMs} />
      </Pair>
      <Pair name="reason">{agent.reason === null ? 'none recorded' : <Said text={agent.reason} />}</Pair>
      <Pair name="way on">{agent.exit === null ? 'none needed' : visible(exitText(agent.exit))}</Pair>
      <Pair name="mode">
        {agent.mode}
        {agent.holds.exit === null ? null : (
          <>
            , set for {visible(agent.holds.target)} by {visible(agent.holds.actor)} <When ms={agent.holds.sinceMs} />:{' '}
            <Said text={agent.holds.reason} />; ends: {visible(exitText(agent.holds.exit))}
          </>
        )}
      </Pair>
      <Pair name="restarts">
        {count(agent.restarts)} (epoch {agent.epoch})
      </Pair>
      <Pair name="work in hand">{visible(agent.attempt ?? 'none')}</Pair>
      <Pair name="cell">
        {agent.cell === null ? 'none' : `${agent.cell.id} · ${agent.cell.kind} · pid ${agent.cell.pid}`}
      </Pair>
    </dl>
    {agent.evidence.length > 0 ? (
      <Evidence agent={agent} />
    ) : (
      <p class="empty">No evidence at all: its state is what was recorded last.</p>
    )}
  </>
)

/** What it did, and what happened to it. */
export const AgentHistory = ({ agent }: { agent: AgentDescription }) => (
  <>
    <h3>Last attempts</h3>
    <Attempts agent={agent} />
    <h3>Time line</h3>
    {agent.timeLine.length === 0 ? (
      <p class="empty">no events about it</p>
    ) : (
      <ol class="events">
        {agent.timeLine.map((event) => (
          <EventLine key={event.seq} event={event} />
        ))}
      </ol>
    )}
  </>
)
