/** One agent in full: what is known of it, from where and since when; what is not known says so. */
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { AgentDescription } from '../../src/doors/api.ts'
import { choose, chosen, connection, described, sitterNowMs } from './known.ts'
import { EventLine } from './events.tsx'
import { lookOf } from './states.ts'
import { clockTime, duration } from './words.ts'

const Row = ({ name, children }: { name: string; children: ComponentChildren }) => (
  <>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </>
)

const exitText = (exit: NonNullable<AgentDescription['exit']>, now: number): string => {
  const at = exit.at === undefined ? '' : exit.at > now ? ` in ${duration(exit.at - now)}` : ' due now'
  return [`${exit.kind}${at}`, exit.who, exit.what].filter((part) => part !== undefined).join(', ')
}

const Evidence = ({ agent, now }: { agent: AgentDescription; now: number }) => (
  <table>
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
          <td class={one.value}>{one.value}</td>
          <td>
            {one.source}
            {one.detail === undefined ? '' : ` (${one.detail})`}
          </td>
          <td>{one.atMs === null ? 'never seen' : duration(now - one.atMs)}</td>
        </tr>
      ))}
    </tbody>
  </table>
)

const Described = ({ agent, now }: { agent: AgentDescription; now: number }) => (
  <>
    <dl>
      <Row name="state">
        <b>{agent.state}</b> for {duration(now - agent.sinceMs)}: {lookOf(agent.state).says}
      </Row>
      {agent.reason !== null && <Row name="reason">{agent.reason}</Row>}
      {agent.exit !== null && <Row name="way on">{exitText(agent.exit, now)}</Row>}
      <Row name="mode">{agent.mode}</Row>
      <Row name="restarts">
        {agent.restarts} (epoch {agent.epoch})
      </Row>
      <Row name="work in hand">{agent.attempt ?? 'none'}</Row>
      <Row name="cell">
        {agent.cell === null
          ? 'none'
          : `${agent.cell.id} · ${agent.cell.kind} · pid ${agent.cell.pid}, started at tick ${agent.cell.startTime}`}
      </Row>
    </dl>
    {agent.evidence.length > 0 ? (
      <Evidence agent={agent} now={now} />
    ) : (
      <p class="empty">No evidence at all: its state is what was recorded last.</p>
    )}
    <h3>Attempt in hand</h3>
    {agent.attempts.length === 0 ? (
      <p class="empty">none</p>
    ) : (
      <ul class="plain">
        {agent.attempts.map((one) => (
          <li key={one.id}>
            <code>{one.task}</code> try {one.number}, since {clockTime(one.startedMs)}
            {one.outcome === null ? '' : `: ${one.outcome}`}
          </li>
        ))}
      </ul>
    )}
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

export const DescribePanel = () => {
  const heading = useRef<HTMLHeadingElement>(null)
  const before = useRef<Element | null>(null)
  const id = chosen.value
  useEffect(() => {
    if (id === null) {
      if (before.current instanceof HTMLElement) before.current.focus()
      before.current = null
      return
    }
    before.current ??= document.activeElement
    heading.current?.focus()
  }, [id])
  if (id === null || connection.value.state === 'signed-out') return null
  const found = described.value
  const now = sitterNowMs.value
  return (
    <aside
      class="panel"
      aria-labelledby="panel-title"
      onKeyDown={(event) => {
        if (event.key === 'Escape') choose(null)
      }}
    >
      <div class="head">
        <h2 id="panel-title" ref={heading} tabIndex={-1}>
          {id}
        </h2>
        <button type="button" onClick={() => choose(null)}>
          Close
        </button>
      </div>
      {connection.value.state !== 'live' && (
        <p class="banner">not fresh: {duration('ageMs' in connection.value ? connection.value.ageMs : 0)} old</p>
      )}
      {found === null ? (
        <p class="empty">Asking …</p>
      ) : 'fault' in found ? (
        <p class="fault">{found.fault}</p>
      ) : (
        <Described agent={found} now={now} />
      )}
    </aside>
  )
}
