/** One agent beside the map, without leaving it; its own page has the rest. */
import { useLayoutEffect, useRef } from 'preact/hooks'
import { AgentFacts, AgentHistory } from './agent-facts.tsx'
import { choose, chosen, connection, described } from './known.ts'
import { agentHref } from './route.ts'
import { visible } from './visible.ts'
import { duration } from './words.ts'

export const DescribePanel = () => {
  const heading = useRef<HTMLHeadingElement>(null)
  const before = useRef<Element | null>(null)
  const id = chosen.value
  // With the change itself, not after it: whoever types on meanwhile must not type into nothing.
  useLayoutEffect(() => {
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
  return (
    <aside
      class="panel"
      aria-labelledby="panel-title"
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return
        event.preventDefault()
        choose(null)
      }}
    >
      <div class="head">
        <h2 id="panel-title" ref={heading} tabIndex={-1}>
          {visible(id)}
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
        <p class="fault">{visible(found.fault)}</p>
      ) : (
        <>
          <p class="trail">
            <a href={agentHref(id)}>Open its page</a>
          </p>
          <AgentFacts agent={found} />
          <AgentHistory agent={found} />
        </>
      )}
    </aside>
  )
}
