/**
 * The three questions of whoever is woken at night, answered from what the sitter says: does money move, what is
 * broken, who must act? What cannot be told from it is unknown, never well. Pure.
 */
import type { AuditVerdict, SelfAnswer, SwarmView } from '../../src/doors/api.ts'
import { hrefOf } from './address.ts'
import { paceOf, progressOf, type Sample } from './progress.ts'
import { barOf, deeds, type DeedName } from './role.ts'
import { count, counted, duration } from './words.ts'

export type Tone = 'good' | 'bad' | 'unsure' | 'soft'
export interface Fact {
  readonly says: string
  /** Where it stands one by one; null where it is said already. */
  readonly href: string | null
}
export interface Answer {
  readonly tone: Tone
  readonly says: string
  readonly facts: readonly Fact[]
}

/** Upstreams that asked for silence, with how long it still lasts. */
const pauses = (view: SwarmView): Fact[] => {
  if ('unknown' in view.gate) return []
  return view.gate.upstreams.flatMap(({ name, paused }) =>
    paused.slice(0, 1).map(({ why, untilMs }) => {
      const leftMs = untilMs - view.nowMs
      const does = why === 'banned' ? 'refuses whoever we are' : 'asked for silence'
      const left = leftMs > 0 ? `${duration(leftMs)} left` : 'one call is still to try its end'
      return { says: `${name} ${does}: ${left}`, href: hrefOf(['log'], { id: 'gate' }) }
    }),
  )
}

export const moneyAnswer = (view: SwarmView, samples: readonly Sample[]): Answer => {
  const { toGo, settled } = progressOf(view)
  const underWay = view.settle.byState['submitting']?.count ?? 0
  const facts = pauses(view)
  if (view.freeze.frozen === true) return { tone: 'bad', says: 'No: the swarm is frozen', facts }
  if ('unknown' in view.gate) return { tone: 'unsure', says: `Not known: ${view.gate.unknown}`, facts }
  if (view.gate.journalRefuses) return { tone: 'bad', says: 'No: the gate cannot write its journal', facts }
  if (view.idle && toGo > 0)
    return {
      tone: 'unsure',
      says: 'No: what is left waits for a person',
      facts: [{ says: `${counted(toGo, 'task')} to go`, href: hrefOf(['inbox']) }, ...facts],
    }
  const pace = paceOf(samples)
  if (pace !== null && pace.settledPerSecond > 0) {
    const speed =
      pace.settledPerSecond < 10 ? pace.settledPerSecond.toFixed(1) : count(Math.round(pace.settledPerSecond))
    return { tone: 'good', says: `Yes: ${speed} payments settled a second`, facts }
  }
  if (toGo === 0 && underWay === 0)
    return { tone: 'soft', says: settled === 0 ? 'Nothing to pay' : 'Nothing more to pay', facts }
  if (pace === null) return { tone: 'unsure', says: 'Not known yet: watching', facts }
  return {
    tone: 'bad',
    says: `No: nothing settled in the last ${duration(pace.overMs)}`,
    facts: [{ says: `${counted(toGo, 'task')} to go`, href: hrefOf(['tasks']) }, ...facts],
  }
}

const troubled = ['quarantined', 'unknown', 'suspect', 'backoff'] as const

