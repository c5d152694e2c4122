/** The sockets of the cells: one HTTP server per cell, and what comes in by it is from that cell and no other. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { asFailure, type Disk } from '../std/std.ts'
import type { CellOpen } from '../wire/wire.ts'
import type { CellSeat, Room } from './call.ts'
import { aimOf } from './asking.ts'
import { serveFetch } from './fetches.ts'
import { headProblem, refuseBadFraming, serverOptions } from './framing.ts'
import { answerProblem, type Problem } from './problem.ts'
import type { Authority } from './proxy/certificates.ts'
import { openTunnels, type Tunnels } from './proxy/tunnels.ts'

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
}

interface Door {
  seat: CellSeat
  epoch: number
  listening: boolean
  inHand: number
  readonly socketPath: string
  readonly tunnels: Tunnels
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

const seatOf = ({ cell, agents, upstreams }: CellOpen): CellSeat => ({
  cell,
  agents: new Set(agents),
  upstreams: new Set(upstreams),
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

class CellDoors implements Doors {
  readonly #room: Room
  readonly #authority: Authority
  readonly #openDoor: OpenDoor
  readonly #doors = new Map<string, Door>()
  #inFlight = 0
  #idlers: (() => void)[] = []

  constructor(room: Room, authority: Authority, openDoor: OpenDoor) {
    this.#room = room
    this.#authority = authority
    this.#openDoor = openDoor
  }

  async open(cell: CellOpen, epoch: number): Promise<void> {
    const known = this.#doors.get(cell.cell)
    if (known !== undefined && known.socketPath === cell.socketPath) {
      known.seat = seatOf(cell)
      known.epoch = epoch
      await known.ready
      return
    }
    if (known !== undefined) await this.close(cell.cell)
    const server = createServer(serverOptions)
    server.maxConnections = mostConnections
    server.on('request', (request, response) => void this.#serve(door, request, response))
    refuseBadFraming(server)
    const tunnels = openTunnels(server, { room: this.#room, authority: this.#authority, seat: () => door.seat })
    const { socketPath } = cell
    const ready = this.#openDoor(server, socketPath)
    const door: Door = { seat: seatOf(cell), epoch, listening: false, inHand: 0, socketPath, tunnels, ready }
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
    if (this.#inFlight === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idlers.push(resolve))
  }

  #answerCertificate(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/x-pem-file' }).end(this.#authority.pem)
  }

  async #serve(door: Door, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const problem = headProblem(request)
    if (problem !== undefined) return answerProblem(response, problem, { connection: 'close' })
    if (door.inHand >= mostInHand) return answerProblem(response, tooMany)
    const { seat, epoch } = door
    const tunnel = door.tunnels.of(request.socket)
    if (tunnel === undefined && request.url === certificatePath) return this.#answerCertificate(response)
    const aim = aimOf(request, { seat, room: this.#room, tunnel })
    if ('code' in aim) return answerProblem(response, aim)
    this.#inFlight += 1
    door.inHand += 1
    try {
      await serveFetch({ request, response, aim }, seat, this.#room, epoch)
    } catch (error) {
      const { code, message } = asFailure(error)
      this.#room.log('error', 'a call of an agent failed inside the gate', { code, message })
      answerProblem(response, { code: 'bug', message: 'the gate failed on this call' })
    }
    door.inHand -= 1
    this.#inFlight -= 1
    if (this.#inFlight > 0) return
    for (const resolve of this.#idlers.splice(0)) resolve()
  }
}

export const openDoors = (room: Room, disk: Disk, authority: Authority, openDoor = listenBy(disk)): Doors =>
  new CellDoors(room, authority, openDoor)
