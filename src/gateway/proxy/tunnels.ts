/**
 * CONNECT, for programs that know no gate. A tunnel leads to the gate itself: it ends the program's TLS with its own
 * certificate for that host, reads the requests in it, and sends each like any other call. Only hosts of upstreams that
 * the cell may call have tunnels; no byte of one goes anywhere unread.
 */
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { CellSeat, Room } from '../call.ts'
import { refuseSocket } from '../framing.ts'
import type { Authority } from './certificates.ts'
import { agentOf, authorityOf, placeFor, type Place } from './target.ts'

export interface Tunnel {
  readonly place: Place
  readonly agent: string | undefined
}

export interface Tunnels {
  /** The tunnel that a request came through; undefined for the others. */
  of(socket: Duplex): Tunnel | undefined
  /** Cuts all of them. */
  close(): void
}

/** The time from the tunnel to the end of its TLS handshake. */
const handshakeMs = 10_000

interface TunnelOptions {
  readonly room: Room
  readonly authority: Authority
  /** The cell's, as it is at the time. */
  readonly seat: () => CellSeat
}

export const openTunnels = (server: Server, { room, authority, seat }: TunnelOptions): Tunnels => {
  const tunnels = new WeakMap<Duplex, Tunnel>()
  const open = new Set<Duplex>()

  const keep = (socket: Duplex): void => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => {
      /* the program went away, or does not trust us; its own side knows */
    })
  }
  const serve = (socket: Duplex, tunnel: Tunnel): void => {
    tunnels.set(socket, tunnel)
    server.emit('connection', socket)
  }
  const secure = (socket: Duplex, tunnel: Tunnel): void => {
    const { host } = tunnel.place
    const context = authority.contextFor(host)
    const inner = new TLSSocket(socket, { isServer: true, secureContext: context, ALPNProtocols: ['http/1.1'] })
    keep(inner)
    const cancel = room.clock.timer(handshakeMs, () => inner.destroy())
    inner.on('close', cancel)
    inner.once('secure', () => {
      cancel()
      const { servername } = inner as TLSSocket & { readonly servername?: string | false | null }
      // Whoever asks for another host within this tunnel wants something of us that was not checked.
      if (typeof servername === 'string' && servername.toLowerCase() !== host) inner.destroy()
      else serve(inner, tunnel)
    })
  }
  server.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    keep(socket)
    if (tunnels.has(socket)) return refuseSocket(socket, { code: 'not-allowed', message: 'this is a tunnel already' })
    const asked = authorityOf(request.url ?? '')
    const place = asked === undefined ? undefined : placeFor(seat(), room, asked)
    if (place === undefined) {
      const message = 'no upstream of this agent type is there: a proxy leads to the hosts of upstreams alone'
      return refuseSocket(socket, { code: 'not-allowed', message })
    }
    const tunnel: Tunnel = { place, agent: agentOf(request.headers['proxy-authorization']) }
    socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
    if (head.length > 0) socket.unshift(head)
    if (place.scheme === 'https') secure(socket, tunnel)
    else serve(socket, tunnel)
  })
  return {
    of: (socket) => tunnels.get(socket),
    close: () => {
      for (const socket of open) socket.destroy()
    },
  }
}
