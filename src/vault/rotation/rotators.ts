/**
 * The deeds of a rotation at a provider: make a key, look for one whose making was not answered, try it, end it. By
 * HTTP through the gate's own upstream, or by a program of the operator. Each says as a fact what is known afterwards.
 */
import { basename } from 'node:path'
import type { CredentialRule } from '../port.ts'
import type { Rotator, Signing, Step } from '../../model/model.ts'
import type { Asked, AskOutside, RecordUse, RunCommand, UseEnd } from '../ports.ts'

export interface Held {
  readonly version: number
  /** Opened only when it is sent. */
  readonly secret: () => Promise<string>
}
export interface Work {
  readonly name: string
  readonly signing: Signing
  /** What requests are signed with: the version that is active. */
  readonly by: Held
  readonly label: string
}
export interface Minted {
  readonly kind: 'minted'
  readonly secret: string
  readonly id: string | null
  readonly endsMs: number | null
}
export type MintFact = Minted | { readonly kind: 'not-minted' | 'mint-unknown'; readonly why: string }
export type LookFact =
  | { readonly kind: 'ids'; readonly ids: readonly string[] }
  | { readonly kind: 'still-there' | 'cannot-look'; readonly why: string }
export type TestFact =
  | { readonly kind: 'accepted' | 'untested' }
  | { readonly kind: 'not-accepted' | 'test-unknown'; readonly why: string }
export type RevokeFact =
  | { readonly kind: 'revoked' }
  | { readonly kind: 'cannot-revoke' }
  | { readonly kind: 'not-revoked'; readonly why: string }

export interface Deeds {
  /** A mint that is asked for again with the same label gives the same secret. */
  readonly sameAnswer: boolean
  mint(work: Work): Promise<MintFact>
  look(work: Work): Promise<LookFact>
  test(work: Work, next: Held): Promise<TestFact>
  /** `held` is null for a key that was found and whose secret nobody has. */
  revoke(work: Work, key: { readonly id: string | null; readonly held: Held | null }): Promise<RevokeFact>
}
export interface RotatorPorts {
  readonly ask: AskOutside
  readonly run: RunCommand
  readonly recordUse: RecordUse
}

type Json = unknown

const parse = (text: string): Json => {
  try {
    return JSON.parse(text) as Json
  } catch {
    // No JSON has no fields; whoever looks for one says so.
    return undefined
  }
}

/** The value at a path like `data.secret`. */
const valueAt = (json: Json, path: string): Json =>
  path
    .split('.')
    .reduce<Json>(
      (value, key) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, key)
          ? (value as Record<string, Json>)[key]
          : undefined,
      json,
    )
const textAt = (json: Json, path: string | null): string | null => {
  const value = path === null ? undefined : valueAt(json, path)
  return typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : null
}

/** `data.secret`, or several as `{data.key}:{data.secret}`; null when one is missing. */
const secretAt = (json: Json, where: string): string | null => {
  if (!where.includes('{')) return textAt(json, where)
  let whole = true
  const text = where.replace(/\{([^{}]+)\}/g, (_, path: string) => {
    const value = textAt(json, path)
    whole &&= value !== null
    return value ?? ''
  })
  return whole ? text : null
}

const endOf = (value: Json): number | null => {
  const atMs = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(atMs) ? null : atMs
}

interface Labelled {
  readonly label: Json
  readonly id: string | null
}

/** All objects, however deep, that have a label. */
const labelledIn = (json: Json, labelKey: string, idKey: string): readonly Labelled[] => {
  if (Array.isArray(json)) return json.flatMap((one) => labelledIn(one, labelKey, idKey))
  if (typeof json !== 'object' || json === null) return []
  const label = valueAt(json, labelKey)
  const own = label === undefined ? [] : [{ label, id: textAt(json, idKey) }]
  return [...own, ...Object.values(json).flatMap((one) => labelledIn(one, labelKey, idKey))]
}

const hasObjects = (json: Json): boolean =>
  Array.isArray(json) ? json.some((one) => typeof one === 'object' && one !== null) || json.some(hasObjects) : false

/**
 * Ids of the keys that have our label. That there is none is believed only of an answer that could have shown one:
 * whoever reads it wrongly would have another key made for each that was lost.
 */
