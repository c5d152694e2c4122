/**
 * The fleet's writes, batched: whatever changed in a turn of the loop goes into one list (agents that changed, cells,
 * events, audit entries), one list at a time. An agent that changes twice before its turn comes is written once, as it
 * is then. Bounds: each agent once; 1,000 events, beyond which events are counted and told in one.
 */
import { Failure, asFailure } from '../std/std.ts'
import type { AgentRow, CellEnded, CellStarted, Command, NewAudit, NewEvent, Store } from '../store/store.ts'

const mostEvents = 1_000

export interface RecordAsk {
  readonly store: Pick<Store, 'transact'>
  readonly owner: string
  readonly epoch: number
  readonly wallMs: () => number
  /** A list was refused because a newer sitter acts for this host. */
  readonly onDeposed: (detail: string) => void
  /** A list was not written, or it is not known whether it was; told once a list, for the log. */
  readonly onFault: (failure: Failure) => void
}

export interface FleetRecord {
  /** This agent changed; `row` is called when its list is made. */
  touch(agent: object, row: () => AgentRow): void
  event(event: NewEvent): void
  audit(entry: NewAudit): void
  cell(command: CellStarted | CellEnded): void
  /** This text of the fleet has changed; `value` is called when its list is made, null forgets it. */
  note(name: string, value: () => string | null): void
  /** Resolves when everything said so far is durable; rejects when it is not, or not known to be. */
  flush(): Promise<void>
}

interface Gathered {
  readonly rows: Map<object, () => AgentRow>
  readonly cells: (CellStarted | CellEnded)[]
  readonly events: NewEvent[]
  readonly audit: NewAudit[]
  readonly notes: Map<string, () => string | null>
  dropped: number
}
const gather = (): Gathered => ({ rows: new Map(), cells: [], events: [], audit: [], notes: new Map(), dropped: 0 })

const commandsOf = (gathered: Gathered, ask: RecordAsk): Command[] => {
  const wallMs = ask.wallMs()
  const events =
    gathered.dropped === 0
      ? gathered.events
      : [
          ...gathered.events,
          {
            kind: 'events.dropped',
            level: 'warn',
            subject: 'sitter',
            message: `${gathered.dropped} events of the fleet were not written: more than ${mostEvents} waited`,
            facts: { dropped: gathered.dropped, bound: mostEvents },
          } satisfies NewEvent,
        ]
  const rows = [...gathered.rows.values()].map((row) => row())
  const notes = [...gathered.notes].map(([name, value]) => ({ name, value: value() }))
  return [
    ...gathered.cells,
    ...(rows.length > 0 ? [{ kind: 'agents.save', with: { owner: ask.owner, epoch: ask.epoch, rows } } as const] : []),
    ...(notes.length > 0 ? [{ kind: 'fleet.note', with: { owner: ask.owner, epoch: ask.epoch, notes } } as const] : []),
    ...(events.length > 0 ? [{ kind: 'events.add', with: { events, wallMs } } as const] : []),
    ...(gathered.audit.length > 0
      ? [{ kind: 'audit.append', with: { entries: gathered.audit, wallMs } } as const]
      : []),
  ]
}

export const openFleetRecord = (ask: RecordAsk): FleetRecord => {
  let gathered = gather()
  /** The list that is being written or was last, and the one after it. */
  let writing: Promise<void> | undefined
  let next: Promise<void> | undefined

  const write = async (): Promise<void> => {
    const commands = commandsOf(gathered, ask)
    gathered = gather()
    if (commands.length === 0) return
    const results = await ask.store.transact(commands)
    const refused = results.find((result) => !result.ok && result.refusal !== 'rolled-back')
    if (refused === undefined || refused.ok) return
    if (refused.refusal === 'stale') {
      ask.onDeposed(refused.detail)
      throw new Failure('stale', `a newer sitter acts for ${ask.owner}: ${refused.detail}`)
    }
    throw new Failure('bug', `the record refused the fleet's writes: ${refused.refusal}, ${refused.detail}`)
  }

  /** After the list under way, or at the end of this turn. */
  const plan = (): Promise<void> => {
    next ??= (writing ?? Promise.resolve())
      .catch(() => {
        /* told to those who waited for it */
      })
      .then(() => {
        next = undefined
        writing = write()
        return writing
      })
    return next
  }
  /** For what nobody waits for; the first of a turn listens for the fault of the whole list. */
  const said = (): void => {
    if (next === undefined) plan().catch((thrown: unknown) => ask.onFault(asFailure(thrown)))
  }

  return {
    touch: (agent, row) => {
      gathered.rows.set(agent, row)
      said()
    },
    event: (event) => {
      if (gathered.events.length < mostEvents) gathered.events.push(event)
      else gathered.dropped += 1
      said()
    },
    audit: (entry) => {
      gathered.audit.push(entry)
      said()
    },
    cell: (command) => {
      gathered.cells.push(command)
      said()
    },
    note: (name, value) => {
      gathered.notes.set(name, value)
      said()
    },
    flush: plan,
  }
}
