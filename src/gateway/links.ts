/**
 * The gate's end of the link: one sitter at a time. The highest epoch ever seen is kept in gate.db before it is
 * believed; a lower one is refused, so a deposed sitter sends nothing, also after a restart of the gate.
 */
import { asFailure, failure, type Failure, type Link, type Listening, type Net } from '../std/std.ts'
import {
  lineReader,
  toLine,
  type CallOutcome,
  type CallsHeard,
  type CallsSeen,
  type Grant,
  type Heard,
  type Open,
} from '../wire/wire.ts'
import type { Doors } from './doors.ts'
import { readCell, readGrant, readJournals, readOpen, readPriorities, textOf } from './frames.ts'
import type { Grants } from './grants.ts'
import type { CallJournal, Log } from './ports.ts'
import type { Priorities } from './priorities.ts'
import { openTeller, type Teller } from './teller.ts'
import type { Uses } from './uses.ts'

/** A grant's body and a call's answer are larger than an agent's frame. */
const bounds = { frameBytes: 1024 * 1024, jsonDepth: 64 }
/** Bytes that the sitter has not read; beyond it hints are dropped. */
const mostPending = 4 * 1024 * 1024

type Raw = Readonly<Record<string, unknown>>

export interface LinkServerOptions {
  readonly net: Net
  readonly socketPath: string
  readonly swarm: string
  readonly gateId: string
  readonly version: string
  readonly journal: CallJournal
  readonly uses: Uses
  readonly grants: () => Grants
  readonly doors: Pick<Doors, 'open' | 'close' | 'closeAll'>
  readonly priorities: Priorities
  readonly log: Log
  /** The first sitter that this gate.db has ever met. */
  readonly firstMet?: (epoch: number) => void
  /** Answers `vault.…`, `status`, `freeze`, `config`; rejects for any other question. */
  readonly ask: (frame: Raw) => Promise<unknown>
}
export interface LinkServer {
  tell(journal: number): void
  tellUnwritten(grant: Grant, outcome: CallOutcome, waitedMs: number): void
  /** A hint, dropped when nobody listens or reads. */
  heard(agents: readonly CallsHeard[]): void
  /** The same. */
  seen(seen: Omit<CallsSeen, 'frame'>): void
  stop(): Promise<void>
}

interface Sitter {
  readonly link: Link
  readonly epoch: number
  readonly teller: Teller
}

class GateEnd implements LinkServer {
  readonly #options: LinkServerOptions
  #listening: Listening | undefined
  #highest: { readonly epoch: number; readonly owner: string }
  #sitter: Sitter | undefined

  constructor(options: LinkServerOptions) {
    this.#options = options
    const { journal } = options
    this.#highest = { epoch: Number(journal.meta('epoch') ?? -1), owner: journal.meta('owner') ?? '' }
  }

  async listen(): Promise<void> {
    this.#listening = await this.#options.net.listen(this.#options.socketPath, (link) => this.#accept(link))
  }

  tell(journal: number): void {
    this.#sitter?.teller.tell(journal)
  }

  tellUnwritten({ grant, subject }: Grant, outcome: CallOutcome, waitedMs: number): void {
    const nothing = { sentMs: null, tookMs: null, cost: null, credential: null }
    this.#sitter?.link.write(toLine({ frame: 'call', journal: 0, grant, subject, outcome, waitedMs, ...nothing }))
  }

  heard(agents: readonly CallsHeard[]): void {
    this.#hint({ frame: 'heard', agents })
  }

  seen(seen: Omit<CallsSeen, 'frame'>): void {
    this.#hint({ frame: 'seen', ...seen })
  }

