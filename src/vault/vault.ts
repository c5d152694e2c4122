/**
 * Front door of the vault: sealed credentials, opened just for one call. Smallest form: a new version becomes active
 * and retires the one before; of a pool the first member that has an active version is used.
 */
import type { KeyObject } from 'node:crypto'
import type { GateBook, SecretRow } from '../store/store.ts'
import { failure, type Clock, type Random } from '../std/std.ts'
import type { Unlocked } from './key.ts'
import { fingerprintOf, openAtRest, privateKeyOf, publicTextOf, sealAtRest } from './sealing.ts'

export { unlockVault, type KeyFiles, type KeyPlaces, type Unlocked } from './key.ts'

export interface CredentialVersion {
  readonly name: string
  readonly version: number
}
export interface CredentialRule {
  readonly name: string
  readonly pool: readonly string[]
}

/** What may be seen of the vault: never a secret. */
export interface VaultView {
  /** The gate's X25519 public key (base64, raw 32 bytes) that secrets are sealed to. */
  readonly sealingKey: string
  readonly credentials: readonly Omit<SecretRow, 'sealed' | 'actor'>[]
}

export interface Vault {
  /**
   * Opens what was sealed to this gate and stores it as the new active version. @throws Failure `not-found` (no such
   * credential in the configuration), `invalid` (not sealed to us, or no bearer text).
   */
  set(name: string, sealed: string, actor: string): Promise<CredentialVersion & { readonly fingerprint: string }>
  view(): VaultView
  /** The version that a credential of the configuration stands for now, undefined when none is active. */
  choose(rule: CredentialRule): CredentialVersion | undefined
  /** The secret for one call; nobody keeps it. @throws Failure `credential-unavailable`. */
  reveal(credential: CredentialVersion): string
}

export interface VaultOptions {
  readonly unlocked: Unlocked
  readonly book: GateBook
  readonly clock: Clock
  readonly random: Random
  /** Opens what was sealed to a key of ours on its way here; throws `invalid`. The bytes are zeroed after use. */
  readonly openSealed: (privateKey: KeyObject, sealed: string) => Buffer
  /** Names that may be set: credentials and their pool members. */
  readonly known: (name: string) => boolean
}

const sealingKey = { name: 'sealing-key', version: 0 } as const
/** What RFC 6750 allows in a bearer token is a part of this; vendors use more, but never spaces or controls. */
const bearerText = /^[\x21-\x7e]{1,8192}$/

/** The gate's own key pair, born with the vault; the private half is sealed like any secret. */
const loadSealingKey = async (options: VaultOptions): Promise<KeyObject> => {
  const { unlocked, book, random } = options
  const kept = book.meta('sealing-key')
  if (kept !== undefined) return privateKeyOf(openAtRest(unlocked, sealingKey, Buffer.from(kept, 'base64')))
  const raw = random.bytes(32)
  const sealed = Buffer.from(sealAtRest(unlocked, sealingKey, raw, random)).toString('base64')
  await book.setMeta({ 'vault-id': unlocked.vaultId, 'vault-check': unlocked.check, 'sealing-key': sealed })
  return privateKeyOf(raw)
}

/** @throws Failure `key-wrong` when gate.db belongs to another vault. */
export const openVault = async (options: VaultOptions): Promise<Vault> => {
  const { unlocked, book, clock, random, known } = options
  const vaultId = book.meta('vault-id')
  if (vaultId !== undefined && vaultId !== unlocked.vaultId) {
    throw failure('key-wrong', 'gate.db belongs to another vault than vault.json beside it; nothing was changed')
  }
  const privateKey = await loadSealingKey(options)
  const rows = new Map<string, SecretRow[]>()
  const keep = (row: SecretRow): void => {
    const older = (rows.get(row.name) ?? []).map((one): SecretRow =>
      row.state === 'active' ? { ...one, state: 'retired' } : one,
    )
    rows.set(row.name, [...older, row])
  }
  for (const row of book.secrets()) keep(row)
  const activeOf = (name: string): SecretRow | undefined => rows.get(name)?.findLast((row) => row.state === 'active')

  /**
   * Sets of one name in one turn must not take the same number: the map moves on before the commit, and nothing reads
   * it till then.
   */
  const taken = new Map<string, number>()
  const nextVersion = (name: string): number => {
    const version = Math.max(taken.get(name) ?? 0, rows.get(name)?.at(-1)?.version ?? 0) + 1
    taken.set(name, version)
    return version
  }

  return {
    set: async (name, sealed, actor) => {
      if (!known(name))
        throw failure('not-found', `no credential or pool member is called ${JSON.stringify(name.slice(0, 80))}`)
      const opened = options.openSealed(privateKey, sealed)
      try {
        // A line that came from a file or a prompt ends with a newline that is no part of the secret.
        const secret = opened.toString('utf8').replace(/\r?\n$/, '')
        if (!bearerText.test(secret))
          throw failure('invalid', 'a bearer secret is 1 to 8192 visible ASCII characters without spaces')
        const version = nextVersion(name)
        const plain = Buffer.from(secret)
        const row: SecretRow = {
          name,
          version,
          state: 'active',
          sealed: sealAtRest(unlocked, { name, version }, plain, random),
          fingerprint: fingerprintOf(unlocked, plain),
          setMs: clock.wallMs(),
          usedMs: null,
          actor,
        }
        plain.fill(0)
        await book.addSecret(row)
        keep(row)
        return { name, version, fingerprint: row.fingerprint }
      } finally {
        opened.fill(0)
      }
    },
    view: () => ({
      sealingKey: publicTextOf(privateKey),
      credentials: book
        .secrets()
        .map(({ name, version, state, fingerprint, setMs, usedMs }) => ({
          name,
          version,
          state,
          fingerprint,
          setMs,
          usedMs,
        })),
    }),
    choose: (rule) => {
      for (const name of [...rule.pool, rule.name]) {
        const row = activeOf(name)
        if (row !== undefined) return { name, version: row.version }
      }
      return undefined
    },
    reveal: (credential) => {
      const row = rows.get(credential.name)?.find((one) => one.version === credential.version)
      if (row === undefined)
        throw failure('credential-unavailable', `${credential.name}@${credential.version} is not in the vault`)
      const opened = openAtRest(unlocked, credential, row.sealed)
      try {
        return opened.toString('utf8')
      } finally {
        opened.fill(0)
      }
    },
  }
}
