/**
 * The sitter's end of the link. One connection at a time, made again for ever with growing pauses; after each `opened`
 * the cells are announced anew, and the gate tells what was not acknowledged. What the sitter could not commit is tried
 * again here, not acknowledged.
 *
 *   down ── connect, open ──▶ opening ── opened ──▶ up ── closed ──▶ down
 */
import { failure, sleep, type Cancel, type Clock, type Link, type Net, type Random } from '../std/std.ts'
import {
  lineReader,
  toLine,
  type AgentPriority,
  type Answer,
  type Call,
  type CallsHeard,
  type CallsSeen,
  type CellOpen,
  type BackupAnswer,
  type GateStatus,
  type AgentLimits,
  type LimitsView,
  type Grant,
  type Opened,
  type RekeyAnswer,
  type ShadowedCall,
  type Standing,
  type ToldMode,
  type ToGate,
  type Use,
  type VaultView,
} from '../wire/wire.ts'
import { openAcks, type Acks } from './acks.ts'
import type { GateLink, GateLinkEvents } from './port.ts'
import { openUrgency } from './priorities.ts'
import { openQuestions, type Questions } from './questions.ts'

export interface GateLinkOptions {
  readonly net: Net
  readonly clock: Clock
  readonly random: Random
  readonly socketPath: string
  readonly swarm: string
  readonly owner: string
  readonly epoch: number
  readonly events: GateLinkEvents
  /** What the gate is told at the first link; all is active when absent. */
  readonly modes?: readonly ToldMode[]
}

const firstPauseMs = 50
const longestPauseMs = 2_000
/** A gate that was away is found again within a tenth or so of that time: agents wait for it. */
const pauseGrows = 1.1
/** A gate that accepts and then says nothing is hung. */
const openWithinMs = 5_000
/** Bytes that the gate has not taken; beyond it the gate is hung, and the link is cut and made again. */
const mostPending = 64 * 1024 * 1024
/** Of at most 1,200 bytes each they stay below a frame. */
const modesAtOnce = 500
const bounds = { frameBytes: 1024 * 1024, jsonDepth: 64 }

type Raw = Readonly<Record<string, unknown>>

const isOpened = (raw: Raw): raw is Raw & Opened => raw['frame'] === 'opened' && typeof raw['gateId'] === 'string'

class SitterEnd implements GateLink {
  readonly #options: GateLinkOptions
  readonly #cells = new Map<string, CellOpen>()
  #modes: readonly ToldMode[]
  readonly #questions: Questions
  readonly #acks: Acks
  readonly #urgency = openUrgency()
  #link: Link | undefined
  #gateId: string | null = null
  #pauseMs = firstPauseMs
  #stopped = false
  #cancelRetry: Cancel | undefined

  constructor(options: GateLinkOptions) {
    const { clock, events } = options
    this.#options = options
    this.#modes = options.modes ?? []
    this.#questions = openQuestions(clock)
    const send = (journals: readonly number[]): void => this.#sendUp([{ frame: 'ack', journals }])
    this.#acks = openAcks({ clock, events, current: () => this.#gateId, send })
    void this.#connect()
  }

  get gateId(): string | null {
    return this.#gateId
  }

