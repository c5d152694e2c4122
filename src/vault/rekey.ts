/**
 * Another key for the vault, or a key of another kind. Whatever moment the process ends at, one of the two keys opens
 * it, and the next start brings it to one of the two ends:
 *
 *   old ── new key durable ── intent in vault.json: both keys, each sealed by the other ── gate.db in one commit
 *       ── intent away: new ── key file in its place
 *
 * Before the commit of gate.db the next start goes back to the old key, after it on to the new one.
 */
import type { GateBook, Resealed } from '../store/store.ts'
import { asFailure, failure, type Disk, type Random } from '../std/std.ts'
import { pendingBound, type Unlocked } from './key.ts'
import { keyCheck, sealBox } from './keys/box.ts'
import { pathsOf } from './keys/files.ts'
import { newKey, type KeySource } from './keys/kinds.ts'
import { writeRecord, type KeyKind, type KeyRecord, type Pending } from './keys/record.ts'
import { isSealedBy, rewrap, type Kek, type Place } from './sealing.ts'

/** Whose fields a rekey changes; everybody else sees them read-only. */
type Changing = { -readonly [Name in keyof Unlocked]: Unlocked[Name] }

export interface RekeyOptions {
  readonly unlocked: Unlocked
  readonly book: GateBook
  readonly directory: string
  readonly disk: Disk
  readonly random: Random
  readonly source: KeySource
}

/** The gate's own pair, sealed like any secret, in meta. */
export const sealingKeyPlace: Place = { name: 'sealing-key', version: 0 }

const resealed = (book: GateBook, from: Kek, to: Kek, random: Random): Resealed => {
  const both = { from, to }
  const secrets = book.secrets().map(({ name, version, sealed, fingerprint }) => ({
    name,
    version,
    fingerprint,
    // What is damaged or was moved stays as it is: no key opens it, and it is named when it is asked for.
    sealed: isSealedBy(from, sealed) ? rewrapIfWhole(both, { name, version }, sealed, random) : sealed,
  }))
  const pair = rewrap(both, sealingKeyPlace, Buffer.from(book.meta('sealing-key')!, 'base64'), random)
  return { secrets, meta: { 'vault-check': to.check, 'sealing-key': Buffer.from(pair).toString('base64') } }
}

const rewrapIfWhole = (
  both: { readonly from: Kek; readonly to: Kek },
  place: Place,
  sealed: Uint8Array,
  random: Random,
): Uint8Array => {
  try {
    return rewrap(both, place, sealed, random)
  } catch {
    return sealed
  }
}

/** Of a rekey that a crash cut off: the key that gate.db is sealed by. Changes nothing on disk. */
export const takeCurrentKey = (unlocked: Unlocked, book: GateBook): void => {
  const { record, other } = unlocked
  const check = book.meta('vault-check')
  if (other === null || check === undefined || check === unlocked.check) return
  if (check !== other.check)
    throw failure(
      'key-wrong',
      'gate.db is sealed by neither key of its rekey: put back gate.db and vault.json of one backup',
    )
  unlocked.key.fill(0)
  Object.assign(unlocked as Changing, { key: other.key, check, other: null, record })
}

/** Brings that rekey to the end that gate.db says. Call it before anything is opened or sealed. */
export const endRekey = async (options: Omit<RekeyOptions, 'random'>): Promise<void> => {
  const { unlocked, directory, disk, source } = options
  const { record, other, vaultId } = unlocked
  const changing = unlocked as Changing
  if (record.pending !== undefined) {
    const isNew = unlocked.check === record.pending.key.check
    other?.key.fill(0)
    changing.other = null
    changing.record = { schema: 2, vaultId, key: isNew ? record.pending.key : record.key }
    await writeRecord(directory, disk, unlocked.record)
  }
  await settleKeyFile(unlocked, source)
  // Made for a rekey that never happened: nobody's key.
  await source.files.remove(pathsOf(source.swarm, source.places, 'key.next').at(-1)!)
}

