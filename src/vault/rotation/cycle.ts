/**
 * One credential's way from an old version to a new one. Pure: each fact gives the next state and the states of its
 * versions, which are saved in one commit before the next deed.
 *
 *   idle ── due, asked ──▶ minting ── minted ──▶ testing ── tested ──▶ canary ── proven ──▶ draining ── nobody uses
 *    ▲                      │    ▲                 └─ refused ─▶ undoing    └─ refused ─▶ undoing │  the old one
 *    │                lost  ▼    │ none of ours is there                                          ▼
 *    │                    looking┘                                                            revoking
 *    └──────────────────────────────── done: every old version is revoked ◀───────────────────────┘
 *
 * A mint whose answer was lost is looked for and never simply repeated. An old version is revoked only while a newer
 * one is active and has been proven (tested, or answered a live call).
 */
import type { SecretState } from '../../store/store.ts'

export type Phase =
  | 'idle'
  | 'minting'
  | 'looking'
  | 'testing'
  | 'canary'
  | 'draining'
  | 'revoking'
  | 'undoing'
  | 'person'

export interface Cycle {
  readonly phase: Phase
  readonly sinceMs: number
  /** When the next rotation begins (or, for a person, must be done); null = unknown, for want of a version. */
  readonly dueMs: number | null
  /** How its provider knows the key that is being made. */
  readonly label: string | null
  /** The version that is coming. */
  readonly next: number | null
  /** Versions that are to be revoked, oldest first. */
  readonly old: readonly number[]
  /** The provider's ids of versions, where it told them. */
  readonly ids: Readonly<Record<string, string>>
  /** Known ends of versions by their provider: dates of the calendar, and not of our clock. */
  readonly ends: Readonly<Record<string, number>>
  /** The newest version was accepted at least once: by a test, or by a live call. */
  readonly proven: boolean
  /** The old one is in wrong hands: no canary, no overlap. */
  readonly emergency: boolean
  /** A mint may be at the provider now. */
  readonly asked: boolean
  /** Mints in a row of which nobody knows what came of them; absent in states of before. */
  readonly lost?: number
  /** Tries of the deed at hand that came to nothing. */
  readonly tries: number
  /** Wall ms before which it is not tried again. */
  readonly againMs: number
  /** Calls that the new version answered in its canary. */
  readonly fine: number
  readonly why: string | null
  readonly doneMs: number | null
}

export type Fact =
  | { readonly kind: 'begin'; readonly label: string; readonly emergency: boolean }
  | { readonly kind: 'minted'; readonly version: number; readonly id: string | null; readonly endsMs: number | null }
  /** Saved before the provider is asked. */
  | { readonly kind: 'asking' }
  /** Proven not to have been made. */
  | { readonly kind: 'not-minted'; readonly why: string }
  | { readonly kind: 'mint-unknown'; readonly why: string }
  /** Nothing of ours is at the provider; `label` for the next try. */
  | { readonly kind: 'none-found'; readonly label: string }
  | { readonly kind: 'still-there'; readonly why: string }
  | { readonly kind: 'cannot-look'; readonly why: string }
  | { readonly kind: 'accepted' }
  | { readonly kind: 'not-accepted'; readonly why: string }
  /** There is no test: the calls will tell. */
  | { readonly kind: 'untested' }
  | { readonly kind: 'test-unknown'; readonly why: string }
  | { readonly kind: 'canary-over' }
  | { readonly kind: 'drained' }
  | { readonly kind: 'revoked' }
  | { readonly kind: 'not-revoked'; readonly why: string }
  /** The provider offers no way to revoke it. */
  | { readonly kind: 'cannot-revoke' }
  /** What was made is ended at its provider, or cannot be ended there by us. */
  | { readonly kind: 'undone'; readonly ended: boolean }
  /** A person set a version. */
  | { readonly kind: 'set'; readonly version: number; readonly endsMs: number | null }

export interface Move {
  readonly version: number
  readonly state: SecretState
}
export interface Stepped {
  readonly cycle: Cycle
  readonly moves: readonly Move[]
  /** What people are told of it. */
  readonly note: { readonly kind: string; readonly message: string } | null
}
export interface StepContext {
  readonly nowMs: number
  /** The next due time, should this step end the rotation; null = nobody wants another. */
  readonly nextDueMs: number | null
  /** Versions that are active or draining now, oldest first. */
  readonly serving: readonly number[]
}

