/** The sockets of the cells: one HTTP server per cell, and what comes in by it is from that cell and no other. */
import { createServer, type Server } from 'node:http'
import { asFailure, type Disk } from '../std/std.ts'
import type { CellOpen } from '../wire/wire.ts'
import type { CellSeat, Room } from './call.ts'
import { serveFetch } from './fetches.ts'
import { answerProblem, problemText } from './problem.ts'

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
  readonly socketPath: string
  readonly server: Server
  readonly ready: Promise<void>
}

const mostConnections = 1_024

export const openDoors = (room: Room, disk: Disk): Doors => {
  const doors = new Map<string, Door>()
  let inFlight = 0
  let idlers: (() => void)[] = []

  const seatOf = (cell: CellOpen): CellSeat => ({
    cell: cell.cell,
    agents: new Set(cell.agents),
    upstreams: new Set(cell.upstreams),
  })

  const serve = (door: () => Door): Server => {
    const server = createServer({
      maxHeaderSize: 16_384,
      requestTimeout: 120_000,
      headersTimeout: 20_000,
      keepAliveTimeout: 60_000,
    })
    server.maxConnections = mostConnections
    server.on('request', (request, response) => {
      inFlight += 1
      const { seat, epoch } = door()
      void serveFetch({ request, response }, seat, room, epoch)
        .catch((error: unknown) => {
          const { code, message } = asFailure(error)
          room.log('error', 'a call of an agent failed inside the gate', { code, message })
          answerProblem(response, { code: 'bug', message: 'the gate failed on this call' })
        })
        .finally(() => {
          inFlight -= 1
          if (inFlight > 0) return
          for (const resolve of idlers) resolve()
          idlers = []
        })
    })
    server.on('clientError', (_error, socket) => {
      // Node's parser refuses bad framing (two lengths, length and chunks, controls); the agent learns only that.
      if (!socket.writable) {
        socket.destroy()
        return
      }
      const text = problemText({ code: 'invalid', message: 'this is no well-formed HTTP request' })
      socket.end(
        `HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nx-should-retry: false\r\n` +
          `connection: close\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
      )
    })
    return server
  }

  const close = async (cell: string): Promise<void> => {
    const door = doors.get(cell)
    if (door === undefined) return
    doors.delete(cell)
    await door.ready.catch(() => {
      /* it never opened; whoever opened it was told */
    })
    await new Promise<void>((resolve) => {
      door.server.close(() => resolve())
      door.server.closeAllConnections()
    })
  }

  return {
    open: async (cell, epoch) => {
      const known = doors.get(cell.cell)
      if (known !== undefined && known.socketPath === cell.socketPath) {
        known.seat = seatOf(cell)
        known.epoch = epoch
        return known.ready
      }
      if (known !== undefined) await close(cell.cell)
      const server = serve(() => door)
      const ready = disk.remove(cell.socketPath).then(
        () =>
          new Promise<void>((resolve, reject) => {
            server.once('error', reject)
            // The cell's folder is 0700, so the socket's own mode does not matter.
            server.listen(cell.socketPath, () => {
              server.off('error', reject)
              resolve()
            })
          }),
      )
      const door: Door = { seat: seatOf(cell), epoch, listening: false, socketPath: cell.socketPath, server, ready }
      doors.set(cell.cell, door)
      try {
        await ready
        door.listening = true
      } catch (error) {
        doors.delete(cell.cell)
        throw error
      }
    },
    close,
    closeAll: async () => {
      await Promise.all([...doors.keys()].map((cell) => close(cell)))
    },
    count: () => [...doors.values()].filter((door) => door.listening).length,
    inFlight: () => inFlight,
    idle: () =>
      inFlight === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            idlers.push(resolve)
          }),
  }
}
