/**
 * CPU time of a whole contest: the contestant, its children and its servers, which are all below the process that
 * started the contestant. On a machine that does other things too it says more than the time that passed: a task costs
 * what it costs, whoever else waits for the cores. By the kernel's own count of each thread (Linux, nanoseconds);
 * threads and processes that have ended are not in it.
 */
import { readdirSync, readFileSync } from 'node:fs'

const numbersIn = (directory: string): readonly string[] =>
  readdirSync(directory).filter((name) => /^[0-9]+$/.test(name))

/** Undefined where it ended meanwhile. */
const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** The fields of `stat` behind the name, which may contain anything: state, parent, … */
const parentOf = (pid: string): number | undefined => {
  const text = read(`/proc/${pid}/stat`)
  return text === undefined ? undefined : Number(text.slice(text.lastIndexOf(')') + 2).split(' ', 2)[1])
}

const below = (root: number): readonly number[] => {
  const children = new Map<number, number[]>()
  for (const pid of numbersIn('/proc')) {
    const parent = parentOf(pid)
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(pid)])
  }
  const found = [root]
  for (const pid of found) found.push(...(children.get(pid) ?? []))
  return found
}

const threadsMs = (pid: number): number => {
  const directory = `/proc/${pid}/task`
  try {
    const spent = numbersIn(directory).map(
      (thread) => read(`${directory}/${thread}/schedstat`)?.split(' ', 1)[0] ?? '0',
    )
    return spent.reduce((sum, ns) => sum + Number(ns) / 1e6, 0)
  } catch {
    return 0
  }
}

/** CPU time so far of a process and all below it, in ms; of those below the one that started this one by default. */
export const cpuMs = (root = process.ppid): number => {
  try {
    return below(root).reduce((sum, pid) => sum + threadsMs(pid), 0)
  } catch {
    return Number.NaN
  }
}
