/** What the process of the agents gives them: the SDK itself touches nothing. */
import type { Clock } from '../std/std.ts'
import type { OpenSocket, UpstreamFetch } from './context.ts'

export interface HostPorts {
  readonly clock: Pick<Clock, 'monoMs' | 'timer'>
  /** One frame to the sitter; the process writes those of one turn together. */
  readonly send: (frame: object) => void
  /** As `send`, a frame that is a line already. */
  readonly sendLine: (line: string) => void
  /** Bytes that the sitter has not taken yet. */
  readonly pendingBytes: () => number
  readonly fetch: UpstreamFetch
  readonly socket: OpenSocket
  /** Runs code in the name of `owner`, so that its stray errors and prints can be handed back with it. */
  readonly within: <Value>(owner: object, work: () => Value) => Value
}
