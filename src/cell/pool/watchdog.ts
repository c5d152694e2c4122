/**
 * A thread beside the loop of a watched host: it sees when the loop is held or the memory grows, asks the engine whom
 * the loop runs at that moment (an inspector session stops it for 10 to 100 ms, reads the stack and the async context,
 * and lets it go on), and leaves that in a file that outlives the process. It reads and writes nothing else.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { Session, type Debugger, type Runtime } from 'node:inspector'
import { flushCompileCache } from 'node:module'
import { workerData } from 'node:worker_threads'
import { mostFrames, type Evidence, type Watch } from './evidence.ts'

const { beats, running, file, memoryBytes } = workerData as Watch

const tickMs = 50
/** The loop counts every 50 ms; so much without a count is a held loop, not a busy machine. */
const heldMs = 250
/** A loop that stays held is looked at again this often, so that what is left behind is of its last moments. */
const againMs = 1_000
const lookWithinMs = 400
/** While memory grows the loop runs; one that does not stop within this time is idle just now. */
const glanceWithinMs = 60
/** Memory is looked at each time it has grown by this much. */
const stepBytes = Math.max(2_000_000, memoryBytes / 32)
/** What is older was another phase: loading the agents, say. */
const keptLooks = 12

interface Found {
  readonly agent: string | null
  readonly stack: readonly string[]
}

/** Frames name their script by number. */
const scripts = new Map<string, string>()
const mostScripts = 10_000

const frameText = ({ functionName, location }: Debugger.CallFrame): string => {
  const { scriptId, lineNumber, columnNumber = 0 } = location
  const place = `${scripts.get(scriptId) ?? 'unknown'}:${lineNumber + 1}:${columnNumber + 1}`
  return `${functionName || '(anonymous)'} (${place})`
}

/** Whose machine runs, as its host has noted; null when none does. */
const noted = (): string | null => {
  const end = running.indexOf(0)
  return end <= 0 ? null : Buffer.from(running.slice(0, end)).toString('latin1')
}

/** Where the loop is and for whom; null when no code ran within the time. */
const look = (withinMs: number, then: (found: Found | null) => void): void => {
  const agent = noted()
  if (agent !== null) return void setImmediate(then, { agent, stack: [] } satisfies Found)
  const session = new Session()
  let over = false
  const end = (found: Found | null): void => {
    if (over) return
    over = true
    clearTimeout(limit)
    // Ends the pause too.
    session.disconnect()
    then(found)
  }
  const limit = setTimeout(() => end(null), withinMs)
  session.connectToMainThread()
  session.on('Debugger.scriptParsed', ({ params: { scriptId, url } }) => {
    if (scripts.size < mostScripts) scripts.set(scriptId, url)
  })
  session.on('Debugger.paused', ({ params }) => {
    const stack = params.callFrames.slice(0, mostFrames).map(frameText)
    const { callFrameId } = params.callFrames[0]!
    const expression = "globalThis[Symbol.for('swarmsitter.running')]?.() ?? null"
    const ask = { callFrameId, expression, returnByValue: true, silent: true }
    session.post(
      'Debugger.evaluateOnCallFrame',
      ask,
      (_error: Error | null, answer?: { readonly result: Runtime.RemoteObject }) => {
        const agent: unknown = answer?.result.value
        end({ agent: typeof agent === 'string' ? agent : null, stack })
      },
    )
  })
  session.post('Debugger.enable')
  session.post('Debugger.pause')
}

const evidence: { -readonly [Key in keyof Evidence]: Evidence[Key] } = {}
const leave = (): void => {
  try {
    writeFileSync(`${file}.new`, JSON.stringify(evidence), { mode: 0o600 })
    renameSync(`${file}.new`, file)
  } catch {
    /* the directory is gone or full: nothing can be left, and nobody here can be told */
  }
}

let counted = Atomics.load(beats, 0)
let freeMs = performance.now()
let tickedMs = freeMs
let nextLookMs = 0
let looking = false
let peakBytes = process.memoryUsage.rss()
const looks: { readonly atMs: number; readonly agent: string | null }[] = []

const lookAtLoop = (): void => {
  looking = true
  look(lookWithinMs, (found) => {
    looking = false
    nextLookMs = performance.now() + againMs
    // It went on meanwhile: what was found may belong to whoever came next.
    if (Atomics.load(beats, 0) !== counted) return
    const forMs = Math.round(performance.now() - freeMs)
    evidence.blocked = { agent: found?.agent ?? null, stack: found?.stack ?? [], forMs, wallMs: Date.now() }
    leave()
  })
}

const lookAtMemory = (bytes: number): void => {
  peakBytes = bytes
  looking = true
  look(glanceWithinMs, (found) => {
    looking = false
    looks.push({ atMs: performance.now(), agent: found?.agent ?? null })
    if (looks.length > keptLooks) looks.shift()
    evidence.memory = {
      looks: looks.map(({ agent }) => agent),
      stack: found?.stack ?? [],
      forMs: Math.round(looks.at(-1)!.atMs - looks[0]!.atMs),
      wallMs: Date.now(),
    }
    leave()
  })
}

setInterval(() => {
  const nowMs = performance.now()
  const now = Atomics.load(beats, 0)
  // This thread stood still itself: the whole process did, and the loop is not to blame.
  const stoodStill = nowMs - tickedMs > heldMs
  tickedMs = nowMs
  if (now !== counted || stoodStill) {
    counted = now
    freeMs = nowMs
    if (evidence.blocked !== undefined) {
      delete evidence.blocked
      leave()
    }
  }
  if (looking) return
  if (nowMs - freeMs >= heldMs && nowMs >= nextLookMs) lookAtLoop()
  else {
    const bytes = process.memoryUsage.rss()
    if (bytes >= peakBytes + stepBytes) lookAtMemory(bytes)
  }
}, tickMs)

// As the host's: what is compiled in a killed process is not kept otherwise, and a thread's is its own.
if (process.env['SITTER_KEEP_CODE'] === '1') flushCompileCache()
