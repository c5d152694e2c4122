/**
 * The run's progress as pure arithmetic over what the sitter says: how much is done, how fast, and when it may be
 * over.
 */
import type { SwarmView } from '../../src/doors/api.ts'

export interface Progress {
  readonly settled: number
  readonly rejected: number
  readonly unknown: number
  /**
   * Ended without payment for another reason: failed, cancelled, returned, and tasks that are dead without a
   * settlement.
   */
  readonly other: number
  /** Of those: dead letters, and cancelled by somebody. */
  readonly dead: number
  readonly cancelled: number
  /** Tasks that have not ended. */
  readonly toGo: number
  readonly ended: number
  readonly total: number
}

export const openStates = ['blocked', 'ready', 'running', 'waiting']

export const progressOf = (view: Pick<SwarmView, 'work' | 'settle'>): Progress => {
  const tasks = Object.values(view.work.byType)
  const sum = (states: readonly string[]): number =>
    tasks.reduce((all, byState) => all + states.reduce((some, state) => some + (byState[state] ?? 0), 0), 0)
  const settlements = (state: string): number => view.settle.byState[state]?.count ?? 0
  const toGo = sum(openStates)
  const total = sum([...openStates, 'succeeded', 'dead', 'cancelled'])
  const [settled, rejected, unknown] = [settlements('settled'), settlements('rejected'), settlements('unknown')]
  const ended = total - toGo
  const other = Math.max(0, ended - settled - rejected)
  return { settled, rejected, unknown, other, dead: sum(['dead']), cancelled: sum(['cancelled']), toGo, ended, total }
}

export interface Sample {
  readonly atMs: number
  readonly ended: number
  readonly settled: number
}

const windowMs = 15_000
/** Two samples closer than this say nothing about speed. */
const shortestMs = 2_000

/**
 * Samples of the last 15 s and this one, two at least: a sitter with many tasks counts more seldom. The same moment
 * twice is one sample, a count that fell (a new record) begins anew.
 */
export const withSample = (samples: readonly Sample[], sample: Sample): readonly Sample[] => {
  const last = samples.at(-1)
  if (last !== undefined && sample.atMs <= last.atMs) return samples
  if (last !== undefined && sample.ended < last.ended) return [sample]
  const recent = samples.filter(({ atMs }) => atMs >= sample.atMs - windowMs)
  return [...(recent.length === 0 ? samples.slice(-1) : recent), sample]
}

export interface Pace {
  readonly perSecond: number
  readonly settledPerSecond: number
  readonly overMs: number
}

/** Tasks ended and payments settled a second, and over how long that was seen; null when it was too short. */
export const paceOf = (samples: readonly Sample[]): Pace | null => {
  const [first, last] = [samples[0], samples.at(-1)]
  if (first === undefined || last === undefined || last.atMs - first.atMs < shortestMs) return null
  const overMs = last.atMs - first.atMs
  const aSecond = (some: number): number => (some / overMs) * 1_000
  return {
    perSecond: aSecond(last.ended - first.ended),
    settledPerSecond: aSecond(last.settled - first.settled),
    overMs,
  }
}

/** Milliseconds until nothing is to go at this pace, or null when that cannot be said. */
export const etaMs = (toGo: number, pace: Pick<Pace, 'perSecond'> | null): number | null =>
  pace === null || pace.perSecond <= 0 || toGo === 0 ? null : (toGo / pace.perSecond) * 1_000
