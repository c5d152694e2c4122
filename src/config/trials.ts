/**
 * Tries to load what the agents of each type run, before any of them is started: a module in a child that may touch
 * nothing (evaluation.ts), with the heap of its cell and a deadline; a program is only looked for, for to try it is to
 * run it. Three outcomes: it loads; it cannot be loaded, and no cell could load it; or it is not known, because the
 * child may less than a cell. Each distinct module is tried once, two at a time. One takes 100 to 200 ms.
 */
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path'
import { asFailure, type Disk } from '../std/std.ts'
import { processEnvironment } from './env.ts'
import { ancestors, ownRoot, projectOf, runChild, type EvaluationPorts, type Run } from './evaluation.ts'
import { configInvalid, faultAt, type ConfigFault } from './faults.ts'
import type { Report } from './report.ts'
import type { AgentType, SwarmConfig } from './types.ts'

export interface Trial {
  readonly types: readonly string[]
  /** The module's path, or the program's name. */
  readonly what: string
  readonly outcome: 'loads' | 'cannot' | 'unknown'
  /** With file and line where they are known; empty when it loads. */
  readonly why: string
  readonly wayOut: string
}
type Verdict = Omit<Trial, 'types' | 'what'>

export interface TrialPorts extends EvaluationPorts {
  /** Why a module cannot run in a `vm` cell, whose engine is not Node: null when it can. */
  readonly checkVm?: (module: string) => Promise<{ readonly found: string; readonly expected: string } | null>
}

const atOnce = 2
const usualPath = '/usr/local/bin:/usr/bin:/bin'
/** Arguments that name a script which a program is to run. */
const script = /\.(?:py|[cm]?[jt]s|rb|sh|pl|php|lua|jar)$/

const loads: Verdict = { outcome: 'loads', why: '', wayOut: '' }

const wayOutOf = (message: string, project: string): string => {
  const missing = /^Cannot find package '((?:@[^/']+\/)?[^/']+)/.exec(message)?.[1]
  if (missing !== undefined) return `npm install ${missing} in ${project}, or take the import out`
  if (message.startsWith('Cannot find module')) return 'put the file there, or correct the import'
  return 'mend it; until then count: 0 leaves the type out'
}

const verdictOf = (file: string, project: string, { error }: Report): Verdict => {
  if (error === undefined) return loads
  const place = error.at ?? file
  const name = error.name === 'Error' ? '' : `${error.name}: `
  const [message = ''] = error.message.split('\n', 1)
  if (error.denied !== null)
    return {
      outcome: 'unknown',
      why: `${place}: while it is loaded it wants ${error.denied}, which is not granted for a trial`,
      wayOut: 'nothing, if a cell grants it',
    }
  // The importing file stands in `place` already.
  const plain = message.replace(/ imported from \S+$/, '')
  return { outcome: 'cannot', why: `${place}: ${name}${plain}`, wayOut: wayOutOf(message, project) }
}

/**
 * What a host of this module sees (src/cell/sandbox/view.ts): the highest package around it but the home, and
 * ourselves; and what is installed above.
 */
const visible = async (disk: Disk, module: string): Promise<readonly string[]> => {
  const all = ancestors(dirname(module))
  const home = processEnvironment()['HOME']
  const there = async (path: string): Promise<string[]> => ((await disk.exists(path)) ? [path] : [])
  const packages = await Promise.all(all.map(async (path) => (await there(join(path, 'package.json'))).map(dirname)))
  const installed = await Promise.all(all.map((path) => there(join(path, 'node_modules'))))
  const highest = packages.flat().findLast((path) => path !== home && path !== '/')
  return [...new Set([highest ?? dirname(module), dirname(module), ownRoot, ...installed.flat()])]
}

/** Of the machine itself, so that Node starts. */
const system = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64']
/** What lies beside code and is none of it. */
const secrets = [
  ['.sitter', '--tmpfs'],
  ['.env', '--ro-bind'],
  ['.env.local', '--ro-bind'],
] as const

/**
 * Walls around the child where bubblewrap is there: Node's own permissions hold against accidents, not against malice,
 * and agents' code is not trusted as its configuration is. No network, no processes, and no file but these, of which
 * none can be written.
 */
const wallsOf = async (
  disk: Disk,
  module: string,
  readable: readonly string[],
): Promise<readonly string[] | undefined> => {
  const found = await findOnPath(disk, 'bwrap')
  if (found === undefined) return undefined
  const shown = [dirname(process.execPath), ...readable]
  const hidden = await Promise.all(
    readable.flatMap((folder) =>
      secrets.map(async ([name, how]) => {
        const path = join(folder, name)
        if (!(await disk.exists(path))) return []
        return how === '--tmpfs' ? [how, path] : [how, '/dev/null', path]
      }),
    ),
  )
  return [
    found,
    '--unshare-all',
    '--die-with-parent',
    '--new-session',
    ...system.flatMap((path) => ['--ro-bind-try', path, path]),
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    '--tmpfs',
    '/tmp',
    ...shown.flatMap((path) => ['--ro-bind', path, path]),
    ...hidden.flat(),
    '--chdir',
    dirname(module),
    '--',
  ]
}