/** `audit` is null where it was not checked: that is said by the check itself. */
export const brokenAnswer = (view: SwarmView, audit: AuditVerdict | null): Answer => {
  const facts: Fact[] = []
  if (!view.ledger.ok) facts.push({ says: 'the ledger does not balance', href: hrefOf(['books']) })
  if (audit?.ok === false)
    facts.push({ says: `the audit is broken at entry ${audit.firstBad ?? 'unknown'}`, href: hrefOf(['books']) })
  if ('unknown' in view.gate) facts.push({ says: `gate: ${view.gate.unknown}`, href: hrefOf(['log'], { id: 'gate' }) })
  else {
    if (view.gate.journalRefuses)
      facts.push({ says: 'the gate cannot write its journal: nothing goes out', href: hrefOf(['log'], { id: 'gate' }) })
    for (const { name, breakers } of view.gate.upstreams) {
      // Closed ones are not told of.
      if (breakers.length > 0)
        facts.push({
          says: `${name} fails, ${counted(breakers.length, 'breaker')} not closed`,
          href: hrefOf(['log'], { id: 'gate' }),
        })
    }
  }
  if (view.freeze.frozen === true && view.freeze.gate !== true)
    facts.push({ says: 'the gate has not confirmed the freeze', href: hrefOf(['log'], { id: 'gate' }) })
  const { short } = view.fleet.admission
  if (short !== null) facts.push({ says: `the host is short, no new cell starts: ${short.why}`, href: hrefOf(['log']) })
  for (const state of troubled) {
    const some = view.fleet.byState[state] ?? 0
    if (some > 0) facts.push({ says: `${counted(some, 'agent')} ${state}`, href: hrefOf(['agents'], { state }) })
  }
  if (!('unknown' in view.gate))
    for (const { name, unsigned } of view.gate.upstreams)
      if (unsigned) facts.push({ says: `calls to ${name} have no credential`, href: hrefOf(['credentials']) })
  for (const { type, agentType, ready } of view.stalled ?? [])
    facts.push({
      says: `${counted(ready, 'task')} of ${type} and no agent of ${agentType} that works`,
      href: hrefOf(['agents'], { type: agentType }),
    })
  if (facts.length === 0) return { tone: 'good', says: 'Nothing that is known', facts }
  const bad = !view.ledger.ok || audit?.ok === false || (view.fleet.byState.quarantined ?? 0) > 0
  return { tone: bad ? 'bad' : 'unsure', says: counted(facts.length, 'thing'), facts }
}

/** `60 payments: approver`; an admin may anything and is not named. */
const whoMay = (self: SelfAnswer | null, deed: DeedName): string => {
  const roles = self?.restricted[deeds[deed]]?.filter((role) => role !== 'admin')
  return roles === undefined || roles.length === 0 ? '' : ` (${roles.join(' or ')})`
}

export const personAnswer = (view: SwarmView, self: SelfAnswer | null): Answer => {
  const dead = Object.values(view.work.byType).reduce((sum, byState) => sum + (byState['dead'] ?? 0), 0)
  const held = view.fleet.byState.quarantined ?? 0
  const facts: Fact[] = []
  if (view.settle.person > 0)
    facts.push({
      says: `${counted(view.settle.person, 'payment')}${whoMay(self, 'resolve')}`,
      href: hrefOf(['settlements'], { person: 'true' }),
    })
  if (dead > 0)
    facts.push({ says: `${counted(dead, 'dead letter')}${whoMay(self, 'redrive')}`, href: hrefOf(['dead-letters']) })
  if (held > 0)
    facts.push({
      says: `${counted(held, 'held agent')}${whoMay(self, 'release')}`,
      href: hrefOf(['agents'], { state: 'quarantined' }),
    })
  const credentials = 'unknown' in view.gate ? 0 : (view.gate.credentialsWaiting ?? 0)
  if (credentials > 0)
    facts.push({
      says: `${counted(credentials, 'credential')}${whoMay(self, 'setCredential')}`,
      href: hrefOf(['credentials']),
    })
  const modes = (view.modes?.items ?? []).filter(({ source, exit }) => source === 'person' && exit.kind === 'owner')
  if (modes.length > 0)
    facts.push({
      says: `${counted(modes.length, 'mode')} that somebody set: ${modes.map(({ target }) => target).join(', ')}`,
      href: hrefOf(['inbox']),
    })
  if (view.freeze.frozen === true)
    facts.push({ says: `the freeze, until somebody thaws${whoMay(self, 'thaw')}`, href: null })
  if (facts.length === 0) return { tone: 'good', says: 'Nobody', facts }
  const can = [
    view.settle.person > 0 && barOf(self, 'resolve') === null,
    dead > 0 && barOf(self, 'redrive') === null,
    held > 0 && barOf(self, 'release') === null,
    credentials > 0 && barOf(self, 'setCredential') === null,
    modes.length > 0 && barOf(self, 'restart') === null,
    view.freeze.frozen === true && barOf(self, 'thaw') === null,
  ]
  return { tone: 'unsure', says: can.includes(true) ? 'You, or who has your role' : 'Somebody else', facts }
}
