/**
 * The walls of kind `sandbox`: bubblewrap around each program of a cell. A user of its own where the sitter may change
 * users; else a user namespace. The cell's sockets lie in a folder that belongs to that user alone, and are all that
 * leads out.
 */
import {
  accessSync,
  chownSync,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { constants as system } from 'node:os'
import { basename, delimiter, dirname, isAbsolute, join, resolve } from 'node:path'
import { assert, failure, type ProcessEnd } from '../../std/std.ts'
import type { Machine } from '../machine.ts'
import type { CellPlan, LimitHit } from '../port.ts'
import { openLimitsOf, usualLimits, type Inhabitant, type OpenWalls, type Walled, type Walls } from '../walls.ts'
import { bwrapWords, insideHome, insideSockets, isSystem, type Hidden } from './arguments.ts'
import type { Uids } from './uids.ts'

export interface SandboxPorts {
  readonly machine: Machine
  readonly uids: Uids
  /** Where programs are looked for that are not the system's. */
  readonly path: string
  /** What no agent may see though it lies beside its program: the data directory, keys, `.env`. */
  readonly hidden: readonly Hidden[]
}

const statusLine = 3
const filterLine = 4
const systemPath = '/usr/local/bin:/usr/bin:/bin'
/** A tmpfs as statfs names it. */
const tmpfs = 0x01021994
/** bubblewrap has made its folders by then; a program that has filled its disk sooner is not told apart. */
const lookForDiskMs = [2, 5, 10, 20, 50, 200, 1_000]

const canRun = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false // not there, or not for us
  }
}

