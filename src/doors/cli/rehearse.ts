/**
 * `rehearse`: the rehearsal providers of a configuration without its swarm, or one by flags; for people who test
 * against them.
 */
import { dirname, join } from 'node:path'
import type { RehearsalOptions, RunningRehearsal } from '../../rehearsal/rehearsal.ts'
import { failure } from '../../std/std.ts'
import { configFile, namedDataDirectory } from './locate.ts'
import type { Surroundings } from './surroundings.ts'
import { plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

const usualRate = 400

const byFlags = ({ options, world }: Invocation): readonly RehearsalOptions[] => {
  const directory = namedDataDirectory(world, options) ?? join(world.directory, '.sitter')
  const latencyMs = options.duration('latency')
  return [
    {
      name: 'rehearsal',
      port: options.whole('port') ?? 0,
      directory: join(directory, 'rehearsal', 'rehearsal'),
      rate: options.whole('rate') ?? usualRate,
      seed: options.whole('seed') ?? 1,
      clock: world.clock,
      ...(latencyMs === undefined ? {} : { latencyMs }),
    },
  ]
}

const byConfig = async ({ options, world, arguments: [given] }: Invocation): Promise<readonly RehearsalOptions[]> => {
  const file = await configFile(world, given)
  const { loadConfig } = await import('../../config/config.ts')
  const { config } = await loadConfig({ file, disk: world.disk, proc: world.proc, clock: world.clock })
  const directory = namedDataDirectory(world, options) ?? join(dirname(file), '.sitter')
  const all = Object.values(config.rehearsals)
  if (all.length === 0)
    throw failure('usage', `${file} has no rehearsals`, {
      facts: { wayOut: 'give it some under `rehearsal`, or run one with --port' },
    })
  return all.map(({ name, kind, tokens, port, seed, rate, faults, latencyMs, query }) => ({
    name,
    kind,
    tokens,
    port,
    seed,
    rate,
    faults,
    latencyMs,
    query,
    directory: join(directory, 'rehearsal', name),
    clock: world.clock,
  }))
}

const untilStopped = (world: Surroundings): Promise<number> =>
  new Promise((done) => {
    world.onSignal('SIGINT', () => done(130))
    world.onSignal('SIGTERM', () => done(0))
  })

export const rehearse: Deed = async (invocation) => {
  const { options, printer, world } = invocation
  const asked = options.text('port') === undefined ? await byConfig(invocation) : byFlags(invocation)
  const { startRehearsal } = await import('../../rehearsal/rehearsal.ts')
  const stopped = untilStopped(world)
  const running: RunningRehearsal[] = []
  try {
    for (const one of asked) running.push(await startRehearsal(one))
    const told = running.map(({ url, logFile }, index) => ({
      name: asked[index]!.name,
      url,
      logFile,
      tokenFile: join(asked[index]!.directory, 'token'),
    }))
    printer.show({ rehearsals: told }, () =>
      told.flatMap((one) => [`${plain(one.name)}  ${one.url}`, `  log    ${one.logFile}`, `  token  ${one.tokenFile}`]),
    )
    printer.note('Ctrl-C stops')
    return await stopped
  } finally {
    await Promise.all(running.map((one) => one.stop()))
    for (const [index, one] of running.entries()) {
      const counts = Object.entries(one.counts())
        .filter(([, number]) => number > 0)
        .map(([kind, number]) => `${number} ${kind}`)
      printer.note(`${plain(asked[index]!.name)}: ${counts.length === 0 ? 'no request' : counts.join(', ')}`)
    }
  }
}