  #hint(frame: Heard | CallsSeen): void {
    const link = this.#sitter?.link
    if (link !== undefined && link.pendingBytes < mostPending) link.write(toLine(frame))
  }

  async stop(): Promise<void> {
    this.#leaveSitter()
    await this.#listening?.close()
  }

  #accept(link: Link): void {
    let opening = false
    link.onClose(() => {
      if (this.#sitter?.link !== link) return
      this.#options.log('warn', 'the sitter is gone')
      this.#leaveSitter()
    })
    const object = (raw: Raw): void => {
      if (this.#sitter?.link === link) return this.#frame(this.#sitter, raw)
      const open = raw['frame'] === 'open' && !opening ? readOpen(raw) : undefined
      if (open === undefined) return link.close()
      opening = true
      this.#open(link, open).catch((error: unknown) => this.#refuse(link, asFailure(error)))
    }
    const refused = (code: string, detail: string): void => {
      this.#options.log('error', 'a frame of the link was refused', { code, detail })
      link.close()
    }
    link.onData(lineReader(bounds, { object, refused }))
  }

  #refuse(link: Link, { code, message }: Failure): void {
    this.#options.log('warn', 'a sitter was refused', { code, message })
    link.write(toLine({ frame: 'answer', id: 'open', ok: false, error: { code, message } }))
    link.close()
  }

  /** What is queued for it is forgotten (nothing was sent); what is in flight is finished and journalled. */
  #leaveSitter(): void {
    if (this.#sitter === undefined) return
    this.#sitter.teller.close()
    this.#options.uses.unlink()
    this.#sitter.link.close()
    this.#sitter = undefined
    this.#options.grants().dropQueued()
  }

  async #open(link: Link, { swarm, owner, epoch }: Open): Promise<void> {
    const { journal, doors, gateId, version, log } = this.#options
    if (swarm !== this.#options.swarm) {
      throw failure('conflict', `this gate serves the swarm ${this.#options.swarm}`)
    }
    const before = this.#highest
    if (epoch < before.epoch || (epoch === before.epoch && before.owner !== '' && owner !== before.owner)) {
      throw failure('stale', `a sitter of epoch ${before.epoch} was here; epoch ${epoch} of ${owner} sends nothing`)
    }
    this.#highest = { epoch, owner }
    if (before.epoch < 0) this.#options.firstMet?.(epoch)
    this.#leaveSitter()
    if (epoch > before.epoch) {
      await journal.setMeta({ epoch: String(epoch), owner })
      // Cells of the sitter before died with it.
      await doors.closeAll()
      // Another one may have come while this was written.
      if (this.#highest.epoch !== epoch) throw failure('stale', 'a newer sitter came')
      this.#leaveSitter()
    }
    this.#options.priorities.forget()
    link.write(toLine({ frame: 'opened', gateId, version }))
    this.#sitter = { link, epoch, teller: openTeller(link, journal) }
    this.#options.uses.link(link)
    log('info', 'a sitter opened the link', { owner, epoch })
  }

  #frame(from: Sitter, raw: Raw): void {
    const { journal, doors, log } = this.#options
    switch (raw['frame']) {
      case 'grant':
        return this.#grant(from, raw)
      case 'ack':
        journal.ack(readJournals(raw)).catch((error: unknown) => {
          log('error', 'acknowledgements were not written', { code: asFailure(error).code })
        })
        return
      case 'uses.ack':
        return this.#options.uses.acknowledged(raw['upTo'])
      case 'priority':
        return this.#options.priorities.told(readPriorities(raw))
      case 'cell':
        void this.#cell(raw, from.epoch)
        return
      case 'cell.gone':
        void doors.close(textOf(raw, 'cell'))
        return
      default:
        void this.#answer(from.link, raw)
    }
  }

  #grant(from: Sitter, raw: Raw): void {
    const grant = readGrant(raw)
    if (grant !== undefined) return this.#options.grants().receive(grant, from.epoch)
    const name = textOf(raw, 'grant').slice(0, 80)
    this.#options.log('error', 'a grant is malformed and was not sent', { grant: name })
  }

  async #cell(raw: Raw, epoch: number): Promise<void> {
    const { doors, log } = this.#options
    const cell = readCell(raw)
    if (cell === undefined) return log('error', 'a cell frame is malformed')
    try {
      await doors.open(cell, epoch)
    } catch (error) {
      const { message } = asFailure(error)
      log('error', 'the door of a cell could not be opened', { cell: cell.cell, message })
    }
  }

  async #answer(link: Link, raw: Raw): Promise<void> {
    const id = textOf(raw, 'id')
    try {
      const value = await this.#options.ask(raw)
      link.write(toLine({ frame: 'answer', id, ok: true, value }))
    } catch (error) {
      const { code, message } = asFailure(error)
      link.write(toLine({ frame: 'answer', id, ok: false, error: { code, message } }))
    }
  }
}

/** Listens; rejects when the socket cannot be made. */
export const openLinkServer = async (options: LinkServerOptions): Promise<LinkServer> => {
  const end = new GateEnd(options)
  await end.listen()
  return end
}
