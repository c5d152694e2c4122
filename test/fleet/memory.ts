/** The part of the record that the fleet reads and writes, in memory. */
import { formatAgent } from '../../src/model/model.ts'
import type { Clock } from '../../src/std/std.ts'
import type { AgentRow, Command, NewAudit, NewEvent, Queries, Store } from '../../src/store/store.ts'

export interface StoredEvent extends NewEvent {
  readonly wallMs: number
}

export class MemoryRecord implements Pick<Store, 'transact' | 'read'> {
  epoch = 1
  /** Set to make every write fail. */
  broken: Error | null = null
  lists = 0
  rowsSaved = 0
  /** The kinds of each list, in order. */
  readonly written: (readonly Command['kind'][])[] = []
  readonly agents = new Map<string, AgentRow>()
  readonly cells = new Map<string, { readonly pid: number; ended: string | null }>()
  readonly events: StoredEvent[] = []
  readonly audit: NewAudit[] = []
  readonly #clock: Clock
  constructor(clock: Clock) {
    this.#clock = clock
  }

  readonly notes = new Map<string, string>()
  readonly read = {
    agents: () => [...this.agents.values()],
    fleetNotes: async () => [...this.notes].map(([name, value]) => ({ name, value })),
  } as unknown as Queries

  transact = (async (commands: readonly Command[]): Promise<unknown> => {
    this.lists += 1
    this.written.push(commands.map(({ kind }) => kind))
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    if (this.broken) throw this.broken
    const stale = commands.find((one) => 'epoch' in one.with && one.with.epoch !== this.epoch)
    if (stale) {
      return commands.map((one) => ({
        ok: false,
        refusal: one === stale ? 'stale' : 'rolled-back',
        detail: 'not the newest epoch',
      }))
    }
    for (const command of commands) this.#apply(command)
    return commands.map(() => ({ ok: true, value: null }))
  }) as Store['transact']

  #apply(command: Command): void {
    const { kind } = command
    if (kind === 'agents.save') {
      this.rowsSaved += command.with.rows.length
      for (const row of command.with.rows)
        this.agents.set(formatAgent(row), JSON.parse(JSON.stringify(row)) as AgentRow)
    } else if (kind === 'cell.started') this.cells.set(command.with.id, { pid: command.with.identity.pid, ended: null })
    else if (kind === 'cell.ended') this.cells.get(command.with.id)!.ended = command.with.detail
    else if (kind === 'events.add') {
      for (const event of command.with.events) this.events.push({ ...event, wallMs: this.#clock.wallMs() })
    } else if (kind === 'fleet.note') {
      for (const { name, value } of command.with.notes)
        if (value === null) this.notes.delete(name)
        else this.notes.set(name, value)
    } else if (kind === 'audit.append') this.audit.push(...command.with.entries)
    else throw new Error(`the fleet wrote ${kind}`)
  }

  eventsOf(kind: string): readonly StoredEvent[] {
    return this.events.filter((event) => event.kind === kind)
  }
}
