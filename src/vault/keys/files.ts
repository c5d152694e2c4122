/**
 * Files that hold a key, as an argument: they need modes and owners, which `Disk` does not show. A key that others can
 * read is no key; the refusal names the command that mends it.
 */
import { failure } from '../../std/std.ts'

export interface KeyFile {
  /** The caller zeroes it. */
  readonly bytes: Buffer
  /** Permission bits (07777). */
  readonly mode: number
  readonly owner: number
}
export interface KeyFiles {
  /** Undefined when there is no such file. */
  read(path: string): Promise<KeyFile | undefined>
  /** Makes a new file 0600 (and its folders 0700), whole and fsynced; rejects when it is there already. */
  create(path: string, text: string): Promise<void>
  /** Replaces what is at `to`; fsyncs the folder. */
  rename(from: string, to: string): Promise<void>
  /** No error when it is not there. */
  remove(path: string): Promise<void>
  /** The user that this process runs as, null where there are none. */
  readonly self: number | null
}
export interface KeyPlaces {
  /** `$CREDENTIALS_DIRECTORY`, null when unset. */
  readonly credentialsDirectory: string | null
  /** `${XDG_CONFIG_HOME:-~/.config}`. */
  readonly configHome: string
}

export type Suffix = 'key' | 'key.next' | 'passphrase' | 'age'

/** Where the key material of a swarm may lie, in the order in which it is looked for. */
export const pathsOf = (swarm: string, places: KeyPlaces, suffix: Suffix): readonly string[] => [
  ...(places.credentialsDirectory === null ? [] : [`${places.credentialsDirectory}/${swarm}.${suffix}`]),
  `${places.configHome}/swarmsitter/${swarm}.${suffix}`,
]

/** A file in the clear is longer than any of ours: whatever is there is no key. */
const longestKeyFile = 16_384

/**
 * systemd hands a credential to a service that is not root's by an access list, whose mask shows as the group's bits:
 * 0440 of root is the service's alone there.
 */
const refuseOpen = (path: string, { mode, owner }: KeyFile, files: KeyFiles, bySystemd: boolean): void => {
  const wider = bySystemd ? 0o137 : 0o177
  if ((mode & wider) !== 0) {
    throw failure(
      'key-wrong',
      `${path} can be read or written by others (mode ${mode.toString(8)}): chmod 600 it, and rotate what it sealed`,
      { facts: { wayOut: `chmod 600 ${path}; then sitter vault rekey, for others may have read it` } },
    )
  }
  const { self } = files
  if (self !== null && owner !== self && !(bySystemd && owner === 0)) {
    throw failure('key-wrong', `${path} belongs to user ${owner}, not to ${self} who runs the gate: chown it`, {
      facts: { wayOut: `chown ${self} ${path}` },
    })
  }
}

/** A key file that only we can read; undefined when it is not there. @throws Failure `key-wrong`, `key-missing`. */
export const readPrivate = async (path: string, files: KeyFiles, places: KeyPlaces): Promise<Buffer | undefined> => {
  const found = await files.read(path)
  if (found === undefined) return undefined
  const { credentialsDirectory } = places
  refuseOpen(path, found, files, credentialsDirectory !== null && path.startsWith(`${credentialsDirectory}/`))
  if (found.bytes.length <= longestKeyFile) return found.bytes
  throw failure('key-wrong', `${path} is no key: it is longer than ${longestKeyFile} bytes`)
}
