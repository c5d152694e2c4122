/**
 * Front door of the vault: sealed credentials, opened just for one call. Smallest form: a new version becomes active
 * and retires the one before; of a pool the first member that has an active version is used.
 */
import type { KeyObject } from 'node:crypto'
import type { GateBook, Renewal, SecretRow, SecretState } from '../store/store.ts'
import { failure, type Clock, type Disk, type Random } from '../std/std.ts'
import { backupTo } from './backup.ts'
import { formerPair, formerRows } from './former.ts'
import {
  checkHead,
  isFormerHead,
  machineKey,
  makeHead,
  type HeadFaults,
  type MachineFault,
  type Outside,
} from './head.ts'
import type { Unlocked } from './key.ts'
import type { KeySource } from './keys/kinds.ts'
import type { KeyKind } from './keys/record.ts'
import {
  isOwnName,
  personsName,
  type CredentialRule,
  type CredentialVersion,
  type Vault,
  type VaultView,
} from './port.ts'
import { endRekey, rekey, sealingKeyPlace, takeCurrentKey, type Rekeyed } from './rekey.ts'
import {
  authoritySeedOf,
  fingerprintKeyOf,
  fingerprintOf,
  isOfThisForm,
  isSealedBy,
  openAtRest,
  privateKeyOf,
  publicTextOf,
  sealAtRest,
} from './sealing.ts'

export { openOutside, type Outside } from './head.ts'
export type { CredentialRule, CredentialVersion, Vault, VaultView } from './port.ts'
export { openKeeper, type Keeper, type KeeperView } from './keeper.ts'
export type { Asked, AskOutside, Fetch, OwnUse, RecordUse, RunCommand, UseEnd } from './ports.ts'
export { unlockVault, type KeyFiles, type KeyPlaces, type Unlocked } from './key.ts'
export type { KeyKind } from './keys/record.ts'
export { grantFault } from './oauth/token.ts'

export interface VaultOptions {
  readonly unlocked: Unlocked
  readonly book: GateBook
  readonly clock: Clock
  readonly random: Random
  /** Opens what was sealed to a key of ours on its way here; throws `invalid`. The bytes are zeroed after use. */
  readonly openSealed: (privateKey: KeyObject, sealed: string) => Buffer
  /** Names that may be set: credentials and their pool members. */
  readonly known: (name: string) => boolean
  /** Whether a text has the form that its credential wants. @throws Failure `invalid`, which shows nothing of it. */
  readonly checkForm?: (name: string, text: string) => void
  /** When a secret ends by what stands in it, a date of the calendar; null = it does not say. */
  readonly endOf?: (name: string, text: string) => number | null
  /** Folder of gate.db. */
  readonly directory: string
  readonly disk: Disk
  readonly source: KeySource
  readonly outside: Outside
}

/** As long as a frame of the link lets it be, sealed and all. */
const longestSecret = 65_536

/** The gate's own key pair, born with the vault; the private half is sealed like any secret. */
const loadPair = async (options: VaultOptions): Promise<Buffer> => {
  const { unlocked, book, random } = options
  const kept = book.meta('sealing-key')
  const sealed = kept === undefined ? undefined : Buffer.from(kept, 'base64')
  const former = sealed === undefined ? undefined : formerPair(unlocked, sealed)
  if (sealed !== undefined && former === undefined) return openAtRest(unlocked, sealingKeyPlace, sealed)
  const raw = former ?? Buffer.from(random.bytes(32))
  const text = Buffer.from(sealAtRest(unlocked, sealingKeyPlace, raw, random)).toString('base64')
  await book.setMeta({ 'vault-id': unlocked.vaultId, 'vault-check': unlocked.check, 'sealing-key': text })
  return raw
}

interface Opened {
  readonly pair: Buffer
  readonly faults: HeadFaults
  /** Renewals that somebody else wrote, until they are written anew; the head goes by it. */
  readonly doubted: Map<string, MachineFault>
}

class OpenVault implements Vault {
  readonly #options: VaultOptions
  readonly #privateKey: KeyObject
  /** The pair outlives every rekey, so fingerprints do too. */
  readonly #fingerprintKey: Buffer
  readonly #faults: HeadFaults['secrets']
  readonly #doubted: Map<string, MachineFault>
  readonly tampered: readonly MachineFault[]
  readonly authoritySeed: Uint8Array
  readonly #rows = new Map<string, readonly SecretRow[]>()
  #rekeying = false
  /** Sets of one name in one turn must not take the same number: this moves on before the commit. */
  readonly #taken = new Map<string, number>()

