/** Where things lie in a data directory; one place says it for all programs. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'

/**
 * A Unix socket's path has room for 107 bytes; ours stay under 100. The longest is `<sockets>/<cell id>/sitter.sock`.
 */
const longestSocketPath = 100
const socketNameBytes = '/cel_00000000-0000-7000-8000-000000000000/sitter.sock'.length

export interface Places {
  readonly data: string
  readonly record: string
  readonly gate: string
  readonly gateSocket: string
  readonly sockets: string
  /** Sockets of programs that have users of their own: where everybody may pass by. Made when there is one. */
  readonly doors: string
  readonly cells: string
  /** Machines of agents that sleep. */
  readonly asleep: string
  readonly logs: string
  /** Compiled code of the swarm's own programs: no cell writes there. */
  readonly code: string
  readonly run: string
  readonly rehearsal: string
  readonly lock: string
  readonly watchLock: string
  /** Where the clock was: all programs of the swarm go by one. */
  readonly clock: string
  readonly token: string
  readonly api: string
  /** Touched by a sitter twice a second: when the last one lived. */
  readonly alive: string
  /** What the watch read when it was told to read the configuration again. */
  readonly reload: string
  /** What the watch knows of its programs. */
  readonly watchNote: string
  /** Its presence freezes the gate. */
  readonly frozen: string
}

/**
 * `shortDirectory` is used for sockets when the data directory's own path is too long for them, and /tmp when that one
 * is as well. Both may be everybody's: see `makeOwnFolder` (std/real).
 */
export const placesOf = (data: string, shortDirectory: string): Places => {
  const own = join(data, 'run', 's')
  const mark = createHash('sha256').update(data).digest('hex').slice(0, 12)
  const fits = (place: string): boolean => Buffer.byteLength(place) + socketNameBytes <= longestSocketPath
  const short = join(shortDirectory, `sitter-${mark}`)
  const sockets = [own, short].find(fits) ?? join('/tmp', `sitter-${mark}`)
  return {
    data,
    sockets,
    record: join(data, 'swarm.db'),
    gate: join(data, 'gate'),
    gateSocket: join(sockets, 'gate.sock'),
    doors: join('/tmp', `sitter-doors-${mark}`),
    cells: join(data, 'cells'),
    asleep: join(data, 'asleep'),
    logs: join(data, 'logs'),
    code: join(data, 'code'),
    run: join(data, 'run'),
    rehearsal: join(data, 'rehearsal'),
    lock: join(data, 'run', 'lock.db'),
    watchLock: join(data, 'run', 'watch.db'),
    clock: join(data, 'run', 'clock.json'),
    token: join(data, 'run', 'operator.token'),
    api: join(data, 'run', 'api.json'),
    alive: join(data, 'run', 'alive'),
    reload: join(data, 'run', 'reload.json'),
    watchNote: join(data, 'run', 'watch.json'),
    frozen: join(data, 'run', 'FROZEN'),
  }
}
