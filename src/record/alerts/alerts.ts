/**
 * Wakes the sleeper: looks at the conditions every two seconds, keeps an incident for each that holds, and has its
 * targets told at its beginning and its end. What cannot be recorded because the disk is full is told all the same,
 * from memory, once: that is the one alert that must not wait for the disk.
 */
import { Failure, every, type Clock, type NewId } from '../../std/std.ts'
import type { Severity } from '../../model/model.ts'
import type { Command, IncidentView, NewNotice, SilenceView, Store } from '../../store/store.ts'
import { lookAtConditions, type Condition, type OpenIncident, type Seen } from './decide.ts'
import { Delivery, type Target } from './deliver.ts'
import { noticeOf } from './notice.ts'

export interface AlertsOptions {
  readonly swarm: string
  readonly store: Store
  readonly clock: Clock
  readonly newId: NewId
  /** What holds now. */
  readonly conditions: () => Promise<readonly Condition[]>
  /** By the configuration that holds now. */
  readonly targets: () => readonly Target[]
  readonly onFault: (error: unknown) => void
  /** What the log has of incidents: that one began, and that it is over. */
  readonly onSaid?: (
    level: 'info' | 'warn' | 'error',
    message: string,
    fields: Readonly<Record<string, string>>,
  ) => void
}

export interface Alerts {
  /** @throws Failure `not-found`, `conflict` when it is over or somebody has seen it. */
  ack(incident: string, actor: string): Promise<void>
  /** @throws Failure `not-found`; `conflict` when it is over, or its condition still holds. */
  resolve(incident: string, actor: string): Promise<void>
  /** Nothing is sent about conditions whose key begins so, for this long. */
  silence(prefix: string, forMs: number, actor: string): Promise<SilenceView>
  /** @throws Failure `not-found`. */
  unsilence(prefix: string, actor: string): Promise<void>
  stop(): void
}

const lookEveryMs = 2_000
const mostOpen = 1_000

interface Open extends OpenIncident {
  /** Somebody was told, or nobody is to be. */
  readonly told: boolean
}

const rank: Record<Severity, number> = { warning: 0, critical: 1 }

class RecordAlerts implements Alerts {
  readonly #options: AlertsOptions
  readonly #delivery: Delivery
  readonly #open = new Map<string, Open>()
  #seen: ReadonlyMap<string, Seen> = new Map()
  #silences: readonly SilenceView[] = []
  /** What was told from memory, since the disk is full: it is recorded, and its end told, when there is room. */
  readonly #unrecorded = new Map<
    string,
    { readonly id: string; readonly condition: Condition; readonly wallMs: number }
  >()
  #turn: Promise<void> = Promise.resolve()
  #looking = false
  #stopped = false
  readonly #cancel: () => void

  constructor(options: AlertsOptions, kept: { incidents: readonly Open[]; silences: readonly SilenceView[] }) {
    this.#options = options
    this.#delivery = new Delivery(options)
    for (const incident of kept.incidents) this.#open.set(incident.key, incident)
    this.#silences = kept.silences
    this.#cancel = every(options.clock, lookEveryMs, () => this.#tick())
    this.#tick()
  }

