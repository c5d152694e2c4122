/**
 * The big red switch at the sitter's end. The file `run/FROZEN` is what counts: anybody with the data directory can
 * write it, also beside a dead or hung sitter, and the gate looks at it by itself. This end looks too, tells the gate
 * (which keeps its word over restarts), and records who froze, from the file when it was not asked itself.
 *
 *   thawed ── file written (API, CLI) ──▶ frozen ── thaw: audited, file removed, gate told ──▶ thawed
 */
import { every, Failure, type Clock, type Disk, type NewId } from '../std/std.ts'
import type { NewAudit, NewEvent, Store } from '../store/store.ts'
import type { GateLink } from './port.ts'

export interface FreezeNote {
  /** `frz_…` */
  readonly id: string
  /** `token:<name>`, or `cli:<user>` as the file itself claims. */
  readonly actor: string
  readonly reason: string
  readonly atMs: number
}
/** `unreadable`: the file is there or may be there, and does not say more. */
export type FreezeFile = 'absent' | 'unreadable' | FreezeNote

const longestReason = 500

/** The text of the file FROZEN. */
export const frozenText = (note: FreezeNote): string =>
  `${JSON.stringify({ ...note, reason: note.reason.slice(0, longestReason) })}\n`

/** What a file FROZEN says; whatever it holds, it freezes. */
export const readFrozen = (text: string): FreezeFile => {
  try {
    const { id, actor, reason, atMs } = JSON.parse(text) as Partial<Record<keyof FreezeNote, unknown>>
    if (typeof id === 'string' && typeof actor === 'string' && typeof reason === 'string' && typeof atMs === 'number')
      return { id: id.slice(0, 80), actor: actor.slice(0, 80), reason: reason.slice(0, longestReason), atMs }
  } catch {
    // `touch FROZEN` freezes as well; it only does not say by whom.
  }
  return 'unreadable'
}

export interface FreezeSwitch {
  /** The file at the last look. */
  file(): FreezeFile
  /** Writes the file, tells the gate, records. Resolves with the gate's word: frozen, or not known. */
  freeze(actor: string, reason: string): Promise<{ readonly note: FreezeFile; readonly gate: true | 'unknown' }>
  /** @throws Failure `gate-lost` when the gate cannot be told (nothing has changed then), `frozen` when it stays so. */
  thaw(actor: string): Promise<void>
  /** The link is up: the gate is told again what holds. */
  linked(): void
  stop(): void
}

export interface FreezeOptions {
  readonly clock: Clock
  readonly disk: Disk
  readonly newId: NewId
  readonly store: Store
  readonly gatelink: GateLink
  /** Absolute path of `run/FROZEN`. */
  readonly path: string
  readonly swarm: string
  /** A thaw is done: what waited for it may go on. */
  readonly onThawed?: () => void
  /** Told when a look or its record failed; the gate looks for itself. */
  readonly onFault: (error: unknown) => void
}

/** The gate looks every 200 ms; this end only records and shows. */
const lookMs = 500
/** Events about the swarm that are searched for the last freeze; there are few. */
const searched = 50

class RecordedSwitch implements FreezeSwitch {
  readonly #options: FreezeOptions
  #file: FreezeFile = 'absent'
  /** The last freeze that is in the record; undefined until the record was asked. */
  #recorded: string | null | undefined
  /** Deeds and looks one after the other, so that a look never records what a deed is about to. */
  #turn: Promise<unknown> = Promise.resolve()
  #cancel: (() => void) | undefined