/**
 * Puts the key file that was made for a rekey in the place of the former one, which is kept beside it. Only when the
 * key that is in use is the one at `.next`: any other there belongs to nobody yet.
 */
const settleKeyFile = async ({ key: inUse, vaultId }: Kek, source: KeySource): Promise<string | null> => {
  const { swarm, files, places } = source
  const [key, next] = (['key', 'key.next'] as const).map((suffix) => pathsOf(swarm, places, suffix).at(-1)!)
  const made = await keyAt(next!, source)
  if (made === undefined || !made.equals(inUse)) return null
  const before = await keyAt(key!, source)
  const former = before === undefined ? null : `${key!}.former-${keyCheck(before, vaultId).slice(0, 8)}`
  if (former !== null) await files.rename(key!, former)
  await files.rename(next!, key!)
  before?.fill(0)
  made.fill(0)
  return former
}

const keyAt = async (path: string, { files }: KeySource): Promise<Buffer | undefined> => {
  const found = await files.read(path)
  if (found === undefined) return undefined
  const key = Buffer.from(found.bytes.toString('latin1').trim(), 'base64')
  found.bytes.fill(0)
  return key
}

export interface Rekeyed {
  readonly kind: KeyKind
  /** Secrets that are sealed by the new key now. */
  readonly secrets: number
  /** Where the former key file was kept: copies of gate.db made before open by it alone. */
  readonly former: string | null
}

/** Both keys durable, each by the other, before gate.db is touched. */
const pendingOf = (from: Kek, to: Kek, key: KeyRecord, random: Random): Pending => {
  const { vaultId } = from
  const boxed = (by: Kek, what: Kek): string =>
    sealBox(by.key, what.key, pendingBound(vaultId, by.check, what.check), random).toString('base64')
  return { key, newByOld: boxed(from, to), oldByNew: boxed(to, from) }
}

/**
 * `resealedNow` is called as soon as the rows are durable under the new key, before anything else can want one.
 * @throws Failure `key-missing`, `key-wrong`, `invalid`, `conflict`, `journal-failed`: then the old key holds.
 */
export const rekey = async (options: RekeyOptions, kind: KeyKind, resealedNow: () => void): Promise<Rekeyed> => {
  const { unlocked, book, directory, disk, random, source } = options
  const { vaultId, record } = unlocked
  if (record.pending !== undefined) throw failure('conflict', 'a rekey is under way: ask again when it has ended')
  const changing = unlocked as Changing
  const from: Kek = { key: unlocked.key, vaultId, check: unlocked.check }
  // What an earlier one left undone would be in the way, and may be the only copy of the key in use.
  await settleKeyFile(from, source)
  const made = await newKey(kind, vaultId, source, random)
  const to: Kek = { key: made.key, vaultId, check: made.record.check }
  if (to.check === from.check)
    throw failure('conflict', 'that is the key that this vault has already: put another one there, then ask again')
  changing.record = { ...record, pending: pendingOf(from, to, made.record, random) }
  const goBack = async (): Promise<void> => {
    Object.assign(changing, { key: from.key, check: from.check, record })
    await writeRecord(directory, disk, record)
  }
  try {
    await writeRecord(directory, disk, unlocked.record)
    await book.reseal(() => {
      const rows = resealed(book, from, to, random)
      // The head of this very commit is sealed by the new key already.
      Object.assign(changing, { key: to.key, check: to.check })
      return rows
    })
  } catch (error) {
    // Of a COMMIT that nobody knows the outcome of, the next start finds it out: the intent stays.
    if (asFailure(error).code !== 'record-unknown') await goBack()
    throw error
  }
  resealedNow()
  from.key.fill(0)
  changing.record = { schema: 2, vaultId, key: made.record }
  await writeRecord(directory, disk, unlocked.record)
  const former = made.next === null ? null : await settleKeyFile(unlocked, source)
  return { kind, secrets: book.secrets().length, former }
}