/** How often a new version may be refused by its test before it is given up: providers need a while to know it. */
const mostTests = 20
const firstPauseMs = 1_000
const longestPauseMs = 600_000

/** What a provider answers, or its rule, is not what was thought: asking on would only make keys and end them. */
const mostLost = 3

/** A rotation that came to nothing begins anew after this. */
const afterUndoneMs = 3_600_000

const pauseMs = (tries: number): number => Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(tries, 20))
/** Tests come fast at first: most keys are known within a second or two. */
const testPauseMs = (tries: number): number => Math.min(10_000, 100 * 2 ** Math.min(tries, 10))

export const freshCycle = (nowMs: number, dueMs: number | null): Cycle => ({
  phase: 'idle',
  sinceMs: nowMs,
  dueMs,
  label: null,
  next: null,
  old: [],
  ids: {},
  ends: {},
  proven: false,
  emergency: false,
  asked: false,
  tries: 0,
  againMs: 0,
  fine: 0,
  why: null,
  doneMs: null,
})

const only = (cycle: Cycle, moves: readonly Move[] = []): Stepped => ({ cycle, moves, note: null })
const enter = (cycle: Cycle, phase: Phase, nowMs: number, more: Partial<Cycle> = {}): Cycle => ({
  ...cycle,
  phase,
  sinceMs: nowMs,
  asked: false,
  tries: 0,
  againMs: 0,
  ...more,
})
const again = (cycle: Cycle, nowMs: number, why: string, delayMs = pauseMs(cycle.tries)): Cycle => ({
  ...cycle,
  asked: false,
  tries: cycle.tries + 1,
  againMs: nowMs + delayMs,
  why,
})

const keepKnown = <Value>(map: Readonly<Record<string, Value>>, versions: readonly number[]): Record<string, Value> =>
  Object.fromEntries(Object.entries(map).filter(([version]) => versions.includes(Number(version))))

/** The rotation is over, well or not; the next one is due then. */
const rest = (cycle: Cycle, { nowMs, nextDueMs, serving }: StepContext, more: Partial<Cycle> = {}): Cycle => {
  const known = cycle.next === null ? serving : [...serving, cycle.next]
  return enter({ ...cycle, ids: keepKnown(cycle.ids, known), ends: keepKnown(cycle.ends, known) }, 'idle', nowMs, {
    dueMs: nextDueMs,
    label: null,
    next: null,
    old: [],
    emergency: false,
    fine: 0,
    why: null,
    ...more,
  })
}

/** The new version takes over; what served before drains, or is given up at once. */
const promote = (cycle: Cycle, context: StepContext): Stepped => {
  const next = cycle.next!
  const old = context.serving.filter((version) => version !== next)
  const state = cycle.emergency ? 'compromised' : 'draining'
  const moves: Move[] = [{ version: next, state: 'active' }, ...old.map((version) => ({ version, state }) as const)]
  const phase = old.length === 0 ? 'idle' : cycle.emergency && cycle.proven ? 'revoking' : 'draining'
  const entered = enter(cycle, phase, context.nowMs, { old, why: null })
  const done = phase === 'idle' ? rest(entered, context, { doneMs: context.nowMs }) : entered
  return { cycle: done, moves, note: { kind: 'credential.active', message: `version ${next} is active` } }
}

const afterRevoked = (cycle: Cycle, context: StepContext, state: 'revoked' | 'retired'): Stepped => {
  const [version, ...left] = cycle.old
  const { nowMs } = context
  // A compromised version keeps that name: it says why it went.
  const moves: Move[] = cycle.emergency ? [] : [{ version: version!, state }]
  const note = {
    kind: state === 'revoked' ? 'credential.revoked' : 'credential.left',
    message:
      state === 'revoked'
        ? `version ${version} is revoked`
        : `version ${version} is no longer used, but its provider still takes it: end it there by hand`,
  }
  const cycleAfter =
    left.length > 0
      ? enter(cycle, 'revoking', nowMs, { old: left })
      : rest({ ...cycle, old: [] }, context, { doneMs: nowMs })
  return { cycle: cycleAfter, moves, note }
}

