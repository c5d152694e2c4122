/** What is kept of what happened, of who may ask, and of configurations: rows as they are read. */
export interface EventView {
  readonly seq: number
  readonly wallMs: number
  readonly kind: string
  readonly level: 'info' | 'warn' | 'error'
  readonly subject: string
  readonly message: string
  readonly facts: Readonly<Record<string, unknown>>
}
export interface EventFilter {
  readonly subject?: string
  /** This kind, or every kind under it: `cell` finds `cell.lost`. Lower-case words, digits, `.` and `-`. */
  readonly kind?: string
  readonly sinceMs?: number
}
/** `hash` is the SHA-256 hex of the token's text; `usedMs` lags up to a minute behind. */
export interface TokenView {
  readonly id: string
  readonly name: string
  readonly role: string
  readonly hash: string
  readonly actor: string
  readonly createdMs: number
  readonly expiresMs: number | null
  readonly usedMs: number | null
  readonly revokedMs: number | null
}
/** `raw` is the configuration as JSON text, `changes` what it changed, one line each. */
export interface ConfigVersionView {
  readonly version: number
  readonly hash: string
  readonly file: string
  readonly baseDirectory: string
  readonly raw: string
  readonly changes: readonly string[]
  readonly actor: string
  readonly wallMs: number
}
/** `entry` is the canonical JSON that is hashed; `prev` and `hash` are SHA-256 hex. */
export interface AuditView {
  readonly seq: number
  readonly entry: string
  readonly prev: string
  readonly hash: string
}
