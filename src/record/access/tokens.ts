/**
 * Tokens: opaque text that proves a name and a role. The record holds SHA-256 hashes only; a token has 256 bits of
 * chance, so a fast hash is enough. The living ones are kept in memory, since this process alone changes them and every
 * request asks.
 */
import { createHash } from 'node:crypto'
import { Failure, type Clock, type NewId, type Random } from '../../std/std.ts'
import type { Command, Store, TokenView } from '../../store/store.ts'
import { isRole, type Role } from './roles.ts'

/** The name of whoever shows the operator's token file; no other token may have it. */
export const operatorName = 'operator'

export interface LivingToken {
  readonly id: string
  readonly name: string
  readonly role: Role
}
export type ShownToken = Omit<TokenView, 'hash'>
export interface TokenAsk {
  readonly name: string
  readonly role: Role
  /** Milliseconds from now; null = until it is revoked. */
  readonly lifeMs: number | null
}
export interface Tokens {
  /** The token that this text is, when it lives now. */
  find(text: string): LivingToken | undefined
  /** By its id, when it lives now. */
  living(id: string): LivingToken | undefined
  /** Notes a use; written at most once a minute for each token. */
  used(id: string): void
  /** Every token of the last 30 days, without its hash. */
  list(): Promise<readonly ShownToken[]>
  /** Makes one, audited in the same commit; `token` is told here and never again. @throws Failure `conflict`. */
  create(ask: TokenAsk, actor: string): Promise<{ readonly id: string; readonly token: string }>
  /** By id or name of a living one, audited in the same commit. @throws Failure `not-found`. */
  revoke(idOrName: string, actor: string): Promise<{ readonly id: string; readonly name: string }>
}

/** At the bound a new one is refused: a list that nobody can look through protects nothing. */
const mostLiving = 1_000
const noteEveryMs = 60_000

const hashOf = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex')

const withoutHash = ({ id, name, role, actor, createdMs, expiresMs, usedMs, revokedMs }: TokenView): ShownToken => ({
  id,
  name,
  role,
  actor,
  createdMs,
  expiresMs,
  usedMs,
  revokedMs,
})

export interface TokensOptions {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly newId: NewId
  /** Told when a use could not be written; whoever asked was answered all the same. */
  readonly onFault: (error: unknown) => void
}

class RecordTokens implements Tokens {
  readonly #options: TokensOptions
  readonly #byHash = new Map<string, TokenView>()
  readonly #byId = new Map<string, TokenView>()
  /** When each was last noted as used. */
  readonly #noted = new Map<string, number>()

  constructor(options: TokensOptions, kept: readonly TokenView[]) {
    this.#options = options
    for (const token of kept) if (token.revokedMs === null) this.#keep(token)
  }

  #keep(token: TokenView): void {
    this.#byHash.set(token.hash, token)
    this.#byId.set(token.id, token)
  }

  #alive(token: TokenView | undefined): LivingToken | undefined {
    if (token === undefined || !isRole(token.role)) return undefined
    if (token.expiresMs !== null && token.expiresMs <= this.#options.clock.wallMs()) return undefined
    return { id: token.id, name: token.name, role: token.role }
  }

  find(text: string): LivingToken | undefined {
    return this.#alive(this.#byHash.get(hashOf(text)))
  }

  living(id: string): LivingToken | undefined {
    return this.#alive(this.#byId.get(id))
  }

  used(id: string): void {
    const { store, clock, onFault } = this.#options
    const wallMs = clock.wallMs()
    if (wallMs - (this.#noted.get(id) ?? -Infinity) < noteEveryMs) return
    this.#noted.set(id, wallMs)
    store.transact([{ kind: 'token.used', with: { id, wallMs } }]).catch(onFault)
  }

  async list(): Promise<readonly ShownToken[]> {
    return (await this.#options.store.read.tokens()).map(withoutHash)
  }

  async create({ name, role, lifeMs }: TokenAsk, actor: string): ReturnType<Tokens['create']> {
    const { clock, random, newId } = this.#options
    if (name === operatorName) throw new Failure('invalid', `${operatorName} is the name of the token file`)
    if (this.#byId.size >= mostLiving) throw new Failure('conflict', `${mostLiving} tokens live; revoke some first`)
    const text = `swt_${Buffer.from(random.bytes(32)).toString('base64url')}`
    const wallMs = clock.wallMs()
    const token = {
      id: newId('tok'),
      name,
      role,
      hash: hashOf(text),
      expiresMs: lifeMs === null ? null : wallMs + lifeMs,
    }
    const facts = { id: token.id, role, expiresMs: token.expiresMs }
    await this.#commit({ kind: 'token.create', with: { token, actor, wallMs } }, 'token.create', {
      actor,
      object: name,
      facts,
    })
    this.#keep({ ...token, actor, createdMs: wallMs, usedMs: null, revokedMs: null })
    return { id: token.id, token: text }
  }

  async revoke(idOrName: string, actor: string): ReturnType<Tokens['revoke']> {
    const token = this.#byId.get(idOrName) ?? [...this.#byId.values()].find((one) => one.name === idOrName)
    if (token === undefined) throw new Failure('not-found', `no living token is called ${idOrName.slice(0, 80)}`)
    const { id, name } = token
    await this.#commit({ kind: 'token.revoke', with: { id, wallMs: this.#options.clock.wallMs() } }, 'token.revoke', {
      actor,
      object: name,
      facts: { id },
    })
    this.#byId.delete(id)
    this.#byHash.delete(token.hash)
    this.#noted.delete(id)
    return { id, name }
  }

  /** The command and its audit entry, together or not at all. */
  async #commit(
    command: Command,
    action: string,
    entry: { actor: string; object: string; facts: Readonly<Record<string, unknown>> },
  ): Promise<void> {
    const { store, clock } = this.#options
    const [result] = await store.transact([
      command,
      {
        kind: 'audit.append',
        with: { wallMs: clock.wallMs(), entries: [{ ...entry, action, decision: 'done' }] },
      },
    ])
    if (!result.ok) throw new Failure(result.refusal === 'not-found' ? 'not-found' : 'conflict', result.detail)
  }
}

/** Reads the tokens that live. */
export const openTokens = async (options: TokensOptions): Promise<Tokens> =>
  new RecordTokens(options, await options.store.read.tokens())
