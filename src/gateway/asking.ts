/**
 * What a request at a cell's door is about. Agents that know the gate ask for `/<upstream>/<path>`; programs that do
 * not ask a proxy: for `http://host/path`, or through a tunnel (proxy/tunnels.ts).
 */
import type { IncomingMessage } from 'node:http'
import type { CellSeat, Room } from './call.ts'
import type { Problem } from './problem.ts'
import { absoluteOf, agentOf, hostIs, placeFor, upstreamFor, type Place } from './proxy/target.ts'
import type { Tunnel } from './proxy/tunnels.ts'

export interface Aim {
  readonly upstreamName: string
  /** Path and query. */
  readonly target: string
  /** Who asks, where it was not said by a header of the request. */
  readonly agent?: string | undefined
  /** Its program knows of no gate: what it says as its credential is a placeholder. */
  readonly unaware: boolean
}

const targetText = /^\/([A-Za-z0-9][A-Za-z0-9._-]{0,63})(\/.*)?$/s

const noUpstream: Problem = {
  code: 'not-allowed',
  message: 'no upstream of this agent type is there: a proxy leads to the hosts of upstreams alone',
}

const atPlace = (request: IncomingMessage, seat: CellSeat, room: Room, where: { place: Place; target: string }) => {
  const { place, target } = where
  // One place was asked for and checked; a request for another one inside of it is nobody's honest wish.
  if (!hostIs(request.headers.host, place))
    return { code: 'not-allowed', message: 'the Host header names another host than the proxy was asked for' } as const
  const upstreamName = upstreamFor(seat, room, place, { method: request.method ?? '', target })
  return upstreamName === undefined ? noUpstream : { upstreamName, target, unaware: true }
}

export const aimOf = (
  request: IncomingMessage,
  { seat, room, tunnel }: { readonly seat: CellSeat; readonly room: Room; readonly tunnel: Tunnel | undefined },
): Aim | Problem => {
  const url = request.url ?? ''
  if (tunnel !== undefined) {
    const asked = atPlace(request, seat, room, { place: tunnel.place, target: url })
    return 'code' in asked ? asked : { ...asked, agent: tunnel.agent }
  }
  const absolute = absoluteOf(url)
  if (absolute !== undefined) {
    const place = placeFor(seat, room, absolute.authority)
    if (place === undefined || place.scheme !== 'http') return noUpstream
    const asked = atPlace(request, seat, room, { place, target: absolute.target })
    return 'code' in asked ? asked : { ...asked, agent: agentOf(request.headers['proxy-authorization']) }
  }
  const named = targetText.exec(url)
  if (named === null) return { code: 'not-allowed', message: 'ask for /<upstream>/<path>' }
  return { upstreamName: named[1]!, target: named[2] ?? '/', unaware: false }
}
