/**
 * Requests of the house itself to addresses that its operator gave: alerts and the dead-man's ping. What agents want of
 * the outside goes through the gate, never through this.
 */
export interface OutsideAsk {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
  /** From the start to the end of the answer's head; its body is not read. */
  readonly withinMs: number
}
export interface OutsideAnswer {
  readonly status: number
  /** What `Retry-After` asked for. */
  readonly retryAfterMs: number | null
}
export interface Outside {
  /** Redirects are answers, not followed. Rejects when no answer came; of the URL the reason names only the host. */
  ask(ask: OutsideAsk): Promise<OutsideAnswer>
}
