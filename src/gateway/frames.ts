/** Frames that come by the link, checked by hand before anybody believes them. Undefined = not such a frame. */
import type { CellOpen, Grant, Open } from '../wire/wire.ts'

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

export const readCell = (raw: Raw): CellOpen | undefined =>
  isText(raw['cell']) &&
  isText(raw['socketPath']) &&
  isText(raw['type']) &&
  isTextList(raw['agents']) &&
  isTextList(raw['upstreams'])
    ? {
        frame: 'cell',
        cell: raw['cell'],
        socketPath: raw['socketPath'],
        type: raw['type'],
        agents: raw['agents'],
        upstreams: raw['upstreams'],
      }
    : undefined

const headersOf = (value: unknown): Record<string, string> | undefined => {
  if (!isPlain(value)) return undefined
  const entries = Object.entries(value)
  if (entries.length > 64 || !entries.every(([, one]) => typeof one === 'string')) return undefined
  return value as Record<string, string>
}

export const readGrant = (raw: Raw): Grant | undefined => {
  const { grant, subject, agent, request, hash, waitMs } = raw
  if (!isText(grant) || !isText(subject) || !(agent === null || isText(agent)) || !isText(hash) || !isPlain(request))
    return undefined
  if (typeof waitMs !== 'number' || !Number.isFinite(waitMs) || waitMs < 0) return undefined
  const { upstream, method, path, body } = request
  const headers = headersOf(request['headers'])
  if (!isText(upstream) || !isText(method) || !isText(path, 8_192) || headers === undefined) return undefined
  if (body !== null && typeof body !== 'string') return undefined
  return { frame: 'grant', grant, subject, agent, hash, waitMs, request: { upstream, method, path, headers, body } }
}

export const readJournals = (raw: Raw): readonly number[] =>
  Array.isArray(raw['journals'])
    ? raw['journals'].filter((one): one is number => Number.isSafeInteger(one) && (one as number) > 0)
    : []

export const textOf = (raw: Raw, name: string): string => {
  const value = raw[name]
  return typeof value === 'string' ? value : ''
}
