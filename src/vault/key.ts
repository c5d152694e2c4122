/**
 * The key of the vault (the KEK) lives outside the data directory, so that a stolen directory yields nothing.
 * `vault.json` beside gate.db says which vault it is and how its key is known: a missing or wrong key is found before
 * gate.db is even opened, and changes nothing on disk.
 */
import { failure, type Disk, type Random } from '../std/std.ts'
import { openBox } from './keys/box.ts'
import type { KeyFiles, KeyPlaces } from './keys/files.ts'
import { findKey, firstKey, pathsFor, type KeySource } from './keys/kinds.ts'
import { readRecord, writeRecord, type VaultRecord } from './keys/record.ts'

export type { KeyFiles, KeyPlaces } from './keys/files.ts'

export interface UnlockOptions {
  readonly swarm: string
  /** Folder of gate.db. */
  readonly directory: string
  readonly disk: Disk
  readonly random: Random
  readonly keyFiles: KeyFiles
  readonly places: KeyPlaces
}
/** An opened key; only the vault looks inside. A rekey changes what it holds. */
export interface Unlocked {
  readonly key: Uint8Array
  readonly vaultId: string
  readonly check: string
  /** Of a rekey that was cut off: the other of its two keys, either of which gate.db may be sealed by. */
  readonly other: { readonly key: Uint8Array; readonly check: string } | null
  readonly record: VaultRecord
}

/** What each key of a pending rekey is sealed by the other under. */
export const pendingBound = (vaultId: string, from: string, to: string) => ['rekey', 2, vaultId, from, to] as const

const refuse = (record: VaultRecord, source: KeySource, found: readonly ('missing' | 'wrong')[]): Error => {
  const paths = pathsFor(record.key, source)
  if (found.includes('wrong')) {
    return failure('key-wrong', `the key at ${paths.join(' or ')} is not the key of this vault; nothing was changed`, {
      facts: { wayOut: 'put the right one there; after a rekey the one before lies beside it as .former-…' },
    })
  }
  return failure(
    'key-missing',
    `the key of this vault is not at ${paths.join(' nor at ')}: put it back, its secrets cannot be read without it`,
  )
}

const openRecord = async (record: VaultRecord, source: KeySource): Promise<Unlocked> => {
  const { vaultId, key, pending } = record
  const first = await findKey(key, vaultId, source)
  if (typeof first === 'object' && pending === undefined)
    return { key: first.key, vaultId, check: key.check, other: null, record }
  if (pending === undefined) throw refuse(record, source, [first as 'missing' | 'wrong'])
  const [old, next] = [key.check, pending.key.check]
  if (typeof first === 'object') {
    const box = Buffer.from(pending.newByOld, 'base64')
    const other = openBox(first.key, box, pendingBound(vaultId, old, next))
    return { key: first.key, vaultId, check: old, other: { key: other, check: next }, record }
  }
  const second = await findKey(pending.key, vaultId, source)
  if (typeof second !== 'object') throw refuse(record, source, [first, second])
  const former = openBox(second.key, Buffer.from(pending.oldByNew, 'base64'), pendingBound(vaultId, next, old))
  return { key: second.key, vaultId, check: next, other: { key: former, check: old }, record }
}

const makeVault = async (options: UnlockOptions, source: KeySource): Promise<Unlocked> => {
  const { directory, disk, random } = options
  const vaultId = Buffer.from(random.bytes(16)).toString('hex')
  // The key first: an identity whose key was never written would lock the owner out.
  const { key, record: kek } = await firstKey(vaultId, source, random)
  const record: VaultRecord = { schema: 2, vaultId, key: kek }
  await writeRecord(directory, disk, record)
  return { key, vaultId, check: kek.check, other: null, record }
}

/**
 * Finds the vault's key, or makes it at the very first start. Call it before gate.db is opened.
 * @throws Failure `key-missing`, `key-wrong`; nothing has changed then.
 */
export const unlockVault = async (options: UnlockOptions): Promise<Unlocked> => {
  const { swarm, directory, disk, keyFiles, places } = options
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(swarm))
    throw failure(
      'config-invalid',
      'the name of the swarm cannot name a key file: letters, digits, `.`, `_` and `-`, at most 64',
    )
  const source: KeySource = { swarm, files: keyFiles, places }
  const record = await readRecord(directory, disk)
  if (record !== undefined) return openRecord(record, source)
  if (await disk.exists(`${directory}/gate.db`)) {
    throw failure(
      'key-missing',
      `${directory}/vault.json is gone while gate.db is there: restore it from a backup, or move both away`,
    )
  }
  return makeVault(options, source)
}
