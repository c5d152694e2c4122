/** Questions to a cell, matched with its answers; each has a deadline, all have a bound. */
import { codes, failure, type Clock, type Code, type Failure } from '../std/std.ts'

/** A cell that leaves so many questions open is not going to answer the next one. */
const mostOpen = 1_000

export interface Asks {
  /** Rejects `timed-out`, `cell-lost`, `overloaded`, or with what the cell answered. */
  ask(method: string, params: unknown, withinMs: number): Promise<unknown>
  /** Takes an answer; one that comes too late is ignored. */
  answered(frame: Readonly<Record<string, unknown>>): void
  /** Nobody will answer any more. */
  lost(why: string): void
}

const asFailure = (method: string, value: unknown): Failure => {
  const error = (typeof value === 'object' && value !== null ? value : {}) as {
    message?: unknown
    data?: { code?: unknown } | null
  }
  const code = error.data?.code
  const known = typeof code === 'string' && Object.hasOwn(codes, code) ? (code as Code) : 'agent-broken'
  return failure(
    known,
    `${method}: ${typeof error.message === 'string' ? error.message.slice(0, 1_000) : 'the cell refused'}`,
  )
}

interface Open {
  readonly method: string
  readonly end: (outcome: { readonly result: unknown } | { readonly error: Failure }) => void
}

export const askTable = (clock: Clock, send: (frame: object) => void): Asks => {
  const open = new Map<number, Open>()
  let last = 0
  let over: string | undefined
  return {
    ask: (method, params, withinMs) =>
      new Promise((resolve, reject) => {
        if (over !== undefined) return reject(failure('cell-lost', over))
        if (open.size >= mostOpen)
          return reject(failure('overloaded', `${mostOpen} questions to this cell are open already`))
        const id = (last += 1)
        const cancel = clock.timer(withinMs, () => {
          open.delete(id)
          reject(failure('timed-out', `the cell did not answer ${method} within ${withinMs} ms`))
        })
        open.set(id, {
          method,
          end: (outcome) => {
            cancel()
            open.delete(id)
            if ('error' in outcome) reject(outcome.error)
            else resolve(outcome.result)
          },
        })
        send({ jsonrpc: '2.0', id, method, params })
      }),
    answered: (frame) => {
      const found = typeof frame['id'] === 'number' ? open.get(frame['id']) : undefined
      if (found === undefined) return
      found.end(
        frame['error'] === undefined ? { result: frame['result'] } : { error: asFailure(found.method, frame['error']) },
      )
    },
    lost: (why) => {
      over = why
      for (const one of open.values()) one.end({ error: failure('cell-lost', why) })
    },
  }
}
