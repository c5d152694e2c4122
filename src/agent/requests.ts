/**
 * Requests from this process to the sitter, matched with their answers. Bounded: at the bound a request rejects at
 * once.
 */
import { doneLine } from '../wire/wire.ts'
import type { HostPorts } from './ports.ts'
import { TaskFailure } from './task-failure.ts'

/** 100 agents with 100 payments each in flight; more is a loop that forgot to wait. */
const mostInFlight = 10_000

/** What the sitter said: `error` undefined = it took the request. */
export type Taken = (error: TaskFailure | undefined, result: unknown) => void

export interface Requests {
  /**
   * Sends a request; `taken` is called once, at once when the answer comes in, so that the next line finds its
   * effect.
   */
  put(method: string, params: unknown, taken: Taken): () => void
  /** As put, the end of nearly every attempt: its result is JSON text and is not written anew. */
  done(who: { readonly agent: string; readonly attempt: string }, result: string | undefined, taken: Taken): void
  /**
   * As put, for a task: rejects with a TaskFailure that has the sitter's code and kind, or with the signal's reason.
   */
  ask(method: string, params: unknown, signal: AbortSignal): Promise<unknown>
  /** Takes an answer frame; answers to nothing (any more) are ignored. */
  answered(frame: Readonly<Record<string, unknown>>): void
}

const asError = (value: unknown): TaskFailure => {
  const error = (typeof value === 'object' && value !== null ? value : {}) as {
    message?: unknown
    data?: { code?: unknown; kind?: unknown; retryAfterMs?: unknown }
  }
  const { code, kind, retryAfterMs } = error.data ?? {}
  return new TaskFailure(typeof error.message === 'string' ? error.message : 'the sitter refused without saying why', {
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof kind === 'string' ? { kind } : {}),
    ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}),
  })
}

export const requestTable = ({ send, sendLine }: Pick<HostPorts, 'send' | 'sendLine'>): Requests => {
  const waiting = new Map<number, Taken>()
  let last = 0
  /** The id under which an answer will be taken; 0 when there are too many already, which has been told. */
  const begin = (taken: Taken): number => {
    if (waiting.size >= mostInFlight) {
      const message = `${mostInFlight} requests wait for the sitter already`
      taken(new TaskFailure(message, { code: 'overloaded', kind: 'transient' }), undefined)
      return 0
    }
    last += 1
    waiting.set(last, taken)
    return last
  }
  const put: Requests['put'] = (method, params, taken) => {
    const id = begin(taken)
    if (id > 0) send({ jsonrpc: '2.0', id, method, params })
    return () => void waiting.delete(id)
  }
  return {
    put,
    done: (who, result, taken) => {
      const id = begin(taken)
      if (id > 0) sendLine(doneLine(id, who, result))
    },
    ask: (method, params, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason as Error)
        const stop = (): void => {
          forget()
          reject(signal.reason as Error)
        }
        signal.addEventListener('abort', stop, { once: true })
        const forget = put(method, params, (error, result) => {
          signal.removeEventListener('abort', stop)
          if (error === undefined) resolve(result)
          else reject(error)
        })
      }),
    answered: (frame) => {
      const id = frame['id']
      const taken = typeof id === 'number' ? waiting.get(id) : undefined
      if (taken === undefined) return
      waiting.delete(id as number)
      if (frame['error'] === undefined) taken(undefined, frame['result'])
      else taken(asError(frame['error']), undefined)
    },
  }
}
