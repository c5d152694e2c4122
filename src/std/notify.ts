/**
 * Tells whoever started this process as a service (systemd, or what speaks its protocol) how it is: READY=1,
 * WATCHDOG=1, STOPPING=1.
 */
export interface Notify {
  /** It ends and starts again who says nothing for so long; null = it does not ask. */
  readonly silentAfterMs: number | null
  /** Rejects when it could not be told. */
  tell(words: readonly string[]): Promise<void>
}
