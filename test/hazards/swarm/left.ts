/** What of a swarm is still on this machine, looked for from outside: each finding is one line of text. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const read = (path: string): string => {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return '' // gone, or not for us
  }
}
const names = (path: string): readonly string[] => {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
const pids = (): readonly number[] =>
  names('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)

interface Stat {
  readonly pid: number
  readonly state: string
  readonly parent: number
  readonly name: string
}
const statOf = (pid: number): Stat | undefined => {
  const text = read(`/proc/${pid}/stat`)
  if (text === '') return undefined
  const end = text.lastIndexOf(')')
  const [state = '?', parent = '0'] = text.slice(end + 2).split(' ')
  return { pid, state, parent: Number(parent), name: text.slice(text.indexOf('(') + 1, end) }
}

/** The control groups of a data directory, in all hierarchies, with whatever is in them. */
const groupsOf = (data: string): readonly string[] => {
  const name = `swarmsitter-${createHash('sha256').update(data).digest('hex').slice(0, 12)}`
  const found: string[] = []
  const walk = (path: string, depth: number): void => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue
      const below = join(path, entry.name)
      if (entry.name === name) found.push(below)
      else if (depth > 0) walk(below, depth - 1)
    }
  }
  if (existsSync('/sys/fs/cgroup')) walk('/sys/fs/cgroup', 4)
  return found
}

const isHeld = (path: string): boolean => {
  if (!existsSync(path)) return false
  const database = new DatabaseSync(path)
  try {
    database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE; ROLLBACK')
    return false
  } catch {
    return true
  } finally {
    database.close()
  }
}

export interface Before {
  readonly zombies: ReadonlySet<number>
  readonly temporary: ReadonlySet<string>
  readonly mounts: ReadonlySet<string>
}

const zombies = (): readonly Stat[] =>
  pids().flatMap((pid) => {
    const stat = statOf(pid)
    return stat?.state === 'Z' ? [stat] : []
  })
const mounts = (): readonly string[] => read('/proc/self/mountinfo').split('\n')

/** What was there before: other people's work goes on beside this. */
export const lookBefore = (): Before => ({
  zombies: new Set(zombies().map(({ pid }) => pid)),
  temporary: new Set(names(tmpdir())),
  mounts: new Set(mounts()),
})

/** Who names the data directory in command line, environment, working directory, or lives in its groups. */
const processesOf = (data: string, groups: readonly string[]): readonly string[] => {
  const inGroups = new Set(
    groups.flatMap((group) =>
      [group, ...names(group).map((one) => join(group, one))].flatMap((path) =>
        read(join(path, 'cgroup.procs')).split('\n').filter(Boolean).map(Number),
      ),
    ),
  )
  return pids().flatMap((pid) => {
    if (pid === process.pid) return []
    const [command, environment] = [read(`/proc/${pid}/cmdline`), read(`/proc/${pid}/environ`)]
    let directory = ''
    try {
      directory = readlinkSync(`/proc/${pid}/cwd`)
    } catch {
      // gone, or not for us
    }
    const isOurs = [command, environment, directory].some((text) => text.includes(data)) || inGroups.has(pid)
    return isOurs ? [`process ${pid} (${command.replaceAll('\0', ' ').slice(0, 80)})`] : []
  })
}

/** Nothing is the right answer. `family` = processes of the swarm that were seen while it lived. */
export const leftOf = (data: string, before: Before, family: ReadonlySet<number> = new Set()): readonly string[] => {
  const groups = groupsOf(data)
  const sockets = read('/proc/net/unix')
    .split('\n')
    .filter((line) => line.includes(data))
  const short = `sitter-${createHash('sha256').update(data).digest('hex').slice(0, 12)}`
  const temporary = [...new Set([...names(tmpdir()), ...names('/tmp')])].filter(
    (name) => !before.temporary.has(name) && name === short,
  )
  return [
    ...processesOf(data, groups),
    ...zombies()
      .filter(({ pid, parent }) => !before.zombies.has(pid) && (family.has(pid) || family.has(parent)))
      .map(({ pid, parent, name }) => `zombie ${pid} (${name}) of ${parent}`),
    ...mounts()
      .filter((line) => line.includes(data) && !before.mounts.has(line))
      .map((line) => `mount ${line}`),
    ...groups.map((path) => `control group ${path}`),
    ...sockets.map((line) => `socket ${line.split(' ').at(-1)}`),
    ...names(join(data, 'cells')).map((name) => `cell directory ${name}`),
    ...names(join(data, 'run', 's')).map((name) => `socket folder ${name}`),
    ...temporary.map((name) => `temporary ${name}`),
    ...['lock.db', 'watch.db'].filter((name) => isHeld(join(data, 'run', name))).map((name) => `lock ${name}`),
  ]
}
