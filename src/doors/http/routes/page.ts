/** The page, its assets, and the way in: a one-time code from the printed address, or a token in a form. */
import { Failure } from '../../../std/std.ts'
import { bodyText, expectMedia } from '../body.ts'
import { assetAnswer, enter, indexPage, loginPage, type Page } from '../page.ts'
import type { Ask, Route } from '../route.ts'

const formBytes = 4_096
const howTo =
  'Open the address that <code>sitter up</code> printed, or paste the operator token ' +
  '(<code>.sitter/run/operator.token</code> in the swarm’s directory).'

/** Open only so that a browser without a session gets the form beside its 401; nothing of the swarm is in it. */
const front = (ask: Ask, page: Page): Response => {
  if (ask.actor !== 'nobody') return indexPage(page)
  if ((ask.request.headers.get('accept') ?? '').includes('text/html')) return loginPage(page, 401, howTo)
  throw new Failure('unauthorized', 'the page needs a session: open /login')
}

const byCode = (ask: Ask, page: Page): Response => {
  const { code } = ask.query
  if (code === undefined) return loginPage(page, 200, howTo)
  if (ask.identity.spend(code, ask.address)) return enter(ask.identity.newCookie())
  // Who has a session already may open the printed address again.
  if (ask.actor !== 'nobody') return new Response(null, { status: 303, headers: { location: '/' } })
  return loginPage(page, 401, `This address was used already, or is out of date. ${howTo}`)
}

const byToken = async (ask: Ask, page: Page): Promise<Response> => {
  expectMedia(ask.request, ['application/x-www-form-urlencoded'])
  const token = new URLSearchParams(await bodyText(ask.request, formBytes)).getAll('token')
  const principal = token.length === 1 ? ask.identity.byToken(token[0]!.trim(), ask.address) : undefined
  if (principal !== undefined) return enter(ask.identity.newCookie(principal))
  return loginPage(page, 401, `That is not this swarm’s token. ${howTo}`)
}

export const pageRoutes = (page: Page): readonly Route[] => [
  { method: 'GET', path: '/', open: true, run: (ask) => front(ask, page) },
  { method: 'GET', path: '/login', open: true, query: ['code'], run: (ask) => byCode(ask, page) },
  { method: 'POST', path: '/login', open: true, run: (ask) => byToken(ask, page) },
  ...[...page.assets].map(([path, asset]): Route => ({
    method: 'GET',
    path,
    open: true,
    run: () => assetAnswer(asset),
  })),
]
