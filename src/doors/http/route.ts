/** What a route is: one method and path, the query it understands, and a function from what was asked to an answer. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Identity, Principal } from './identity.ts'
import type { Rooms } from './rooms.ts'

/** Who a request was let in as: null = nobody, on an open path. */
export interface Entry {
  readonly principal: Principal | null
  readonly id: string
  /** Address of who asks. */
  readonly address: string
}
export interface Bindings {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly entry: Entry
}
export type Answer = (request: Request, bindings: Bindings) => Promise<Response>

export interface Ask {
  readonly rooms: Rooms
  readonly identity: Identity
  readonly request: Request
  readonly method: string
  readonly params: Readonly<Record<string, string>>
  /** Only the names that the route declares; each at most once. */
  readonly query: Readonly<Record<string, string>>
  /** Who asks; null on open routes without a token. */
  readonly principal: Principal | null
  /** Who asks, as audit entries name them: `token:<name>`, `session:<name>`; on open routes `nobody`. */
  readonly actor: string
  /** Address of who asks. */
  readonly address: string
  /** Id of this request, in every answer as x-request-id. */
  readonly id: string
  /** The raw answer, for streams that must be cut. */
  readonly outgoing: ServerResponse
  /** Aborts when the door closes. */
  readonly closing: AbortSignal
}

/** A JSON answer; amounts are text already. */
export interface Reply {
  readonly status: number
  readonly body: object
}

export interface Route {
  readonly method: 'GET' | 'POST'
  /** In hono's words: `/api/v1/tasks/:id`. */
  readonly path: string
  readonly open?: true
  readonly query?: readonly string[]
  readonly run: (ask: Ask) => Promise<Reply | Response> | Reply | Response
}

export const ok = (body: object): Reply => ({ status: 200, body })
