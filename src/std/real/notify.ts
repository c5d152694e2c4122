/**
 * The protocol of systemd's notifications. It is a datagram on a Unix socket, which Node cannot send; systemd brings a
 * program that can. It waits until the datagram was read, so that its sender can still be looked up (systemd 246 and
 * later), and needs `NotifyAccess=all`: it is a child of ours.
 */
import { execFile } from 'node:child_process'
import type { Notify } from '../notify.ts'

/** Longer than a busy machine needs for a small program (70 ms on an emulated one). */
const withinMs = 10_000

/** Null where nobody asked to be told. */
export const realNotify = (env: Readonly<Record<string, string | undefined>> = process.env): Notify | null => {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: microseconds = '', WATCHDOG_PID: pid } = env
  if (socket === undefined || socket === '') return null
  // Where an older Node started us, systemd's own child is our parent.
  const isOurs = pid === undefined || [process.pid, process.ppid].map(String).includes(pid)
  const silentAfterMs = isOurs && /^[1-9]\d{0,15}$/.test(microseconds) ? Number(microseconds) / 1_000 : null
  const path = env['PATH'] ?? '/usr/bin:/bin'
  return {
    silentAfterMs,
    tell: (words) =>
      new Promise((resolve, reject) => {
        const options = {
          env: { PATH: path, NOTIFY_SOCKET: socket },
          timeout: withinMs,
          killSignal: 'SIGKILL',
        } as const
        execFile('systemd-notify', [...words], options, (error, _out, said) => {
          if (error === null) resolve()
          else reject(new Error(said.trim().split('\n')[0] || error.message, { cause: error }))
        })
      }),
  }
}