const undo = (cycle: Cycle, nowMs: number, why: string): Stepped => ({
  cycle: enter(cycle, 'undoing', nowMs, { why }),
  moves: [],
  note: { kind: 'credential.not-accepted', message: `version ${cycle.next} is not accepted: ${why}` },
})

const byPerson = (cycle: Cycle, nowMs: number, why: string): Stepped => ({
  cycle: enter(cycle, 'person', nowMs, { why }),
  moves: [],
  note: { kind: 'credential.person', message: why },
})

const inMinting = (cycle: Cycle, fact: Fact, context: StepContext): Stepped | undefined => {
  const { nowMs } = context
  if (fact.kind === 'asking') {
    return only({ ...cycle, asked: true })
  }
  if (fact.kind === 'minted') {
    const ids = fact.id === null ? cycle.ids : { ...cycle.ids, [fact.version]: fact.id }
    const ends = fact.endsMs === null ? cycle.ends : { ...cycle.ends, [fact.version]: fact.endsMs }
    const entered = enter(cycle, 'testing', nowMs, { next: fact.version, ids, ends, proven: false, why: null, lost: 0 })
    return {
      cycle: entered,
      moves: [],
      note: { kind: 'credential.staged', message: `version ${fact.version} is made` },
    }
  }
  if (fact.kind === 'not-minted') {
    return only(again(cycle, nowMs, fact.why))
  }
  if (fact.kind === 'mint-unknown') {
    return {
      cycle: enter(cycle, 'looking', nowMs, { why: fact.why, lost: (cycle.lost ?? 0) + 1 }),
      moves: [],
      note: { kind: 'credential.mint-unknown', message: fact.why },
    }
  }
  return undefined
}

const inLooking = (cycle: Cycle, fact: Fact, { nowMs }: StepContext): Stepped | undefined => {
  if (fact.kind === 'none-found') {
    if ((cycle.lost ?? 0) >= mostLost)
      return byPerson(cycle, nowMs, `${cycle.lost} times a key was asked for, and nobody knows what came of it`)
    return only(enter(cycle, 'minting', nowMs, { label: fact.label }))
  }
  if (fact.kind === 'still-there') {
    return only(again(cycle, nowMs, fact.why))
  }
  if (fact.kind === 'cannot-look') {
    return byPerson(cycle, nowMs, fact.why)
  }
  return undefined
}

const inTesting = (cycle: Cycle, fact: Fact, context: StepContext): Stepped | undefined => {
  const { nowMs } = context
  if (fact.kind === 'accepted') {
    const proven = { ...cycle, proven: true }
    if (cycle.emergency || context.serving.length === 0) return promote(proven, context)
    return only(enter(proven, 'canary', nowMs, { fine: 0, why: null }))
  }
  if (fact.kind === 'untested')
    return cycle.emergency || context.serving.length === 0
      ? promote(cycle, context)
      : only(enter(cycle, 'canary', nowMs, { fine: 0, why: null }))
  if (fact.kind === 'not-accepted') {
    return cycle.tries + 1 >= mostTests
      ? undo(cycle, nowMs, fact.why)
      : only(again(cycle, nowMs, fact.why, testPauseMs(cycle.tries)))
  }
  if (fact.kind === 'test-unknown') {
    return only(again(cycle, nowMs, fact.why, testPauseMs(cycle.tries)))
  }
  return undefined
}

const inCanary = (cycle: Cycle, fact: Fact, context: StepContext): Stepped | undefined => {
  if (fact.kind === 'accepted') return only({ ...cycle, proven: true, fine: cycle.fine + 1 })
  if (fact.kind === 'not-accepted') return undo(cycle, context.nowMs, fact.why)
  return fact.kind === 'canary-over' ? promote(cycle, context) : undefined
}

/** It took over untested, and is refused: the one before serves again. */
const turnBack = (cycle: Cycle, nowMs: number, why: string): Stepped => {
  const undone = undo(cycle, nowMs, why)
  const moves: Move[] = [{ version: cycle.next!, state: 'staged' }]
  return { ...undone, moves: [...moves, { version: cycle.old.at(-1)!, state: 'active' }] }
}