  grant(grants: readonly Grant[]): boolean {
    if (this.#gateId === null) return false
    this.#sendUp(grants)
    return true
  }

  openCell(cell: Omit<CellOpen, 'frame'>): void {
    const frame: CellOpen = { frame: 'cell', ...cell }
    this.#cells.set(cell.cell, frame)
    this.#sendUp([frame])
  }

  closeCell(cell: string): void {
    if (this.#cells.delete(cell)) this.#sendUp([{ frame: 'cell.gone', cell }])
  }

  priorities(of: readonly AgentPriority[]): void {
    this.#sendUp(this.#urgency.changes(of))
  }

  vaultSet(credential: string, sealed: string, actor: string): ReturnType<GateLink['vaultSet']> {
    return this.#ask((id) => ({ frame: 'vault.set', id, credential, sealed, actor }))
  }

  vaultList(): Promise<VaultView> {
    return this.#ask((id) => ({ frame: 'vault.list', id }))
  }

  async vaultRenew(...[deed, credential, version, actor]: Parameters<GateLink['vaultRenew']>): Promise<void> {
    await this.#ask((id) => ({ frame: 'vault.renew', id, deed, credential, version, actor }))
  }

  vaultNotes(after: number): ReturnType<GateLink['vaultNotes']> {
    return this.#ask((id) => ({ frame: 'vault.notes', id, after }))
  }

  vaultRekey(kind: string, actor: string): Promise<RekeyAnswer> {
    return this.#ask((id) => ({ frame: 'vault.rekey', id, kind, actor }))
  }

  vaultBackup(recipient: string, actor: string): Promise<BackupAnswer> {
    return this.#ask((id) => ({ frame: 'vault.backup', id, recipient, actor }))
  }

  status(): Promise<GateStatus> {
    return this.#ask((id) => ({ frame: 'status', id }))
  }

  limitsOf(agent: string): Promise<AgentLimits> {
    return this.#ask((id) => ({ frame: 'limits.of', id, agent }))
  }

  limits(upstream: string): Promise<LimitsView> {
    return this.#ask((id) => ({ frame: 'limits', id, upstream }))
  }

  vacancies(of: readonly string[]): Promise<readonly number[]> {
    return this.#ask((id) => ({ frame: 'vacancies', id, of }))
  }

  freeze(frozen: boolean, actor: string): Promise<{ readonly frozen: boolean }> {
    return this.#ask((id) => ({ frame: 'freeze', id, frozen, actor }))
  }

  config(): Promise<void> {
    return this.#ask((id) => ({ frame: 'config', id }))
  }

  async modes(modes: readonly ToldMode[]): Promise<void> {
    this.#modes = modes
    if (this.#gateId === null) throw failure('gate-lost', 'the link to the gate is down: told when it is up again')
    await this.#tellModes()
  }

  costs(ask: Parameters<GateLink['costs']>[0]): ReturnType<GateLink['costs']> {
    return this.#ask((id) => ({ frame: 'costs', id, ...ask }))
  }

  costOf(agent: string, fromMs: number, untilMs: number): ReturnType<GateLink['costOf']> {
    return this.#ask((id) => ({ frame: 'cost.of', id, agent, fromMs, untilMs }))
  }

  standing(): Promise<Standing> {
    return this.#ask((id) => ({ frame: 'standing', id }))
  }

  shadowed(after: number, limit: number): Promise<readonly ShadowedCall[]> {
    return this.#ask((id) => ({ frame: 'shadowed', id, after, limit }))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelRetry?.()
    await this.#acks.settle()
    this.#link?.close()
  }

  /** In pieces that fit a frame; the answer to the last one says that all of it is written. */
  async #tellModes(): Promise<void> {
    const pieces = Array.from({ length: Math.max(1, Math.ceil(this.#modes.length / modesAtOnce)) }, (_, at) =>
      this.#modes.slice(at * modesAtOnce, (at + 1) * modesAtOnce),
    )
    await Promise.all(
      pieces.map((modes, at) =>
        this.#ask((id) => ({ frame: 'mode', id, first: at === 0, last: at === pieces.length - 1, modes })),
      ),
    )
  }

  #ask<Value>(frame: (id: string) => ToGate): Promise<Value> {
    if (this.#gateId === null) return Promise.reject(failure('gate-lost', 'the link to the gate is down'))
    return this.#questions.ask((id) => this.#sendUp([frame(id)]))
  }

  /** Sends when the link is up; what must not be lost is sent again by whoever hears of `linked`. */
  #sendUp(frames: readonly ToGate[]): void {
    if (this.#link === undefined || this.#gateId === null || frames.length === 0) return
    if (this.#link.pendingBytes > mostPending) this.#link.close()
    else this.#link.write(frames.map(toLine).join(''))
  }

  #retry(): void {
    if (this.#stopped) return
    const { clock, random } = this.#options
    this.#cancelRetry = clock.timer(this.#pauseMs * (0.5 + random.next() / 2), () => {
      void this.#connect()
    })
    this.#pauseMs = Math.min(longestPauseMs, this.#pauseMs * pauseGrows)
  }

  async #connect(): Promise<void> {
    const { net, clock, socketPath, swarm, owner, epoch } = this.#options
    let link: Link
    try {
      link = await net.connect(socketPath)
    } catch {
      // Nobody listens yet, or not any more; that is what the next try is for.
      return this.#retry()
    }
    if (this.#stopped) return link.close()
    this.#link = link
    const cancel = clock.timer(openWithinMs, () => link.close())
    link.onClose(() => {
      cancel()
      this.#closed(link)
    })
    const object = (raw: Raw): void => this.#take(link, raw, cancel)
    link.onData(lineReader(bounds, { object, refused: () => link.close() }))
    link.write(toLine({ frame: 'open', swarm, owner, epoch }))
  }

  #take(from: Link, raw: Raw, opened: () => void): void {
    if (this.#link !== from) return
    if (this.#gateId === null) {
      // Anything else before `opened` is the gate's refusal of our epoch or swarm; it closes the link itself.
      if (!isOpened(raw)) return
      opened()
      this.#pauseMs = firstPauseMs
      this.#gateId = raw.gateId
      // Before the cells: nobody asks for anything that the gate has not been told about.
      this.#tellModes().catch(() => from.close())
      this.#sendUp([...this.#urgency.all(), ...this.#cells.values()])
      this.#options.events.linked(raw.gateId)
    } else if (raw['frame'] === 'call') this.#acks.take(this.#gateId, raw as unknown as Call)
    else if (raw['frame'] === 'uses') void this.#audit(from, raw['uses'] as readonly Use[])
    else if (raw['frame'] === 'heard') this.#options.events.heard?.(raw['agents'] as readonly CallsHeard[])
    else if (raw['frame'] === 'seen') this.#options.events.seen?.(raw as unknown as CallsSeen)
    else if (raw['frame'] === 'answer') this.#questions.answered(raw as unknown as Answer)
  }

  /** The gate tells no more of them before these are acknowledged. */
  async #audit(from: Link, uses: readonly Use[]): Promise<void> {
    const gateId = this.#gateId!
    for (let againMs = firstPauseMs; this.#link === from; againMs = Math.min(longestPauseMs, againMs * 2)) {
      try {
        await this.#options.events.uses(gateId, uses)
        if (this.#link === from) this.#sendUp([{ frame: 'uses.ack', upTo: uses.at(-1)!.journal }])
        return
      } catch {
        // Not in the audit log, so not acknowledged: whoever could not write has said why.
        await sleep(this.#options.clock, againMs)
      }
    }
  }

  #closed(link: Link): void {
    if (this.#link !== link) return
    const wasUp = this.#gateId !== null
    this.#link = undefined
    this.#gateId = null
    this.#acks.lost()
    this.#questions.lost()
    if (wasUp && !this.#stopped) this.#options.events.lost()
    this.#retry()
  }
}

/** Begins to connect at once, and goes on for ever until `stop`. */
export const openGateLink = (options: GateLinkOptions): GateLink => new SitterEnd(options)