const tryModule = async (
  ports: TrialPorts,
  { run: { module = '' }, memoryBytes, cell }: AgentType,
): Promise<Verdict> => {
  if (cell.kind === 'vm') return tryForMachines(ports, module)
  const project = await projectOf(ports.disk, dirname(module))
  const shown = await visible(ports.disk, module)
  const walls = cell.walls === false ? undefined : await wallsOf(ports.disk, module, shown)
  const run = {
    file: module,
    child: { program: 'trial', args: [] } as const,
    readable: shown,
    granted: {},
    memoryMb: Math.max(1, Math.floor(memoryBytes / 1_000_000)),
  }
  try {
    return verdictOf(module, project, await runWalled(ports, run, walls))
  } catch (error) {
    return { outcome: 'unknown', why: asFailure(error).message, wayOut: 'see what its top level waits for, or ends' }
  }
}

/** It is linked by the engine that will run it, and not run. */
const tryForMachines = async ({ checkVm }: TrialPorts, module: string): Promise<Verdict> => {
  if (checkVm === undefined) return { outcome: 'unknown', why: 'no engine is here that could tell', wayOut: 'start it' }
  const fault = await checkVm(module)
  return fault === null ? loads : { outcome: 'cannot', why: fault.found, wayOut: fault.expected }
}

const findOnPath = async (disk: Disk, name: string): Promise<string | undefined> => {
  const folders = (processEnvironment()['PATH'] ?? usualPath).split(delimiter)
  for (const folder of folders) if (await disk.exists(join(folder, name))) return join(folder, name)
  return undefined
}

/** A machine that cannot build the walls, though bubblewrap is there, tries without. */
const runWalled = async (ports: EvaluationPorts, run: Run, walls: readonly string[] | undefined): Promise<Report> => {
  if (walls === undefined) return runChild(ports, run)
  try {
    return await runChild(ports, { ...run, walls })
  } catch (error) {
    if (/^ *bwrap: /m.test(asFailure(error).message)) return runChild(ports, run)
    throw error
  }
}

const findProgram = async ({ disk }: EvaluationPorts, name: string, directory: string): Promise<boolean> => {
  if (name.includes('/')) return disk.exists(isAbsolute(name) ? name : resolve(directory, name))
  return (await findOnPath(disk, name)) !== undefined
}

const tryProgram = async (ports: EvaluationPorts, words: readonly string[], directory: string): Promise<Verdict> => {
  const [name = '', ...args] = words
  if (!(await findProgram(ports, name, directory)))
    return {
      outcome: 'cannot',
      why: name.includes('/') ? `there is no file ${name}` : `the program ${name} is not on this machine's PATH`,
      wayOut: 'install it, or correct the name',
    }
  const file = args.find((word) => !word.startsWith('-'))
  if (file === undefined || !script.test(file) || (await ports.disk.exists(resolve(directory, file)))) return loads
  return {
    outcome: 'cannot',
    why: `there is no file ${resolve(directory, file)}`,
    wayOut: 'put it there, or correct it',
  }
}

/** What loads in one engine may not load in the other. */
const keyOf = ({ run, cell }: AgentType): string =>
  JSON.stringify(run.module === undefined ? [run.directory, run.command ?? run.exec] : [run.module, cell.kind === 'vm'])

/** What became of each distinct module and program of these types; types without agents are left out. */
export const tryAgents = async (ports: TrialPorts, types: readonly AgentType[]): Promise<readonly Trial[]> => {
  const some = types.filter(({ count }) => count > 0)
  const wanted = [...Map.groupBy(some, keyOf).values()].entries()
  const trials: Trial[] = []
  const next = async (): Promise<void> => {
    for (const [index, group] of wanted) {
      const { run } = group[0]!
      const words = run.command ?? run.exec
      const verdict = await (run.module === undefined
        ? tryProgram(ports, words!, run.directory!)
        : tryModule(ports, group[0]!))
      trials[index] = { types: group.map(({ name }) => name), what: run.module ?? words![0]!, ...verdict }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, next))
  return trials
}

const faultsOf = ({ types, what, why, wayOut }: Trial, config: Pick<SwarmConfig, 'agents'>): readonly ConfigFault[] =>
  types.map((name) => {
    const kind = Object.keys(config.agents[name]!.run).find((key) => key !== 'directory') ?? 'module'
    const found = `${JSON.stringify(what)}, which cannot be loaded: ${why}`
    return faultAt(['agents', name, 'run', kind], found, `code that loads (way out: ${wayOut})`)
  })

/** Names every type whose code cannot be loaded, with place and way out. @throws Failure `config-invalid`. */
export const refuseBroken = (trials: readonly Trial[], config: Pick<SwarmConfig, 'agents'>, file?: string): void => {
  const faults = trials.filter(({ outcome }) => outcome === 'cannot').flatMap((trial) => faultsOf(trial, config))
  if (faults.length > 0) throw configInvalid(faults, file)
}

/** Types whose code is not what ran before: who brings these is there to mend them. */
export const typesWithNewCode = (
  before: Pick<SwarmConfig, 'agents'> | undefined,
  next: Pick<SwarmConfig, 'agents'>,
): readonly AgentType[] =>
  Object.values(next.agents).filter((type) => {
    const old = before?.agents[type.name]
    return old === undefined || old.count === 0 || keyOf(old) !== keyOf(type)
  })
