/**
 * The walls of kind `sandbox`: bubblewrap around each program of a cell. A user of its own where the sitter may change
 * users; else a user namespace. The cell's sockets lie in a folder that belongs to that user alone, and are all that
 * leads out.
 */
import { chownSync, closeSync, lstatSync, openSync, readFileSync, statfsSync } from 'node:fs'
import { constants as system } from 'node:os'
import { dirname, join } from 'node:path'
import { assert, type ProcessEnd } from '../../std/std.ts'
import type { Machine } from '../machine.ts'
import type { LimitHit, Share, StandbyPlan, Usage, WalledEnd } from '../port.ts'
import {
  limitsOf,
  openLimitsOf,
  usualLimits,
  type Inhabitant,
  type OpenWalls,
  type Walled,
  type Walls,
} from '../walls.ts'
import { bwrapWords, insideHome, insideSockets, type Hidden } from './arguments.ts'
import { systemPath, type View } from './view.ts'

export interface SandboxPorts {
  readonly machine: Machine
  /** Whom a cell runs as; null = the sitter's own user. Given back when it is over. */
  readonly users: { take(): number | null; release(uid: number): void }
  /** What is seen inside. */
  readonly view: View
  /** What no agent may see though it lies beside its program: the data directory, keys, `.env`. */
  readonly hidden: () => readonly Hidden[]
}

const statusLine = 3
const filterLine = 4
/** A tmpfs as statfs names it. */
const tmpfs = 0x01021994
/** bubblewrap has made its folders by then; a program that has filled its disk sooner is not told apart. */
const lookForDiskMs = [2, 5, 10, 20, 50, 100, 100, 200, 200, 300, 1_000, 5_000, 30_000]

const kindOf = (path: string): 'file' | 'directory' | undefined => {
  // A link is not followed: what it leads to is seen inside only where that lies.
  const found = lstatSync(path, { throwIfNoEntry: false })
  return found?.isFile() ? 'file' : found?.isDirectory() ? 'directory' : undefined
}

/** A killed sandbox ends within ms, within a second or two where many end on a busy machine. */
const dyingMs = 3_000

/** bubblewrap tells a signal as 128 and its number, as shells do. */
const signals = new Map<number, string>()
for (const [name, number] of Object.entries(system.signals)) {
  // Some numbers have two names; the first is the usual one.
  if (!signals.has(128 + number)) signals.set(128 + number, name)
}

const signal = (pid: number, name: NodeJS.Signals): boolean => {
  try {
    return process.kill(pid, name)
  } catch {
    return false // it has ended
  }
}

/** A number of a process may be given away again: whose child it is tells. */
const parentOf = (pid: number): number | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined // it has ended
  }
}

class SandboxWalls implements Walls {
  readonly sitterSocket: string
  readonly gateSocket: string
  readonly group: string | null
  readonly #plan: StandbyPlan
  readonly #ports: SandboxPorts
  readonly #limits: Awaited<ReturnType<typeof openLimitsOf>>
  readonly #uid: number | null
  readonly #sockets: string
  /** Process 1 of the sandbox that runs now, as we see it. */
  #init: number | undefined
  #disk: number | undefined
  /** The program that runs now is to end. */
  #isAsked = false
  #killedMs = -Infinity

