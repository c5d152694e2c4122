/**
 * The sitter's end of sleep and wake: a snapshot comes out of a host in parts before the answer to `sleep`, and goes
 * into another before the agent's seat. A host may send what it likes: only what was asked for is kept, within bounds.
 */
import { failure } from '../../std/std.ts'
import type { AsleepPart, Frame, Seat } from '../../wire/wire.ts'
import type { Sleeper } from '../port.ts'
import { gatherParts, giveParts } from './parts.ts'

type Ask = (method: string, params: unknown, withinMs: number) => Promise<unknown>

export interface Bedside {
  sleep(agent: string, ask: { readonly withinMs: number; readonly leastMs: number }): Promise<Sleeper>
  part(said: AsleepPart): void
}

/** Agents of one cell that are put to sleep at once. */
const mostAtOnce = 16

export const bedsideOf = (ask: Ask): Bedside => {
  const awaited = new Set<string>()
  const parts = gatherParts(mostAtOnce)
  return {
    sleep: async (agent, { withinMs, leastMs }) => {
      if (awaited.has(agent) || awaited.size >= mostAtOnce)
        throw failure('overloaded', `${awaited.size} agents of this cell are being put to sleep`)
      awaited.add(agent)
      try {
        const said = Object(await ask('sleep', { agent, give: true, leastMs }, withinMs)) as Partial<Sleeper>
        const { build, dueInMs } = said
        const snapshot = parts.take(agent)
        if (snapshot === undefined || typeof build !== 'string' || build.length > 200)
          throw failure('frame-invalid', `the host of ${agent} gave no whole snapshot`)
        const isDue = typeof dueInMs === 'number' && Number.isFinite(dueInMs)
        return { agent, snapshot, build, dueInMs: isDue ? Math.max(0, dueInMs) : null }
      } finally {
        awaited.delete(agent)
        parts.take(agent)
      }
    },
    part: (said) => {
      const { agent } = Object(said) as Partial<AsleepPart>
      if (agent === undefined || !awaited.has(agent)) return
      try {
        parts.add(agent, said)
      } catch {
        /* not whole any more: its sleep fails, which is told to who asked */
        parts.take(agent)
      }
    },
  }
}

const notification = (method: string, params: object): Frame => ({ jsonrpc: '2.0', method, params })

/** `seat` says how long it slept. */
export const wakeFrames = (seat: Seat, snapshot: Uint8Array): readonly Frame[] => {
  const frames: Frame[] = []
  giveParts(snapshot, (part) => frames.push(notification('asleep.part', { agent: seat.agent, ...part })))
  return [...frames, notification('seat', { seats: [{ asleep: 0, ...seat }] })]
}
