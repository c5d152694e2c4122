/**
 * Where on the page a person is, kept in the address after the `#`: links, back and forward work, and neither a payee
 * nor a filter ever reaches a server's log. `#/agents/settler/0042`, `#/tasks?state=dead`.
 */
import { signal } from '@preact/signals'
import { hrefOf, placeOf, type Place } from './address.ts'

export { agentHref, hrefOf, searchHref, type Place } from './address.ts'

export const place = signal<Place>({ path: [], query: {} })

const keptKey = 'sitter.place'

/** Signing in leads to `/`: the place is kept for this tab until then. */
export const keepPlace = (): void => {
  if (location.hash.length > 2) sessionStorage.setItem(keptKey, location.hash)
}

const look = (): void => {
  place.value = placeOf(location.hash)
}

export const startRoute = (): void => {
  const kept = sessionStorage.getItem(keptKey)
  sessionStorage.removeItem(keptKey)
  if (kept !== null && location.hash === '') history.replaceState(null, '', kept)
  addEventListener('hashchange', look)
  addEventListener('popstate', look)
  look()
}

export const go = (href: string): void => {
  if (location.hash === href) return
  history.pushState(null, '', href)
  look()
}

/** Changes filters of this place: a choice is a step back and forth, letters being typed are not. */
export const filter = (change: Readonly<Record<string, string>>, typing = false): void => {
  const href = hrefOf(place.value.path, { ...place.value.query, ...change })
  if (location.hash === href) return
  if (typing) history.replaceState(null, '', href)
  else history.pushState(null, '', href)
  look()
}
