/**
 * A detached swarm has nobody who waits for it: when its watch is killed, whoever of its programs lives starts an heir,
 * which brings a new watch up when the old programs have ended in order. What runs in the foreground belongs to whoever
 * started it (a terminal, a service manager, a container), and what is killed there stays down (decision 0024).
 */
import { spawn } from 'node:child_process'
import { extname, join } from 'node:path'
import { flagsFor } from './passed-on.ts'

/** Given to the programs of a detached swarm. */
export const heirFlag = '--heir'
/** Set for an `up` that was detached, and for an heir. */
export const detachedName = 'SITTER_DETACHED'

/** Several may do so at once: the first heir wins. */
export const startHeir = (dataDirectory: string): void => {
  const program = join(import.meta.dirname, `main${extname(import.meta.filename)}`)
  const child = spawn(
    process.execPath,
    [...flagsFor(process.execArgv).kept, program, '_heir', '--data-dir', dataDirectory],
    {
      detached: true,
      stdio: 'ignore',
      env: { ...process.env, [detachedName]: '1' },
    },
  )
  child.on('error', () => {
    /* then nobody is left, as if we had died too */
  })
  child.unref()
}
