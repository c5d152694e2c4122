/**
 * The host's end of being watched: a thread, and a count that only a free loop can move. The thread costs 7 MB and 20
 * ms of a core (Node 26.10), so only hosts whose group has lost cells are watched. Who runs is asked of the async
 * context when somebody looks: nothing is written at a switch, so the agents pay nothing.
 */
import { extname, join } from 'node:path'
import { evidenceFile, type Watch } from './evidence.ts'

const countEveryMs = 50
const extension = extname(import.meta.filename)

/** Heap cap that this process was started with. */
const memoryBytes = (): number => {
  const cap = process.execArgv.map((one) => /^--max-old-space-size=(\d+)$/.exec(one)?.[1]).find(Boolean)
  return Number(cap ?? 256) * 1_000_000
}

/** Room for the longest name of an agent. */
const noted = new Uint8Array(new SharedArrayBuffer(128))
const encoder = new TextEncoder()
let isWatched = false

/**
 * Whose machine runs from now on, null = nobody's: the engine cannot be asked that while it stands in WebAssembly. Free
 * where nobody watches.
 */
export const noteRunning = (agent: string | null): void => {
  if (!isWatched) return
  noted.fill(0)
  if (agent !== null) encoder.encodeInto(agent, noted)
}

/** Where compiled code lies, and whether this host may write there: all that the thread finds in its environment. */
const codeEnvironment = (): Record<string, string> => {
  const { NODE_COMPILE_CACHE, SITTER_KEEP_CODE } = process.env
  return {
    ...(NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE }),
    ...(SITTER_KEEP_CODE !== undefined && { SITTER_KEEP_CODE }),
  }
}

/** `running` says whom the loop runs now; it is asked while the loop stands still. */
export const beWatched = async (running: () => string | null): Promise<void> => {
  // Before anything is waited for: the agents' module may change the directory.
  const file = join(process.cwd(), evidenceFile)
  const { Worker } = await import('node:worker_threads')
  Object.defineProperty(globalThis, Symbol.for('swarmsitter.running'), { value: running })
  const beats = new Int32Array(new SharedArrayBuffer(4))
  isWatched = true
  const watch: Watch = { beats, running: noted, file, memoryBytes: memoryBytes() }
  const thread = new Worker(join(import.meta.dirname, `watchdog${extension}`), {
    workerData: watch,
    env: codeEnvironment(),
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 },
  })
  thread.unref()
  thread.once('error', (error) => console.error('the watch of this host ended:', error))
  setInterval(() => Atomics.add(beats, 0, 1), countEveryMs).unref()
}
