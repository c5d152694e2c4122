/**
 * Front door of the vault: sealed credentials, opened just for one call. Smallest form: a new version becomes active
 * and retires the one before; of a pool the first member that has an active version is used.
 */
import type { KeyObject } from 'node:crypto'
import type { GateBook, Renewal, SecretRow, SecretState } from '../store/store.ts'
import { failure, type Clock, type Random } from '../std/std.ts'
import type { Unlocked } from './key.ts'
import { isOwnName, type CredentialRule, type CredentialVersion, type Vault, type VaultView } from './port.ts'
import { fingerprintOf, openAtRest, privateKeyOf, publicTextOf, sealAtRest } from './sealing.ts'

export type { CredentialRule, CredentialVersion, Vault, VaultView } from './port.ts'
export { openKeeper, type Keeper, type KeeperView } from './keeper.ts'
export type { Asked, AskOutside, Fetch, RunCommand } from './ports.ts'
export { unlockVault, type KeyFiles, type KeyPlaces, type Unlocked } from './key.ts'

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

class OpenVault implements Vault {
  readonly #options: VaultOptions
  readonly #privateKey: KeyObject
  readonly #rows = new Map<string, readonly SecretRow[]>()
  /** Sets of one name in one turn must not take the same number: this moves on before the commit. */
  readonly #taken = new Map<string, number>()

  constructor(options: VaultOptions, privateKey: KeyObject) {
    this.#options = options
    this.#privateKey = privateKey
    for (const row of options.book.secrets()) this.#keep(row)
  }

  async set(name: string, sealed: string, actor: string): ReturnType<Vault['set']> {
    if (!this.#options.known(name)) {
      throw failure('not-found', `no credential or pool member is called ${JSON.stringify(name.slice(0, 80))}`)
    }
    const opened = this.#options.openSealed(this.#privateKey, sealed)
    try {
      const row = this.seal(name, opened.toString('utf8'), 'active', actor)
      await this.#options.book.addSecret(row)
      this.#keep(row)
      return { name, version: row.version, fingerprint: row.fingerprint }
    } finally {
      opened.fill(0)
    }
  }

  view(): VaultView {
    const shown = this.#options.book.secrets().filter((row) => !isOwnName(row.name))
    const credentials = shown.map((row) => {
      const { name, version, state, fingerprint, setMs, usedMs } = row
      return { name, version, state, fingerprint, setMs, usedMs }
    })
    return { sealingKey: publicTextOf(this.#privateKey), credentials }
  }

  choose(rule: CredentialRule): CredentialVersion | undefined {
    for (const name of [...rule.pool, rule.name]) {
      const row = this.#rows.get(name)?.findLast((one) => one.state === 'active')
      if (row !== undefined) return { name, version: row.version }
    }
    return undefined
  }

  reveal({ name, version }: CredentialVersion): string {
    const row = this.#rows.get(name)?.find((one) => one.version === version)
    if (row === undefined) throw failure('credential-unavailable', `${name}@${version} is not in the vault`)
    const opened = openAtRest(this.#options.unlocked, { name, version }, row.sealed)
    try {
      return opened.toString('utf8')
    } finally {
      opened.fill(0)
    }
  }

  rows(name: string): readonly SecretRow[] {
    return this.#rows.get(name) ?? []
  }

  async renew(change: Renewal): Promise<void> {
    await this.#options.book.renew(change)
    const stateOf = new Map(change.moves.map(({ name, version, state }) => [`${name}@${version}`, state]))
    const below = new Map(change.drops.map((drop) => [drop.name, drop.below]))
    for (const row of change.add) this.#rows.set(row.name, [...this.rows(row.name), row])
    for (const name of new Set([...change.add, ...change.moves, ...change.drops].map((one) => one.name))) {
      const kept = this.rows(name).filter(({ version }) => version >= (below.get(name) ?? 0))
      const moved = kept.map((row) => ({ ...row, state: stateOf.get(`${name}@${row.version}`) ?? row.state }))
      this.#rows.set(name, moved)
    }
  }

  seal(name: string, text: string, state: SecretState, actor: string): SecretRow {
    // A line that came from a file or a prompt ends with a newline that is no part of the secret.
    const secret = text.replace(/\r?\n$/, '')
    if (!isOwnName(name) && !bearerText.test(secret)) {
      throw failure('invalid', 'a bearer secret is 1 to 8192 visible ASCII characters without spaces')
    }
    const { unlocked, random, clock } = this.#options
    const version = Math.max(this.#taken.get(name) ?? 0, this.#rows.get(name)?.at(-1)?.version ?? 0) + 1
    this.#taken.set(name, version)
    const plain = Buffer.from(secret)
    const sealed = sealAtRest(unlocked, { name, version }, plain, random)
    const fingerprint = fingerprintOf(unlocked, plain)
    plain.fill(0)
    return { name, version, state, sealed, fingerprint, setMs: clock.wallMs(), usedMs: null, actor }
  }

  #keep(row: SecretRow): void {
    const retired = (one: SecretRow): SecretRow => (row.state === 'active' ? { ...one, state: 'retired' } : one)
    this.#rows.set(row.name, [...(this.#rows.get(row.name) ?? []).map(retired), row])
  }
}

/** @throws Failure `key-wrong` when gate.db belongs to another vault. */
export const openVault = async (options: VaultOptions): Promise<Vault> => {
  const vaultId = options.book.meta('vault-id')
  if (vaultId !== undefined && vaultId !== options.unlocked.vaultId) {
    throw failure('key-wrong', 'gate.db belongs to another vault than vault.json beside it; nothing was changed')
  }
  return new OpenVault(options, await loadSealingKey(options))
}
