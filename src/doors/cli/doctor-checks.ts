/**
 * What a machine enforces of what Swarmsitter promises, as pure functions of what was seen. A check says what is so,
 * not what is hoped: what could not be seen is `unknown`.
 */
import type { Ability, AbilityName, Housing } from '../../cell/cell.ts'
import type { AgentType, SwarmConfig, Trial } from '../../config/config.ts'
import { shortOf } from '../../fleet/fleet.ts'
import { standbysWanted, type MachineBounds } from '../../model/model.ts'
import type { PressureReading } from '../../std/std.ts'
import type { GateUserSeen, ServiceSeen } from './inspection.ts'
import { count, counted } from './text.ts'

/**
 * `enforced`: it holds, by something that does not depend on good behaviour. `weaker`: it holds while nothing is
 * hostile or out of luck. `absent`: it does not hold. `broken`: something that must never be is.
 */
export type Verdict = 'enforced' | 'weaker' | 'absent' | 'broken' | 'unknown'

export interface Check {
  readonly name: string
  readonly verdict: Verdict
  readonly says: string
  /** What a person can do; null where there is nothing to do. */
  readonly fix: string | null
}

const check = (name: string, verdict: Verdict, says: string, fix: string | null = null): Check => ({
  name,
  verdict,
  says,
  fix,
})

const wantedNode = 26

export const nodeCheck = (version: string, platform: string): Check => {
  const isNew = Number(/^v(\d+)/.exec(version)?.[1] ?? 0) >= wantedNode
  const says = `Node ${version} on ${platform}`
  return isNew ? check('node', 'enforced', says) : check('node', 'absent', says, `use Node ${wantedNode} or later`)
}

const abilityNames: Readonly<Record<AbilityName, string>> = {
  namespaces: 'sandbox',
  filter: 'system-calls',
  limits: 'limits',
  memory: 'limit-memory',
  cpu: 'limit-cpu',
  processes: 'limit-pids',
  disk: 'limit-disk',
  files: 'limit-files',
  'group-kill': 'stragglers',
  'own-user': 'cell-users',
  'process-user': 'process-users',
  death: 'cells-die',
}

/** What agents print is bounded by the sitter itself, on every machine. */
export const logCheck = (): Check =>
  check(
    'limit-log',
    'enforced',
    '200 lines a second of a cell, 16 KiB each (what is over is dropped and counted); 1 MiB a second is read of a ' +
      'stream; all logs together have 1 GB',
  )

/** What the machine was found to offer, as it was tried; by a running sitter when it started, else just now. */
export const abilityChecks = (abilities: Readonly<Record<AbilityName, Ability>>): readonly Check[] =>
  (Object.entries(abilities) as [AbilityName, Ability][]).map(([name, { verdict, says, fix }]) =>
    check(abilityNames[name], verdict, says, fix),
  )

/** What a cell without walls keeps, and what it does not. */
const unwalled = (user: Housing['user']): string => {
  const who = user === 'own' ? 'a user of its own, and' : "the sitter's user, with"
  return `${who} limits of memory, CPU and processes; nothing bounds its disk and network`
}

/** What agents of each type live in here, and how that differs from what was asked for. */
export const housingCheck = (type: string, { requested, effective, weaker, refused, user }: Housing): Check => {
  const name = `cell-${type}`
  if (refused !== null) return check(name, 'absent', refused.why, refused.wayOut)
  const asked = effective === requested ? requested : `${effective}, where ${requested} was asked for`
  const kind = effective === 'process' ? `${asked}: ${unwalled(user)}` : asked
  if (weaker.length === 0) return check(name, 'enforced', kind)
  return check(name, 'weaker', `${kind}; weaker here: ${weaker.join('; ')}`)
}

export const userCheck = (uid: number | undefined): Check => {
  if (uid === undefined) return check('user', 'unknown', 'this system has no user ids')
  if (uid === 0)
    return check(
      'user',
      'absent',
      'runs as root: whoever takes over an agent has the machine',
      'run it as a user of its own',
    )
  return check(
    'user',
    'weaker',
    `runs as uid ${uid}; the gate shares it, and so do agents without a sandbox: the kernel does not keep them apart`,
  )
}

