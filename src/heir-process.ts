/** The watch of a detached swarm whose own was killed: what was applied runs on, under another parent. */
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { launch, type Launched } from './launch.ts'
import { placesOf } from './places.ts'
import { realClock, realRandom } from './std/real/real.ts'
import { asFailure, Failure, sleep, type Clock } from './std/std.ts'
import { lockInstance } from './watch.ts'

/** A sitter ends within its own deadlines, a gate when its calls have; whoever takes longer keeps its locks. */
const endsWithinMs = 90_000
const retryMs = 100
const stopWithinMs = 30_000

/** What passes when those before have ended. */
const passing: ReadonlySet<string> = new Set(['already-running', 'port-taken'])

const takeOver = async (dataDirectory: string, sitterLock: string, clock: Clock): Promise<Launched> => {
  const untilMs = clock.monoMs() + endsWithinMs
  for (;;) {
    try {
      lockInstance(sitterLock).release()
      return await launch({ configFile: null, dataDirectory, fresh: false })
    } catch (error) {
      if (!passing.has(asFailure(error).code) || clock.monoMs() >= untilMs) throw error
      await sleep(clock, retryMs)
    }
  }
}

const isHeld = (lock: string): boolean => {
  try {
    lockInstance(lock).release()
    return false
  } catch {
    return true
  }
}

/** Two that ask at the same moment may both be refused, and the first may fail: so the others wait for their turn. */
const beFirst = async (lock: string, clock: Clock): Promise<ReturnType<typeof lockInstance> | undefined> => {
  for (const untilMs = clock.monoMs() + endsWithinMs; clock.monoMs() < untilMs;) {
    try {
      return lockInstance(lock)
    } catch {
      await sleep(clock, retryMs * (1 + realRandom().next()))
    }
  }
  return undefined
}

/** The process behind `_heir --data-dir D`. Resolves with the exit code. */
export const runHeir = async (argv: readonly string[]): Promise<number> => {
  const { values } = parseArgs({ args: [...argv], options: { 'data-dir': { type: 'string' } } })
  if (values['data-dir'] === undefined) throw new Failure('usage', 'the heir needs --data-dir')
  const places = placesOf(resolve(values['data-dir']), process.env['XDG_RUNTIME_DIR'] ?? tmpdir())
  const clock = realClock()
  const first = await beFirst(join(places.run, 'heir.db'), clock)
  if (first === undefined || isHeld(places.watchLock)) {
    first?.release()
    return 0 // another heir has done it
  }
  const launched = await takeOver(places.data, places.lock, clock)
  first.release()
  let stopping = false
  const stop = (): void => {
    if (stopping) return
    stopping = true
    void launched.stop(stopWithinMs)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  process.on('SIGHUP', () => launched.reload())
  const end = await Promise.race([launched.stopped.then(() => 0), launched.failed.then(() => 1)])
  if (end !== 0) await launched.stop(0)
  return end
}