  constructor(options: VaultOptions, { pair, faults, doubted }: Opened) {
    this.#options = options
    this.#privateKey = privateKeyOf(pair)
    this.#fingerprintKey = fingerprintKeyOf(options.unlocked.vaultId, pair)
    this.#faults = faults.secrets
    this.#doubted = doubted
    this.tampered = faults.machines
    this.authoritySeed = authoritySeedOf(options.unlocked.vaultId, pair)
    // A number that was taken away is not given again.
    for (const { name, version } of faults.secrets) this.#taken.set(name, Math.max(version, this.#taken.get(name) ?? 0))
    this.#load()
  }

  async set(name: string, sealed: string, actor: string): ReturnType<Vault['set']> {
    if (!this.#options.known(name)) {
      throw failure(
        'not-found',
        `the configuration has no credential or pool member ${JSON.stringify(name.slice(0, 80))}: sitter vault status`,
      )
    }
    const opened = this.#options.openSealed(this.#privateKey, sealed)
    try {
      const text = opened.toString('utf8')
      const row = this.seal(name, text, 'active', actor)
      const endsMs = this.endOf(name, text)
      await this.#options.book.addSecret(row)
      this.#load()
      // Whoever is told that it is set is told when an older copy comes back, too.
      await this.#options.outside.settled()
      return { name, version: row.version, fingerprint: row.fingerprint, endsMs }
    } finally {
      opened.fill(0)
    }
  }

