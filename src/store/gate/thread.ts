/**
 * The loop's end of the thread that writes what calls write (writer.ts). One batch at a time: while one is committed
 * the next one gathers, so that a slow disk makes larger commits and no queue.
 */
import { getCompileCacheDir } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { asFailure } from '../../std/std.ts'
import type { Committed } from './commit.ts'
import type { HotValue } from './hot.ts'
import { packed, type Batch } from './parcel.ts'

/** Errors lose their codes on the way between threads, so what became of a batch is told in words. */
export type BatchTold =
  | { readonly as: 'durable'; readonly values: readonly HotValue[] }
  | { readonly as: 'undone' | 'unknown'; readonly message: string }

export interface Thread {
  /** Only when the one before has been told. */
  write(batch: Batch, told: (committed: Committed, values: readonly HotValue[]) => void): void
  end(): Promise<void>
}

/** Rows of one turn, and the statements: it holds nothing from batch to batch. */
const heapMb = 64

/** Where compiled code lies is all that it finds in its environment: else it compiles its files anew at each start. */
const codeEnvironment = (): Record<string, string> => {
  // Node names a folder in it after its version.
  const folder = getCompileCacheDir()
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: dirname(folder) }
}

/**
 * Resolves when it can write; rejects when it never could. `gone` is called when it ends without having been told to:
 * nobody knows what became of its batch.
 */
export const startThread = (path: string, gone: (cause: Error) => void): Promise<Thread> => {
  const { promise, resolve, reject } = Promise.withResolvers<Thread>()
  const worker = new Worker(join(import.meta.dirname, `writer${extname(import.meta.filename)}`), {
    workerData: { path },
    env: codeEnvironment(),
    resourceLimits: { maxOldGenerationSizeMb: heapMb },
  })
  // Who serves nothing any more is not kept alive by it.
  worker.unref()
  let isEnding = false
  let isOpen = false
  let tell: ((told: BatchTold) => void) | undefined
  const ended = Promise.withResolvers<void>()
  const lost = (cause: Error): void => {
    if (isEnding) return
    isEnding = true
    if (isOpen) gone(cause)
    else reject(cause)
  }
  worker.on('error', (error) => lost(asFailure(error)))
  worker.on('exit', (code) => {
    lost(new Error(`the thread that writes gate.db ended with ${code}`))
    ended.resolve()
  })
  worker.on('message', (message: BatchTold | 'open') => {
    if (message !== 'open') return tell?.(message)
    isOpen = true
    resolve({
      write: (batch, told) => {
        tell = (said) => {
          if (said.as === 'durable') told({ as: 'durable' }, said.values)
          else told({ as: said.as, cause: new Error(said.message) }, [])
        }
        worker.postMessage(packed(batch))
      },
      end: () => {
        isEnding = true
        worker.ref()
        worker.postMessage('end')
        return ended.promise
      },
    })
  })
  return promise
}