  #tick(): void {
    if (this.#looking || this.#stopped) return
    this.#looking = true
    this.#turn = this.#look()
      .catch(this.#options.onFault)
      .finally(() => {
        this.#looking = false
      })
  }

  async #look(): Promise<void> {
    const { clock, conditions } = this.#options
    const holding = await conditions()
    const looked = lookAtConditions(holding, [...this.#open.values()], this.#seen, clock.monoMs())
    this.#seen = looked.seen
    for (const key of this.#unrecorded.keys())
      if (!holding.some((one) => one.key === key)) await this.#endUnrecorded(key)
    for (const condition of looked.open) await this.#begin(condition)
    for (const { id, condition, worse } of looked.change) await this.#change(id, condition, worse)
    for (const id of looked.resolve) await this.#end(id, 'sitter')
    for (const condition of holding) await this.#tellLate(condition)
    await this.#delivery.look()
  }

  #isSilent(key: string): boolean {
    const nowMs = this.#options.clock.wallMs()
    return this.#silences.some(({ prefix, untilMs }) => untilMs > nowMs && key.startsWith(prefix))
  }

  #notices(key: string, severity: Severity): readonly NewNotice[] {
    if (this.#isSilent(key)) return []
    const dueMs = this.#options.clock.wallMs()
    return this.#options
      .targets()
      .filter(({ least }) => rank[severity] >= rank[least])
      .map(({ name }) => ({ target: name, dueMs }))
  }

  /** Durable when it resolves; false = refused because the disk is full. */
  async #write(commands: readonly Command[]): Promise<boolean> {
    const { store } = this.#options
    try {
      const [result] = await store.transact(commands)
      if (result?.ok === false) throw new Failure('conflict', result.detail)
      this.#delivery.wake()
      return true
    } catch (error) {
      if (error instanceof Failure && error.code === 'disk-full') return false
      throw error
    }
  }

  async #begin(condition: Condition): Promise<void> {
    const { clock, newId } = this.#options
    const { key, severity, title, facts, proposed } = condition
    if (this.#open.size >= mostOpen) throw new Failure('overloaded', `${mostOpen} incidents are open`)
    const before = this.#unrecorded.get(key)
    const wallMs = before?.wallMs ?? clock.wallMs()
    const id = before?.id ?? newId('inc')
    const notices = before === undefined ? this.#notices(key, severity) : []
    const text = { severity, title, facts, proposed }
    const event = { kind: 'incident.opened', level: severity === 'critical' ? 'error' : 'warn', subject: id } as const
    const isWritten = await this.#write([
      { kind: 'incident.open', with: { id, key, ...text, notices, wallMs } },
      { kind: 'events.add', with: { wallMs, events: [{ ...event, message: title, facts: { key, severity } }] } },
    ])
    if (!isWritten) return this.#tellUnrecorded(condition, id)
    // What was told while the disk was full stands in the log already.
    if (before === undefined) this.#say(condition, id)
    this.#unrecorded.delete(key)
    const told = !this.#isSilent(key)
    this.#open.set(key, { id, key, severity, title, writtenMs: clock.monoMs(), told })
  }

  #say({ key, severity, title, proposed }: Condition, incident: string): void {
    this.#options.onSaid?.(severity === 'critical' ? 'error' : 'warn', title, { incident, key, proposed })
  }

  async #tellUnrecorded(condition: Condition, id: string): Promise<void> {
    const { key, severity, title, facts, proposed } = condition
    if (this.#unrecorded.has(key) || this.#isSilent(key)) return
    this.#say(condition, id)
    const { clock, swarm, targets, onFault } = this.#options
    const wallMs = clock.wallMs()
    this.#unrecorded.set(key, { id, condition, wallMs })
    const nobody = { ackedBy: null, ackedMs: null, resolvedBy: null, resolvedMs: null }
    const incident = { id, key, severity, title, facts, proposed, openedMs: wallMs, changedMs: wallMs, ...nobody }
    const wanted = targets().filter(({ least }) => rank[severity] >= rank[least])
    const sent = await Promise.allSettled(wanted.map((target) => target.send(noticeOf(swarm, incident, 'trigger'))))
    for (const one of sent) if (one.status === 'rejected') onFault(one.reason)
    // Nobody heard it: the next look tries again.
    if (wanted.length > 0 && sent.every(({ status }) => status === 'rejected')) this.#unrecorded.delete(key)
  }

  /** It is over before it could be recorded: whoever was told of it hears so, as soon as that can be written. */
  async #endUnrecorded(key: string): Promise<void> {
    const { id, condition, wallMs } = this.#unrecorded.get(key)!
    const { severity, title, facts, proposed } = condition
    const nowMs = this.#options.clock.wallMs()
    const notices = this.#notices(key, severity)
    const isWritten = await this.#write([
      { kind: 'incident.open', with: { id, key, severity, title, facts, proposed, notices: [], wallMs } },
      { kind: 'incident.resolve', with: { id, by: 'sitter', notices, wallMs: nowMs } },
    ])
    if (isWritten) this.#unrecorded.delete(key)
  }

  async #change(id: string, condition: Condition, worse: boolean): Promise<void> {
    const { key, severity, title, facts, proposed } = condition
    const { clock } = this.#options
    const known = this.#open.get(key)!
    const notices = worse ? this.#notices(key, severity) : []
    const change = { id, severity, title, facts, proposed, notices, wallMs: clock.wallMs() }
    if (!(await this.#write([{ kind: 'incident.change', with: change }]))) return
    this.#open.set(key, { ...known, severity, title, writtenMs: clock.monoMs() })
  }

  /** A silence is over and its condition still holds: now it is told. */
  async #tellLate(condition: Condition): Promise<void> {
    const known = this.#open.get(condition.key)
    if (known === undefined || known.told || this.#isSilent(condition.key)) return
    await this.#change(known.id, condition, true)
    this.#open.set(condition.key, { ...this.#open.get(condition.key)!, told: true })
  }

  async #end(id: string, by: string): Promise<void> {
    const { clock } = this.#options
    const known = [...this.#open.values()].find((one) => one.id === id)!
    const wallMs = clock.wallMs()
    const notices = known.told ? this.#notices(known.key, known.severity) : []
    const event = { kind: 'incident.resolved', level: 'info', subject: id, message: `over: ${known.title}` } as const
    const isWritten = await this.#write([
      { kind: 'incident.resolve', with: { id, by, notices, wallMs } },
      { kind: 'events.add', with: { wallMs, events: [{ ...event, facts: { key: known.key, by } }] } },
    ])
    if (!isWritten) return
    this.#options.onSaid?.('info', event.message, { incident: id, key: known.key })
    this.#open.delete(known.key)
  }

  /** A key as a notice says it, which begins with the swarm, is the same key. */
  #ownKey(key: string): string {
    const before = `${this.#options.swarm}/`
    return key.startsWith(before) ? key.slice(before.length) : key
  }

  #known(asked: string): Open | undefined {
    const incident = this.#ownKey(asked)
    return [...this.#open.values()].find(({ id, key }) => id === incident || key === incident)
  }

  async ack(incident: string, actor: string): Promise<void> {
    const id = this.#known(incident)?.id ?? incident
    await this.#commit({ kind: 'incident.ack', with: { id, by: actor, wallMs: this.#options.clock.wallMs() } }, actor, {
      action: 'incident.ack',
      object: id,
    })
  }

  async resolve(incident: string, actor: string): Promise<void> {
    await this.#turn
    const known = this.#known(incident)
    if (known === undefined) {
      const there = await this.#options.store.read.incident(incident)
      throw there === undefined
        ? new Failure('not-found', `there is no incident ${incident}`)
        : new Failure('conflict', `incident ${incident} is over`)
    }
    const seen = this.#seen.get(known.key)
    if (seen === undefined || seen.goneMs === null)
      throw new Failure('conflict', `its condition still holds: ${known.title}; mend it, or say that you have seen it`)
    const audited = { actor, action: 'incident.resolve', object: known.id, decision: 'allowed' as const, facts: {} }
    await this.#options.store.transact([
      { kind: 'audit.append', with: { wallMs: this.#options.clock.wallMs(), entries: [audited] } },
    ])
    await this.#end(known.id, actor)
  }

  async silence(asked: string, forMs: number, actor: string): Promise<SilenceView> {
    const prefix = this.#ownKey(asked)
    const wallMs = this.#options.clock.wallMs()
    const silence = { prefix, untilMs: wallMs + forMs, by: actor }
    await this.#commit({ kind: 'silence.set', with: { ...silence, wallMs } }, actor, {
      action: 'silence.set',
      object: prefix,
    })
    this.#silences = await this.#options.store.read.silences(wallMs)
    return { ...silence, setMs: wallMs }
  }

  async unsilence(asked: string, actor: string): Promise<void> {
    const prefix = this.#ownKey(asked)
    await this.#commit({ kind: 'silence.end', with: { prefix } }, actor, { action: 'silence.end', object: prefix })
    this.#silences = await this.#options.store.read.silences(this.#options.clock.wallMs())
  }

  /** A person's deed and its audit entry, together or not at all. */
  async #commit(command: Command, actor: string, about: { action: string; object: string }): Promise<void> {
    const { store, clock } = this.#options
    const entry = { actor, ...about, decision: 'done' as const, facts: {} }
    const [result] = await store.transact([
      command,
      { kind: 'audit.append', with: { wallMs: clock.wallMs(), entries: [entry] } },
    ])
    if (!result.ok) throw new Failure(result.refusal === 'not-found' ? 'not-found' : 'conflict', result.detail)
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
    this.#delivery.stop()
  }
}

const wasTold = async (store: Store, { id }: IncidentView): Promise<boolean> =>
  (await store.read.noticesOf(id)).length > 0

/** Goes on with the incidents that the record has open. */
export const openAlerts = async (options: AlertsOptions): Promise<Alerts> => {
  const { store, clock } = options
  const { items } = await store.read.incidents({ limit: mostOpen, after: null, open: true })
  const incidents: Open[] = []
  for (const incident of items) {
    const { id, key, severity, title } = incident
    incidents.push({ id, key, severity, title, writtenMs: clock.monoMs(), told: await wasTold(store, incident) })
  }
  return new RecordAlerts(options, { incidents, silences: await store.read.silences(clock.wallMs()) })
}
