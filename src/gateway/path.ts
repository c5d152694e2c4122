/**
 * Paths and routes. A path is brought to its one plain form before a rule looks at it, and that form is what is sent;
 * what two readers could read differently (dot segments, encoded slashes, double slashes, backslashes, controls) is
 * refused, not repaired.
 */

/** RFC 3986 pchar, with percent escapes. */
const segmentText = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*$/
const queryText = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*$/
const unreserved = /^[A-Za-z0-9\-._~]$/
const longestPath = 8_192

/**
 * Escapes of harmless characters are undone, the others written in upper case; undefined when an escape must not
 * occur in a path.
 */
const plainSegment = (segment: string): string | undefined => {
  if (!segmentText.test(segment)) return undefined
  if (!segment.includes('%')) return segment === '.' || segment === '..' ? undefined : segment
  let refused = false
  const plain = segment.replace(/%[0-9A-Fa-f]{2}/g, (escape) => {
    const code = Number.parseInt(escape.slice(1), 16)
    // Controls, slash, backslash, and the percent sign itself, which hides a second layer of escapes.
    if (code < 0x20 || code === 0x7f || code === 0x2f || code === 0x5c || code === 0x25) refused = true
    const char = String.fromCharCode(code)
    return unreserved.test(char) ? char : escape.toUpperCase()
  })
  return refused || plain === '.' || plain === '..' ? undefined : plain
}

export interface PlainTarget {
  readonly path: string
  readonly query: string
  readonly segments: readonly string[]
}

/**
 * The plain form of a request target that begins with `/`; undefined when it must not be sent. `query` keeps its `?`.
 */
export const plainTarget = (target: string): PlainTarget | undefined => {
  if (target.length > longestPath || !target.startsWith('/')) return undefined
  const at = target.indexOf('?')
  const rawPath = at < 0 ? target : target.slice(0, at)
  const query = at < 0 ? '' : target.slice(at)
  if (!queryText.test(query.slice(1))) return undefined
  const segments: string[] = []
  const parts = rawPath.slice(1).split('/')
  for (const [index, part] of parts.entries()) {
    const plain = plainSegment(part)
    if (plain === undefined || (plain === '' && index < parts.length - 1)) return undefined
    segments.push(plain)
  }
  return { path: `/${segments.join('/')}`, query, segments }
}

/** A route of the configuration: `METHOD /path`, `*` = any one segment, a last `**` = one or more. */
export interface Route {
  readonly method: string
  readonly segments: readonly string[]
}

export const parseRoute = (pattern: string): Route => {
  const space = pattern.indexOf(' ')
  return {
    method: pattern.slice(0, space),
    segments: pattern
      .slice(space + 1)
      .trim()
      .replace(/^\//, '')
      .split('/'),
  }
}

export const routeMatches = (route: Route, method: string, segments: readonly string[]): boolean => {
  if (route.method !== '*' && route.method !== method) return false
  for (const [index, wanted] of route.segments.entries()) {
    if (wanted === '**') return segments.length > index
    const found = segments[index]
    if (found === undefined || (wanted !== '*' && wanted !== found)) return false
  }
  return route.segments.length === segments.length
}

/**
 * Whether a call may move money. Read as widely as any upstream may read it: letter case, trailing slashes and
 * `;parameters` do not matter, so that a wide allow-list cannot be used to walk around the money route.
 */
export const moneyMatches = (route: Route, method: string, segments: readonly string[]): boolean => {
  const loose = (list: readonly string[]): string[] => {
    const plain = list.map((segment) => segment.toLowerCase().replace(/;.*$/, ''))
    while (plain.length > 0 && plain.at(-1) === '') plain.pop()
    return plain
  }
  return routeMatches(
    { method: route.method.toUpperCase(), segments: loose(route.segments) },
    method.toUpperCase(),
    loose(segments),
  )
}
