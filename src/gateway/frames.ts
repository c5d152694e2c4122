/** Frames that come by the link, checked by hand before anybody believes them. Undefined = not such a frame. */
import { modes as ladder, type Mode } from '../model/model.ts'
import type { AgentPriority, CellOpen, Grant, Open } from '../wire/wire.ts'
import type { Told } from './modes.ts'

type Raw = Readonly<Record<string, unknown>>

const isText = (value: unknown, most = 512): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= most
const isTextList = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length <= 10_000 && value.every((one) => isText(one))
const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const readOpen = (raw: Raw): Open | undefined =>
  isText(raw['swarm']) && isText(raw['owner']) && Number.isSafeInteger(raw['epoch'])
    ? { frame: 'open', swarm: raw['swarm'], owner: raw['owner'], epoch: raw['epoch'] as number }
    : undefined

/** Undefined when a fence cannot be read: a cell without it would let pass whom it is there for. */
const fenceOf = (raw: Raw, agents: number): Pick<CellOpen, 'epochs' | 'ended'> | undefined => {
  const { epochs, ended = [] } = raw
  if (!isTextList(ended)) return undefined
  if (epochs === undefined) return { ended }
  if (!Array.isArray(epochs) || epochs.length !== agents) return undefined
  return epochs.every((one): one is number => Number.isSafeInteger(one)) ? { epochs, ended } : undefined
}

export const readCell = (raw: Raw): CellOpen | undefined => {
  const { cell, socketPath, type, agents, upstreams } = raw
  if (!isText(cell) || !isText(socketPath) || !isText(type) || !isTextList(agents) || !isTextList(upstreams))
    return undefined
  const fence = fenceOf(raw, agents.length)
  return fence && { frame: 'cell', cell, socketPath, type, agents, upstreams, ...fence }
}

const headersOf = (value: unknown): Record<string, string> | undefined => {
  if (!isPlain(value)) return undefined
  const entries = Object.entries(value)
  if (entries.length > 64 || !entries.every(([, one]) => typeof one === 'string')) return undefined
  return value as Record<string, string>
}

export const readGrant = (raw: Raw): Grant | undefined => {
  const { grant, subject, agent, channel, request, hash, waitMs } = raw
  if (!isText(grant) || !isText(subject) || !(agent === null || isText(agent)) || !isText(hash) || !isPlain(request))
    return undefined
  if (!(channel === null || isText(channel))) return undefined
  if (typeof waitMs !== 'number' || !Number.isFinite(waitMs) || waitMs < 0) return undefined
  const { upstream, method, path, body } = request
  const headers = headersOf(request['headers'])
  if (!isText(upstream) || !isText(method) || !isText(path, 8_192) || headers === undefined) return undefined
  if (body !== null && typeof body !== 'string') return undefined
  const exact = { upstream, method, path, headers, body }
  return { frame: 'grant', grant, subject, agent, channel, hash, waitMs, request: exact }
}

const isSetMode = (value: unknown): value is Told['modes'][number] =>
  isPlain(value) &&
  isText(value['target']) &&
  ladder.includes(value['mode'] as Mode) &&
  typeof value['reason'] === 'string' &&
  value['reason'].length <= 1_000

/** Undefined when it is none. */
export const readKinds = ({ of }: Raw): readonly string[] | undefined => (isTextList(of) ? of : undefined)

/** Undefined when any of it is no mode: a part of a telling must not pass for the whole. */
export const readModes = (raw: Raw): Told | undefined => {
  const { first, last, modes } = raw
  if (typeof first !== 'boolean' || typeof last !== 'boolean' || !Array.isArray(modes)) return undefined
  return modes.length <= 10_000 && modes.every(isSetMode) ? { first, last, modes } : undefined
}

const isPriority = (value: unknown): value is AgentPriority =>
  Array.isArray(value) &&
  value.length === 2 &&
  isText(value[0]) &&
  Number.isInteger(value[1]) &&
  value[1] >= 0 &&
  value[1] <= 9

/** What cannot be read is left out: it decides who goes first, and nothing else. */
export const readPriorities = (raw: Raw): readonly AgentPriority[] =>
  Array.isArray(raw['agents']) ? raw['agents'].slice(0, 10_000).filter(isPriority) : []

export const readJournals = (raw: Raw): readonly number[] =>
  Array.isArray(raw['journals'])
    ? raw['journals'].filter((one): one is number => Number.isSafeInteger(one) && (one as number) > 0)
    : []

export const textOf = (raw: Raw, name: string): string => {
  const value = raw[name]
  return typeof value === 'string' ? value : ''
}
