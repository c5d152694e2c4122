/**
 * OpenAPI 3.1, made from the list of routes, the table beside it, and the very schemas that check the requests: there
 * is no second description that could lag behind. What answers hold is told in src/doors/api.ts; here only their form.
 */
import { z } from 'zod'
import { codes } from '../../../std/std.ts'
import { factsOf, type PathFacts } from '../paths.ts'
import { ok, type Route } from '../route.ts'

type Json = Readonly<Record<string, unknown>>

/** hono's `:number{[0-9]+}` as `{number}`, and its parameters. */
export const openPath = (path: string): { readonly path: string; readonly parameters: readonly Json[] } => {
  const parameters: Json[] = []
  const text = path.replaceAll(/:([a-z]+)(?:\{([^}]*)\})?(?=\/|$)/g, (_, name: string, pattern: string | undefined) => {
    const schema = { type: 'string', ...(pattern !== undefined && { pattern: `^${pattern}$` }) }
    parameters.push({ name, in: 'path', required: true, schema })
    return `{${name}}`
  })
  return { path: text, parameters }
}

const problem = { $ref: '#/components/responses/problem' }

const bodyOf = ({ takes }: PathFacts): Json => {
  if (takes === undefined) return {}
  if (typeof takes === 'string')
    return { requestBody: { required: true, content: { [takes]: { schema: { type: 'string' } } } } }
  // Patterns and defaults stand as they are asked of the caller, so the input side is shown.
  const { $schema: _, ...schema } = z.toJSONSchema(takes, { io: 'input', unrepresentable: 'any' })
  return { requestBody: { required: !takes.safeParse({}).success, content: { 'application/json': { schema } } } }
}

const listSchema = {
  type: 'object',
  required: ['items', 'next'],
  properties: { items: { type: 'array', items: { type: 'object' } }, next: { type: ['string', 'null'] } },
}

const contentOf = (path: string, { gives }: PathFacts): Json => {
  if (gives === 'page') return { 'text/html': { schema: { type: 'string' } } }
  if (gives === 'text') return { 'text/plain': { schema: { type: 'string' } } }
  if (gives === 'lines') return { 'application/x-ndjson': { schema: { type: 'string' } } }
  const json = { 'application/json': { schema: gives === 'list' ? listSchema : { type: 'object' } } }
  return path === '/api/v1/events' ? { ...json, 'text/event-stream': { schema: { type: 'string' } } } : json
}

const queryParameters = (route: Route): readonly Json[] =>
  (route.query ?? []).map((name) => ({ name, in: 'query', required: false, schema: { type: 'string' } }))

const keyParameter = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'The same key and request within 24 h gets the same answer; another request under it is a conflict.',
  schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,200}$' },
}

const operationOf = (route: Route): Json => {
  const facts = factsOf(route)
  const { path, parameters } = openPath(route.path)
  const own = [
    ...parameters,
    ...queryParameters(route),
    ...(route.method === 'POST' && route.open !== true ? [keyParameter] : []),
  ]
  return {
    operationId: `${route.method} ${path}`
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replace(/-$/, ''),
    summary: facts.says,
    ...(route.open === true ? { security: [] } : { 'x-roles': facts.may }),
    ...(own.length > 0 && { parameters: own }),
    ...bodyOf(facts),
    responses: {
      [String(facts.status ?? 200)]: { description: facts.says, content: contentOf(route.path, facts) },
      default: problem,
    },
  }
}

const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'code', 'detail'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { enum: Object.keys(codes) },
    detail: { type: 'string' },
    facts: { type: 'object' },
  },
}

/** The document for these routes; the hashed assets of the page are no API. */
export const openApiOf = (routes: readonly Route[], version: string): Json => {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    if (route.path.startsWith('/assets/')) continue
    const entry = (paths[openPath(route.path).path] ??= {})
    entry[route.method.toLowerCase()] = operationOf(route)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Swarmsitter',
      version,
      description: 'Lists are pages: give `next` back as `cursor`. Errors are RFC 9457 documents with a stable `code`.',
    },
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      responses: {
        problem: {
          description: 'Refused or failed; docs/errors.md says what each code means and what to do.',
          content: { 'application/problem+json': { schema: problemSchema } },
        },
      },
    },
  }
}

/** `all` tells every route of the door, this one too; asked when the document is. */
export const openApiRoutes = (all: () => readonly Route[]): readonly Route[] => [
  { method: 'GET', path: '/openapi.json', run: ({ rooms }) => ok(openApiOf(all(), rooms.version)) },
]
