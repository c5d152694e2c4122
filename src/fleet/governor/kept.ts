/**
 * What the governor knows, kept over the sitter's death: a sitter that crashes, or is restarted by somebody who wants
 * to help, must not send thousands into the same wall again. Written at most once a second, whatever happens.
 */
import type { Stamp } from '../../std/std.ts'
import type { Agent, Live } from '../live.ts'
import { readObject, readStamp, shiftMs } from '../saved.ts'
import type { CauseState } from './decide.ts'
import type { KeptCause } from './governor.ts'
import { groupName } from './name.ts'

const noteName = 'governor'
const keepEveryMs = 1_000

const planned = new WeakSet<Live>()

const isStarting = ({ state, cell }: Agent): boolean => state === 'starting' && cell === null

/** Whoever died of it and waits for a restart, held already, still in its own backoff, or for its place. */
const waitingFor = (live: Live, key: string): readonly string[] => [
  ...[...live.agents.values()]
    .filter((agent) => agent.diedOf === key && ((agent.due !== null && agent.hold === 'own') || isStarting(agent)))
    .map(({ id }) => id),
  ...live.groups
    .filter(({ diedOf, due, agents }) => diedOf === key && (due !== null || agents.some(isStarting)))
    .map(groupName),
]

export const planKeep = (live: Live): void => {
  if (planned.has(live)) return
  planned.add(live)
  live.agenda.after(keepEveryMs, () => {
    planned.delete(live)
    live.record.note(noteName, () => {
      const causes = live.governor.kept().map((cause) => ({ ...cause, waiting: waitingFor(live, cause.key) }))
      return causes.length === 0 ? null : JSON.stringify({ at: live.options.clock.stamp(), causes })
    })
  })
}

type Loose = Readonly<Record<string, unknown>>

const objectOf = (value: unknown): Loose => (typeof value === 'object' && value !== null ? (value as Loose) : {})
const isAmount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as readonly unknown[]) : [])
const textsOf = (value: unknown): readonly string[] => listOf(value).filter((one) => typeof one === 'string')

const readState = (value: unknown, shift: number): CauseState => {
  const { deaths, held, last } = objectOf(value)
  const { sinceMs, failures, nextMs, wave, trying } = objectOf(held)
  const before = objectOf(last)
  return {
    deaths: listOf(deaths).flatMap((one) => {
      const { atMs, who } = objectOf(one)
      return isAmount(atMs) && typeof who === 'string' ? [{ atMs: atMs + shift, who }] : []
    }),
    held:
      isAmount(sinceMs) && isAmount(failures) && isAmount(nextMs) && isAmount(wave)
        ? { sinceMs: sinceMs + shift, failures, nextMs: nextMs + shift, wave, trying: textsOf(trying), good: 0 }
        : null,
    last:
      isAmount(before['failures']) && isAmount(before['atMs'])
        ? { failures: before['failures'], atMs: before['atMs'] + shift }
        : null,
  }
}

/** Empty when the text is nothing that was kept. */
const readKept = (text: string | undefined, now: Stamp): readonly (KeptCause & { waiting: readonly string[] })[] => {
  const value = text === undefined ? undefined : readObject(text)
  const at = readStamp(value?.['at'])
  if (value === undefined || at === undefined) return []
  const shift = shiftMs(at, now)
  return listOf(value['causes']).flatMap((one) => {
    const { key, words, state, waiting } = objectOf(one)
    if (typeof key !== 'string' || typeof words !== 'string') return []
    return [{ key, words, state: readState(state, shift), waiting: textsOf(waiting) }]
  })
}

/** Before anybody is started: whoever was held asks again when its own time has come, which mostly is now. */
export const resumeGovernor = (live: Live, notes: ReadonlyMap<string, string>): void => {
  const kept = readKept(notes.get(noteName), live.options.clock.stamp())
  live.governor.resume(kept)
  const keys = new Map(kept.flatMap(({ key, waiting }) => waiting.map((who) => [who, key])))
  if (keys.size === 0) return
  for (const agent of live.agents.values()) agent.diedOf = keys.get(agent.id) ?? null
  for (const group of live.groups) group.diedOf = keys.get(groupName(group)) ?? null
}
