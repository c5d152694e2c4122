/**
 * The sitter's end of the link. One connection at a time, made again for ever with growing pauses; after each `opened` the cells are
 * announced anew, and the gate tells what was not acknowledged. What the sitter could not commit is tried again here, not acknowledged.
 *
 *   down ── connect, open ──▶ opening ── opened ──▶ up ── closed ──▶ down
 */
import { codes, Failure, failure, type Cancel, type Clock, type Code, type Link, type Net, type Random } from '../std/std.ts'
import {
  lineReader, toLine, type Ack, type Answer, type Call, type CellOpen, type GateStatus, type Grant, type Opened, type ToGate, type VaultView,
} from '../wire/wire.ts'
import { openAcks, type Acks } from './acks.ts'
import type { GateLink, GateLinkEvents } from './port.ts'

export interface GateLinkOptions {
  readonly net: Net
  readonly clock: Clock
  readonly random: Random
  readonly socketPath: string
  readonly swarm: string
  readonly owner: string
  readonly epoch: number
  readonly events: GateLinkEvents
}

const firstPauseMs = 50
const longestPauseMs = 2_000
/** A gate that accepts and then says nothing is hung. */
const openWithinMs = 5_000
const answerWithinMs = 10_000
/** Questions under way; at the bound the next is refused as `overloaded`. */
const mostAsked = 1_000
/** Bytes that the gate has not taken; beyond it the gate is hung, and the link is cut and made again. */
const mostPending = 64 * 1024 * 1024
const bounds = { frameBytes: 1024 * 1024, jsonDepth: 64 }

interface Asked { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void; readonly cancel: Cancel }

const gateFailure = (code: string, message: string): Failure =>
  new Failure(code in codes ? (code as Code) : 'bug', message)

const isOpened = (raw: Readonly<Record<string, unknown>>): raw is Readonly<Record<string, unknown>> & Opened =>
  raw['frame'] === 'opened' && typeof raw['gateId'] === 'string'

export const openGateLink = (options: GateLinkOptions): GateLink => {
  const { net, clock, random, socketPath, swarm, owner, epoch, events } = options
  const cells = new Map<string, CellOpen>()
  const asked = new Map<string, Asked>()
  const acks: Acks = openAcks({
    clock, events, current: () => gateId, send: (journals) => { if (gateId !== null) send([{ frame: 'ack', journals } satisfies Ack]) },
  })
  let link: Link | undefined
  let gateId: string | null = null
  let pauseMs = firstPauseMs
  let stopped = false
  let cancelRetry: Cancel | undefined
  let nextId = 1

  const send = (frames: readonly ToGate[]): void => {
    if (link === undefined) return
    if (link.pendingBytes > mostPending) { link.close(); return }
    link.write(frames.map(toLine).join(''))
  }

  const retry = (): void => {
    if (stopped) return
    cancelRetry = clock.timer(pauseMs * (0.5 + random.next() / 2), () => { void connect() })
    pauseMs = Math.min(longestPauseMs, pauseMs * 2)
  }

  const closed = (of: Link): void => {
    if (link !== of) return
    const was = gateId
    link = undefined
    gateId = null
    acks.lost()
    for (const one of asked.values()) { one.cancel(); one.reject(failure('gate-lost', 'the link to the gate was lost')) }
    asked.clear()
    if (was !== null && !stopped) events.lost()
    retry()
  }

  const answered = (answer: Answer): void => {
    const one = asked.get(answer.id)
    if (one === undefined) return
    asked.delete(answer.id)
    one.cancel()
    if (answer.ok) one.resolve(answer.value)
    else one.reject(gateFailure(answer.error?.code ?? 'bug', answer.error?.message ?? 'the gate refused without a reason'))
  }

  const take = (of: Link, raw: Readonly<Record<string, unknown>>, opened: () => void): void => {
    if (link !== of) return
    if (gateId === null) {
      // Anything else before `opened` is the gate's refusal of our epoch or swarm; it closes the link itself.
      if (!isOpened(raw)) return
      opened()
      pauseMs = firstPauseMs
      gateId = raw.gateId
      if (cells.size > 0) send([...cells.values()])
      events.linked(raw.gateId)
    } else if (raw['frame'] === 'call') acks.take(gateId, raw as unknown as Call)
    else if (raw['frame'] === 'answer') answered(raw as unknown as Answer)
  }

  const connect = async (): Promise<void> => {
    let made: Link
    try { made = await net.connect(socketPath) } catch {
      // Nobody listens yet, or not any more; that is what the next try is for.
      return retry()
    }
    if (stopped) return made.close()
    link = made
    const cancel = clock.timer(openWithinMs, () => made.close())
    made.onClose(() => { cancel(); closed(made) })
    made.onData(lineReader(bounds, { object: (raw) => take(made, raw, cancel), refused: () => made.close() }))
    made.write(toLine({ frame: 'open', swarm, owner, epoch }))
  }

  const ask = <Value>(frame: (id: string) => ToGate): Promise<Value> => new Promise<unknown>((resolve, reject) => {
    if (gateId === null) return reject(failure('gate-lost', 'the link to the gate is down'))
    if (asked.size >= mostAsked) return reject(failure('overloaded', 'too many questions to the gate are under way'))
    const id = `q${nextId}`
    nextId += 1
    const cancel = clock.timer(answerWithinMs, () => {
      asked.delete(id)
      reject(failure('timed-out', `the gate did not answer within ${answerWithinMs} ms`))
    })
    asked.set(id, { resolve, reject, cancel })
    send([frame(id)])
  }) as Promise<Value>

  void connect()
  return {
    get gateId() { return gateId },
    grant: (grants: readonly Grant[]) => {
      if (gateId === null) return false
      send(grants)
      return true
    },
    openCell: (cell) => {
      const frame: CellOpen = { frame: 'cell', ...cell }
      cells.set(cell.cell, frame)
      if (gateId !== null) send([frame])
    },
    closeCell: (cell) => { if (cells.delete(cell) && gateId !== null) send([{ frame: 'cell.gone', cell }]) },
    vaultSet: (credential, sealed, actor) => ask((id) => ({ frame: 'vault.set', id, credential, sealed, actor })),
    vaultList: () => ask<VaultView>((id) => ({ frame: 'vault.list', id })),
    status: () => ask<GateStatus>((id) => ({ frame: 'status', id })),
    stop: async () => {
      stopped = true
      cancelRetry?.()
      await acks.settle()
      link?.close()
    },
  }
}
