/** The routes as one fetch function: find, check the query, run, and tell every outcome in its proper form. */
import { Hono } from 'hono'
import { asFailure, Failure } from '../../std/std.ts'
import { actorOf, type Identity } from './identity.ts'
import { mayUse } from './paths.ts'
import { problemOf, safety } from './problem.ts'
import type { Rooms } from './rooms.ts'
import type { Answer, Ask, Bindings, Reply, Route } from './route.ts'

export interface AppParts {
  readonly rooms: Rooms
  readonly identity: Identity
  readonly routes: readonly Route[]
  readonly closing: AbortSignal
  /** Told of each bug with its request id, for the log. */
  readonly onFault: (fault: Failure, request: string) => void
}

/** Declared query names, each at most once: a misspelt filter must not look as if it had filtered. */
const queryOf = (url: URL, names: readonly string[]): Record<string, string> => {
  const query: Record<string, string> = {}
  for (const [name, value] of url.searchParams) {
    if (!names.includes(name)) {
      const known = names.length === 0 ? 'this path takes no query' : `known here: ${names.join(' ')}`
      throw new Failure('invalid', `unknown query ${JSON.stringify(name.slice(0, 40))}; ${known}`)
    }
    if (Object.hasOwn(query, name)) throw new Failure('invalid', `query ${name} stands twice`)
    if (value.length > 2_000) throw new Failure('invalid', `query ${name} is too long`)
    query[name] = value
  }
  return query
}

const jsonAnswer = ({ status, body }: Reply): Response =>
  Response.json(body, { status, headers: { 'content-type': 'application/json', 'cache-control': 'no-store' } })

const refusedAnswer = (failure: Failure, id: string): Response => {
  const { status, headers, body } = problemOf(failure, id)
  return new Response(JSON.stringify(body), { status, headers })
}

/** Methods of the routes that match a path, in the words of an Allow header. */
const allowed = (methods: readonly string[]): string =>
  [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].toSorted().join(', ')

/** The reader went away before its request was whole: no fault of ours. */
const isGone = ({ incoming }: Bindings): boolean => incoming.destroyed && !incoming.complete

/** A supervised sitter is back sooner. */
const comesBackMs = 5_000
/** The others are a person's, or read: they hold until the last moment, as freezing and holding a payment must. */
const bringsWork: ReadonlySet<string> = new Set([
  'POST /api/v1/tasks',
  'POST /api/v1/tasks:batch',
  'POST /api/v1/tasks/:id/retry',
  'POST /api/v1/batches',
  'POST /api/v1/dead-letters:redrive',
  'POST /api/v1/dead-letters/:id/redrive',
])

export const makeApp = ({ rooms, identity, routes, closing, onFault }: AppParts): Answer => {
  const app = new Hono<{ Bindings: Bindings }>()
  const paths = new Map<string, Route[]>()
  for (const route of routes) paths.set(route.path, [...(paths.get(route.path) ?? []), route])

  for (const [path, here] of paths) {
    app.all(path, async (context) => {
      const { method } = context.req
      const route = here.find((one) => one.method === (method === 'HEAD' ? 'GET' : method))
      const {
        outgoing,
        entry: { principal, id, address },
      } = context.env
      const allow = allowed(here.map((one) => one.method))
      if (principal === null && route?.open !== true) throw new Failure('unauthorized', 'send a token')
      if (route === undefined) throw new Failure('method-not-allowed', `this path takes ${allow}`, { facts: { allow } })
      if (route.open !== true && !mayUse(principal!.role, route, context.req.param()))
        throw new Failure('forbidden', `the role ${principal!.role} of ${principal!.name} may not do this`)
      if (rooms.stopping() && bringsWork.has(`${method} ${path}`))
        throw new Failure('stopping', 'the sitter stops and takes no new work', { retryAfterMs: comesBackMs })
      const ask: Ask = {
        rooms,
        identity,
        request: context.req.raw,
        method,
        params: context.req.param(),
        query: queryOf(new URL(context.req.url), route.query ?? []),
        principal,
        actor: principal === null ? 'nobody' : actorOf(principal),
        address,
        id,
        outgoing,
        closing,
      }
      const answer = await route.run(ask)
      return answer instanceof Response ? answer : jsonAnswer(answer)
    })
  }
  app.notFound(() => {
    throw new Failure('not-found', 'there is nothing at this path in this version')
  })
  app.onError((error, context) => {
    const { id } = context.env.entry
    const failure = asFailure(error)
    if (failure.kind === 'bug' && isGone(context.env))
      return refusedAnswer(new Failure('usage', 'the request was not whole'), id)
    if (failure.kind === 'bug') onFault(failure, id)
    return refusedAnswer(failure, id)
  })

  return async (request, bindings) => {
    const answer = await app.fetch(request, bindings)
    for (const [name, value] of Object.entries(safety)) answer.headers.set(name, value)
    answer.headers.set('x-request-id', bindings.entry.id)
    return answer
  }
}
