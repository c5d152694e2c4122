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
 * one is active and has been proven (tested, or answered a live call). When it turns out, while old versions drain,
 * that the new one is in wrong hands, another one is made, and all before it are ended.
 */
import type { SecretState } from '../../store/store.ts'
import type { Cycle, Fact, Move, Phase, StepContext, Stepped } from './states.ts'

export { freshCycle } from './states.ts'
export type { Cycle, Fact, Phase } from './states.ts'

/** How often a new version may be refused by its test before it is given up: providers need a while to know it. */
const mostTests = 20
const firstPauseMs = 1_000
const longestPauseMs = 600_000

/** What a provider answers, or its rule, is not what was thought: asking on would only make keys and end them. */
const mostLost = 3

/** A new version that is forbidden so many calls, and was not answered one, can do nothing. */
const mostForbidden = 3

/** A rotation that came to nothing begins anew after this; sooner when the version in use is in wrong hands. */
const afterUndoneMs = { usual: 3_600_000, emergency: 300_000 } as const

const pauseMs = (tries: number): number => Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(tries, 20))
/** Tests come fast at first: most keys are known within a second or two. */
const testPauseMs = (tries: number): number => Math.min(10_000, 100 * 2 ** Math.min(tries, 10))

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
  const known = [...serving, ...cycle.old, ...(cycle.next === null ? [] : [cycle.next])]
  return enter({ ...cycle, ids: keepKnown(cycle.ids, known), ends: keepKnown(cycle.ends, known) }, 'idle', nowMs, {
    dueMs: nextDueMs,
    label: null,
    next: null,
    old: [],
    emergency: false,
    isLeaked: false,
    fine: 0,
    why: null,
    ...more,
  })
}

/** The new version takes over; what served before drains, or is given up at once. */
const promote = (cycle: Cycle, context: StepContext): Stepped => {
  const next = cycle.next!
  const before = context.serving.filter((version) => version !== next)
  const old = [...new Set([...cycle.old, ...before])].toSorted((one, two) => one - two)
  // What drained already was not said to be in wrong hands.
  const stateOf = (version: number): SecretState =>
    cycle.emergency && !cycle.old.includes(version) ? 'compromised' : 'draining'
  const moves: Move[] = [
    { version: next, state: 'active' },
    ...before.map((version) => ({ version, state: stateOf(version) })),
  ]
  const phase = old.length === 0 ? 'idle' : cycle.emergency && cycle.proven ? 'revoking' : 'draining'
  const entered = enter(cycle, phase, context.nowMs, { old, why: null })
  const done = phase === 'idle' ? rest(entered, context, { doneMs: context.nowMs }) : entered
  return { cycle: done, moves, note: { kind: 'credential.active', message: `version ${next} is active` } }
}

const left = (version: number): string =>
  `version ${version} is no longer used, but its provider still takes it: end it there by hand`

