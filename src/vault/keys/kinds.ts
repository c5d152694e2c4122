/**
 * Where a KEK comes from: a file that holds it, a passphrase that is stretched to it (Argon2id), or an age identity
 * that opens it. What was read is zeroed; a text that a library wants cannot be, and lives until it is collected.
 */
import { argon2 } from 'node:crypto'
import { promisify } from 'node:util'
import { failure, type Random } from '../../std/std.ts'
import { isKeyOf, keyBytes, keyCheck } from './box.ts'
import { pathsOf, readPrivate, type KeyFiles, type KeyPlaces, type Suffix } from './files.ts'
import type { Argon2, KeyKind, KeyRecord } from './record.ts'

export interface KeySource {
  readonly swarm: string
  readonly files: KeyFiles
  readonly places: KeyPlaces
}

/** 64 MiB, three passes, four lanes: the second choice of RFC 9106; 0.2 s of four cores, 0.7 s of one (measured). */
const usual = { memoryKiB: 65_536, passes: 3, lanes: 4 } as const
/** Below this a passphrase is guessed, however slow each guess is. */
const shortestPassphrase = 12

/** By who needs it: its cryptography is a tenth of all the code of a gate, for which agents wait when it starts. */
const loadAge = () => import('age-encryption')

const stretch = promisify(argon2)
const derive = (passphrase: Buffer, { memoryKiB, passes, lanes, salt }: Argon2): Promise<Buffer> =>
  stretch('argon2id', {
    message: passphrase,
    nonce: Buffer.from(salt, 'base64'),
    parallelism: lanes,
    tagLength: keyBytes,
    memory: memoryKiB,
    passes,
  })

const endsLine = (byte: number | undefined): boolean => byte === 0x0a || byte === 0x0d

/** A file ends with a newline that is no part of the passphrase. */
const withoutNewline = (bytes: Buffer): Buffer => {
  let end = bytes.length
  while (endsLine(bytes[end - 1])) end -= 1
  return bytes.subarray(0, end)
}

/** The KEK that a key file holds as base64; @throws Failure `key-wrong` when it holds something else. */
const keyIn = (bytes: Buffer, path: string): Buffer => {
  const key = Buffer.from(bytes.toString('latin1').trim(), 'base64')
  bytes.fill(0)
  if (key.length === keyBytes) return key
  throw failure('key-wrong', `${path} is no vault key: it holds ${keyBytes} bytes as base64`)
}

const identitiesIn = (bytes: Buffer): readonly string[] => {
  const lines = bytes.toString('latin1').split(/\r?\n/)
  bytes.fill(0)
  return lines.map((line) => line.trim()).filter((line) => line.startsWith('AGE-SECRET-KEY-'))
}

/** Key material of one file as the KEK of a record; undefined when it is not. */
const kekOf = async (record: KeyRecord, bytes: Buffer, path: string): Promise<Buffer | undefined> => {
  if (record.kind === 'file') return keyIn(bytes, path)
  if (record.kind === 'passphrase') {
    const kek = await derive(withoutNewline(bytes), record.argon2)
    bytes.fill(0)
    return kek
  }
  const { Decrypter } = await loadAge()
  const decrypter = new Decrypter()
  for (const identity of identitiesIn(bytes)) decrypter.addIdentity(identity)
  try {
    return Buffer.from(await decrypter.decrypt(Buffer.from(record.wrapped, 'base64')))
  } catch {
    return undefined // another identity, or a damaged file: either way this does not open it
  }
}

const suffixes: Readonly<Record<KeyKind, readonly Suffix[]>> = {
  file: ['key', 'key.next'],
  passphrase: ['passphrase'],
  age: ['age'],
}

export const pathsFor = (record: KeyRecord, { swarm, places }: KeySource): readonly string[] =>
  suffixes[record.kind].flatMap((suffix) => pathsOf(swarm, places, suffix))

export interface FoundKey {
  readonly key: Buffer
  readonly path: string
}

/** The KEK of a record, `missing` when nothing lies where it could, `wrong` when what lies there is another one. */
export const findKey = async (
  record: KeyRecord,
  vaultId: string,
  source: KeySource,
): Promise<FoundKey | 'missing' | 'wrong'> => {
  let seen = false
  for (const path of pathsFor(record, source)) {
    const bytes = await readPrivate(path, source.files, source.places)
    if (bytes === undefined) continue
    seen = true
    const key = await kekOf(record, bytes, path)
    if (key !== undefined && isKeyOf(record.check, key, vaultId)) return { key, path }
    key?.fill(0)
  }
  return seen ? 'wrong' : 'missing'
}

