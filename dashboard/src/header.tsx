/** Title bar: which swarm, how long it has been up, and how fresh the page is. */
import { useSignal } from '@preact/signals'
import { FreezeButton, FrozenBanner } from './freeze.tsx'
import type { Connection } from './freshness.ts'
import { helpOpen } from './keys.ts'
import { connection, swarm } from './known.ts'
import { me } from './role.ts'
import { pages } from './pages.ts'
import { go, hrefOf, keepPlace, place, searchHref } from './route.ts'
import { ZoneSwitch } from './time.tsx'
import { visible } from './visible.ts'
import { count, duration } from './words.ts'

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
        This session has ended.{' '}
        <a href="/login" onClick={keepPlace}>
          Sign in
        </a>{' '}
        with the operator token, or open the address that <code>sitter up</code> printed.
      </p>
    )
  }
  return (
    <p class="banner">
      {now.state === 'away' ? 'No answer from the sitter' : `These figures are ${duration(now.ageMs)} old`}: {now.why}.
      Asking again every second. Is it running? <code>sitter status</code> Must money stop? <code>sitter freeze</code>{' '}
      works without it.
    </p>
  )
}

const Search = () => {
  const text = useSignal('')
  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault()
        if (text.value.trim() === '') return
        go(searchHref(text.value))
        text.value = ''
      }}
    >
      <label for="search" class="spoken">
        Search
      </label>
      <input
        id="search"
        type="search"
        placeholder="Search  /"
        value={text.value}
        maxLength={200}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => {
          text.value = event.currentTarget.value
        }}
      />
    </form>
  )
}

/** The count beside a page's name, of what waits there. */
const waiting = (name: string): number => {
  const view = swarm.value
  if (view === null || connection.value.state !== 'live') return 0
  if (name === 'inbox') return view.person
  if (name !== 'dead-letters') return 0
  return Object.values(view.work.byType).reduce((sum, byState) => sum + (byState['dead'] ?? 0), 0)
}

const Navigation = () => {
  const [here = ''] = place.value.path
  return (
    <div class="ways">
      <nav aria-label="Pages">
        <ul class="plain">
          {pages.map(({ name, title }) => (
            <li key={name}>
              <a href={hrefOf(name === '' ? [] : [name])} aria-current={here === name ? 'page' : undefined}>
                {title}
                {waiting(name) > 0 && <span class="badge">{count(waiting(name))}</span>}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <Search />
      <ZoneSwitch />
      <button type="button" class="zone" aria-label="Keys" onClick={() => (helpOpen.value = true)}>
        ?
      </button>
    </div>
  )
}

export const Header = () => {
  const view = swarm.value
  const now = connection.value
  const { word, more } = said(now)
  return (
    <div class="top">
      <header class="bar">
        <h1>{visible(view?.name ?? 'Swarmsitter')}</h1>
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
        {me.value !== null && (
          <p class="who" title="Whose token opened this page, and its role">
            <span class="name">{visible(me.value.name)} · </span>
            {me.value.role}
          </p>
        )}
        <p class={`connection ${now.state}`} title={more}>
          <span class="lamp" aria-hidden="true" />
          <span role="status">{word}</span>
          {now.state === 'stale' && <span class="age">{duration(now.ageMs)}</span>}
        </p>
        <FreezeButton />
      </header>
      <Navigation />
      <Banner />
      <FrozenBanner />
    </div>
  )
}
