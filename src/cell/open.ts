/**
 * Opens all cell kinds on this machine: tries once what it can, ends what older sitters left in their control groups,
 * and keeps the outcome where `doctor` finds it.
 */
import { createHash } from 'node:crypto'
import { existsSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import type { AgentType } from '../model/model.ts'
import type { Clock, Disk, Net, Proc } from '../std/std.ts'
import { housingOf, type Housing } from './housing.ts'
import { cellKinds } from './kinds.ts'
import { probeMachine, type Ability, type AbilityName, type Machine } from './machine.ts'
import { poolCells } from './pool.ts'
import type { CellKind } from './port.ts'
import { removeDoors, sweepDoors } from './process/user.ts'
import { hostWalls, programCells } from './programs.ts'
import type { Hidden } from './sandbox/arguments.ts'

export interface CellsAsk {
  readonly clock: Clock
  readonly proc: Proc
  readonly net: Net
  readonly disk: Disk
  readonly agents: Readonly<Record<string, AgentType>>
  readonly places: {
    readonly data: string
    /** Where sockets lie whose path would be too long in the data directory. */
    readonly sockets: string
    /** Where those of programs lie that have users of their own. */
    readonly doors: string
  }
}

export interface Cells {
  readonly kinds: CellKind
  /** What this machine makes of the cell that a type asks for. */
  housing(type: AgentType): Housing
  /** Where the sockets of a type's programs must lie because they have users of their own; null = anywhere. */
  doors(type: AgentType): string | null
  readonly machine: Machine
  /** Other types: from now on a host sees their modules, and no agent what lies beside their programs. */
  take(agents: Readonly<Record<string, AgentType>>): void
  /** At the very end: leaves nothing of the sitter's own. */
  close(): Promise<void>
}

const placeOf = (dataDirectory: string): string => join(dataDirectory, 'run', 'machine.json')

/** What names this swarm's control groups; `settle: false` looks without changing anything. */
const askOf = (dataDirectory: string, settle: boolean): { readonly name: string; readonly settle: boolean } => ({
  name: `swarmsitter-${createHash('sha256').update(dataDirectory).digest('hex').slice(0, 12)}${settle ? '' : '-look'}`,
  settle,
})

/** What lies beside programs and is none of theirs: the data directory, the settings with secrets, and keys. */
const hiddenFor = ({ data, sockets }: CellsAsk['places'], directories: Iterable<string>): readonly Hidden[] => {
  const keys = join(process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'swarmsitter')
  const homes = new Set([dirname(data), ...directories])
  return [
    ...[data, sockets, keys, process.env['CREDENTIALS_DIRECTORY'] ?? keys]
      .flatMap((path) => [path, existsSync(path) ? realpathSync(path) : path])
      .map((path) => ({ path, is: 'directory' }) as const),
    ...[...homes].flatMap((home) => [
      { path: join(home, '.sitter'), is: 'directory' } as const,
      ...['.env', '.env.local'].map((name) => ({ path: join(home, name), is: 'file' }) as const),
    ]),
  ]
}

export const openCells = async (ask: CellsAsk): Promise<Cells> => {
  const { clock, proc, net, disk } = ask
  const { data: dataDirectory, doors } = ask.places
  const ports = { clock, proc, net, disk }
  const machine = await probeMachine({ ...askOf(dataDirectory, true), doors })
  if (machine.plainUser) sweepDoors(doors)
  const said = { atMs: clock.wallMs(), abilities: machine.abilities }
  await disk.writeWhole(placeOf(dataDirectory), `${JSON.stringify(said, null, 2)}\n`, 0o600)
  // They grow: what an earlier configuration named may still run.
  const directories = new Set<string>()
  const modules = new Set<string>()
  const take = (agents: CellsAsk['agents']): void => {
    for (const { run } of Object.values(agents)) {
      if (run.directory !== undefined) directories.add(run.directory)
      if (run.module !== undefined) modules.add(run.module)
    }
  }
  take(ask.agents)
  const hidden = (): readonly Hidden[] => hiddenFor(ask.places, directories)
  const programs = programCells({ ...ports, machine, swarm: dataDirectory, hidden })
  const codeCache = join(dataDirectory, 'cache')
  const walls = hostWalls({ machine, hidden, modules, codeCache, swarm: dataDirectory })
  const hosts = poolCells({ ...ports, codeCache, walls })
  return {
    kinds: cellKinds({ pool: hosts, vm: hosts, ...programs }),
    housing: (type) => housingOf(type, machine),
    doors: (type) => (machine.plainUser && housingOf(type, machine).user === 'own' ? doors : null),
    machine,
    take,
    close: async () => {
      removeDoors(doors)
      await machine.limits.close()
    },
  }
}

interface Told {
  readonly atMs: number | null
  readonly abilities: Readonly<Record<AbilityName, Ability>>
}

/** What a running sitter found when it started; else what can be seen from here, now. */
export const readMachine = async (disk: Disk, dataDirectory: string, isRunning: boolean): Promise<Told> => {
  const kept = isRunning ? await disk.readTextIfThere(placeOf(dataDirectory)) : undefined
  const told = kept === undefined ? undefined : (JSON.parse(kept) as Told)
  // A sitter of an older version that still runs has not looked for all that is told now.
  if (told?.abilities['process-user'] !== undefined) return told
  const { abilities } = await probeMachine(askOf(dataDirectory, false))
  return { atMs: null, abilities }
}
