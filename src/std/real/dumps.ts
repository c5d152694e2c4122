/**
 * Keeps this process's memory out of core files. The bound is 1 byte, not 0: a core that is piped to a program (as
 * systemd and Ubuntu do) ignores a bound of 0, and only 1 makes the kernel give it up (fs/coredump.c); a file needs a
 * page at least. A process can be bound from outside by its number, which is all that Node needs for it. What is not
 * reached from here is PR_SET_DUMPABLE: unless the process changes its user (gate-user.ts), a debugger of the same user
 * may still attach.
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Longer than a busy machine needs for a small program. */
const withinMs = 5_000

export type Dumps = 'none' | 'possible' | 'unknown'

const bounded = (): Dumps => {
  try {
    const found = /^Max core file size +(\S+) +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
    if (found === null) return 'unknown'
    return found[1] === '1' || found[1] === '0' ? 'none' : 'possible'
  } catch {
    return 'unknown' // no /proc: a machine that we do not know
  }
}

const bind = (bytes: number): Promise<void> =>
  new Promise((resolve) => {
    const words = ['--pid', String(process.pid), `--core=${bytes}:${bytes}`]
    // Whether it worked is read back.
    execFile('prlimit', words, { timeout: withinMs, env: { PATH: '/usr/bin:/bin' } }, () => resolve())
  })

/** Resolves with what holds afterwards. */
export const refuseDumps = async (): Promise<Dumps> => {
  await bind(1)
  // A hard bound of 0 cannot be raised to 1; a file is refused by it all the same.
  if (bounded() !== 'none') await bind(0)
  return bounded()
}