const afterRevoked = (cycle: Cycle, context: StepContext, state: 'revoked' | 'retired'): Stepped => {
  const [version, ...others] = cycle.old
  const { nowMs } = context
  // A compromised version keeps that name: it says why it went.
  const keepsName = cycle.emergency && !context.serving.includes(version!)
  const moves: Move[] = keepsName ? [] : [{ version: version!, state }]
  const note = {
    kind: state === 'revoked' ? 'credential.revoked' : 'credential.left',
    message: state === 'revoked' ? `version ${version} is revoked` : left(version!),
  }
  const cycleAfter =
    others.length > 0
      ? enter(cycle, 'revoking', nowMs, { old: others })
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
    const made = { next: fact.version, ids, ends, proven: false, why: null, lost: 0, forbidden: 0 }
    const entered = enter(cycle, 'testing', nowMs, made)
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
  if (fact.kind === 'accepted' || fact.kind === 'untested') {
    const tested = { ...cycle, proven: fact.kind === 'accepted' }
    const isAtOnce = cycle.emergency || context.serving.length === 0 || context.skipsCanary === true
    return isAtOnce ? promote(tested, context) : only(enter(tested, 'canary', nowMs, { fine: 0, why: null }))
  }
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

const afterForbidden = (cycle: Cycle, giveUp: (why: string) => Stepped): Stepped | undefined => {
  if (cycle.proven) return undefined
  const forbidden = (cycle.forbidden ?? 0) + 1
  return forbidden < mostForbidden
    ? only({ ...cycle, forbidden })
    : giveUp(`${forbidden} calls with it were forbidden (403), and none was answered`)
}

const inCanary = (cycle: Cycle, fact: Fact, context: StepContext): Stepped | undefined => {
  if (fact.kind === 'accepted') return only({ ...cycle, proven: true, fine: cycle.fine + 1 })
  if (fact.kind === 'not-accepted') return undo(cycle, context.nowMs, fact.why)
  if (fact.kind === 'forbidden') return afterForbidden(cycle, (why) => undo(cycle, context.nowMs, why))
  if (fact.kind !== 'canary-over') return undefined
  // All that it was let do it was forbidden: it takes over from nobody.
  return !cycle.proven && (cycle.forbidden ?? 0) > 0
    ? undo(cycle, context.nowMs, 'every call with it was forbidden (403)')
    : promote(cycle, context)
}

/** It took over untested, and is refused: the one before serves again. */
const turnBack = (cycle: Cycle, nowMs: number, why: string): Stepped => {
  const undone = undo({ ...cycle, old: cycle.old.slice(0, -1), isLeaked: false }, nowMs, why)
  const moves: Move[] = [{ version: cycle.next!, state: 'staged' }]
  return { ...undone, moves: [...moves, { version: cycle.old.at(-1)!, state: 'active' }] }
}

const inEnding = (cycle: Cycle, fact: Fact, context: StepContext): Stepped | undefined => {
  if (cycle.phase === 'draining' && !cycle.proven) {
    if (fact.kind === 'accepted') {
      const proven = { ...cycle, proven: true }
      return cycle.isLeaked === true ? mintAnew(proven, cycle.label!, context.nowMs) : only(proven)
    }
    if (fact.kind === 'not-accepted') return turnBack(cycle, context.nowMs, fact.why)
    if (fact.kind === 'forbidden') return afterForbidden(cycle, (why) => turnBack(cycle, context.nowMs, why))
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

/** What served before goes on draining, and is ended with the one that serves now. */
const mintAnew = (cycle: Cycle, label: string, nowMs: number): Stepped => ({
  cycle: enter(cycle, 'minting', nowMs, { label, isLeaked: false, next: null, why: null, lost: 0 }),
  moves: [],
  note: {
    kind: 'credential.rotating',
    message: cycle.emergency ? 'a new version is made at once' : 'a new version is made',
  },
})

const begin = (cycle: Cycle, fact: Fact & { readonly kind: 'begin' }, nowMs: number): Stepped | undefined => {
  const { label } = fact
  const hurried = { ...cycle, emergency: cycle.emergency || fact.emergency }
  switch (cycle.phase) {
    case 'idle':
    case 'person':
      return mintAnew(hurried, label, nowMs)
    case 'draining':
    case 'revoking': {
      // The new one serves already: another is made only when that one is no good.
      if (!fact.emergency) return undefined
      if (cycle.proven) return mintAnew(hurried, label, nowMs)
      const why = `version ${cycle.next} is in wrong hands: another one is made when a call has shown that it works`
      return {
        cycle: { ...hurried, label, isLeaked: true, why },
        moves: [],
        note: { kind: 'credential.rotating', message: why },
      }
    }
    case 'undoing':
      return fact.emergency ? only(hurried) : undefined
    case 'minting':
    case 'looking':
    case 'testing':
    case 'canary':
      // A new one is coming, and an emergency only makes it hurry.
      return only(hurried)
  }
}

/**
 * A version by hand ends whatever was under way: what was coming is given up, and what served before is left to the
 * person who set the new one, who is told which those are.
 */
const setByHand = (
  cycle: Cycle,
  { version, endsMs, left }: Fact & { readonly kind: 'set' },
  context: StepContext,
): Stepped => {
  const given = new Set([...context.serving, ...(cycle.next === null ? [] : [cycle.next])])
  given.delete(version)
  const moves = [...given].map((one): Move => ({ version: one, state: 'retired' }))
  const ends: Cycle['ends'] = endsMs === null ? {} : { [version]: endsMs }
  const isAsked = cycle.phase === 'looking' || (cycle.phase === 'minting' && cycle.asked)
  const told = [
    ...(left.length === 0 ? [] : [`nobody ends ${left.map((one) => `version ${one}`).join(', ')} there now`]),
    ...(isAsked ? [`a key with the label ${cycle.label} may have been made`] : []),
  ]
  const message = `what its provider still takes is to be ended there by hand: ${told.join('; ')}`
  const rested = rest({ ...cycle, next: null, old: [] }, context, { proven: false, ends })
  return { cycle: rested, moves, note: told.length === 0 ? null : { kind: 'credential.left', message } }
}

/** Older ones that are to be ended still are, with the next one that takes over. */
const afterUndone = (cycle: Cycle, ended: boolean, context: StepContext): Stepped => {
  const { emergency, old, why } = cycle
  const againMs = context.nowMs + (emergency ? afterUndoneMs.emergency : afterUndoneMs.usual)
  const dueMs = Math.min(context.nextDueMs ?? Infinity, againMs)
  return {
    cycle: rest(cycle, context, { emergency, old, why, againMs, dueMs }),
    moves: cycle.next === null ? [] : [{ version: cycle.next, state: ended ? 'revoked' : 'retired' }],
    note: ended ? null : { kind: 'credential.left', message: left(cycle.next!) },
  }
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
      return afterUndone(cycle, fact.ended, context)
    case 'idle':
    case 'person':
      return undefined
  }
}

/** The canary's share of live calls: one in a hundred until one was answered, then one in ten. */
export const canaryShare = (cycle: Cycle): number => (cycle.phase !== 'canary' ? 0 : cycle.fine === 0 ? 0.01 : 0.1)
