/** What of a grant is durable: its tokens, sealed, in a row beside the secret that people set, and where it stands. */
import type { Note } from '../../store/store.ts'
import { quarantinedAs, type Saved, type Tokens } from './grant.ts'
import type { GrantsOptions } from './port.ts'
import { surelyMs } from './token.ts'
import type { TokenAnswer } from './asking.ts'

export const grantKind = 'oauth'

/** Where it stood, and the version of its secret that it is to stand on. */
interface Stands {
  readonly saved: Saved | undefined
  readonly of: number
}

export class GrantKeeping {
  readonly #options: Pick<GrantsOptions, 'vault' | 'clock' | 'log'>
  readonly #isByRefresh: (name: string) => boolean

  constructor(options: Pick<GrantsOptions, 'vault' | 'clock' | 'log'>, isByRefresh: (name: string) => boolean) {
    this.#options = options
    this.#isByRefresh = isByRefresh
  }

  tokens(name: string): Tokens | undefined {
    const row = this.#options.vault.rows(`${name}+oauth`).at(-1)
    if (row === undefined) return undefined
    try {
      return JSON.parse(this.#options.vault.reveal(row)) as Tokens
    } catch (error) {
      // Somebody changed the row: another access token is asked for, but with a refresh token its grant is gone.
      if (this.#isByRefresh(name)) throw error
      return undefined
    }
  }

  async keep(
    name: string,
    { saved: before, of }: Stands,
    fact: TokenAnswer & { readonly kind: 'tokens' },
  ): Promise<Saved> {
    const { vault, clock } = this.#options
    const refresh = before?.of === of ? (this.tokens(name)?.refresh ?? null) : null
    const tokens: Tokens = { access: fact.access, refresh: fact.refresh ?? refresh }
    const row = vault.seal(`${name}+oauth`, JSON.stringify(tokens), 'active', 'oauth')
    const sentMs = fact.sentMs ?? clock.wallMs()
    const expiresMs = fact.lifeMs === null ? null : sentMs + surelyMs(fact.lifeMs)
    const saved: Saved = { of, expiresMs, lifeMs: fact.lifeMs, refreshedMs: sentMs, quarantined: null }
    await vault.renew({
      add: [row],
      moves: [],
      drops: [{ name: row.name, below: row.version }],
      machines: [{ kind: grantKind, name, state: JSON.stringify(saved) }],
      notes: [],
    })
    return saved
  }

  async quarantine(name: string, { saved: before, of }: Stands, why: string): Promise<Saved> {
    const { vault, clock, log } = this.#options
    const nowMs = clock.wallMs()
    const saved = quarantinedAs(of, before?.refreshedMs ?? nowMs, why)
    const note = { wallMs: nowMs, kind: 'credential.quarantined', subject: name, message: why }
    const machine = { kind: grantKind, name, state: JSON.stringify(saved) }
    await vault.renew({ add: [], moves: [], drops: [], machines: [machine], notes: [note] })
    log('error', 'a grant is quarantined', { credential: name, why })
    return saved
  }

  async tell(note: Omit<Note, 'wallMs'>): Promise<void> {
    const { vault, clock, log } = this.#options
    log('error', note.message, { credential: note.subject })
    const notes = [{ wallMs: clock.wallMs(), ...note }]
    await vault.renew({ add: [], moves: [], drops: [], machines: [], notes })
  }
}