export const keyFileText = (key: Uint8Array): string => `${Buffer.from(key).toString('base64')}\n`

export interface NewKey {
  readonly key: Buffer
  readonly record: KeyRecord
  /** The key file that is to take the former one's place when all is done; null when its owner keeps it where it is. */
  readonly next: string | null
}

/** What a person put there for the new key; the last place is where it is looked for at last. */
const given = async (suffix: Suffix, source: KeySource): Promise<{ bytes: Buffer; path: string } | undefined> => {
  for (const path of pathsOf(source.swarm, source.places, suffix)) {
    const bytes = await readPrivate(path, source.files, source.places)
    if (bytes !== undefined) return { bytes, path }
  }
  return undefined
}

const needed = (suffix: Suffix, what: string, { swarm, places }: KeySource): Error =>
  failure('key-missing', `a ${what} is wanted at ${pathsOf(swarm, places, suffix).join(' or at ')}, mode 0600`, {
    facts: { wayOut: `put the ${what} there, then ask again; nothing has changed` },
  })

const newFileKey = async (vaultId: string, source: KeySource, random: Random): Promise<NewKey> => {
  const { swarm, files, places } = source
  const home = pathsOf(swarm, places, 'key.next').at(-1)!
  const there = await given('key.next', source)
  // One that we made for a rekey that never began is made anew; one that systemd hands us is its owner's choice.
  const key =
    there !== undefined && there.path !== home ? keyIn(there.bytes, there.path) : Buffer.from(random.bytes(keyBytes))
  const made = there === undefined || there.path === home
  if (made) {
    await files.remove(home)
    await files.create(home, keyFileText(key))
  }
  return { key, record: { kind: 'file', check: keyCheck(key, vaultId) }, next: made ? home : null }
}

/** @throws Failure `key-missing`, `key-wrong`, `invalid`: nothing has changed then but a key file that nobody uses. */
export const newKey = async (kind: KeyKind, vaultId: string, source: KeySource, random: Random): Promise<NewKey> => {
  if (kind === 'file') return newFileKey(vaultId, source, random)
  if (kind === 'passphrase') {
    const found = await given('passphrase', source)
    if (found === undefined) throw needed('passphrase', 'passphrase', source)
    const words = withoutNewline(found.bytes)
    if (words.length < shortestPassphrase)
      throw failure(
        'invalid',
        `a passphrase has ${shortestPassphrase} characters or more: put a longer one at ${found.path}`,
      )
    const salt = Buffer.from(random.bytes(16)).toString('base64')
    const key = await derive(words, { ...usual, salt })
    found.bytes.fill(0)
    return { key, record: { kind, check: keyCheck(key, vaultId), argon2: { ...usual, salt } }, next: null }
  }
  const found = await given('age', source)
  const identity = found === undefined ? undefined : identitiesIn(found.bytes)[0]
  if (identity === undefined) throw needed('age', 'file with an age identity', source)
  const { Encrypter, identityToRecipient } = await loadAge()
  const recipient = await identityToRecipient(identity)
  const key = Buffer.from(random.bytes(keyBytes))
  const encrypter = new Encrypter()
  encrypter.addRecipient(recipient)
  const wrapped = Buffer.from(await encrypter.encrypt(key)).toString('base64')
  return { key, record: { kind, check: keyCheck(key, vaultId), recipient, wrapped }, next: null }
}

const firstKeyFile = async (vaultId: string, source: KeySource, random: Random): Promise<NewKey> => {
  const { swarm, places, files } = source
  const there = await given('key', source)
  const key = there === undefined ? Buffer.from(random.bytes(keyBytes)) : keyIn(there.bytes, there.path)
  if (there === undefined) await files.create(pathsOf(swarm, places, 'key').at(-1)!, keyFileText(key))
  return { key, record: { kind: 'file', check: keyCheck(key, vaultId) }, next: null }
}

/** The key of a vault that is being made: what its owner put there already, else a key file of ours. */
export const firstKey = async (vaultId: string, source: KeySource, random: Random): Promise<NewKey> => {
  for (const kind of ['file', 'passphrase', 'age'] as const) {
    const there = await given(suffixes[kind][0]!, source)
    there?.bytes.fill(0)
    if (there !== undefined && kind !== 'file') return newKey(kind, vaultId, source, random)
    if (there !== undefined) break
  }
  return firstKeyFile(vaultId, source, random)
}
