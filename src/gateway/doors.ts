/** The sockets of the cells: one HTTP server per cell, and what comes in by it is from that cell and no other. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { asFailure, type Disk } from '../std/std.ts'
import type { CellOpen } from '../wire/wire.ts'
import type { CellSeat, Room } from './call.ts'
import { aimOf, type Aim } from './asking.ts'
import { serveFetch, type Served } from './fetches.ts'
import { gatherTurn } from './groups.ts'
import { headProblem, refuseBadFraming, serverOptions } from './framing.ts'
import { createServer } from './http.ts'
import { answerProblem, type Problem } from './problem.ts'
import type { Authority } from './proxy/certificates.ts'
import { openTunnels, type Tunnels } from './proxy/tunnels.ts'
import { responseOn, wantsSocket } from './sockets/handshake.ts'
import type { Relay } from './sockets/relay.ts'
import { serveSocket } from './sockets/serve.ts'

export interface Doors {
  /** Opens a cell's door, or takes over its new list of agents. Rejects when its socket cannot be made. */
  open(cell: CellOpen, epoch: number): Promise<void>
  close(cell: string): Promise<void>
  closeAll(): Promise<void>
  /** Doors that are open now. */
  count(): number
  inFlight(): number
  /** Resolves when no call is in hand. */
  idle(): Promise<void>
  /** Says to open WebSockets that this gate ends: they would go on for ever. */
  endRelays(): void
}

interface Door {
  readonly seat: CellSeat
  epoch: number
  listening: boolean
  inHand: number
  readonly socketPath: string
  readonly tunnels: Tunnels
  readonly relays: Set<Relay>
  readonly ready: Promise<() => Promise<void>>
}

const mostConnections = 1_024
/** Calls of a cell in hand. A connection has one at a time unless it is pipelined, which must not be a way around. */
const mostInHand = 1_024
const tooMany: Problem = {
  code: 'overloaded',
  message: `a cell may have ${mostInHand} calls in hand`,
  retryAfterMs: 1_000,
}

/** What programs that go through a proxy must trust. No upstream has such a name. */
const certificatePath = '/.gate/ca.pem'

const seatOf = ({ cell, agents, upstreams, epochs, ended }: CellOpen): CellSeat => ({
  cell,
  agents: new Set(agents),
  upstreams: new Set(upstreams),
  epochs: new Map(epochs?.map((epoch, index) => [agents[index]!, epoch])),
  ended: new Set(ended),
})

/** Makes the socket of a cell and serves it; resolves with what closes it. */
export type OpenDoor = (server: Server, socketPath: string) => Promise<() => Promise<void>>

/**
 * Takes over a socket file that a dead gate left. The cell's folder is 0700 and belongs to whom the cell runs as (a
 * sandbox has a user of its own), so the file itself is open to all who can come that far.
 */
const listenBy =
  (disk: Disk): OpenDoor =>
  async (server, socketPath) => {
    await disk.remove(socketPath)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ path: socketPath, readableAll: true, writableAll: true }, () => {
        server.off('error', reject)
        resolve()
      })
    })
    return () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }

/** A request, whose head was read. */
interface Come {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

class CellDoors implements Doors {
  readonly #room: Room
  readonly #authority: Authority
  readonly #openDoor: OpenDoor
  readonly #doors = new Map<string, Door>()
  #inFlight = 0
  #held = 0
  #idlers: (() => void)[] = []

  constructor(room: Room, authority: Authority, openDoor: OpenDoor) {
    this.#room = room
    this.#authority = authority
    this.#openDoor = openDoor
  }

