/**
 * `vault.json` beside gate.db: which vault it is, and how the key that opens it (the KEK) is come by. It holds a value
 * by which the right key is known, and nothing that opens anything by itself. While a rekey is under way it holds both
 * keys' records, and each key sealed by the other, so that whoever has one of them can go on.
 */
import { canonicalJson, failure, type Disk } from '../../std/std.ts'

export interface Argon2 {
  readonly memoryKiB: number
  readonly passes: number
  readonly lanes: number
  /** Base64 of 16 bytes. */
  readonly salt: string
}
/** How a KEK is come by. `check` tells the right one (keyCheck). */
export type KeyRecord =
  | { readonly kind: 'file'; readonly check: string }
  | { readonly kind: 'passphrase'; readonly check: string; readonly argon2: Argon2 }
  /** `wrapped`: base64 of an age file that holds the KEK for `recipient`. */
  | { readonly kind: 'age'; readonly check: string; readonly recipient: string; readonly wrapped: string }
export type KeyKind = KeyRecord['kind']

export interface Pending {
  readonly key: KeyRecord
  /** Base64: the new KEK sealed by the old one, and the other way round. */
  readonly newByOld: string
  readonly oldByNew: string
}
export interface VaultRecord {
  readonly schema: 2
  readonly vaultId: string
  readonly key: KeyRecord
  /** A rekey that has not come to its end. */
  readonly pending?: Pending
}

/** What a damaged or forged record may ask of this machine at most. */
const mostMemoryKiB = 1_048_576
const mostPasses = 32

type Raw = Readonly<Record<string, unknown>>
const isText = (value: unknown): value is string => typeof value === 'string' && value.length <= 65_536
const isObject = (value: unknown): value is Raw => typeof value === 'object' && value !== null
const isWhole = (value: unknown, most: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= most

const isArgon2 = (raw: unknown): raw is Argon2 =>
  isObject(raw) &&
  isWhole(raw['memoryKiB'], mostMemoryKiB) &&
  isWhole(raw['passes'], mostPasses) &&
  isWhole(raw['lanes'], 64) &&
  isText(raw['salt'])

const isKey = (raw: unknown): raw is KeyRecord => {
  if (!isObject(raw) || !isText(raw['check'])) return false
  if (raw['kind'] === 'file') return true
  if (raw['kind'] === 'passphrase') return isArgon2(raw['argon2'])
  return raw['kind'] === 'age' && isText(raw['recipient']) && isText(raw['wrapped'])
}

const isPending = (raw: unknown): raw is Pending =>
  isObject(raw) && isKey(raw['key']) && isText(raw['newByOld']) && isText(raw['oldByNew'])

const parse = (text: string): VaultRecord | undefined => {
  const raw: unknown = JSON.parse(text)
  // It becomes a file's name.
  if (!isObject(raw) || !isText(raw['vaultId']) || !/^[0-9a-f]{32}$/.test(raw['vaultId'])) return undefined
  // The first form knew key files only.
  if (raw['schema'] === undefined && isText(raw['check']))
    return { schema: 2, vaultId: raw['vaultId'], key: { kind: 'file', check: raw['check'] } }
  if (raw['schema'] !== 2 || !isKey(raw['key'])) return undefined
  if (raw['pending'] !== undefined && !isPending(raw['pending'])) return undefined
  return raw as unknown as VaultRecord
}

const pathOf = (directory: string): string => `${directory}/vault.json`

/** Undefined when there is none. @throws Failure `key-wrong` when it is damaged. */
export const readRecord = async (directory: string, disk: Disk): Promise<VaultRecord | undefined> => {
  const path = pathOf(directory)
  const text = await disk.readTextIfThere(path)
  if (text === undefined) return undefined
  const damaged = (cause?: unknown): Error =>
    failure('key-wrong', `${path} is damaged: restore it from a backup`, { cause })
  try {
    const record = parse(text)
    if (record !== undefined) return record
  } catch (cause) {
    throw damaged(cause)
  }
  throw damaged()
}

/** A crash leaves the old one or this one. */
export const writeRecord = (directory: string, disk: Disk, record: VaultRecord): Promise<void> =>
  disk.writeWhole(pathOf(directory), `${canonicalJson(record)}\n`, 0o600)