/** As whom the gate runs, or would; a text says why it is not known. */
export const gateUserCheck = (seen: GateUserSeen | string): Check => {
  const name = 'gate-user'
  if (typeof seen === 'string') return check(name, 'unknown', seen)
  const { uid, own, hidden, why } = seen
  if (!own)
    return check(
      name,
      'weaker',
      `the gate has no user of its own: ${why}. Who else runs as it may read its memory and the vault's key`,
      uid === 0
        ? 'mend what is said, and `sitter up` again'
        : 'keep agents in sandboxes and pools (cell-…): they see neither; root can give the gate a user of its own',
    )
  if (hidden !== true)
    return check(
      name,
      'weaker',
      `the gate runs as uid ${uid}, which is nobody else's; whether only root reads its memory is not sure`,
      'sysctl fs.suid_dumpable=0',
    )
  return check(name, 'enforced', `the gate runs as uid ${uid}, nobody else's; only root reads its memory`)
}

/** Descriptors of the sitter: per cell a socket, its streams, its disk, /proc; connections, files, what Node holds. */
const perCell = 8
const besides = 1_024 + 200

const cellsOf = (type: AgentType): number => Math.ceil(type.count / Math.max(1, type.perCell))

export const filesCheck = (most: number | undefined, config: SwarmConfig | undefined): Check => {
  if (most === undefined) return check('descriptors', 'unknown', 'the limit on open files cannot be seen')
  if (config === undefined)
    return check('descriptors', 'unknown', `${count(most)} a process; no configuration to compare`)
  const types = Object.values(config.agents)
  const cells = types.reduce((sum, type) => sum + cellsOf(type), 0)
  const standbys = [...standbysWanted(types).values()].reduce((sum, wanted) => sum + wanted, 0)
  const need = (cells + standbys) * perCell + besides
  const besideCells = standbys === 0 ? '' : ` and ${counted(standbys, 'standby host')}`
  const says = `${count(most)} a process, about ${count(need)} needed for ${counted(cells, 'cell')}${besideCells}`
  return most >= need
    ? check('descriptors', 'enforced', says)
    : check('descriptors', 'absent', says, 'raise it: `ulimit -n`, or LimitNOFILE= of the service')
}

const gigabyte = 1_000_000_000
const littleBytes = 2 * gigabyte
const tooLittleBytes = gigabyte / 5
const littleFiles = 10_000

export const spaceCheck = (found: { readonly freeBytes: number; readonly freeFiles: number } | undefined): Check => {
  if (found === undefined) return check('disk', 'unknown', 'how much is free cannot be seen')
  const says = `${(found.freeBytes / gigabyte).toFixed(1)} GB and ${count(found.freeFiles)} files free`
  const fix = 'make room: a full disk refuses new work until there is some (logs take at most 1 GB of it)'
  if (found.freeBytes < tooLittleBytes) return check('disk', 'absent', says, fix)
  if (found.freeBytes < littleBytes || (found.freeFiles > 0 && found.freeFiles < littleFiles))
    return check('disk', 'weaker', says, fix)
  return check('disk', 'enforced', says)
}

export const clockCheck = (bootId: string | undefined, synchronised: boolean | undefined): Check => {
  if (bootId === undefined)
    return check('clock', 'weaker', 'no boot id: after a restart, stored deadlines go by the wall clock', null)
  return synchronised === true
    ? check('clock', 'enforced', `boot ${bootId.slice(0, 8)}; something keeps the clock right`)
    : check('clock', 'weaker', `boot ${bootId.slice(0, 8)}; nothing is seen that keeps the clock right`, 'run chrony')
}