const idsOf = (json: Json, labelKey: string, idKey: string, label: string): LookFact => {
  if (typeof json !== 'object' || json === null)
    return { kind: 'still-there', why: 'its list of keys is no JSON, or is too long' }
  const keys = labelledIn(json, labelKey, idKey)
  const lists = Array.isArray(json) ? [json] : Object.values(json)
  // Null is how some write an empty list.
  const isEmpty = lists.some((one) => Array.isArray(one) || one === null) && !lists.some(hasObjects)
  if (keys.length === 0 && !isEmpty)
    return { kind: 'still-there', why: `its list shows no key with a ${labelKey}: labelAt may name another place` }
  const mine = keys.filter((one) => one.label === label)
  if (mine.some(({ id }) => id === null))
    return { kind: 'still-there', why: `a key of ours is in its list without its ${idKey}: idAt names another place` }
  return { kind: 'ids', ids: mine.map(({ id }) => id!) }
}

const told = (asked: Asked): string =>
  asked.kind === 'answered' ? `it answered ${asked.status}` : `${asked.kind}: ${asked.message}`
const isGood = (asked: Asked): boolean => asked.kind === 'answered' && asked.status >= 200 && asked.status < 300

/** Whether a request to make a key surely made none: it was not sent, or was refused for what it is. */
const madeNothing = (asked: Asked): boolean =>
  asked.kind === 'not-sent' ||
  (asked.kind === 'answered' && asked.status >= 400 && asked.status < 500 && asked.status !== 408)

type HttpRotator = Rotator & { readonly by: 'http' }

const httpDeeds = (rotator: HttpRotator, ask: AskOutside): Deeds => {
  const send = (work: Work, step: Step, by: Held, more: { id?: string; body?: string } = {}): Promise<Asked> =>
    ask({
      upstream: rotator.upstream,
      method: step.method,
      path: step.path.replace('{id}', () => encodeURIComponent(more.id ?? '')),
      headers: more.body === undefined ? {} : { 'content-type': 'application/json', 'idempotency-key': work.label },
      body: more.body ?? null,
      credential: { name: work.name, version: by.version },
      secret: by.secret,
      signing: work.signing,
    })
  const idKey = rotator.idAt?.split('.').at(-1) ?? 'id'
  return {
    sameAnswer: rotator.sameAnswer,
    mint: async (work) => {
      const body = Object.fromEntries(
        Object.entries(rotator.body).map(([key, value]) => [key, value.replaceAll('{label}', work.label)]),
      )
      const asked = await send(work, rotator.mint, work.by, { body: JSON.stringify(body) })
      if (!isGood(asked) || asked.kind !== 'answered')
        return { kind: madeNothing(asked) ? 'not-minted' : 'mint-unknown', why: `${rotator.mint.path}: ${told(asked)}` }
      const json = parse(asked.body)
      const secret = secretAt(json, rotator.secretAt)
      if (secret === null) return { kind: 'mint-unknown', why: `its answer has no ${rotator.secretAt}` }
      return { kind: 'minted', secret, id: textAt(json, rotator.idAt), endsMs: endOf(valueAt(json, 'expiresAt')) }
    },
    look: async (work) => {
      if (rotator.list === null || rotator.revoke === null)
        return { kind: 'cannot-look', why: 'whether a key was made is not known, and its provider cannot be asked' }
      const asked = await send(work, rotator.list, work.by)
      if (!isGood(asked) || asked.kind !== 'answered') return { kind: 'still-there', why: told(asked) }
      return idsOf(parse(asked.body), rotator.labelAt, idKey, work.label)
    },
    test: async (work, next) => {
      if (rotator.test === null) return { kind: 'untested' }
      const asked = await send(work, rotator.test, next)
      if (isGood(asked)) return { kind: 'accepted' }
      const isRefusal = asked.kind === 'answered' && (asked.status === 401 || asked.status === 403)
      return { kind: isRefusal ? 'not-accepted' : 'test-unknown', why: told(asked) }
    },
    revoke: async (work, { id: known, held }) => {
      const { revoke, whoami } = rotator
      if (revoke === null) return { kind: 'cannot-revoke' }
      let id = known
      if (id === null && revoke.path.includes('{id}')) {
        if (whoami === null || held === null) return { kind: 'cannot-revoke' }
        const asked = await send(work, whoami, held)
        // It is not taken any more: somebody ended it.
        if (asked.kind === 'answered' && asked.status === 401) return { kind: 'revoked' }
        id = isGood(asked) && asked.kind === 'answered' ? textAt(parse(asked.body), rotator.idAt ?? 'id') : null
        if (id === null) return { kind: 'not-revoked', why: `${whoami.path}: ${told(asked)}` }
      }
      const asked = await send(work, revoke, work.by, { id: id ?? '' })
      const isGone = asked.kind === 'answered' && (asked.status === 404 || asked.status === 410)
      return isGood(asked) || isGone ? { kind: 'revoked' } : { kind: 'not-revoked', why: told(asked) }
    },
  }
}

