/**
 * What a program asks a proxy for, and which upstream that is. A host is compared as text with those of the
 * configuration and never resolved: however else an address can be written, it is then another host, and refused.
 */
import type { CellSeat, Room } from '../call.ts'
import { plainTarget, routeMatches } from '../path.ts'

/** Where an upstream is, as a program names it. */
export interface Place {
  readonly scheme: 'http' | 'https'
  /** A name in lower case, or an address without brackets. */
  readonly host: string
  /** `host:port`, with brackets around IPv6. */
  readonly authority: string
}

const placeOf = (origin: string): Place => {
  const { protocol, hostname, port } = new URL(origin)
  const scheme = protocol === 'https:' ? 'https' : 'http'
  const usual = scheme === 'https' ? '443' : '80'
  return { scheme, host: hostname.replace(/^\[|\]$/g, ''), authority: `${hostname}:${port || usual}` }
}

const authorityText = /^(?:[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\]):[1-9][0-9]{0,4}$/

/** `host:port` as of CONNECT, in lower case; undefined when it is not in that plain form. */
export const authorityOf = (text: string): string | undefined => {
  const lower = text.toLowerCase()
  return authorityText.test(lower) ? lower : undefined
}

/** The same as of a Host header, where a port may be missing. */
export const hostIs = (text: string | undefined, { scheme, authority }: Place): boolean => {
  if (text === undefined) return false
  const lower = text.toLowerCase()
  return lower === authority || `${lower}:${scheme === 'https' ? '443' : '80'}` === authority
}

const upstreamsOf = (seat: CellSeat, room: Room): readonly { readonly name: string; readonly place: Place }[] =>
  [...seat.upstreams].flatMap((name) => {
    const upstream = room.upstreams.get(name)
    return upstream === undefined ? [] : [{ name, place: placeOf(upstream.rule.url) }]
  })

/** The place that stands behind an authority for this cell; undefined when no upstream of its own is there. */
export const placeFor = (seat: CellSeat, room: Room, authority: string): Place | undefined =>
  upstreamsOf(seat, room).find(({ place }) => place.authority === authority)?.place

/** Of several upstreams at one place the first that lets the request through, else the first, which says why not. */
export const upstreamFor = (
  seat: CellSeat,
  room: Room,
  place: Place,
  asked: { readonly method: string; readonly target: string },
): string | undefined => {
  const there = upstreamsOf(seat, room).filter(
    (one) => one.place.authority === place.authority && one.place.scheme === place.scheme,
  )
  const plain = plainTarget(asked.target)
  const fits = (name: string): boolean =>
    plain !== undefined &&
    room.upstreams.get(name)!.allow.some((route) => routeMatches(route, asked.method, plain.segments))
  return (there.find(({ name }) => fits(name)) ?? there[0])?.name
}

/**
 * The parts of `http://host:port/path`, as a proxy is asked for what is not encrypted; undefined when it is not in that
 * form.
 */
export const absoluteOf = (text: string): { readonly authority: string; readonly target: string } | undefined => {
  const match = /^http:\/\/([^/?#@\\]{1,270})([/?].*)?$/i.exec(text)
  if (match === null) return undefined
  const [, where = '', rest = '/'] = match
  const authority = authorityOf(/:\d+$/.test(where) ? where : `${where}:80`)
  return authority === undefined ? undefined : { authority, target: rest.startsWith('/') ? rest : `/${rest}` }
}

/** Whom a program says that it is, in the user of its proxy's address; a cell with one agent need not. */
export const agentOf = (proxyAuthorization: string | undefined): string | undefined => {
  const packed = /^basic ([a-z0-9+/=]{1,400})$/i.exec(proxyAuthorization ?? '')?.[1]
  const user = packed === undefined ? '' : Buffer.from(packed, 'base64').toString('latin1').split(':', 1)[0]!
  return user === '' ? undefined : user
}