  async open(cell: CellOpen, epoch: number): Promise<void> {
    const known = this.#doors.get(cell.cell)
    if (known !== undefined && known.socketPath === cell.socketPath) {
      // In place: calls that wait in the gate have it in hand, and are looked at again by it before they leave.
      Object.assign(known.seat, seatOf(cell))
      known.epoch = epoch
      await known.ready
      return
    }
    if (known !== undefined) await this.close(cell.cell)
    const server = createServer({ ...serverOptions, shouldUpgradeCallback: wantsSocket })
    server.maxConnections = mostConnections
    const toServe = gatherTurn((come: Come) => this.#serve(door, come))
    server.on('request', (request, response) => toServe({ request, response }))
    server.on('upgrade', (request, socket, head) => void this.#upgrade(door, request, [socket, head]))
    refuseBadFraming(server)
    const tunnels = openTunnels(server, { room: this.#room, authority: this.#authority, seat: () => door.seat })
    const { socketPath } = cell
    const ready = this.#openDoor(server, socketPath)
    const state = { listening: false, inHand: 0, relays: new Set<Relay>() }
    const door: Door = { seat: seatOf(cell), epoch, socketPath, tunnels, ready, ...state }
    this.#doors.set(cell.cell, door)
    try {
      await ready
      door.listening = true
    } catch (error) {
      this.#doors.delete(cell.cell)
      throw error
    }
  }

  async close(cell: string): Promise<void> {
    const door = this.#doors.get(cell)
    if (door === undefined) return
    this.#doors.delete(cell)
    // One that never opened needs no closing; whoever opened it was told.
    const shut = await door.ready.catch(() => undefined)
    const closed = shut?.()
    door.tunnels.close()
    for (const relay of door.relays) relay.cut()
    await closed
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#doors.keys()].map((cell) => this.close(cell)))
  }

  count(): number {
    return [...this.#doors.values()].filter((door) => door.listening).length
  }

  inFlight(): number {
    return this.#inFlight
  }

  idle(): Promise<void> {
    if (this.#held === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idlers.push(resolve))
  }

  endRelays(): void {
    for (const { relays } of this.#doors.values()) for (const relay of relays) relay.close(1001, 'the gate is ending')
  }

  #answerCertificate(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/x-pem-file' }).end(this.#authority.pem)
  }

  /** What is asked for, where it may be asked at all. */
  #aimOf(door: Door, request: IncomingMessage): Aim | Problem {
    const problem = headProblem(request)
    if (problem !== undefined) return problem
    if (door.inHand >= mostInHand) return tooMany
    return aimOf(request, { seat: door.seat, room: this.#room, tunnel: door.tunnels.of(request.socket) })
  }

  /** Counts a call while it is in hand: in flight until it is answered, and held until its end is written. */
  async #hold(door: Door, work: () => Promise<Served>, failed: () => void): Promise<void> {
    this.#inFlight += 1
    this.#held += 1
    door.inHand += 1
    let served: Served = {}
    try {
      served = await work()
    } catch (error) {
      this.#logFailed(error)
      failed()
    }
    this.#inFlight -= 1
    // What nobody waits for any more counts all the same: a disk that stands still must not gather calls without end.
    await served.written?.catch((error: unknown) => this.#logFailed(error))
    door.inHand -= 1
    this.#held -= 1
    if (this.#held > 0) return
    for (const resolve of this.#idlers.splice(0)) resolve()
  }

  #logFailed(error: unknown): void {
    const { code, message } = asFailure(error)
    this.#room.log('error', 'a call of an agent failed inside the gate', { code, message })
  }

  #serve(door: Door, { request, response }: Come): void {
    // It came and went within one turn: nobody would hear of it again, so it would be sent for nobody.
    if (response.destroyed || request.socket.destroyed) return
    if (request.url === certificatePath && door.tunnels.of(request.socket) === undefined)
      return this.#answerCertificate(response)
    const aim = this.#aimOf(door, request)
    // Of a head that nobody should have sent, the end of what follows is not to be trusted either.
    const last = 'code' in aim && aim.status !== undefined ? { connection: 'close' } : {}
    if ('code' in aim) return answerProblem(response, aim, last)
    const { seat, epoch } = door
    const failed = (): void => answerProblem(response, { code: 'bug', message: 'the gate failed on this call' })
    void this.#hold(door, () => serveFetch({ request, response, aim }, seat, this.#room, epoch), failed)
  }

  /** A WebSocket, which ends with the door at the latest. */
  async #upgrade(door: Door, request: IncomingMessage, [socket, head]: readonly [Duplex, Buffer]): Promise<void> {
    socket.on('error', () => {
      /* the agent is gone; its close says so */
    })
    const aim = this.#aimOf(door, request)
    if ('code' in aim) return answerProblem(responseOn(request, socket), aim)
    const opened = (relay: Relay): void => {
      door.relays.add(relay)
      void relay.over.then(() => door.relays.delete(relay))
    }
    const { seat, epoch } = door
    const work = async (): Promise<Served> => {
      await serveSocket({ request, socket, head, aim }, { seat, epoch }, this.#room, opened)
      return {}
    }
    await this.#hold(door, work, () => socket.destroy())
  }
}

export const openDoors = (room: Room, disk: Disk, authority: Authority, openDoor = listenBy(disk)): Doors =>
  new CellDoors(room, authority, openDoor)