const inEnding = (cycle: Cycle, fact: Fact, context: StepContext): Stepped | undefined => {
  if (cycle.phase === 'draining' && !cycle.proven) {
    if (fact.kind === 'accepted') return only({ ...cycle, proven: true })
    if (fact.kind === 'not-accepted') return turnBack(cycle, context.nowMs, fact.why)
  }
  if (fact.kind === 'drained') {
    return cycle.phase === 'draining' && mayRevoke(cycle) ? only(enter(cycle, 'revoking', context.nowMs)) : undefined
  }
  if (cycle.phase !== 'revoking') return undefined
  if (fact.kind === 'revoked') {
    return afterRevoked(cycle, context, 'revoked')
  }
  if (fact.kind === 'cannot-revoke') {
    return afterRevoked(cycle, context, 'retired')
  }
  if (fact.kind === 'not-revoked') {
    return only(again(cycle, context.nowMs, fact.why))
  }
  return undefined
}

/** The last version that is known to work is never revoked. */
export const mayRevoke = ({ proven, next, old }: Cycle): boolean => proven && next !== null && !old.includes(next)

const begin = (cycle: Cycle, fact: Fact & { readonly kind: 'begin' }, nowMs: number): Stepped => {
  const { label, emergency } = fact
  // What is under way goes on; an emergency only makes it hurry.
  if (cycle.phase !== 'idle' && cycle.phase !== 'person')
    return only({ ...cycle, emergency: cycle.emergency || emergency })
  return {
    cycle: enter(cycle, 'minting', nowMs, { label, emergency, next: null, why: null, lost: 0 }),
    moves: [],
    note: {
      kind: 'credential.rotating',
      message: emergency ? 'a new version is made at once' : 'a new version is made',
    },
  }
}

/**
 * A version by hand ends whatever was under way: what was coming is given up, and what served before is left to the
 * person who set the new one.
 */
const setByHand = (
  cycle: Cycle,
  { version, endsMs }: Fact & { readonly kind: 'set' },
  context: StepContext,
): Stepped => {
  const given = new Set([...context.serving, ...(cycle.next === null ? [] : [cycle.next])])
  given.delete(version)
  const moves = [...given].map((one): Move => ({ version: one, state: 'retired' }))
  const ends: Cycle['ends'] = endsMs === null ? {} : { [version]: endsMs }
  return { cycle: rest({ ...cycle, next: null, old: [] }, context, { proven: false, ends }), moves, note: null }
}

/** The next state; undefined when a fact does not belong to this one: it came too late, and changes nothing. */
export const step = (cycle: Cycle, fact: Fact, context: StepContext): Stepped | undefined => {
  if (fact.kind === 'begin') return begin(cycle, fact, context.nowMs)
  if (fact.kind === 'set') return setByHand(cycle, fact, context)
  switch (cycle.phase) {
    case 'minting':
      return inMinting(cycle, fact, context)
    case 'looking':
      return inLooking(cycle, fact, context)
    case 'testing':
      return inTesting(cycle, fact, context)
    case 'canary':
      return inCanary(cycle, fact, context)
    case 'draining':
    case 'revoking':
      return inEnding(cycle, fact, context)
    case 'undoing':
      if (fact.kind === 'not-revoked') return only(again(cycle, context.nowMs, fact.why))
      if (fact.kind !== 'undone') return undefined
      return {
        cycle: rest(cycle, context, {
          why: cycle.why,
          againMs: context.nowMs + afterUndoneMs,
          dueMs: Math.min(context.nextDueMs ?? Infinity, context.nowMs + afterUndoneMs),
        }),
        moves: cycle.next === null ? [] : [{ version: cycle.next, state: fact.ended ? 'revoked' : 'retired' }],
        note: null,
      }
    case 'idle':
    case 'person':
      return undefined
  }
}

/** The canary's share of live calls: one in a hundred until one was answered, then one in ten. */
export const canaryShare = (cycle: Cycle): number => (cycle.phase !== 'canary' ? 0 : cycle.fine === 0 ? 0.01 : 0.1)
