/**
 * The rehearsal providers of a swarm in one process of their own, so that they outlive every kill of gate and sitter,
 * as real banks do.
 */
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { readApplied } from './config/config.ts'
import { openPrivateLine } from './private-line.ts'
import { startRehearsal, type RunningRehearsal } from './rehearsal/rehearsal.ts'
import { realClock, realDisk } from './std/real/real.ts'
import { Failure, stopAll } from './std/std.ts'

/** The process behind `_rehearsal --data-dir D`; runs until it is told to end. */
export const runRehearsal = async (argv: readonly string[]): Promise<void> => {
  const { values } = parseArgs({ args: [...argv], options: { 'data-dir': { type: 'string' } } })
  if (values['data-dir'] === undefined) throw new Failure('usage', 'the rehearsal needs --data-dir')
  const data = resolve(values['data-dir'])
  const ending = Promise.withResolvers<void>()
  const line = openPrivateLine(realClock(), { closed: ending.resolve, stop: () => ending.resolve() })
  process.on('SIGTERM', ending.resolve)
  process.on('SIGINT', () => {
    /* Ctrl-C reaches the whole group; the watch stops us in order */
  })
  const running: RunningRehearsal[] = []
  try {
    const { config } = await readApplied(realDisk(), data)
    for (const { name, kind, tokens, port, seed, rate, faults, latencyMs, query } of Object.values(config.rehearsals)) {
      running.push(
        await startRehearsal({
          name,
          kind,
          tokens,
          port,
          seed,
          rate,
          faults,
          latencyMs,
          query,
          directory: join(data, 'rehearsal', name),
        }),
      )
    }
    line.ready({ providers: running.map((one) => one.url) })
    await ending.promise
  } catch (error) {
    await line.failed(error)
    process.exitCode = 1
  }
  await stopAll(running)
  await line.stop()
}
