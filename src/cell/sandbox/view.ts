/**
 * What of the machine is seen inside a sandbox: of a program what its command line names, of a pool host the code that
 * its agents are made of. Read-only, at its own path; what the cell's user could not read is named before the start.
 */
import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path'
import { failure } from '../../std/std.ts'
import type { StandbyPlan } from '../port.ts'
import { wayFiles } from '../process/bridged.ts'
import type { Inhabitant } from '../walls.ts'
import { insideHome, isSystem } from './arguments.ts'

/** What of the machine is seen inside, and what is started there. */
export interface Seen {
  /** The program by its absolute path, and its arguments. */
  readonly words: readonly string[]
  readonly readable: readonly string[]
  /** A folder of ours that is seen although what lies around it is hidden. */
  readonly kept?: { readonly path: string; readonly writes: boolean }
  readonly cwd: string
}
export type View = (inhabitant: Inhabitant, plan: StandbyPlan, uid: number | null) => Seen

export const systemPath = '/usr/local/bin:/usr/bin:/bin'

const canRun = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false // not there, or not for us
  }
}

/** The program's absolute path: the system's own first, because only that is seen inside by itself. */
export const findInside = (name: string, path: string): string => {
  if (name.includes('/')) {
    if (canRun(name)) return name
    throw failure('cell-start', `the program ${name} is not there or may not be run (chmod +x ${name})`)
  }
  const folders = [...systemPath.split(':'), ...path.split(delimiter).filter((folder) => isAbsolute(folder))]
  const found = folders.map((folder) => join(folder, name)).find(canRun)
  if (found === undefined)
    throw failure('cell-start', `the program ${name} is not on this machine (looked in ${folders.join(':')})`)
  return found
}

/** Its folder, but never a whole root or the place that is the sandbox's own: there the file alone. */
const folderOf = (file: string): readonly string[] => {
  const folder = dirname(file)
  return [folder === '/' || folder === insideHome ? file : folder]
}

/**
 * What a command line needs to see: where its program lies (and really lies), the folder of its first file, and any
 * other file or folder that it names.
 */
const readableFor = ({ words, directory }: Inhabitant): readonly string[] => {
  const [program = '', ...rest] = words
  let hasScript = false
  const named = rest.flatMap((word) => {
    const path = resolve(directory, word)
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined || !(found.isFile() || found.isDirectory())) return []
    const isScript = found.isFile() && !hasScript
    hasScript ||= isScript
    return isScript ? folderOf(path) : [path]
  })
  return [...folderOf(program), ...folderOf(realpathSync(program)), ...named].filter(
    (path) => path !== '/' && path !== insideHome,
  )
}

/** Inside, the program is a stranger to its files: it must be let in like one. */
const isReadable = (path: string, uid: number | null): boolean => {
  const found = statSync(path, { throwIfNoEntry: false })
  if (uid === null || found === undefined || isSystem(path) || found.uid === uid) return true
  const needed = found.isDirectory() ? 0o005 : 0o004
  return (found.mode & needed) === needed
}

const assertReadable = (paths: readonly string[], uid: number | null): void => {
  for (const path of paths) {
    if (isReadable(path, uid)) continue
    const { mode } = statSync(path)
    throw failure(
      'cell-start',
      `${path} may be read by its owner alone (mode ${(mode & 0o777).toString(8)}), and the sandbox has a user ` +
        `of its own: chmod o+rX ${path}`,
    )
  }
}

/** What a program sees; `path` is where those are looked for that are not the system's. */
export const programView =
  (path: string): View =>
  ({ words: [name = '', ...args], directory, through = [] }, plan, uid) => {
    const program = findInside(name, path)
    const way = through.length === 0 ? [] : wayFiles()
    const needed = [...readableFor({ words: [program, ...args], directory }), ...(plan.readable ?? []), ...way]
    assertReadable([...needed, program], uid)
    // A folder that is its owner's alone is not shown; what the command line names in there is, at its own path.
    const isShown = directory !== '/' && directory !== insideHome && isReadable(directory, uid)
    const words = [...through, program, ...args]
    return { words, readable: isShown ? [directory, ...needed] : needed, cwd: directory }
  }

/** Whether a user can read all of these folders. */
export const canRead = (uid: number, paths: readonly string[]): boolean => paths.every((path) => isReadable(path, uid))

const ancestorsOf = (path: string): readonly string[] => (path === '/' ? [] : [path, ...ancestorsOf(dirname(path))])

/**
 * The folder in which everything lies that a module may import: the highest with a package.json, or its own. A home is
 * no package, whatever lies in it.
 */
export const packageOf = (module: string): string => {
  const above = ancestorsOf(dirname(module)).filter((path) => path !== homedir() && path !== insideHome)
  return above.findLast((path) => existsSync(join(path, 'package.json'))) ?? dirname(module)
}

/** What is installed above a module, which it may import as well: also where no package.json says whose it is. */
export const installedAbove = (module: string): readonly string[] =>
  ancestorsOf(dirname(module))
    .map((path) => join(path, 'node_modules'))
    .filter((path) => existsSync(path))

/** What a pool host sees: its Node, our own code, the modules of the swarm, and its compiled code. */
export const hostView =
  (packages: () => readonly string[], codeCache: string): View =>
  ({ words: [node = process.execPath, ...args], writable }) => ({
    words: [node, ...args],
    readable: [dirname(realpathSync(node)), dirname(node), ...packages()],
    kept: { path: codeCache, writes: writable !== undefined },
    cwd: insideHome,
  })