  constructor(
    plan: StandbyPlan,
    ports: SandboxPorts,
    own: { readonly limits: Awaited<ReturnType<typeof openLimitsOf>>; readonly uid: number | null },
  ) {
    this.#plan = plan
    this.#ports = ports
    this.#limits = own.limits
    this.group = own.limits.group.directory
    this.#uid = own.uid
    this.#sockets = dirname(plan.sitterSocket)
    this.sitterSocket = join(insideSockets, plan.sitterSocket.slice(this.#sockets.length))
    this.gateSocket = join(insideSockets, plan.gateSocket.slice(this.#sockets.length))
  }

  get #diskBytes(): number {
    return (this.#plan.limits ?? usualLimits).diskBytes
  }

  wrap(inhabitant: Inhabitant): Walled {
    const { machine, hidden, view } = this.#ports
    assert(machine.bwrap !== null, 'a sandbox is only made where it can be made')
    const { words, readable, kept, cwd } = view(inhabitant, this.#plan, this.#uid)
    const inside = bwrapWords(
      {
        bwrap: machine.bwrap,
        setpriv: machine.setpriv ?? '',
        uid: this.#uid,
        readable,
        ...(kept && { kept }),
        // Looked at for each start: a folder that is not there cannot be covered, and one may have come.
        hidden: hidden().filter(({ path, is }) => kindOf(path) === is),
        sockets: this.#sockets,
        diskBytes: this.#diskBytes,
        cwd,
        before: this.#limits.group.within,
        filter: machine.filter === null ? null : filterLine,
        status: statusLine,
      },
      machine.system,
    )
    const [command = '', ...rest] = [...this.#limits.group.before, ...inside, ...words]
    this.#init = undefined
    this.#isAsked = false
    this.#killedMs = -Infinity
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
    if (this.#isAsked) this.#askToEnd(this.#init)
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

  home(): string | null {
    return this.#disk === undefined ? null : `/proc/self/fd/${this.#disk}`
  }

  /** The first child of the sandbox's process 1 is its program; what that left behind comes after it. */
  #program(): number | null {
    const init = this.#init
    if (init === undefined) return null
    try {
      const pid = Number(readFileSync(`/proc/${init}/task/${init}/children`, 'utf8').split(' ')[0])
      return pid > 1 ? pid : null
    } catch {
      return null // It has ended, or this kernel keeps no such list.
    }
  }

  usage(): Usage {
    const memoryBytes = this.memoryBytes()
    const memory = memoryBytes === null ? null : { usedBytes: memoryBytes, mostBytes: limitsOf(this.#plan).memoryBytes }
    return { pid: this.#program(), memory, disk: this.#diskShare() }
  }

  #diskShare(): Share | null {
    if (this.#disk === undefined) return null
    const { blocks, bfree, bsize } = statfsSync(`/proc/self/fd/${this.#disk}`)
    return { usedBytes: (blocks - bfree) * bsize, mostBytes: blocks * bsize }
  }

  terminate(): boolean {
    // The wall has not said yet who is in there: asked as soon as it has.
    this.#isAsked = true
    if (this.#init !== undefined) this.#askToEnd(this.#init)
    return true
  }

  #askToEnd(init: number): void {
    // The program and what it started are in the group of their process 1, which itself takes no such signal.
    signal(-init, 'SIGTERM')
  }

  kill(wall: number): boolean {
    const init = this.#init
    const nowMs = performance.now()
    if (init !== undefined && nowMs - this.#killedMs < dyingMs) return true
    // What is asked for again after that was not enough.
    if (init === undefined || this.#killedMs > -Infinity || parentOf(init) !== wall) return false
    this.#killedMs = nowMs
    const isSent = signal(init, 'SIGKILL')
    // A wall that somebody has stopped buries nobody.
    signal(wall, 'SIGCONT')
    return isSent
  }

  async endOf(end: ProcessEnd): Promise<WalledEnd> {
    this.#init = undefined
    const signal = end.code === null ? undefined : signals.get(end.code)
    const told = signal === undefined ? end : { code: null, signal }
    return { ...told, hits: await this.#hits() }
  }

  async #hits(): Promise<readonly LimitHit[]> {
    const hits = await this.#limits.hits()
    if (this.#disk === undefined) return hits
    const { bfree, ffree } = statfsSync(`/proc/self/fd/${this.#disk}`)
    this.#forgetDisk()
    if (bfree > 0 && ffree > 0) return hits
    const megabytes = Math.round(this.#diskBytes / 1_000_000)
    return [...hits, { limit: 'disk', says: `its disk is full: all of its ${megabytes} MB are used` }]
  }

  memoryBytes(): number | null {
    return this.#limits.group.memoryBytes()
  }

  async empty(): Promise<void> {
    await this.#limits.group.empty()
  }

  async close(): Promise<void> {
    this.#init = undefined
    this.#forgetDisk()
    await this.#limits.group.remove()
    if (this.#uid !== null) this.#ports.users.release(this.#uid)
  }
}

export const sandboxWalls =
  (ports: SandboxPorts): OpenWalls =>
  async (plan) => {
    const sockets = dirname(plan.sitterSocket)
    assert(dirname(plan.gateSocket) === sockets, 'the sockets of a sandbox lie in one folder')
    const uid = ports.machine.ownUser ? ports.users.take() : null
    // The folder is the lock on both sockets: nobody else, and inside a sandbox nobody but its program, can enter it.
    if (uid !== null) chownSync(sockets, uid, uid)
    return new SandboxWalls(plan, ports, { limits: await openLimitsOf(ports.machine.limits, plan), uid })
  }
