/**
 * Routes and patterns of routes. A pattern is `METHOD /path`: `*` stands for one segment, `**` as the last segment for
 * one or more. No user-given regular expression is ever run.
 */
export interface Route {
  readonly method: string
  readonly path: string
}

export const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** Of patterns also: a WebSocket, and each message that an agent sends by one, which only limits count. */
const patternMethods: readonly string[] = [...methods, 'WEBSOCKET', 'MESSAGE']

const segmentIsPlain = (segment: string): boolean =>
  /^[A-Za-z0-9._~!$&'()+,;=:@{}-]+$/.test(segment) && segment !== '.' && segment !== '..'

const split = (text: string, known: readonly string[]): Route | undefined => {
  const space = text.indexOf(' ')
  const method = text.slice(0, space)
  const path = text.slice(space + 1)
  return space > 0 && known.includes(method) && path.startsWith('/') && path.length <= 2_048
    ? { method, path }
    : undefined
}

const segments = (path: string): readonly string[] => (path === '/' ? [] : path.slice(1).split('/'))

/** `METHOD /path` with a concrete path and, when allowed, a query; undefined when it is none. */
export const parseRoute = (text: string, query: 'query' | 'no-query'): Route | undefined => {
  const route = split(text, methods)
  if (!route) return undefined
  const mark = route.path.indexOf('?')
  if (mark >= 0 && (query === 'no-query' || !/^[A-Za-z0-9._~!$'()*+,;=:@/?&{}%-]*$/.test(route.path.slice(mark + 1))))
    return undefined
  return segments(pathOnly(route.path)).every(segmentIsPlain) ? route : undefined
}

/** `METHOD /path/**`; undefined when it is none. */
export const parsePattern = (text: string): Route | undefined => {
  const route = split(text, patternMethods)
  if (!route) return undefined
  const parts = segments(route.path)
  const good = parts.every(
    (part, index) =>
      part === '*' || (part === '**' && index === parts.length - 1) || (!part.includes('*') && segmentIsPlain(part)),
  )
  return good ? route : undefined
}

export const pathOnly = (path: string): string => path.split('?', 1)[0]!

/** Whether a pattern covers a route; its query plays no part. */
export const covers = (pattern: Route, route: Route): boolean => {
  if (pattern.method !== route.method) return false
  const wanted = segments(pattern.path)
  const given = segments(pathOnly(route.path))
  const open = wanted.at(-1) === '**'
  const fixed = open ? wanted.slice(0, -1) : wanted
  if (open ? given.length <= fixed.length : given.length !== fixed.length) return false
  return fixed.every((part, index) => part === '*' || part === given[index])
}