/** What the host is short of now, and whether the kernel tells it at all. */
export const pressureCheck = (reading: PressureReading, bounds: MachineBounds['pressure']): Check => {
  const percent = (share: number): string => `${Math.round(share * 1_000) / 10} %`
  const { memory, stalled } = reading
  const told = [
    ...(memory === null ? [] : [`${percent(memory.freeBytes / memory.totalBytes)} of the ${memory.of}'s memory left`]),
    ...Object.entries(stalled).flatMap(([what, share]) =>
      share === null ? [] : [`${what} stalled ${percent(share)} of the last 10 s`],
    ),
  ]
  const short = shortOf(reading, bounds)
  if (short !== null)
    return check(
      'pressure',
      'absent',
      `short, nothing new would start: ${short}`,
      'stop something, or raise machine.pressure',
    )
  if (told.length === 0) return check('pressure', 'unknown', 'the kernel tells nothing: starts are held for nothing')
  const blind = memory === null || stalled.memory === null
  return check('pressure', blind ? 'weaker' : 'enforced', `${told.join(', ')}: cells may start`)
}

/** What agents run was loaded for trial, or looked for. */
export const codeCheck = ({ types, what, outcome, why, wayOut }: Trial): Check => {
  const name = `code-${types[0]}`
  if (outcome === 'loads') return check(name, 'enforced', `${what} loads`)
  return check(name, outcome === 'cannot' ? 'absent' : 'unknown', why, wayOut)
}

/** What must be readable by its owner alone. */
export const privateCheck = (
  name: string,
  path: string,
  found: { readonly mode: number; readonly uid: number } | undefined,
  uid: number | undefined,
): Check => {
  if (found === undefined) return check(name, 'unknown', `${path} is not there yet`)
  const mode = found.mode.toString(8)
  if ((found.mode & 0o077) !== 0)
    return check(name, 'broken', `${path} has mode ${mode}: others can get at it`, `chmod go= ${path}`)
  if (uid !== undefined && found.uid !== uid)
    return check(name, 'broken', `${path} belongs to uid ${found.uid}, not to ${uid}`, `chown it, or run as that user`)
  return check(name, 'enforced', `${path} has mode ${mode}`)
}

export interface PortSeen {
  readonly what: string
  readonly host: string
  readonly port: number
  readonly free: boolean | undefined
  readonly ours: boolean
}

export const portCheck = ({ what, host, port, free, ours }: PortSeen): Check => {
  const name = `port-${what}`
  const address = `${host}:${port}`
  if (port === 0) return check(name, 'enforced', 'any free port is taken at the start')
  if (ours) return check(name, 'enforced', `${address} is our running swarm's`)
  if (free === undefined) return check(name, 'absent', `${address} cannot be listened on`, 'choose another address')
  return free
    ? check(name, 'enforced', `${address} is free`)
    : check(name, 'absent', `${address} is taken by another program`, 'end it, or choose another port')
}

/** `kind` = the cell in which it is run: a sandbox looks in the folders of the system first. */
export const programCheck = (
  { type, kind }: { readonly type: string; readonly kind: string },
  wanted: string,
  found: string | undefined,
): Check =>
  found === undefined
    ? check(
        `program-${type}`,
        'absent',
        `${wanted} of agent type ${type} is not there, or may not be run`,
        'install it',
      )
    : check(`program-${type}`, 'enforced', `${found} for agent type ${type}, in a cell of kind ${kind}`)

export const leftoverCheck = (
  found: readonly { readonly pid: number; readonly command: string }[] | undefined,
): Check => {
  if (found === undefined) return check('leftovers', 'unknown', 'processes cannot be seen here')
  if (found.length === 0)
    return check('leftovers', 'enforced', 'no process of this data directory lives without a sitter')
  const shown = found.slice(0, 5).map(({ pid, command }) => `${pid} (${command.slice(0, 60)})`)
  return check(
    'leftovers',
    'absent',
    `${counted(found.length, 'process', 'processes')} without a sitter: ${shown.join(', ')}`,
    'the next `sitter up` ends the cells; look at the others, and kill them by pid',
  )
}

