/**
 * The gate's end of the link: one sitter at a time. The highest epoch ever seen is kept in gate.db before it is believed; a lower one
 * is refused, so a deposed sitter sends nothing, also after a restart of the gate.
 */
import { asFailure, Failure, failure, type Link, type Listening, type Net } from '../std/std.ts'
import { lineReader, toLine, type CallOutcome, type Grant, type Open } from '../wire/wire.ts'
import type { Doors } from './doors.ts'
import { readCell, readGrant, readJournals, readOpen, textOf } from './frames.ts'
import type { Grants } from './grants.ts'
import type { CallJournal, Log } from './ports.ts'
import { openTeller, type Teller } from './teller.ts'

/** A grant's body and a call's answer are larger than an agent's frame. */
const bounds = { frameBytes: 1024 * 1024, jsonDepth: 64 }

export interface LinkServerOptions {
  readonly net: Net
  readonly socketPath: string
  readonly swarm: string
  readonly gateId: string
  readonly version: string
  readonly journal: CallJournal
  readonly grants: () => Grants
  readonly doors: Doors
  readonly log: Log
  /** Answers `vault.set`, `vault.list`, `status`, `freeze`; undefined = no such question. */
  readonly ask: (frame: Readonly<Record<string, unknown>>) => Promise<unknown> | undefined
}
export interface LinkServer {
  tell(journal: number): void
  tellUnwritten(grant: Grant, outcome: CallOutcome, waitedMs: number): void
  stop(): Promise<void>
}

interface Sitter { readonly link: Link; readonly epoch: number; readonly teller: Teller }
type Raw = Readonly<Record<string, unknown>>

export const openLinkServer = async (options: LinkServerOptions): Promise<LinkServer> => {
  const { net, socketPath, swarm, gateId, version, journal, grants, doors, log, ask } = options
  let highest = { epoch: Number(journal.meta('epoch') ?? -1), owner: journal.meta('owner') ?? '' }
  let sitter: Sitter | undefined

  const refuse = (link: Link, error: Failure): void => {
    log('warn', 'a sitter was refused', { code: error.code, message: error.message })
    link.write(toLine({ frame: 'answer', id: 'open', ok: false, error: { code: error.code, message: error.message } }))
    link.close()
  }

  const leaveSitter = (): void => {
    if (sitter === undefined) return
    sitter.teller.close()
    sitter.link.close()
    sitter = undefined
    grants().dropQueued()
  }

  const openFor = async (link: Link, open: Open): Promise<void> => {
    if (open.swarm !== swarm) return refuse(link, failure('conflict', `this gate serves the swarm ${swarm}`))
    const deposed = open.epoch < highest.epoch || (open.epoch === highest.epoch && highest.owner !== '' && open.owner !== highest.owner)
    if (deposed) return refuse(link, failure('stale', `a sitter of epoch ${highest.epoch} was here; epoch ${open.epoch} sends nothing`))
    const newer = open.epoch > highest.epoch
    highest = { epoch: open.epoch, owner: open.owner }
    leaveSitter()
    if (newer) {
      await journal.setMeta({ epoch: String(open.epoch), owner: open.owner })
      // Cells of the sitter before died with it.
      await doors.closeAll()
      // Another one may have come while this was written.
      if (highest.epoch !== open.epoch) return refuse(link, failure('stale', 'a newer sitter came'))
    }
    leaveSitter()
    link.write(toLine({ frame: 'opened', gateId, version }))
    sitter = { link, epoch: open.epoch, teller: openTeller(link, journal) }
    log('info', 'a sitter opened the link', { owner: open.owner, epoch: open.epoch })
  }

  const answer = async (link: Link, raw: Raw): Promise<void> => {
    const id = textOf(raw, 'id')
    try {
      const value = await ask(raw)
      link.write(toLine({ frame: 'answer', id, ok: true, value }))
    } catch (error) {
      const { code, message } = asFailure(error)
      link.write(toLine({ frame: 'answer', id, ok: false, error: { code, message } }))
    }
  }

  const openCell = async (raw: Raw, epoch: number): Promise<void> => {
    const cell = readCell(raw)
    if (cell === undefined) return log('error', 'a cell frame is malformed')
    try { await doors.open(cell, epoch) } catch (error) {
      log('error', 'the door of a cell could not be opened', { cell: cell.cell, message: asFailure(error).message })
    }
  }

  const frame = (from: Sitter, raw: Raw): void => {
    switch (raw['frame']) {
      case 'grant': {
        const grant = readGrant(raw)
        if (grant === undefined) return log('error', 'a grant is malformed and was not sent', { grant: textOf(raw, 'grant').slice(0, 80) })
        return grants().receive(grant, from.epoch)
      }
      case 'ack':
        journal.ack(readJournals(raw)).catch((error: unknown) => log('error', 'acknowledgements were not written', { code: asFailure(error).code }))
        return undefined
      case 'cell': void openCell(raw, from.epoch); return undefined
      case 'cell.gone': void doors.close(textOf(raw, 'cell')); return undefined
      default: void answer(from.link, raw); return undefined
    }
  }

  const accept = (link: Link): void => {
    let opening = false
    link.onClose(() => { if (sitter?.link === link) { log('warn', 'the sitter is gone'); leaveSitter() } })
    link.onData(lineReader(bounds, {
      object: (raw) => {
        if (sitter?.link === link) return frame(sitter, raw)
        const open = raw['frame'] === 'open' && !opening ? readOpen(raw) : undefined
        if (open === undefined) { link.close(); return undefined }
        opening = true
        openFor(link, open).catch((error: unknown) => refuse(link, asFailure(error)))
        return undefined
      },
      refused: (code, detail) => {
        log('error', 'a frame of the link was refused', { code, detail })
        link.close()
      },
    }))
  }

  const listening: Listening = await net.listen(socketPath, accept)
  return {
    tell: (number) => sitter?.teller.tell(number),
    tellUnwritten: (grant, outcome, waitedMs) => {
      sitter?.link.write(toLine({
        frame: 'call', journal: 0, grant: grant.grant, subject: grant.subject, outcome, sentMs: null, tookMs: null, waitedMs,
        cost: null, credential: null,
      }))
    },
    stop: async () => { leaveSitter(); await listening.close() },
  }
}
