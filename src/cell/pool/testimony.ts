/**
 * What a host left about its end, read and judged: the file of its watchdog, and the stack that the engine printed when
 * it was told to stop. Both are written inside the cell, by whatever runs there: they are read bounded, as data.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { Witness } from '../port.ts'
import { evidenceFile, mostFrames } from './evidence.ts'

const mostBytes = 65_536
const mostFrameCharacters = 300
/** A held loop is looked at once a second: what is older does not speak about the end. */
const freshMs = 2_500
/** Memory is said to be one agent's when it ran at so many of the looks, and there were enough of them. */
const enough = { looks: 3, share: 0.6 } as const

type Loose = Readonly<Record<string, unknown>>
const isObject = (value: unknown): value is Loose =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const agentOf = (value: unknown): string | null =>
  typeof value === 'string' && /^[a-z][a-z0-9-]{0,62}\/[0-9]{4,7}$/.test(value) ? value : null
const amountOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null
const stackOf = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? value : [])
    .filter((frame): frame is string => typeof frame === 'string')
    .slice(0, mostFrames)
    .map((frame) => frame.slice(0, mostFrameCharacters))

/** What a host has left in its directory; undefined when there is none, or it is not a plain small file. */
export const readEvidence = (directory: string | null): string | undefined => {
  if (directory === null) return undefined
  const path = join(directory, evidenceFile)
  let file: number | undefined
  try {
    // Neither a link nor a pipe that an agent put there is followed or waited for.
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const { size } = fstatSync(file)
    if (!fstatSync(file).isFile() || size > mostBytes) return undefined
    const buffer = Buffer.alloc(size)
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, size, 0))
  } catch {
    return undefined
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

const parsed = (text: string | undefined): Loose => {
  try {
    const value: unknown = JSON.parse(text ?? '')
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}

const isFresh = (wallMs: unknown, nowMs: number): boolean =>
  typeof wallMs === 'number' && Math.abs(nowMs - wallMs) <= freshMs

const blockedOf = (said: unknown, nowMs: number): Witness | undefined => {
  if (!isObject(said) || !isFresh(said['wallMs'], nowMs)) return undefined
  const { agent, forMs, stack } = said
  return { kind: 'blocked', source: 'watch', agent: agentOf(agent), forMs: amountOf(forMs), stack: stackOf(stack) }
}

/** Whom the looks point at: one that ran at most of them. */
export const growerOf = (looks: readonly (string | null)[]): string | null => {
  const most = [...Map.groupBy(looks, (look) => look)].toSorted((a, b) => b[1].length - a[1].length)[0]
  if (most === undefined || looks.length < enough.looks) return null
  return most[1].length >= enough.share * looks.length ? most[0] : null
}

const memoryOf = (said: unknown): Witness | undefined => {
  if (!isObject(said) || !Array.isArray(said['looks'])) return undefined
  const looks = said['looks'].slice(0, 100).map(agentOf)
  const agent = growerOf(looks)
  const counted = [...Map.groupBy(looks, (look) => look ?? 'nobody')].map(([who, list]) => [who, list.length] as const)
  const stack = agent === looks.at(-1) ? stackOf(said['stack']) : []
  const forMs = amountOf(said['forMs'])
  return { kind: 'memory', source: 'watch', agent, forMs, stack, looks: Object.fromEntries(counted) }
}

/** A host runs each agent's code in a function that bears the agent's name: its frame names it. */
const namedFrame = /^([a-z][a-z0-9-]{0,62}\/[0-9]{4,7}) \(/

const printedOf = (lines: readonly string[]): Witness | undefined => {
  const stack = stackOf(lines.filter((line) => /^\s+at /.test(line)).map((line) => line.trim().slice(3)))
  if (stack.length === 0) return undefined
  const agent = stack.map((frame) => namedFrame.exec(frame)?.[1]).find((name) => name !== undefined) ?? null
  return { kind: 'blocked', source: 'stack', agent, forMs: null, stack }
}

export interface Left {
  /** What its watch has left, as text. */
  readonly evidence: string | undefined
  /** Lines that it printed after it was told to stop; null when it was not told. */
  readonly printed: readonly string[] | null
  /** It ended for want of memory, said the engine; or was killed, which the kernel does too. */
  readonly outOfMemory: boolean
  readonly nowMs: number
}

/** What speaks about this end: for want of memory who ran while it grew, else who held the loop. */
export const testimony = ({ evidence, printed, outOfMemory, nowMs }: Left): Witness | undefined => {
  if (printed === null && !outOfMemory) return undefined
  const { blocked, memory } = parsed(evidence)
  if (outOfMemory) return memoryOf(memory)
  const watched = blockedOf(blocked, nowMs)
  if (watched !== undefined && (watched.agent !== null || watched.stack.length > 0)) return watched
  return printedOf(printed ?? []) ?? watched
}