  constructor(options: FreezeOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    await this.#look().catch(this.#options.onFault)
    let looking = false
    this.#cancel = every(this.#options.clock, lookMs, () => {
      if (looking) return
      looking = true
      this.#inTurn(() => this.#look())
        .catch(this.#options.onFault)
        .finally(() => {
          looking = false
        })
    })
  }

  file(): FreezeFile {
    return this.#file
  }

  freeze(actor: string, reason: string): ReturnType<FreezeSwitch['freeze']> {
    return this.#inTurn(async () => {
      const { clock, disk, newId, path } = this.#options
      this.#file = await this.#read()
      let unwritten: unknown
      if (this.#file === 'absent') {
        const note = { id: newId('frz'), actor, reason: reason.slice(0, longestReason), atMs: clock.wallMs() }
        try {
          await disk.writeWhole(path, frozenText(note), 0o600)
          this.#file = note
        } catch (error) {
          // A full disk keeps nobody from freezing: then the gate's word is what holds.
          unwritten = error
        }
      }
      const gate = await this.#tellGate(actor)
      if (unwritten !== undefined && gate !== true) throw unwritten
      // It is frozen; if the record cannot take it now, the next look tries again.
      if (this.#file !== 'absent') await this.#record(this.#file, actor).catch(this.#options.onFault)
      return { note: this.#file, gate }
    })
  }

  thaw(actor: string): Promise<void> {
    return this.#inTurn(async () => {
      const { disk, gatelink, path } = this.#options
      if (gatelink.gateId === null) throw new Failure('gate-lost', 'the gate cannot be told; nothing has changed')
      const entry = { actor, action: 'swarm.thaw', object: this.#options.swarm, facts: {} }
      await this.#append({ ...entry, decision: 'allowed' })
      await disk.remove(path)
      const { frozen } = await gatelink.freeze(false, actor)
      this.#file = await this.#read()
      if (frozen) throw new Failure('frozen', 'the gate is frozen still: its file FROZEN is there or cannot be read')
      this.#recorded = null
      this.#options.onThawed?.()
      await this.#append(
        { ...entry, decision: 'done' },
        { kind: 'swarm.thawed', level: 'warn', message: `thawed by ${actor}`, facts: { actor } },
      )
    })
  }

  linked(): void {
    this.#inTurn(async () => {
      this.#file = await this.#read()
      if (this.#file !== 'absent') await this.#tellGate(typeof this.#file === 'string' ? 'sitter' : this.#file.actor)
    }).catch(this.#options.onFault)
  }

  stop(): void {
    this.#cancel?.()
  }

  #inTurn<Value>(deed: () => Promise<Value>): Promise<Value> {
    const done = this.#turn.then(deed)
    // The caller hears of a failure; the next turn goes on all the same.
    this.#turn = done.catch(() => undefined)
    return done
  }

  async #look(): Promise<void> {
    const was = this.#file
    this.#file = await this.#read()
    if (this.#file === 'absent') {
      if (was !== 'absent') await this.#removedByHand()
      return
    }
    if (was === 'absent') await this.#tellGate(typeof this.#file === 'string' ? 'sitter' : this.#file.actor)
    await this.#record(this.#file)
  }

  async #read(): Promise<FreezeFile> {
    try {
      const text = await this.#options.disk.readTextIfThere(this.#options.path)
      return text === undefined ? 'absent' : readFrozen(text)
    } catch {
      // What cannot be read is taken for yes, as the gate does.
      return 'unreadable'
    }
  }

  /** The gate's own look at the file does not depend on this; its word only outlives the file. */
  async #tellGate(actor: string): Promise<true | 'unknown'> {
    try {
      return (await this.#options.gatelink.freeze(true, actor)).frozen ? true : 'unknown'
    } catch {
      // Told again at the next link.
      return 'unknown'
    }
  }

  /** Who froze goes into the record once; a file of unknown hand counts as one freeze until it is gone. */
  async #record(file: Exclude<FreezeFile, 'absent'>, asked?: string): Promise<void> {
    const id = file === 'unreadable' ? 'unreadable' : file.id
    this.#recorded ??= await this.#lastRecorded()
    // Whoever asks when it is frozen already is named all the same.
    const again = this.#recorded === id
    if (again && asked === undefined) return
    const known = file === 'unreadable' ? null : file
    const actor = asked ?? known?.actor ?? 'file:unknown'
    const reason = known?.reason ?? 'the file FROZEN is there and does not say why'
    const facts = { freeze: id, by: known?.actor ?? null, reason, atMs: known?.atMs ?? null, again }
    await this.#append(
      { actor, action: 'swarm.freeze', object: this.#options.swarm, decision: 'done', facts },
      again ? undefined : { kind: 'swarm.frozen', level: 'error', message: `frozen by ${actor}: ${reason}`, facts },
    )
    this.#recorded = id
  }

  async #lastRecorded(): Promise<string | null> {
    const { items } = await this.#options.store.read.events({
      limit: searched,
      after: null,
      subject: 'swarm',
      newestFirst: true,
    })
    const last = items.find(({ kind }) => kind === 'swarm.frozen' || kind === 'swarm.thawed')
    return last?.kind === 'swarm.frozen' ? String(last.facts['freeze']) : null
  }

  async #removedByHand(): Promise<void> {
    const message = 'the file FROZEN was removed by hand: the gate stays frozen until `sitter thaw`'
    await this.#append(
      {
        actor: 'file:unknown',
        action: 'swarm.freeze-file-gone',
        object: this.#options.swarm,
        decision: 'done',
        facts: {},
      },
      { kind: 'swarm.freeze-file-gone', level: 'warn', message, facts: {} },
    )
  }

  async #append(entry: NewAudit, event?: Omit<NewEvent, 'subject'>): Promise<void> {
    const wallMs = this.#options.clock.wallMs()
    await this.#options.store.transact([
      { kind: 'audit.append', with: { wallMs, entries: [entry] } },
      ...(event === undefined
        ? []
        : [{ kind: 'events.add' as const, with: { wallMs, events: [{ ...event, subject: 'swarm' }] } }]),
    ])
  }
}

/** Looks once before it resolves: a freeze beside a dead sitter is in the record when the next one opens its doors. */
export const openFreeze = async (options: FreezeOptions): Promise<FreezeSwitch> => {
  const opened = new RecordedSwitch(options)
  await opened.start()
  return opened
}
