/**
 * What a killer needs of the machine: which processes belong to a swarm, and a clean kill of exactly those. Reads
 * /proc, asks nobody.
 */
import { readdirSync, readFileSync } from 'node:fs'

export interface Process {
  readonly pid: number
  readonly parent: number
  readonly started: string
  readonly command: string
}

const read = (path: string): string | undefined => {
  // A process may end between the listing and the look.
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

export const processes = (): Process[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const stat = read(`/proc/${name}/stat`)
      const command = read(`/proc/${name}/cmdline`)
      if (stat === undefined || command === undefined) return []
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return fields[0] === 'Z'
        ? []
        : [
            {
              pid: Number(name),
              parent: Number(fields[1]),
              started: fields[19]!,
              command: command.replaceAll('\0', ' ').trim(),
            },
          ]
    })

/** The program of a swarm by its role, as its command line says it. */
export const programOf = (role: 'gate' | 'sitter' | 'rehearsal', data: string): Process | undefined =>
  processes().find((one) => one.command.includes(`_${role} --data-dir ${data}`))

/** Pool hosts: the children of the sitter. */
export const hostsOf = (sitter: Process | undefined): Process[] =>
  sitter === undefined ? [] : processes().filter((one) => one.parent === sitter.pid)

/** What the kernel says that a process does: its state, who traces it, and what it waits in. */
export const stateOf = (pid: number): string => {
  const status = read(`/proc/${pid}/status`) ?? ''
  const words = ['State', 'TracerPid', 'Threads'].map((word) => new RegExp(`^${word}:\\s*(.*)$`, 'm').exec(status)?.[1])
  return `[${[...words, read(`/proc/${pid}/wchan`)].filter(Boolean).join(', ')}]`
}

export const isThere = (one: Process): boolean =>
  processes().some((other) => other.pid === one.pid && other.started === one.started)

export const kill = (one: Process | undefined): boolean => {
  if (one === undefined || !isThere(one)) return false
  try {
    process.kill(one.pid, 'SIGKILL')
    return true
  } catch {
    return false
  }
}
