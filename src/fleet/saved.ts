/**
 * The policy state as it is saved with an agent (`AgentRow.policy`), and read back by the next sitter. Times are
 * monotonic, so the stamp of the save goes with them: within one boot they mean the same, after a reboot they are moved
 * by the wall time that passed.
 */
import type { Stamp } from '../std/std.ts'
import type { Bed } from './hibernate/dormitory.ts'
import type { Agent, Due, Group, Part } from './live.ts'
import { freshPolicy, type PolicyState } from './restart.ts'
import { noPartings, type Partings } from './split.ts'

export interface Saved {
  readonly policy: PolicyState
  readonly hold: Agent['hold']
  readonly ordered: Agent['ordered']
  readonly due: Due | null
  readonly lastCells: readonly string[]
  readonly kills: readonly number[]
  /** Where it sleeps; a bed that is not in the record is nobody's. */
  readonly bed: Bed | null
  /** Of its home, with the first of its members only. */
  readonly group: SavedGroup | null
  /** The part in which it lives apart; with the part's own state at the first of its agents. */
  readonly part: (Part & { readonly group: SavedGroup | null }) | null
}
export type SavedGroup = Pick<Group, 'policy' | 'quarantined' | 'due' | 'deaths' | 'partings'>

export const nothingSaved: Saved = {
  policy: freshPolicy,
  hold: null,
  ordered: null,
  due: null,
  lastCells: [],
  kills: [],
  bed: null,
  group: null,
  part: null,
}

const groupState = ({ policy, quarantined, due, deaths, partings }: Group): SavedGroup => ({
  policy,
  quarantined,
  due,
  deaths,
  partings,
})

/** Only while it sleeps: the commit that wakes it forgets its bed, so that no snapshot lives twice. */
const bedState = ({ state, bed }: Agent): Pick<Bed, 'set' | 'dueInMs' | 'hash'> | null =>
  state !== 'hibernating' || bed === null || bed.hash === null
    ? null
    : { set: bed.set, dueInMs: bed.dueInMs, hash: bed.hash }

export const savePolicy = (agent: Agent, at: Stamp): string => {
  const { group, home } = agent
  return JSON.stringify({
    at,
    policy: agent.policy,
    hold: agent.hold,
    ordered: agent.ordered,
    due: agent.due,
    lastCells: agent.lastCells,
    kills: agent.kills,
    bed: bedState(agent),
    group: home.members[0] === agent ? groupState(home) : null,
    part: group.part && { ...group.part, group: group.agents[0] === agent ? groupState(group) : null },
  })
}

type Loose = Readonly<Record<string, unknown>>
const isObject = (value: unknown): value is Loose =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isAmount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0
const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)

export const readObject = (text: string): Loose | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

export const readStamp = (value: unknown): Stamp | undefined =>
  isObject(value) && isTime(value['wallMs']) && isTime(value['monoMs']) && typeof value['bootId'] === 'string'
    ? { wallMs: value['wallMs'], monoMs: value['monoMs'], bootId: value['bootId'] }
    : undefined

const readDue = (value: unknown): Due | null => {
  if (!isObject(value)) return null
  const set = readStamp(value['set'])
  return set && isAmount(value['delayMs']) ? { set, delayMs: value['delayMs'] } : null
}

const readBed = (value: unknown): Bed | null => {
  if (!isObject(value)) return null
  const set = readStamp(value['set'])
  const { dueInMs, hash } = value
  if (set === undefined || typeof hash !== 'string' || !(dueInMs === null || isAmount(dueInMs))) return null
  return { set, dueInMs, hash, snapshot: null, cancelDue: null }
}

/** How far monotonic times of the save lie from ours; a wall clock that went back counts as no time passed. */
export const shiftMs = (saved: Stamp, now: Stamp): number =>
  saved.bootId === now.bootId ? 0 : now.monoMs - Math.max(0, now.wallMs - saved.wallMs) - saved.monoMs

const readPolicy = (value: unknown, shift: number): PolicyState | undefined => {
  if (!isObject(value)) return undefined
  const { losses, inARow, delayMs, quarantines, probeMs, probation } = value
  if (!Array.isArray(losses) || !losses.every(isTime) || losses.length > 10_000) return undefined
  if (!isAmount(inARow) || !isAmount(delayMs) || !isAmount(quarantines) || !isAmount(probeMs)) return undefined
  if (typeof probation !== 'boolean') return undefined
  return { losses: losses.map((atMs) => atMs + shift), inARow, delayMs, quarantines, probeMs, probation }
}

const timesOf = (value: unknown, shift: number): readonly number[] =>
  Array.isArray(value)
    ? value
        .filter(isTime)
        .slice(-10)
        .map((atMs) => atMs + shift)
    : []

const readPartings = (value: unknown, shift: number): Partings => {
  if (!isObject(value)) return noPartings
  const { count, atMs, proofMs } = value
  return isAmount(count) && isTime(atMs) && isAmount(proofMs) ? { count, atMs: atMs + shift, proofMs } : noPartings
}

const readGroup = (value: unknown, shift: number): SavedGroup | null => {
  if (!isObject(value)) return null
  const policy = readPolicy(value['policy'], shift)
  if (policy === undefined) return null
  return {
    policy,
    quarantined: value['quarantined'] === true,
    due: readDue(value['due']),
    deaths: timesOf(value['deaths'], shift),
    partings: readPartings(value['partings'], shift),
  }
}

const readPart = (value: unknown, shift: number): Saved['part'] => {
  if (!isObject(value)) return null
  const { id, proofMs, named, sinceMs } = value
  if (typeof id !== 'string' || !isAmount(proofMs) || !isTime(sinceMs)) return null
  return { id, proofMs, named: named === true, sinceMs, group: readGroup(value['group'], shift) }
}

/** What is kept of a configured group, and how it is read back; undefined when it is something else. */
export const saveBand = (band: Pick<Group, 'policy' | 'quarantined' | 'due'>, at: Stamp): string =>
  JSON.stringify({ at, policy: band.policy, quarantined: band.quarantined, due: band.due })

export const readBand = (text: string, now: Stamp): SavedGroup | undefined => {
  const value = readObject(text)
  const at = readStamp(value?.['at'])
  return value === undefined || at === undefined ? undefined : (readGroup(value, shiftMs(at, now)) ?? undefined)
}

/**
 * Undefined when the text is not what savePolicy writes: then the agent starts with a clean slate, and the caller says
 * so.
 */
export const readSaved = (text: string, now: Stamp): Saved | undefined => {
  const value = readObject(text)
  if (value === undefined) return undefined
  const at = readStamp(value['at'])
  if (at === undefined) return undefined
  const shift = shiftMs(at, now)
  const policy = readPolicy(value['policy'], shift)
  if (policy === undefined) return undefined
  const hold = value['hold'] === 'own' || value['hold'] === 'cell' || value['hold'] === 'band' ? value['hold'] : null
  const ordered = value['ordered']
  const cells = value['lastCells']
  return {
    policy,
    hold,
    ordered: ordered === 'paused' || ordered === 'stopped' || ordered === 'quarantined' ? ordered : null,
    due: readDue(value['due']),
    lastCells: Array.isArray(cells) ? cells.filter((id): id is string => typeof id === 'string').slice(0, 4) : [],
    kills: timesOf(value['kills'], shift),
    bed: readBed(value['bed']),
    group: readGroup(value['group'], shift),
    part: readPart(value['part'], shift),
  }
}
