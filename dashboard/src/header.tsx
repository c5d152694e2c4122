/** Title bar: which swarm, how long it has been up, and how fresh the page is. */
import type { Connection } from './freshness.ts'
import { connection, swarm } from './known.ts'
import { duration } from './words.ts'

/** The state of the connection as one word and one sentence. */
const said = (now: Connection): { readonly word: string; readonly more: string } => {
  switch (now.state) {
    case 'asking':
      return { word: 'asking', more: 'waiting for the first answer' }
    case 'live':
      return { word: 'live', more: 'figures of this moment' }
    case 'stale':
      return { word: 'stale', more: `figures are ${duration(now.ageMs)} old: ${now.why}` }
    case 'away':
      return { word: 'no answer', more: now.why }
    case 'signed-out':
      return { word: 'signed out', more: 'this session has ended' }
  }
}

const Banner = () => {
  const now = connection.value
  if (now.state === 'live' || now.state === 'asking') return null
  if (now.state === 'signed-out') {
    return (
      <p class="banner">
        This session has ended. <a href="/login">Sign in</a> with the operator token, or open the address that{' '}
        <code>sitter up</code> printed.
      </p>
    )
  }
  return (
    <p class="banner">
      {now.state === 'away' ? 'No answer from the sitter' : `These figures are ${duration(now.ageMs)} old`}: {now.why}.
      Asking again every second. Is it running? <code>sitter status</code>
    </p>
  )
}

export const Header = () => {
  const view = swarm.value
  const now = connection.value
  const { word, more } = said(now)
  return (
    <div class="top">
      <header class="bar">
        <h1>{view?.name ?? 'Swarmsitter'}</h1>
        {view !== null && (
          <p class="facts">
            <span>
              {now.state === 'live' ? 'up' : 'was up'} {duration(view.nowMs - view.startedMs)}
            </span>
            <span>epoch {view.epoch}</span>
            <span>host {view.owner}</span>
            <span>pid {view.pid}</span>
            <span>version {view.version}</span>
          </p>
        )}
        <p class={`connection ${now.state}`} title={more}>
          <span class="lamp" aria-hidden="true" />
          <span role="status">{word}</span>
          {now.state === 'stale' && <span class="age">{duration(now.ageMs)}</span>}
        </p>
      </header>
      <Banner />
    </div>
  )
}
