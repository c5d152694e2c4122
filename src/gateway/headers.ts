/**
 * Headers on their way through: what an agent may not say, what an upstream's answer may not carry back. Lists of
 * pairs, never objects.
 */

export type HeaderPairs = readonly (readonly [name: string, value: string])[]

/** A request's own headers. Who asks may stand beside them, in the address of a proxy. */
export const pairsOf = (raw: readonly string[], agent: string | undefined): HeaderPairs => {
  const pairs: [string, string][] = []
  for (let index = 0; index + 1 < raw.length; index += 2) pairs.push([raw[index]!, raw[index + 1]!])
  const isSaid = agent === undefined || pairs.some(([name]) => name.toLowerCase() === 'x-sitter-agent')
  return isSaid ? pairs : [...pairs, ['x-sitter-agent', agent]]
}

const tokenText = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Bytes but for controls: what lies beyond latin1 is no byte. */
const valueText = /^[\t\x20-\x7e\x80-\xff]*$/

export const headerIsClean = (name: string, value: string): boolean => tokenText.test(name) && valueText.test(value)

/** Hop by hop (RFC 9110 7.6.1), framing, and all that says who is asking: the gate says that itself. */
const hops = ['connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect', 'http2-settings']
/** Between a client and a proxy, or said by one: `Proxy-Authorization`, `Proxy-Authenticate`, `Proxy-Connection`. */
const isProxys = (lower: string): boolean => lower.startsWith('proxy-')
const gateOwn = new Set([
  ...hops,
  'host',
  'content-length',
  'authorization',
  'cookie',
  // These make some upstreams run another method or path than the one that was checked.
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-url',
  'x-rewrite-url',
])

const none: ReadonlySet<string> = new Set()
const namedByConnection = (headers: HeaderPairs): ReadonlySet<string> => {
  let named: Set<string> | undefined
  for (const [name, value] of headers) {
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue
    named ??= new Set()
    for (const part of value.toLowerCase().split(',')) named.add(part.trim())
  }
  return named ?? none
}

/** Those of a WebSocket's handshake belong to the two ends of a connection, and each side of the gate has its own. */
export const withoutHandshake = (headers: HeaderPairs): HeaderPairs =>
  headers.filter(([name]) => !name.toLowerCase().startsWith('sec-websocket-'))

/** An agent's headers as they may go out. */
export const outgoing = (headers: HeaderPairs): HeaderPairs => {
  const named = namedByConnection(headers)
  return headers.filter(([name, value]) => {
    const lower = name.toLowerCase()
    if (gateOwn.has(lower) || named.has(lower) || isProxys(lower) || lower.startsWith('x-sitter-')) return false
    return headerIsClean(name, value)
  })
}

/**
 * Name of the first header that a granted request must not have, undefined when all are fine. Nothing is repaired: it
 * is sent exactly.
 */
export const notGrantable = (headers: Readonly<Record<string, string>>): string | undefined =>
  Object.entries(headers).find(
    ([name, value]) => !headerIsClean(name, value) || gateOwn.has(name.toLowerCase()) || isProxys(name.toLowerCase()),
  )?.[0]

const notBack = new Set([...hops, 'set-cookie', 'set-cookie2'])

/** An upstream's headers as they may come back; their values are scrubbed by the stage. */
export const incoming = (headers: HeaderPairs): HeaderPairs => {
  const named = namedByConnection(headers)
  return headers.filter(([name, value]) => {
    const lower = name.toLowerCase()
    if (notBack.has(lower) || named.has(lower) || isProxys(lower) || lower.startsWith('x-sitter-')) return false
    return headerIsClean(name, value)
  })
}

/** `name` in lower case. */
export const headerOf = (headers: HeaderPairs, name: string): string | undefined => {
  for (const [one, value] of headers) if (one.length === name.length && one.toLowerCase() === name) return value
  return undefined
}
