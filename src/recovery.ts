/**
 * The first deed of a sitter: whatever an older incarnation left is swept and put right in the record, before anything
 * new is started. And what it tells of other programs that ended meanwhile, by the word of the watch.
 */
import { sweepCells, sweepDirectories } from './cell/cell.ts'
import type { Clock, Disk, Proc } from './std/std.ts'
import { patiently, type Command, type NewEvent, type Queries, type Store } from './store/store.ts'

export interface Recovery {
  readonly store: Store
  readonly clock: Clock
  readonly proc: Proc
  readonly disk: Disk
  readonly owner: string
  readonly epoch: number
  /** When the last sitter was seen alive (wall ms); the record alone knows when it wrote last. */
  readonly aliveMs?: number
  /** Where sockets lie whose path would be too long elsewhere. */
  readonly sockets: string
  /** Where the directories of cells lie. */
  readonly cells: string
}

/** Who had work in hand is asked for: more would be no few. */
const mostInHand = 10_000

/** How the sitter before this one ended: when it wrote last, and who had work in hand. */
export interface LastLife {
  readonly diedMs: number
  readonly given: Awaited<ReturnType<Queries['inHand']>>
  /** When sitters began, this one too, after one that had died (wall ms): of the last hour, newest first. */
  readonly deaths: readonly number[]
}

const deathsKeptMs = 3_600_000
/** A sitter that dies every few seconds for an hour, and what else is said of sitters. */
const mostTurns = 1_000

/** Of what is said of sitters, newest first: a life that begins where none had ended in order. Pure. */
export const deathsIn = (
  events: readonly { readonly kind: string; readonly wallMs: number }[],
  nowMs: number,
): readonly number[] => {
  const deaths: number[] = []
  let laterMs: number | null = nowMs
  for (const { kind, wallMs } of events) {
    const isStart = kind === 'sitter.started'
    if (!isStart && kind !== 'sitter.stopped') continue
    if (isStart && laterMs !== null && nowMs - laterMs <= deathsKeptMs) deaths.push(laterMs)
    laterMs = isStart ? wallMs : null
  }
  return deaths
}
const readLastLife = async (
  read: Pick<Queries, 'host' | 'inHand' | 'events'>,
  owner: string,
  { aliveMs, nowMs }: { readonly aliveMs: number; readonly nowMs: number },
): Promise<LastLife> => {
  const [host, given, { items }, turns] = await Promise.all([
    read.host(owner),
    read.inHand(mostInHand),
    read.events({ limit: 1, after: null, newestFirst: true }),
    read.events({ limit: mostTurns, after: null, newestFirst: true, subject: 'sitter' }),
  ])
  return {
    diedMs: Math.max(aliveMs, host?.beatMs ?? 0, given[0]?.startedMs ?? 0, items[0]?.wallMs ?? 0),
    given,
    deaths: deathsIn(turns.items, nowMs),
  }
}

/** What an older incarnation left: its cells are killed, its attempts interrupted; nobody is charged. Gives its end. */
export const recover = async (ask: Recovery): Promise<LastLife> => {
  const { store, clock, proc, disk, owner, epoch, sockets, cells } = ask
  const lastLife = await readLastLife(store.read, owner, { aliveMs: ask.aliveMs ?? 0, nowMs: clock.wallMs() })
  const left = await store.read.cellsAlive()
  const swept = await sweepCells({ proc, disk }, left, sockets)
  const living = new Set(swept.flatMap(({ id, process }) => (process === 'still-there' ? [id] : [])))
  await sweepDirectories(disk, [cells, sockets], living)
  const wallMs = clock.wallMs()
  const commands: Command[] = swept
    .filter((one) => one.process !== 'still-there')
    .map((one) => ({
      kind: 'cell.ended',
      with: { id: one.id, cause: 'sitter-ended', detail: one.process, wallMs },
    }))
  const [recovered] = await patiently(store, [
    { kind: 'attempts.recover', with: { owner, epoch, wallMs } },
    ...commands,
  ])
  const interrupted = recovered.ok ? recovered.value.interrupted : 0
  await patiently(store, [
    {
      kind: 'events.add',
      with: {
        wallMs,
        events: [
          {
            kind: 'sitter.started',
            level: 'info',
            subject: 'sitter',
            message: `sitter epoch ${epoch}: ${left.length} cells swept, ${interrupted} attempts interrupted`,
            facts: {
              epoch,
              cells: left.length,
              interrupted,
              pid: process.pid,
              resisting: swept.filter((one) => one.process === 'still-there').length,
            },
          },
        ],
      },
    },
    {
      kind: 'audit.append',
      with: {
        wallMs,
        entries: [
          { actor: 'sitter', action: 'sitter.started', object: owner, decision: 'done', facts: { epoch, interrupted } },
        ],
      },
    },
  ])
  return lastLife
}

const recordEvent = async (store: Store, clock: Clock, event: NewEvent): Promise<void> => {
  await store.transact([{ kind: 'events.add', with: { wallMs: clock.wallMs(), events: [event] } }])
}

/** How a program ended is seen by the watch alone. */
export const recordEnd = (
  store: Store,
  clock: Clock,
  ended: { readonly program: string; readonly by: string; readonly againInMs: number; readonly deaths: number },
): Promise<void> => {
  const { program, ...facts } = ended
  const message = `the ${program} ended by ${ended.by}; the watch starts it again in ${ended.againInMs} ms`
  return recordEvent(store, clock, { kind: `${program}.ended`, level: 'error', subject: program, message, facts })
}

/** The last word of a sitter that ends in order; the next one takes everything else for a death. */
export const recordStopped = (store: Store, clock: Clock, epoch: number): Promise<void> =>
  recordEvent(store, clock, {
    kind: 'sitter.stopped',
    level: 'info',
    subject: 'sitter',
    message: `sitter epoch ${epoch} ended in order`,
    facts: { epoch },
  })

export const recordBack = (store: Store, clock: Clock): Promise<void> =>
  recordEvent(store, clock, {
    kind: 'gate.linked',
    level: 'info',
    subject: 'gate',
    message: 'the gate is linked again',
    facts: {},
  })
