/** What a drill needs of the machine: the processes of its swarm by what /proc says, and signals to exactly those. */
import { readdirSync, readFileSync } from 'node:fs'
import { failure } from '../std/std.ts'

export interface Seen {
  readonly pid: number
  readonly parent: number
  readonly startTime: string
  readonly state: string
  readonly command: string
}

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined // it ended between the list and the look
  }
}

const seen = (pid: number): Seen | undefined => {
  const stat = read(`/proc/${pid}/stat`)
  const command = read(`/proc/${pid}/cmdline`)
  if (stat === undefined || command === undefined) return undefined
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const state = fields[0]!
  if (state === 'Z' || state === 'X') return undefined
  return {
    pid,
    parent: Number(fields[1]),
    startTime: fields[19]!,
    state,
    command: command.replaceAll('\0', ' ').trim(),
  }
}

export const processes = (): readonly Seen[] => {
  try {
    return readdirSync('/proc')
      .filter((name) => /^[0-9]+$/.test(name))
      .flatMap((name) => seen(Number(name)) ?? [])
  } catch (cause) {
    throw failure('cell-refused', 'drills look at /proc, which this machine does not have', { cause })
  }
}

/** Those whose command line names this directory. */
export const processesOf = (directory: string): readonly Seen[] =>
  processes().filter(({ command }) => command.includes(directory))

export const isThere = ({ pid, startTime }: Pick<Seen, 'pid' | 'startTime'>): boolean =>
  seen(pid)?.startTime === startTime

/** The process that is meant, and nobody who has its number by now. Behind walls: what lives in them, too. */
export const withChildren = (root: Pick<Seen, 'pid'>): readonly Seen[] => {
  const all = processes()
  const found = all.filter(({ pid }) => pid === root.pid)
  for (let at = 0; at < found.length; at += 1) found.push(...all.filter(({ parent }) => parent === found[at]!.pid))
  return found
}

export const signal = (all: readonly Seen[], name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void => {
  for (const one of all) {
    if (!isThere(one)) continue
    try {
      process.kill(one.pid, name)
    } catch {
      // Gone meanwhile.
    }
  }
}