const kindOf = (path: string): 'file' | 'directory' | undefined => {
  // A link is not followed: what it leads to is seen inside only where that lies.
  const found = lstatSync(path, { throwIfNoEntry: false })
  return found?.isFile() ? 'file' : found?.isDirectory() ? 'directory' : undefined
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
export const readableFor = ({ words, directory }: Inhabitant): readonly string[] => {
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

/** bubblewrap tells a signal as 128 and its number, as shells do. */
const signals = new Map<number, string>()
for (const [name, number] of Object.entries(system.signals)) {
  // Some numbers have two names; the first is the usual one.
  if (!signals.has(128 + number)) signals.set(128 + number, name)
}

class SandboxWalls implements Walls {
  readonly sitterSocket: string
  readonly gateSocket: string
  readonly #plan: CellPlan
  readonly #ports: SandboxPorts
  readonly #limits: Awaited<ReturnType<typeof openLimitsOf>>
  readonly #uid: number | null
  readonly #sockets: string
  /** Process 1 of the sandbox that runs now, as we see it. */
  #init: number | undefined
  #disk: number | undefined

  constructor(
    plan: CellPlan,
    ports: SandboxPorts,
    own: { readonly limits: Awaited<ReturnType<typeof openLimitsOf>>; readonly uid: number | null },
  ) {
    this.#plan = plan
    this.#ports = ports
    this.#limits = own.limits
    this.#uid = own.uid
    this.#sockets = dirname(plan.sitterSocket)
    this.sitterSocket = join(insideSockets, plan.sitterSocket.slice(this.#sockets.length))
    this.gateSocket = join(insideSockets, plan.gateSocket.slice(this.#sockets.length))
  }

  get #diskBytes(): number {
    return (this.#plan.limits ?? usualLimits).diskBytes
  }

  wrap({ words: [name = '', ...args], directory }: Inhabitant): Walled {
    const { machine, hidden, path } = this.#ports
    assert(machine.bwrap !== null, 'a sandbox is only made where it can be made')
    const program = findInside(name, path)
    const needed = [...readableFor({ words: [program, ...args], directory }), ...(this.#plan.readable ?? [])]
    assertReadable([...needed, program], this.#uid)
    // A folder that is its owner's alone is not shown; what the command line names in there is, at its own path.
    const isShown = directory !== '/' && directory !== insideHome && isReadable(directory, this.#uid)
    const readable = isShown ? [directory, ...needed] : needed
    const inside = bwrapWords(
      {
        bwrap: machine.bwrap,
        setpriv: machine.setpriv ?? '',
        uid: this.#uid,
        readable,
        hidden: hidden.filter(({ path: one, is }) => kindOf(one) === is),
        sockets: this.#sockets,
        diskBytes: this.#diskBytes,
        cwd: directory,
        filter: machine.filter === null ? null : filterLine,
        status: statusLine,
      },
      machine.system,
    )
    const [command = '', ...rest] = [...this.#limits.group.before, ...inside, program, ...args]
    this.#init = undefined
    this.#forgetDisk()
    return {
      command,
      args: rest,
      cwd: '/',
      env: { PATH: systemPath, HOME: insideHome, TMPDIR: insideHome },
      ...(machine.filter === null ? {} : { give: [machine.filter] }),
      onPrivateLine: (line) => this.#told(line),
    }
  }

  #told(line: string): void {
    const pid = /"child-pid": (\d+)/.exec(line)?.[1]
    if (pid === undefined) return
    this.#init = Number(pid)
    this.#holdDisk(Number(pid), 0)
  }

  /** Holds the sandbox's disk from outside, so that it can be looked at when its processes are gone. */
  #holdDisk(init: number, tries: number): void {
    const delayMs = lookForDiskMs[tries]
    if (delayMs === undefined || this.#init !== init) return
    const timer = setTimeout(() => {
      if (this.#init !== init || this.#disk !== undefined) return
      try {
        const descriptor = openSync(`/proc/${init}/root${insideHome}`, 'r')
        const found = statfsSync(`/proc/self/fd/${descriptor}`)
        // Until the sandbox stands, this is still the machine's own folder.
        if (found.type === tmpfs && Math.abs(found.blocks * found.bsize - this.#diskBytes) < 8_192)
          this.#disk = descriptor
        else closeSync(descriptor)
      } catch {
        // Not there yet, or gone already.
      }
      if (this.#disk === undefined) this.#holdDisk(init, tries + 1)
    }, delayMs)
    timer.unref()
  }

  #forgetDisk(): void {
    if (this.#disk !== undefined) closeSync(this.#disk)
    this.#disk = undefined
  }

  terminate(): boolean {
    if (this.#init === undefined) return false
    try {
      const program = Number(
        readFileSync(`/proc/${this.#init}/task/${this.#init}/children`, 'utf8').trim().split(' ')[0],
      )
      // Its own session makes it the leader of a group.
      return program > 1 && process.kill(-program, 'SIGTERM')
    } catch {
      return false // it has ended, or this kernel names no children
    }
  }

  endOf(end: ProcessEnd): ProcessEnd {
    this.#init = undefined
    const signal = end.code === null ? undefined : signals.get(end.code)
    return signal === undefined ? end : { code: null, signal }
  }

  async hits(): Promise<readonly LimitHit[]> {
    const hits = await this.#limits.hits()
    if (this.#disk === undefined) return hits
    const { bfree, ffree } = statfsSync(`/proc/self/fd/${this.#disk}`)
    this.#forgetDisk()
    if (bfree > 0 && ffree > 0) return hits
    const megabytes = Math.round(this.#diskBytes / 1_000_000)
    return [...hits, { limit: 'disk', says: `its disk is full: all of its ${megabytes} MB are used` }]
  }

  async empty(): Promise<void> {
    await this.#limits.group.empty()
  }

  async close(): Promise<void> {
    this.#init = undefined
    this.#forgetDisk()
    await this.#limits.group.remove()
    // Beside the cell's own directory only where that one's path is too long for sockets.
    if (basename(this.#sockets) === this.#plan.id) rmSync(this.#sockets, { recursive: true, force: true })
    if (this.#uid !== null) this.#ports.uids.release(this.#uid)
  }
}

export const sandboxWalls =
  (ports: SandboxPorts): OpenWalls =>
  async (plan) => {
    const sockets = dirname(plan.sitterSocket)
    assert(dirname(plan.gateSocket) === sockets, 'the sockets of a sandbox lie in one folder')
    mkdirSync(sockets, { recursive: true, mode: 0o700 })
    const uid = ports.machine.ownUser ? ports.uids.take() : null
    // The folder is the lock on both sockets: nobody else, and inside a sandbox nobody but its program, can enter it.
    if (uid !== null) chownSync(sockets, uid, uid)
    return new SandboxWalls(plan, ports, { limits: await openLimitsOf(ports.machine.limits, plan), uid })
  }
