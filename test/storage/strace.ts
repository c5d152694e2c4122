/** Faults in the system calls of a running process, by strace. Needs strace and the right to trace. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

export interface Fault {
  /** Resolves when strace has let go, by itself (its process ended) or after `stop`. */
  readonly over: Promise<void>
  /** Lets go of the process, which goes on without the fault. */
  stop(): Promise<void>
  /** Stands still and holds what it traces: a process that dies now stays as a body that its parent does not get. */
  hang(): void
}

/**
 * Attaches to a process (and, `follow`ed, to those that it forks from now on). `inject` is strace's own expression, for
 * example `fsync,fdatasync:error=EIO:when=1`. Resolves when it is attached.
 */
export const injectFault = async (pid: number, inject: string, follow = false): Promise<Fault> => {
  const calls = inject.split(':', 1)[0]!
  // -f traces every thread of the process that is attached to; without it only the first one.
  const words = ['-f', '-e', `trace=${calls}`, '-e', `inject=${inject}`, '-o', '/dev/null']
  const child = spawn('strace', [...words, ...(follow ? [] : ['-b', 'execve']), '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const over = once(child, 'exit').then(() => undefined)
  const attached = Promise.withResolvers<void>()
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (text.includes('attached')) attached.resolve()
  })
  void over.then(() => attached.resolve())
  await attached.promise
  return {
    over,
    stop: async () => {
      child.kill('SIGINT')
      // It has been seen to wait for ever for a thread of a process that it had killed, deaf to all but this.
      const deaf = setTimeout(() => child.kill('SIGKILL'), 2_000)
      await over
      clearTimeout(deaf)
    },
    hang: () => child.kill('SIGSTOP'),
  }
}

/** Why this machine cannot inject faults, or undefined when it can. */
export const cannotTrace: string | undefined = (() => {
  const tried = spawnSync('strace', ['-o', '/dev/null', '-e', 'trace=fsync', 'true'])
  if (tried.status === 0) return undefined
  return `cannot trace: ${tried.error?.message ?? String(tried.stderr).trim().split('\n')[0]}`
})()

export const untraced = cannotTrace === undefined ? '' : ` [NOT TESTED HERE: ${cannotTrace}]`
