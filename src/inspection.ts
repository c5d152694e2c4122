/** The machine as `doctor` sees it: read from /proc and the file system, and what cells need tried. */
import { execFile } from 'node:child_process'
import { access, lstat, readdir, readFile, readlink, stat, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { housingOf, programPath, readMachine } from './cell/cell.ts'
import type { Inspection } from './doors/cli/cli.ts'
import { gateUserHere } from './gate-user.ts'
import { placesOf } from './places.ts'
import { realPressure } from './std/real/real.ts'

const isThere = async (path: string): Promise<boolean> => {
  try {
    await access(path)
    return true
  } catch {
    return false // absent, or not for us to see: either way nothing is known of it
  }
}

const textOf = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8')
  } catch {
    // Absent, gone meanwhile or not ours to read: in each case it tells nothing.
    return undefined
  }
}

const program: Inspection['program'] = async (name, kind, ownUser) => {
  try {
    return programPath(name, kind, { surroundings: process.env, ownUser })
  } catch {
    return undefined // what is thrown says where it was looked for; doctor says that it is not there
  }
}

/** What can be done here is tried; what was tried is taken back. */
const machine: Inspection['machine'] = async (disk, dataDirectory, isRunning) => {
  const { abilities } = await readMachine(disk, dataDirectory, isRunning)
  return { abilities, housing: (type) => housingOf(type, { abilities }) }
}

const portFree: Inspection['portFree'] = (host, port) =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE' ? false : undefined))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)))
  })

/** What a program prints; undefined when it is not there, fails, or takes too long. */
const printed = (name: string, args: readonly string[]): Promise<string | undefined> =>
  new Promise((resolve) => {
    execFile(name, [...args], { timeout: 5_000 }, (error, out) => resolve(error === null ? out : undefined))
  })

/** The control groups of a service and a scope are named after it; what the sitter makes in there is not. */
const service: Inspection['service'] = async (pid) => {
  const groups = (await textOf(`/proc/${pid ?? 'self'}/cgroup`)) ?? ''
  const line = groups.split('\n').find((one) => one.startsWith('0::') || one.includes(':name=systemd:')) ?? ''
  const units = line.split('/').filter((one) => /\.(service|scope)$/.test(one))
  const unit = units.at(-1)
  if (unit === undefined || !unit.endsWith('.service')) return undefined
  const ofUser = units.length > 1 && units[0]!.startsWith('user@')
  const wanted = ['Restart', 'KillMode', 'NotifyAccess', 'WatchdogUSec']
  const words = [...(ofUser ? ['--user'] : []), 'show', `--property=${wanted.join(',')}`, '--', unit]
  const told = new Map(
    (await printed('systemctl', words))?.split('\n').map((one) => one.split('=') as [string, string]),
  )
  const [restart, killMode, notifyAccess, watchdog] = wanted.map((name) => told.get(name))
  return { unit, restart, killMode, notifyAccess, watchdog }
}

interface Seen {
  readonly pid: number
  readonly parent: number
  readonly args: readonly string[]
  /** Its socket's path, for cells. */
  readonly socket: string | undefined
  readonly directory: string | undefined
}

const seen = async (pid: number): Promise<Seen | undefined> => {
  const [line, status, environment] = await Promise.all(
    ['cmdline', 'stat', 'environ'].map((name) => textOf(`/proc/${pid}/${name}`)),
  )
  if (line === undefined || status === undefined || line === '') return undefined
  const directory = await readlink(`/proc/${pid}/cwd`).catch(() => undefined) // not ours to see
  const socket = environment?.split('\0').find((one) => one.startsWith('SITTER_SOCKET='))
  return {
    pid,
    parent: Number(status.slice(status.lastIndexOf(')') + 2).split(' ')[1]),
    args: line.split('\0').filter((one) => one !== ''),
    socket: socket?.slice('SITTER_SOCKET='.length),
    directory,
  }
}

const programVerbs = ['_sitter', '_gate', '_porter', '_rehearsal']

const leftovers: Inspection['leftovers'] = async (dataDirectory) => {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^[0-9]+$/.test(name)).map(Number)
  if (pids.length === 0) return undefined
  const all = (await Promise.all(pids.map(seen))).filter((one) => one !== undefined)
  const byPid = new Map(all.map((one) => [one.pid, one]))
  const { sockets, doors, data } = placesOf(dataDirectory, process.env['XDG_RUNTIME_DIR'] ?? tmpdir())
  const isProgram = ({ args }: Seen): boolean =>
    args.some((one) => programVerbs.includes(one)) && args[args.indexOf('--data-dir') + 1] === data
  const isCell = ({ socket }: Seen): boolean =>
    socket !== undefined && [sockets, doors, data].some((place) => socket.startsWith(`${place}/`))
  const kept = (one: Seen): boolean => {
    const parent = byPid.get(one.parent)
    // A program's parent is the watch; one that was orphaned has init, or nobody we can see.
    if (isProgram(one)) return parent !== undefined && parent.pid !== 1
    return parent !== undefined && (isProgram(parent) ? kept(parent) : isCell(parent) && kept(parent))
  }
  return all
    .filter((one) => (isProgram(one) || isCell(one)) && !kept(one))
    .map(({ pid, args }) => ({ pid, command: args.join(' ').slice(0, 200) }))
}

export const realInspection = (): Inspection => ({
  nodeVersion: process.version,
  platform: `${process.platform}-${process.arch}`,
  uid: process.getuid?.(),
  gateUser: gateUserHere,
  keyPlaces: (swarm) => {
    const credentials = process.env['CREDENTIALS_DIRECTORY']
    const home = process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config')
    const folders = [...(credentials === undefined ? [] : [credentials]), join(home, 'swarmsitter')]
    // The last one is where a first start makes it.
    return folders.flatMap((folder) => ['passphrase', 'age', 'key'].map((kind) => join(folder, `${swarm}.${kind}`)))
  },
  program,
  machine,
  openFilesMost: async () => {
    const found = /^Max open files\s+\S+\s+(\d+|unlimited)/m.exec((await textOf('/proc/self/limits')) ?? '')?.[1]
    if (found === undefined) return undefined
    return found === 'unlimited' ? Number.POSITIVE_INFINITY : Number(found)
  },
  pressure: () => realPressure().read(),
  space: async (path) => {
    const facts = await statfs(path).catch(() => undefined) // no such place: nothing to tell
    return facts && { freeBytes: facts.bavail * facts.bsize, freeFiles: facts.ffree }
  },
  mode: async (path) => {
    const facts = await lstat(path).catch(() => undefined) // absent
    return facts && { mode: facts.mode & 0o7777, uid: facts.uid }
  },
  portFree,
  bootId: async () => (await textOf('/proc/sys/kernel/random/boot_id'))?.trim(),
  clockSynchronised: async () => {
    // What a running keeper leaves behind; other keepers cannot be asked by looking.
    const marks = ['/run/systemd/timesync/synchronized', '/run/chrony/chronyd.pid', '/run/ntpd.pid']
    const found = await Promise.all(
      marks.map((path) =>
        stat(path).then(
          () => true,
          () => false,
        ),
      ),
    )
    return found.includes(true) ? true : undefined
  },
  service,
  inContainer: async () => {
    // Docker and Podman leave a mark; others name themselves to the first process, which is ours to ask as root alone.
    const marks = await Promise.all(['/.dockerenv', '/run/.containerenv'].map((path) => isThere(path)))
    return marks.includes(true) || /(^|\0)container=/.test((await textOf('/proc/1/environ')) ?? '')
  },
  leftovers,
})
