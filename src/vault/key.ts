/**
 * The key of the vault lives outside the data directory, so that a stolen directory yields nothing. `vault.json`
 * beside gate.db says which vault it is and holds a check value of its key: a missing or wrong key is found before
 * gate.db is even opened, and changes nothing on disk.
 */
import { createHmac } from 'node:crypto'
import { canonicalJson, failure, type Disk, type Random } from '../std/std.ts'

/** Key files as an argument: they need modes, which `Disk` does not show. */
export interface KeyFiles {
  /** Text and permission bits (07777), undefined when there is no such file. */
  read(path: string): Promise<{ readonly text: string; readonly mode: number } | undefined>
  /** Makes a new file 0600 (and its folders 0700), fsynced; rejects when it is there already. */
  create(path: string, text: string): Promise<void>
}
export interface KeyPlaces {
  /** `$CREDENTIALS_DIRECTORY`, null when unset. */
  readonly credentialsDirectory: string | null
  /** `${XDG_CONFIG_HOME:-~/.config}`. */
  readonly configHome: string
}
export interface UnlockOptions {
  readonly swarm: string
  /** Folder of gate.db. */
  readonly directory: string
  readonly disk: Disk
  readonly random: Random
  readonly keyFiles: KeyFiles
  readonly places: KeyPlaces
}
/** An opened key; only the vault looks inside. */
export interface Unlocked {
  readonly key: Uint8Array
  readonly vaultId: string
  readonly check: string
}

const keyBytes = 32

export const keyCheck = (key: Uint8Array, vaultId: string): string =>
  createHmac('sha256', key).update(`swarmsitter key check 1 ${vaultId}`).digest('hex').slice(0, 32)

const keyPaths = (swarm: string, places: KeyPlaces): readonly string[] => [
  ...(places.credentialsDirectory === null ? [] : [`${places.credentialsDirectory}/${swarm}.key`]),
  `${places.configHome}/swarmsitter/${swarm}.key`,
]

const readKey = async (paths: readonly string[], files: KeyFiles): Promise<Uint8Array | undefined> => {
  for (const path of paths) {
    const found = await files.read(path)
    if (found === undefined) continue
    if ((found.mode & 0o077) !== 0) {
      throw failure(
        'key-wrong',
        `${path} can be read by others (mode ${found.mode.toString(8)}): chmod 600 it, and rotate what it sealed`,
      )
    }
    const key = Buffer.from(found.text.trim(), 'base64')
    if (key.length !== keyBytes)
      throw failure('key-wrong', `${path} is no vault key: it holds ${keyBytes} bytes as base64`)
    return key
  }
  return undefined
}

const readIdentity = async (path: string, disk: Disk): Promise<{ vaultId: string; check: string } | undefined> => {
  const text = await disk.readTextIfThere(path)
  if (text === undefined) return undefined
  try {
    const { vaultId, check } = JSON.parse(text) as { vaultId: unknown; check: unknown }
    if (typeof vaultId === 'string' && typeof check === 'string') return { vaultId, check }
  } catch (cause) {
    throw failure('key-wrong', `${path} is damaged: restore it from a backup`, { cause })
  }
  throw failure('key-wrong', `${path} is damaged: restore it from a backup`)
}

/**
 * Finds the vault's key, or makes it at the very first start. Call it before gate.db is opened.
 * @throws Failure `key-missing`, `key-wrong`; nothing has changed then.
 */
export const unlockVault = async (options: UnlockOptions): Promise<Unlocked> => {
  const { swarm, directory, disk, random, keyFiles, places } = options
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(swarm))
    throw failure('config-invalid', 'the name of the swarm cannot name a key file')
  const identityPath = `${directory}/vault.json`
  const paths = keyPaths(swarm, places)
  const identity = await readIdentity(identityPath, disk)
  const found = await readKey(paths, keyFiles)

  if (identity !== undefined) {
    if (found === undefined) {
      throw failure(
        'key-missing',
        `the key of this vault is not at ${paths.join(' nor at ')}: put it back, its secrets cannot be read without it`,
      )
    }
    if (keyCheck(found, identity.vaultId) !== identity.check) {
      throw failure('key-wrong', `the key at ${paths.join(' or ')} is not the key of this vault; nothing was changed`)
    }
    return { key: found, ...identity }
  }
  if (await disk.exists(`${directory}/gate.db`)) {
    throw failure(
      'key-missing',
      `${identityPath} is gone while gate.db is there: restore it from a backup, or move both away`,
    )
  }
  const key = found ?? random.bytes(keyBytes)
  // The key first: an identity whose key was never written would lock the owner out.
  if (found === undefined) await keyFiles.create(paths.at(-1)!, `${Buffer.from(key).toString('base64')}\n`)
  const vaultId = Buffer.from(random.bytes(16)).toString('hex')
  const check = keyCheck(key, vaultId)
  await disk.writeWhole(identityPath, `${canonicalJson({ check, vaultId })}\n`, 0o600)
  return { key, vaultId, check }
}
