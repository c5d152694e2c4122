/**
 * `doctor`: what this machine enforces of what Swarmsitter promises, with or without a sitter, by looking alone. The
 * judging is in doctor-checks.ts.
 */
import { dirname, join, resolve } from 'node:path'
import { loadConfig, readApplied, tryAgents, type SwarmConfig } from '../../config/config.ts'
import { usualBounds } from '../../fleet/fleet.ts'
import { lookAtAuditEnd, lookAtServersAuditEnd } from '../../record/record.ts'
import {
  abilityChecks,
  clockCheck,
  codeCheck,
  credentialsCheck,
  exitOfChecks,
  filesCheck,
  gateUserCheck,
  housingCheck,
  leftoverCheck,
  logCheck,
  nodeCheck,
  portCheck,
  pressureCheck,
  privateCheck,
  programCheck,
  recordCheck,
  serviceChecks,
  spaceCheck,
  userCheck,
  type Check,
  type Verdict,
} from './doctor-checks.ts'
import type { SwarmView, VaultView } from '../api.ts'
import type { Inspection } from './inspection.ts'
import { configFile, namedDataDirectory, nearestDataDirectory, runningSitter } from './locate.ts'
import type { Style } from './printer.ts'
import { explain } from './refusal.ts'
import type { Surroundings } from './surroundings.ts'
import { plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

interface Found {
  readonly config: SwarmConfig | undefined
  /** Undefined when nothing ran here yet. */
  readonly directory: string | undefined
  readonly checks: readonly Check[]
}

const fault = (error: unknown): string => explain(error).what

/** The configuration that a person named, or that lies here, or that was applied last. */
const findConfig = async ({ arguments: [given], options, world }: Invocation): Promise<Found> => {
  const named = namedDataDirectory(world, options)
  const nearest = named ?? (await nearestDataDirectory(world))
  const says = (verdict: Verdict, text: string): Check => ({ name: 'config', verdict, says: text, fix: null })
  try {
    const file = await configFile(world, given)
    const { config } = await loadConfig({ file, disk: world.disk, proc: world.proc, clock: world.clock })
    const beside = join(dirname(resolve(file)), '.sitter')
    const directory = named ?? ((await world.disk.exists(beside)) ? beside : undefined)
    return { config, directory, checks: [says('enforced', `${file} is good: ${config.name}`)] }
  } catch (error) {
    if (given !== undefined || explain(error).code !== 'config-unreadable')
      return {
        config: undefined,
        directory: nearest,
        checks: [{ ...says('absent', fault(error)), fix: 'correct it: `sitter up` would refuse it' }],
      }
  }
  if (nearest === undefined)
    return { config: undefined, directory: nearest, checks: [says('unknown', 'no configuration and no swarm here')] }
  try {
    const { config } = await readApplied(world.disk, nearest)
    return { config, directory: nearest, checks: [says('enforced', `as it was applied last: ${config.name}`)] }
  } catch (error) {
    return { config: undefined, directory: nearest, checks: [says('unknown', fault(error))] }
  }
}

/** The machine, and the sitter that runs on it. */
type MachineSeen = Awaited<ReturnType<Inspection['machine']>> & { readonly sitterPid: number | undefined }

const lookAtMachine = async (
  world: Surroundings,
  seen: Inspection,
  directory: string | undefined,
): Promise<MachineSeen> => {
  const running = directory === undefined ? undefined : await runningSitter(world, directory)
  const machine = await seen.machine(world.disk, directory ?? world.directory, running !== undefined)
  return { ...machine, sitterPid: running?.pid }
}

const machineChecks = async (
  seen: Inspection,
  machine: MachineSeen,
  config: SwarmConfig | undefined,
): Promise<Check[]> => {
  return [
    nodeCheck(seen.nodeVersion, seen.platform),
    ...abilityChecks(machine.abilities),
    logCheck(),
    ...Object.values(config?.agents ?? {}).map((type) => housingCheck(type.name, machine.housing(type))),
    userCheck(seen.uid),
    filesCheck(await seen.openFilesMost(), config),
    pressureCheck(seen.pressure(), (config?.machine ?? usualBounds).pressure),
    clockCheck(await seen.bootId(), await seen.clockSynchronised()),
    ...serviceChecks(await seen.service(machine.sitterPid), await seen.inContainer()),
  ]
}

const programChecks = async (seen: Inspection, config: SwarmConfig, machine: MachineSeen): Promise<Check[]> => {
  const types = Object.values(config.agents).flatMap((type) => {
    const wanted = (type.run.command ?? type.run.exec)?.[0]
    const { effective, requested, user } = machine.housing(type)
    return wanted === undefined ? [] : [{ type: type.name, wanted, kind: effective ?? requested, own: user === 'own' }]
  })
  return Promise.all(
    types.map(async (one) => programCheck(one, one.wanted, await seen.program(one.wanted, one.kind, one.own))),
  )
}

/** Modules alone: programs have a check of their own. */
const codeChecks = async ({ disk, proc, clock }: Surroundings, config: SwarmConfig): Promise<Check[]> => {
  const types = Object.values(config.agents).filter(({ run }) => run.module !== undefined)
  const { vmModuleFault } = await import('../../cell/cell.ts')
  return (await tryAgents({ disk, proc, clock, checkVm: vmModuleFault }, types)).map(codeCheck)
}

const portChecks = async (
  world: Surroundings,
  seen: Inspection,
  config: SwarmConfig,
  directory: string | undefined,
): Promise<Check[]> => {
  const running = directory === undefined ? undefined : await runningSitter(world, directory)
  const ports = [
    { what: 'api', host: config.api.host, port: config.api.port },
    ...Object.values(config.rehearsals).map(({ name, port }) => ({ what: name, host: '127.0.0.1', port })),
  ]
  return Promise.all(
    ports.map(async (one) => {
      const free = one.port === 0 ? true : await seen.portFree(one.host, one.port)
      // A running swarm holds all of them; for the API its own word says which.
      const ours = running !== undefined && free === false && (one.what !== 'api' || running.port === one.port)
      return portCheck({ ...one, free, ours })
    }),
  )
}

const lookAtRecord = async (world: Surroundings, path: string): Promise<Check> => {
  try {
    if (!(await world.disk.exists(path))) return recordCheck(null)
  } catch (error) {
    // A directory of another user's: that is no fault of the record.
    return { name: 'record', verdict: 'unknown', says: fault(error), fix: 'ask as the user that the swarm runs as' }
  }
  try {
    return recordCheck(await lookAtAuditEnd(path))
  } catch (error) {
    return recordCheck({ fault: fault(error) })
  }
}

/** A record that lies in a server is looked at there: in the data directory nothing would be found. */
const lookAtServer = async ({ clock }: Surroundings, url: string): Promise<Check> => {
  try {
    return recordCheck(await lookAtServersAuditEnd(url, clock))
  } catch (error) {
    const { code, what } = explain(error)
    if (code === 'not-found') return recordCheck(null)
    return recordCheck(code === 'record-unreachable' ? { unreachable: what } : { fault: what })
  }
}

const recordChecks = async (
  world: Surroundings,
  config: SwarmConfig | undefined,
  directory: string | undefined,
): Promise<Check[]> => {
  if (config !== undefined && config.store !== 'embedded') return [await lookAtServer(world, config.store)]
  return directory === undefined ? [] : [await lookAtRecord(world, join(directory, 'swarm.db'))]
}

const directoryChecks = async (seen: Inspection, directory: string): Promise<Check[]> => {
  const token = join(directory, 'run', 'operator.token')
  return [
    privateCheck('data-directory', directory, await seen.mode(directory), seen.uid),
    privateCheck('operator-token', token, await seen.mode(token), seen.uid),
    spaceCheck(await seen.space(directory)),
    leftoverCheck(await seen.leftovers(directory)),
  ]
}

const keyCheck = async (seen: Inspection, swarm: string): Promise<Check> => {
  const places = seen.keyPlaces(swarm)
  for (const path of places) {
    const found = await seen.mode(path)
    if (found !== undefined) return privateCheck('vault-key', path, found, seen.uid)
  }
  return privateCheck('vault-key', places.at(-1)!, undefined, seen.uid)
}

/** A running gate knows what its secrets lack, and as whom it runs; nobody opens its files for that. */
const askGate = async (
  { api, world, options }: Invocation,
  { machine, seen, directory }: { machine: MachineSeen; seen: Inspection; directory: string | undefined },
  { name: swarm, credentials }: SwarmConfig,
): Promise<Check[]> => {
  const found = namedDataDirectory(world, options) ?? (await nearestDataDirectory(world))
  const hasAny = Object.keys(credentials).length > 0
  if (machine.sitterPid === undefined || found !== directory)
    return [
      gateUserCheck(seen.gateUser(swarm)),
      ...(hasAny ? [credentialsCheck('no sitter runs here that knows which are set')] : []),
    ]
  try {
    const door = await api()
    const { gate } = await door.get<SwarmView>('/api/v1/swarm')
    const { renewals } = await door.get<VaultView>('/api/v1/credentials')
    const concerns = renewals.flatMap(({ name, concern }) => (concern === null ? [] : [{ name, ...concern }]))
    return [
      gateUserCheck('unknown' in gate ? gate.unknown : gate.user),
      ...(hasAny ? [credentialsCheck({ secrets: renewals.length, concerns })] : []),
    ]
  } catch (error) {
    return [gateUserCheck(fault(error)), ...(hasAny ? [credentialsCheck(fault(error))] : [])]
  }
}

const marks: Readonly<Record<Verdict, readonly [mark: string, style: Style]>> = {
  enforced: ['✓', 'green'],
  weaker: ['~', 'yellow'],
  absent: ['✗', 'red'],
  broken: ['✗', 'red'],
  unknown: ['?', 'dim'],
}

export const doctor: Deed = async (invocation) => {
  const { world, printer } = invocation
  const seen = await world.inspect()
  const { config, directory, checks: first } = await findConfig(invocation)
  const machine = await lookAtMachine(world, seen, directory)
  const checks = [
    ...(await machineChecks(seen, machine, config)),
    ...first,
    ...(config === undefined ? [] : await programChecks(seen, config, machine)),
    ...(config === undefined ? [] : await codeChecks(world, config)),
    ...(config === undefined ? [] : await portChecks(world, seen, config, directory)),
    ...(config === undefined ? [] : [await keyCheck(seen, config.name)]),
    ...(config === undefined ? [] : await askGate(invocation, { machine, seen, directory }, config)),
    ...(directory === undefined
      ? [spaceCheck(await seen.space(world.directory))]
      : await directoryChecks(seen, directory)),
    ...(await recordChecks(world, config, directory)),
  ]
  const exit = exitOfChecks(checks)
  printer.show({ exit, directory: directory ?? null, checks }, () => {
    const widest = Math.max(...checks.map(({ name }) => name.length))
    return checks.flatMap(({ name, verdict, says, fix }) => {
      const [mark, style] = marks[verdict]
      const line = `${printer.paint(style, mark)} ${name.padEnd(widest)}  ${verdict.padEnd(8)}  ${plain(says)}`
      return fix === null ? [line] : [line, `${' '.repeat(widest + 14)}${printer.paint('dim', `fix: ${plain(fix)}`)}`]
    })
  })
  return exit
}