const nobody =
  'the watch restarts gate and sitter, what is left of a detached swarm the watch: killed together, they stay down'

/** Who starts the watch again when it died, and who when it hangs. */
export const serviceChecks = (seen: ServiceSeen | undefined, inContainer: boolean): readonly Check[] => {
  if (seen === undefined && inContainer)
    return [
      check(
        'restart',
        'unknown',
        'a container: what starts it again cannot be seen from inside',
        'docker run --restart',
      ),
    ]
  if (seen === undefined)
    return [check('restart', 'weaker', nobody, 'run it as a service: deploy/systemd, docs/guides/hosting.md')]
  const { unit, restart, killMode, notifyAccess, watchdog } = seen
  if (restart === undefined || watchdog === undefined)
    return [check('restart', 'unknown', `runs in ${unit}; how that is set cannot be seen`, `systemctl show ${unit}`)]
  const hears = watchdog !== '0' && watchdog !== 'infinity' && notifyAccess === 'all'
  return [
    killMode === 'process' || killMode === 'none'
      ? check(
          'restart',
          'absent',
          `KillMode=${killMode} of ${unit} leaves processes in its group, and systemd cannot start it in there again`,
          'KillMode=mixed',
        )
      : restart === 'always' || restart === 'on-failure'
        ? check('restart', 'enforced', `${unit} starts the watch again (Restart=${restart})`)
        : check('restart', 'weaker', `Restart=${restart} of ${unit}: ${nobody}`, 'Restart=on-failure'),
    hears
      ? check('watchdog', 'enforced', `${unit} ends and starts a watch that gives no sign of life for ${watchdog}`)
      : check(
          'watchdog',
          'weaker',
          `${unit} does not wait for signs of life: a watch that hangs is not noticed`,
          'Type=notify, NotifyAccess=all, WatchdogSec=60',
        ),
  ]
}

export const recordCheck = (
  seen:
    | { readonly ok: boolean; readonly entries: number; readonly why: string | null }
    | { readonly fault: string }
    | { readonly unreachable: string }
    | null,
): Check => {
  if (seen === null) return check('record', 'unknown', 'there is no record yet')
  if ('unreachable' in seen) return check('record', 'absent', seen.unreachable, 'start its server, or correct `store`')
  if ('fault' in seen) return check('record', 'broken', `the record cannot be read: ${seen.fault}`, 'restore a backup')
  if (!seen.ok)
    return check(
      'record',
      'broken',
      `the audit chain is broken: ${seen.why}`,
      'keep a copy, then `sitter audit verify`',
    )
  return check('record', 'enforced', `readable; the last ${counted(seen.entries, 'audit entry', 'audit entries')} fit`)
}

export interface ConcernSeen {
  readonly name: string
  readonly severity: 'warning' | 'critical'
  readonly what: string
  readonly wayOut: string
}

/** What keeps credentials from use, or will; a text says why it is not known. */
export const credentialsCheck = (
  seen: { readonly secrets: number; readonly concerns: readonly ConcernSeen[] } | string,
): Check => {
  const name = 'credentials'
  if (typeof seen === 'string') return check(name, 'unknown', seen)
  const { secrets, concerns } = seen
  const worst = concerns.find(({ severity }) => severity === 'critical') ?? concerns[0]
  if (worst === undefined) return check(name, 'enforced', `${counted(secrets, 'secret')}, none waits for a person`)
  const others = concerns.length === 1 ? '' : `, and ${counted(concerns.length - 1, 'other')} (sitter vault status)`
  const verdict = worst.severity === 'critical' ? 'absent' : 'weaker'
  return check(name, verdict, `${worst.name} ${worst.what}${others}`, worst.wayOut)
}

/** 1 something is broken, 4 something does not hold, else 0. */
export const exitOfChecks = (checks: readonly Check[]): number => {
  if (checks.some(({ verdict }) => verdict === 'broken')) return 1
  return checks.some(({ verdict }) => verdict === 'absent') ? 4 : 0
}