/** Exit codes of sysexits: what is asked for is not known here; nothing was done, try later. */
const exitUsage = 64
const exitTryLater = 75

type CommandRotator = Rotator & { readonly by: 'command' }
type Ran = { readonly code: number | null; readonly json: Json; readonly why: string }

/** What a program is given beside the secret in use: secrets are opened when their use is written down. */
interface Given {
  readonly id?: string | null
  /** Name of its field, and what is in it. */
  readonly other?: readonly [field: 'next' | 'old', held: Held | null]
}

const notStarted = (what: string, error: unknown): Ran => ({
  code: exitTryLater,
  json: undefined,
  why: `${what}: ${(error as Error).message}`,
})

const commandDeeds = (rotator: CommandRotator, { run, recordUse }: RotatorPorts): Deeds => {
  const { command, directory, withinMs } = rotator
  const start = async (deed: string, work: Work, { id, other }: Given): Promise<Ran> => {
    const environment = { SITTER_ROTATE: deed, SITTER_CREDENTIAL: work.name, SITTER_LABEL: work.label }
    const held = [work.by, ...(other?.[1] ? [other[1]] : [])]
    const versions = [...new Set(held.map(({ version }) => version))]
    const credentials = versions.map((version) => ({ name: work.name, version }))
    const to = `program:${basename(command[0] ?? '')}`
    let used: (end: UseEnd) => void
    try {
      used = await recordUse({ credentials, to, host: 'this machine', method: deed, whileFrozen: false })
    } catch (error) {
      return notStarted('its use could not be written down, so it was not started', error)
    }
    try {
      const secret = await work.by.secret()
      const more = other === undefined ? {} : { [other[0]]: (await other[1]?.secret()) ?? null }
      const input = JSON.stringify({ secret, ...(id === undefined ? {} : { id }), ...more })
      const ended = await run({ command, directory, environment, withinMs, input })
      used({ ended: ended.code === null ? 'lost' : 'answered', status: null })
      const how = ended.code === null ? 'did not end in time' : `ended with ${ended.code}`
      return { code: ended.code, json: parse(ended.output), why: `the program ${how}` }
    } catch (error) {
      used({ ended: 'not-sent', status: null })
      return notStarted('the program could not be started', error)
    }
  }
  return {
    sameAnswer: false,
    mint: async (work) => {
      const { code, json, why } = await start('mint', work, {})
      if (code !== 0) return { kind: code === exitTryLater ? 'not-minted' : 'mint-unknown', why }
      const secret = textAt(json, 'secret')
      return secret === null
        ? { kind: 'mint-unknown', why: 'the program printed no {"secret": …}' }
        : { kind: 'minted', secret, id: textAt(json, 'id'), endsMs: endOf(valueAt(json, 'expiresAt')) }
    },
    look: async (work) => {
      const { code, json, why } = await start('list', work, {})
      if (code === exitUsage)
        return { kind: 'cannot-look', why: 'whether a key was made is not known: the program has no list' }
      return code === 0 ? idsOf(json, 'label', 'id', work.label) : { kind: 'still-there', why }
    },
    test: async (work, next) => {
      const { code, why } = await start('test', work, { other: ['next', next] })
      if (code === 0 || code === exitUsage) return { kind: code === 0 ? 'accepted' : 'untested' }
      return { kind: code === exitTryLater ? 'test-unknown' : 'not-accepted', why }
    },
    revoke: async (work, { id, held }) => {
      const { code, why } = await start('revoke', work, { id, other: ['old', held] })
      if (code === exitUsage) return { kind: 'cannot-revoke' }
      return code === 0 ? { kind: 'revoked' } : { kind: 'not-revoked', why }
    },
  }
}

/** Null where a person does it. */
export const deedsOf = (rule: CredentialRule, ports: RotatorPorts): Deeds | null => {
  const rotator = rule.rotation?.rotator
  if (rotator === undefined || rotator.by === 'person') return null
  return rotator.by === 'http' ? httpDeeds(rotator, ports.ask) : commandDeeds(rotator, ports)
}
