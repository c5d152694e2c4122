/**
 * The gate's own copy of the modes, durable, so that neither a dead sitter nor a restart of the gate makes anything
 * milder. Fails closed: what it was never told, or cannot read, counts as parked.
 *
 * A telling comes in pieces. What is stricter holds as soon as it is heard; what is milder only when all of it has come
 * and is written.
 */
import { modeRank, modes as ladder, targetsOf, type Mode, type ModeScope } from '../model/model.ts'
import { failure } from '../std/std.ts'

export interface SetMode {
  readonly target: string
  readonly mode: Mode
  readonly reason: string
}
export interface Told {
  readonly first: boolean
  readonly last: boolean
  readonly modes: readonly SetMode[]
}
export interface Modes {
  /** The strictest that holds for this call. */
  of(scope: ModeScope): SetMode
  /** Resolves with how many are set, when the last piece of a telling is durable. */
  tell(piece: Told): Promise<{ readonly set: number }>
}

/** What the record of the gate keeps: text, because it may have been written by another version. */
export interface SavedMode {
  readonly target: string
  readonly mode: string
  readonly reason: string
}

/** As many targets as a swarm may have agents, types and channels. */
const mostModes = 1_100_000

const active: SetMode = { target: 'swarm', mode: 'active', reason: '' }
const untold: SetMode = { target: 'swarm', mode: 'parked', reason: 'the gate has not been told yet what it may send' }

const isMode = (text: string): text is Mode => (ladder as readonly string[]).includes(text)

const read = ({ target, mode, reason }: SavedMode): SetMode =>
  isMode(mode)
    ? { target, mode, reason }
    : { target, mode: 'parked', reason: `the mode ${JSON.stringify(mode.slice(0, 40))} is not known to this gate` }

type Known = ReadonlyMap<string, SetMode>

const mapOf = (modes: readonly SetMode[]): Known => new Map(modes.map((one) => [one.target, one]))

/** The stricter of both for each target. */
const together = (one: Known, other: Known): Known => {
  const both = new Map(one)
  for (const [target, set] of other) {
    const there = both.get(target)
    if (there === undefined || modeRank[set.mode] > modeRank[there.mode]) both.set(target, set)
  }
  return both
}

export const openModes = (options: {
  /** Undefined = never told. */
  readonly saved: readonly SavedMode[] | undefined
  readonly save: (modes: readonly SetMode[]) => Promise<void>
}): Modes => {
  let known: Known | undefined = options.saved && mapOf(options.saved.map(read))
  let gathering: SetMode[] = []
  /** The newest telling: one that is overtaken while it is written makes nothing milder. */
  let newest = 0

  return {
    of: (scope) => {
      if (known === undefined) return untold
      if (known.size === 0) return active
      let strictest = active
      for (const target of targetsOf(scope)) {
        const set = known.get(target)
        if (set !== undefined && modeRank[set.mode] > modeRank[strictest.mode]) strictest = set
      }
      return strictest
    },
    tell: async ({ first, last, modes }) => {
      if (first) gathering = []
      if (gathering.length + modes.length > mostModes) throw failure('too-large', `more than ${mostModes} modes`)
      gathering.push(...modes)
      if (known !== undefined) known = together(known, mapOf(modes))
      if (!last) return { set: gathering.length }
      const told = gathering
      const mine = (newest += 1)
      await options.save(told)
      if (mine === newest) known = mapOf(told)
      return { set: told.length }
    },
  }
}