  view(): VaultView {
    const { unlocked, book, outside } = this.#options
    const shown = book.secrets().filter((row) => !isOwnName(row.name))
    const credentials = shown.map((row) => {
      const { name, version, state, fingerprint, setMs, usedMs } = row
      return { name, version, state, fingerprint, setMs, usedMs }
    })
    const vault = {
      keyKind: unlocked.record.key.kind,
      keyCheck: unlocked.check,
      changes: book.head().changes,
      outside: outside.state(),
      faults: this.#faults.filter(({ name, version }) => (this.usable(name)?.version ?? 0) <= version),
    }
    return { sealingKey: publicTextOf(this.#privateKey), credentials, vault }
  }

  choose(rule: CredentialRule): CredentialVersion | undefined {
    for (const name of [...rule.pool, rule.name]) {
      const row = this.usable(name)
      if (row !== undefined) return { name, version: row.version }
    }
    return undefined
  }

  usable(name: string): SecretRow | undefined {
    return this.#rows.get(name)?.findLast((row) => row.state === 'active' && !this.#isDoubtful(row))
  }

  reveal({ name, version }: CredentialVersion): string {
    const row = this.#rows.get(name)?.find((one) => one.version === version)
    if (row === undefined)
      throw failure('credential-unavailable', `${name}@${version} is not in the vault: sitter vault ls shows what is`)
    if (this.#isDoubtful(row)) {
      throw failure(
        'credential-unavailable',
        `${personsName(name)} was changed without the vault's key: sitter vault set ${personsName(name)}`,
      )
    }
    const opened = openAtRest(this.#options.unlocked, { name, version }, row.sealed)
    try {
      return opened.toString('utf8')
    } finally {
      opened.fill(0)
    }
  }

  endOf(name: string, text: string): number | null {
    return this.#options.endOf?.(name, text) ?? null
  }

  rows(name: string): readonly SecretRow[] {
    return this.#rows.get(name) ?? []
  }

  async renew(change: Renewal): Promise<void> {
    // What we write ourselves is not doubted any more, from this very commit on.
    const believed = change.machines.map(machineKey)
    const doubts = believed.flatMap((key) => (this.#doubted.has(key) ? [[key, this.#doubted.get(key)!] as const] : []))
    for (const key of believed) this.#doubted.delete(key)
    try {
      await this.#options.book.renew(change)
    } catch (error) {
      for (const [key, fault] of doubts) this.#doubted.set(key, fault)
      throw error
    }
    this.#load()
  }

  async rekey(kind: KeyKind): Promise<Rekeyed> {
    if (this.#rekeying) throw failure('conflict', 'a rekey is under way: ask again when it has ended')
    this.#rekeying = true
    try {
      const done = await rekey(this.#options, kind, () => this.#load())
      await this.#options.outside.settled()
      return done
    } finally {
      this.#rekeying = false
    }
  }

  async backup(recipient: string): ReturnType<Vault['backup']> {
    // What an OAuth server gave is not of its name alone: another gate that used it would end the grant.
    const isInUse = (row: SecretRow): boolean => row.state === 'active' && !isOwnName(row.name)
    const active = [...this.#rows.values()].flat().filter((row) => isInUse(row) && !this.#isDoubtful(row))
    const credentials = active.map(({ name, version }) => ({ name, version }))
    const opened = credentials.map((one) => ({ ...one, value: this.reveal(one) }))
    return { file: await backupTo(recipient, opened), credentials }
  }

  /** As they are durable: a rekey may have shared the commit, and then they are sealed otherwise than when written. */
  #load(): void {
    this.#rows.clear()
    for (const row of this.#options.book.secrets()) this.#rows.set(row.name, [...this.rows(row.name), row])
  }

  /** Of a name that somebody tampered with only what was set since then is believed. */
  #isDoubtful({ name, version }: CredentialVersion): boolean {
    return this.#faults.some((fault) => fault.name === name && fault.version >= version)
  }

  seal(name: string, text: string, state: SecretState, actor: string): SecretRow {
    // A line that came from a file or a prompt ends with a newline that is no part of the secret.
    const secret = text.replace(/\r?\n$/, '')
    if (!isOwnName(name)) {
      if (secret === '' || secret.length > longestSecret)
        throw failure('invalid', `a secret has 1 to ${longestSecret} characters: nothing was kept`)
      this.#options.checkForm?.(name, secret)
    }
    const { unlocked, random, clock } = this.#options
    const version = Math.max(this.#taken.get(name) ?? 0, this.#rows.get(name)?.at(-1)?.version ?? 0) + 1
    this.#taken.set(name, version)
    const plain = Buffer.from(secret)
    const sealed = sealAtRest(unlocked, { name, version }, plain, random)
    const fingerprint = fingerprintOf(this.#fingerprintKey, plain)
    plain.fill(0)
    return { name, version, state, sealed, fingerprint, setMs: clock.wallMs(), usedMs: null, actor }
  }
}

/**
 * What was sealed before a rekey and is written after it would never open again: its write is refused, with all that
 * shares its commit, and whoever wrote it seals and writes again.
 */
const refuseStale = (kek: Unlocked, { name, version, sealed }: SecretRow, faults: HeadFaults['secrets']): void => {
  if (!isOfThisForm(sealed) || isSealedBy(kek, sealed)) return
  if (faults.some((fault) => fault.name === name && fault.version === version)) return
  throw failure('credential-unavailable', `${name}@${version} was sealed before the vault's key was changed: ask again`)
}

/** From now on each change seals the head, and tells the file outside. */
const guardHead = (
  { unlocked, book, outside }: VaultOptions,
  faults: HeadFaults['secrets'],
  doubted: ReadonlyMap<string, MachineFault>,
): void => {
  book.sealHeadWith(
    (changes) => {
      const [secrets, machines] = [book.secrets(), book.machines()]
      for (const row of secrets) refuseStale(unlocked, row, faults)
      const known = { secrets: faults, machines: [...doubted.values()] }
      return makeHead({ kek: unlocked, faults: known }, { secrets, machines }, changes)
    },
    (head) => void outside.keep(head),
  )
}

/**
 * @throws Failure `key-wrong` when gate.db belongs to another vault, `vault-rolled-back` when it is an older copy,
 * `vault-damaged` when somebody else wrote it.
 */
export const openVault = async (options: VaultOptions): Promise<Vault> => {
  const { unlocked, book, outside, random } = options
  const vaultId = book.meta('vault-id')
  if (vaultId !== undefined && vaultId !== unlocked.vaultId) {
    throw failure(
      'key-wrong',
      'gate.db belongs to another vault than vault.json beside it: put both of one backup there; nothing was changed',
    )
  }
  takeCurrentKey(unlocked, book)
  const faults = checkHead(unlocked, { secrets: book.secrets(), machines: book.machines() }, book.head())
  const doubted = new Map(faults.machines.map((one) => [machineKey(one), one]))
  await outside.check(book.head())
  await endRekey(options)
  guardHead(options, faults.secrets, doubted)
  const pair = await loadPair(options)
  const former = formerRows(book, unlocked, fingerprintKeyOf(unlocked.vaultId, pair), random)
  if (former !== undefined) await book.reseal(() => ({ secrets: former, meta: {} }))
  else if (isFormerHead(book.head().text)) await book.touchHead()
  await outside.keep(book.head())
  const vault = new OpenVault(options, { pair, faults, doubted })
  pair.fill(0)
  return vault
}
