/**
 * Programs of process cells: where they are, what environment they get, and how they are started. A program inherits
 * nothing of the sitter's environment but where to find things and how to write them.
 */
import { accessSync, constants, statSync } from 'node:fs'
import { join } from 'node:path'
import { failure, type Proc, type SpawnOptions } from '../../std/std.ts'
import { readPerSecond, type Walled, type WalledChild, type Walls } from '../walls.ts'
import type { Reaper } from './reaper.ts'

/** The sitter's own environment, as far as programs may know it. */
export type Surroundings = Readonly<Record<string, string | undefined>>

const passed = ['PATH', 'HOME', 'LANG', 'TZ'] as const
const usualPath = '/usr/local/bin:/usr/bin:/bin'
const canRun = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    // Not there, or not for us: either way it cannot be run.
    return false
  }
}

/**
 * The absolute path of a program.
 * @throws Failure `cell-start` that says what was looked for and where.
 */
export const findProgram = (
  name: string,
  surroundings: Surroundings,
  may: (path: string) => boolean = () => true,
): string => {
  if (name.includes('/')) {
    if (canRun(name)) return name
    throw failure('cell-start', `the program ${name} is not there or may not be run (chmod +x ${name})`)
  }
  const path = surroundings['PATH'] ?? usualPath
  const found = path
    .split(':')
    .map((directory) => join(directory, name))
    .find((found) => canRun(found) && may(found))
  if (found !== undefined) return found
  const brief = `the program ${name} is not on this machine`
  throw failure('cell-start', `${brief} (PATH is ${path})`, { facts: { brief } })
}

export const environmentOf = (
  surroundings: Surroundings,
  own: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> => {
  const environment: Record<string, string> = { PATH: usualPath }
  for (const name of passed) if (surroundings[name] !== undefined) environment[name] = surroundings[name]
  return { ...environment, ...own }
}

export interface ProgramPorts {
  readonly proc: Proc
  readonly reaper: Reaper
  readonly surroundings: Surroundings
}

export interface Program {
  readonly walled: Walled
  /** Absent for a program that lives in no cell. */
  readonly walls?: Walls
  readonly env: Readonly<Record<string, string>>
  readonly onLine: NonNullable<SpawnOptions['onLine']>
  readonly output?: { readonly input: string; readonly onOutput: NonNullable<SpawnOptions['onOutput']> }
}

/**
 * Starts a program in a group of its own that does not outlive its leader: the rest of the group is killed when the
 * leader ends, and all of it when the sitter ends.
 * @throws What the system says when it cannot be started.
 */
export const startProgram = async (ports: ProgramPorts, program: Program): Promise<WalledChild> => {
  const { walled, walls } = program
  const child = await ports.proc.spawn({
    command: walled.command,
    args: walled.args,
    env: { ...environmentOf(ports.surroundings, program.env), ...walled.env },
    cwd: walled.cwd,
    ownGroup: true,
    // bubblewrap sees to that itself, of all that it holds.
    dieWithParent: walled.onPrivateLine === undefined,
    readPerSecond,
    onLine: program.onLine,
    ...(walled.onPrivateLine === undefined ? {} : { onPrivateLine: walled.onPrivateLine }),
    ...(walled.give === undefined ? {} : { give: walled.give }),
    ...program.output,
  })
  const ended = child.ended.then(async (end) => {
    child.killGroup('SIGKILL')
    ports.reaper.remove(child.identity.pid)
    await walls?.empty()
    return walls?.endOf(end) ?? end
  })
  try {
    await ports.reaper.add(child.identity.pid, walls?.group)
  } catch (error) {
    child.killGroup('SIGKILL')
    throw error
  }
  return {
    ...child,
    ended,
    ...(walls?.memoryBytes && { memoryBytes: () => walls.memoryBytes!() }),
    ...(walls?.usage && { usage: () => walls.usage!() }),
    killGroup: (name) => {
      // The wall itself would end at once by the signal that asks the program to.
      const done = name === 'SIGKILL' ? walls?.kill?.(child.identity.pid) : walls?.terminate()
      if (done !== true) child.killGroup(name)
    },
  }
}
