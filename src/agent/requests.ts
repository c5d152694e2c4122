/** Requests from this process to the sitter, matched with their answers. Bounded: at the bound a request rejects at once. */
import { TaskFailure } from './errors.ts'

/** 100 agents with 100 payments each in flight; more is a loop that forgot to wait. */
const mostInFlight = 10_000

export interface Requests {
  /** Resolves with the result; rejects with a TaskFailure that carries the sitter's code and kind, or with the signal's reason. */
  ask(method: string, params: unknown, signal?: AbortSignal): Promise<unknown>
  /** Takes an answer frame; answers to nothing (any more) are ignored. */
  answered(frame: Readonly<Record<string, unknown>>): void
}

interface Waiting { readonly resolve: (result: unknown) => void; readonly reject: (error: Error) => void }

const asError = (value: unknown): TaskFailure => {
  const error = (typeof value === 'object' && value !== null ? value : {}) as { message?: unknown; data?: { code?: unknown; kind?: unknown; retryAfterMs?: unknown } }
  const { code, kind, retryAfterMs } = error.data ?? {}
  return new TaskFailure(typeof error.message === 'string' ? error.message : 'the sitter refused without saying why', {
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof kind === 'string' ? { kind } : {}),
    ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}),
  })
}

export const requestTable = (send: (frame: object) => void): Requests => {
  const waiting = new Map<number, Waiting>()
  let last = 0
  return {
    ask: (method, params, signal) => new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error)
      if (waiting.size >= mostInFlight) {
        return reject(new TaskFailure(`${mostInFlight} requests wait for the sitter already`, { code: 'overloaded', kind: 'transient' }))
      }
      const id = (last += 1)
      const stop = (): void => { waiting.delete(id); reject(signal!.reason as Error) }
      const over = (): void => { waiting.delete(id); signal?.removeEventListener('abort', stop) }
      signal?.addEventListener('abort', stop, { once: true })
      waiting.set(id, { resolve: (result) => { over(); resolve(result) }, reject: (error) => { over(); reject(error) } })
      send({ jsonrpc: '2.0', id, method, params })
    }),
    answered: (frame) => {
      const found = typeof frame['id'] === 'number' ? waiting.get(frame['id']) : undefined
      if (found === undefined) return
      if (frame['error'] === undefined) found.resolve(frame['result'])
      else found.reject(asError(frame['error']))
    },
  }
}
