/**
 * What a sitter wakes people for, and how they are told: conditions read off the rooms (level, not edge: what holds now
 * is told, whatever was missed), and targets by webhook and command.
 */
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import type { AlertTarget, SwarmConfig } from './config/config.ts'
import type { Fleet, FleetSummary, Modes, ModeSetting } from './fleet/fleet.ts'
import type { FreezeSwitch, GateLink } from './gatelink/gatelink.ts'
import type { Condition, Notice, Target } from './record/record.ts'
import { credentialConditions } from './renewing.ts'
import type { Spending } from './spending.ts'
import { Failure, type Clock, type Outside, type Proc } from './std/std.ts'
import type { Store } from './store/store.ts'

/** The rooms, as far as they say that something is wrong. */
export interface AlertingRooms {
  readonly config: SwarmConfig
  readonly store: Pick<Store, 'read' | 'fullSinceMs'>
  readonly fleet: Pick<Fleet, 'summary'>
  readonly gatelink: GateLink
  readonly freeze: Pick<FreezeSwitch, 'file'>
  readonly modes: Pick<Modes, 'list'>
  readonly spending: Pick<Spending, 'conditions'>
  readonly clock: Clock
}

const gateGoneMs = 15_000
/** An unknown outcome is looked for by itself; this long after, somebody should know. */
const unknownOldMs = 900_000
/** Counts of the record cost reads; they are looked at this often. */
const countsEveryMs = 10_000

const agentConditions = ({ config }: AlertingRooms, { byType, groupsHeld = [] }: FleetSummary): Condition[] =>
  Object.entries(byType).flatMap(([type, states]): Condition[] => {
    // Those of a group are told with it, once.
    const ofGroups = groupsHeld.reduce((sum, group) => sum + (group.byType[type] ?? 0), 0)
    const quarantined = (states.quarantined ?? 0) - ofGroups
    if (quarantined === 0) return []
    const all = config.agents[type]?.count ?? quarantined
    return [
      {
        key: `agents/${type}`,
        severity: quarantined * 2 >= all ? 'critical' : 'warning',
        title: `${quarantined} of ${all} agents of ${type} are quarantined`,
        facts: { type, quarantined, agents: all },
        proposed: `sitter inbox tells why; when the cause is mended: sitter release ${type}`,
      },
    ]
  })

/** What a rule has done: a person's word is no news to people. Agents of a type are one incident. */
const modeConditions = ({ modes }: AlertingRooms): Condition[] => {
  const byKey = new Map<string, ModeSetting[]>()
  for (const one of modes.list()) {
    if (one.source !== 'rule' && one.source !== 'repeats') continue
    const [, type] = /^agent:(.+)\/[0-9]+$/.exec(one.target) ?? []
    const key = `modes/${type === undefined ? one.target : `agents:${type}`}`
    byKey.set(key, [...(byKey.get(key) ?? []), one])
  }
  return [...byKey].map(([key, all]) => {
    const parked = all.find(({ mode }) => mode === 'parked')
    const { target, mode, reason, sinceMs, exit } = parked ?? all[0]!
    const others = all.length === 1 ? '' : ` (and ${all.length - 1} more of its type)`
    return {
      key,
      severity: parked === undefined ? 'warning' : 'critical',
      title: `${target}${others} is ${mode} by rule: ${reason}`.slice(0, 500),
      facts: { target, mode, sinceMs, count: all.length, nextMs: exit.at ?? null },
      proposed: `it is tried again by itself; when the cause is mended: sitter mode active ${target}`,
    }
  })
}

const heldConditions = ({ clock }: AlertingRooms, { held }: FleetSummary): Condition[] =>
  (held ?? []).map(({ key, cause, waiting, failures, nextMs }) => ({
    key: `restarts/${createHash('sha256').update(key).digest('hex').slice(0, 8)}`,
    severity: 'critical',
    title: `many agents died of one cause, restarts after it are held: ${cause.slice(0, 300)}`,
    facts: { cause, waiting, triesThatFailed: failures, nextTryInMs: Math.max(0, Math.round(nextMs - clock.monoMs())) },
    proposed: 'mend the cause; one agent is tried again and again, and when it holds all follow by themselves',
  }))

/** One for each group. */
const orderConditions = ({ waiting, groupsHeld, rolling }: FleetSummary): Condition[] => [
  ...(rolling ?? []).flatMap(({ type, held, done, total, why }): Condition[] =>
    held === null
      ? []
      : [
          {
            key: `rolling/${type}`,
            severity: 'critical',
            title: `a rolling restart of ${type} is held: ${held}`.slice(0, 300),
            facts: { type, why, done, total },
            proposed: `the others work as before: sitter config rollback, or mend it and restart it`,
          },
        ],
  ),
  ...(groupsHeld ?? []).map(({ group, agents, count, nextMs }): Condition => ({
    key: `group/${group}`,
    severity: 'critical',
    title: `group ${group} is quarantined: it lost its agents too often`,
    facts: { group, agents, count, nextMs },
    proposed: `sitter events tells of group ${group}; when the cause is mended: sitter release ${agents.split(',')[0]}`,
  })),
  ...(waiting ?? [])
    .filter(({ late }) => late)
    .map(({ type, why, sinceMs }) => ({
      key: `start/${type}`,
      severity: 'warning' as const,
      title: `${type} is not started: it ${why}`.slice(0, 300),
      facts: { type, why, sinceMs },
      proposed: `see why those it depends on are not ready; to start it without them: sitter restart ${type}`,
    })),
]

/** A wave of work passes; a minute of it is something that somebody should see. */
const shortForMs = 60_000

const hostConditions = ({ admission }: FleetSummary): Condition[] => {
  const { short, startsWaiting } = admission
  if (short === null) return []
  return [
    {
      key: 'host-short',
      severity: 'warning',
      title: `the host is short, no new cell starts: ${short.why.slice(0, 300)}`,
      facts: { sinceMs: short.sinceMs, startsWaiting },
      proposed: 'see what takes the memory: sitter status, sitter doctor; what runs goes on',
      afterMs: shortForMs,
    },
  ]
}

const switchConditions = ({ freeze, gatelink, store }: AlertingRooms): Condition[] => {
  const file = freeze.file()
  const { fullSinceMs } = store
  return [
    ...(file === 'absent'
      ? []
      : [
          {
            key: 'frozen',
            severity: 'warning' as const,
            title:
              file === 'unreadable' ? 'the swarm is frozen' : `the swarm was frozen by ${file.actor}: ${file.reason}`,
            facts: file === 'unreadable' ? {} : { ...file },
            proposed: 'nothing goes out until sitter thaw',
          },
        ]),
    ...(gatelink.gateId !== null
      ? []
      : [
          {
            key: 'gate',
            severity: 'critical' as const,
            title: 'there is no link to the gate: nothing goes out',
            facts: {},
            proposed: 'the watch starts it again by itself; if it stays so: sitter logs gate',
            afterMs: gateGoneMs,
          },
        ]),
    ...(fullSinceMs === null
      ? []
      : [
          {
            key: 'record-full',
            severity: 'critical' as const,
            title: 'the disk of the record is full: writes are refused',
            facts: { sinceMs: fullSinceMs },
            proposed: 'make room on the disk of the data directory; it goes on by itself',
          },
        ]),
  ]
}

const paymentConditions = async ({ store, clock }: AlertingRooms): Promise<Condition[]> => {
  const { persons, unknown } = await store.read.settlementsOfConcern()
  return [
    ...(persons === 0
      ? []
      : [
          {
            key: 'payments/person',
            severity: 'warning' as const,
            title: `${persons} payments wait for a person`,
            facts: { payments: persons },
            proposed: 'sitter inbox lists them with the way out of each',
          },
        ]),
    ...(unknown === null || clock.wallMs() - unknown.sinceMs < unknownOldMs
      ? []
      : [
          {
            key: 'payments/unknown',
            severity: 'critical' as const,
            title: `${unknown.count} payments are unknown, the first answer was lost over 15 minutes ago`,
            facts: { payments: unknown.count, oldest: unknown.oldest, oldestSinceMs: unknown.sinceMs },
            proposed: `sitter describe ${unknown.oldest}; asked about by itself where its channel has a query`,
          },
        ]),
  ]
}

const deadLetterConditions = async ({ store }: AlertingRooms): Promise<Condition[]> =>
  (await store.read.taskCounts())
    .filter(({ state, count }) => state === 'dead' && count > 0)
    .map(({ type, count }) => ({
      key: `dead-letters/${type}`,
      severity: 'warning' as const,
      title: count === 1 ? `1 ${type} task is a dead letter` : `${count} ${type} tasks are dead letters`,
      facts: { type, count },
      proposed: `sitter dlq ls --type ${type}`,
    }))

/** Asks for what holds now; counts of the record may be ten seconds old. */
export const conditionsOf = (rooms: AlertingRooms): (() => Promise<readonly Condition[]>) => {
  let counted: readonly Condition[] = []
  let countedMs = -Infinity
  let known: readonly Condition[] = []
  /** A gate that is away or slow takes no condition back. */
  const credentials = async (): Promise<readonly Condition[]> => {
    try {
      if (rooms.gatelink.gateId !== null) known = await credentialConditions(rooms.gatelink, rooms.clock)
    } catch {
      // It is asked again at the next look; that it is gone is told by itself.
    }
    return known
  }
  return async () => {
    const nowMs = rooms.clock.monoMs()
    if (nowMs - countedMs >= countsEveryMs) {
      counted = [...(await paymentConditions(rooms)), ...(await deadLetterConditions(rooms)), ...(await credentials())]
      countedMs = nowMs
    }
    // A pass over all agents, once a look.
    const fleet = rooms.fleet.summary()
    return [
      ...switchConditions(rooms),
      ...modeConditions(rooms),
      ...rooms.spending.conditions(),
      ...hostConditions(fleet),
      ...heldConditions(rooms, fleet),
      ...orderConditions(fleet),
      ...agentConditions(rooms, fleet),
      ...counted,
    ]
  }
}

const sendWithinMs = 10_000
const runWithinMs = 30_000

const webhook = (outside: Outside, url: string, name: string, least: Target['least']): Target => ({
  name,
  least,
  send: async (notice) => {
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'swarmsitter',
      // One that became worse is another notice, also to whoever drops repetitions.
      'idempotency-key': `${notice.incident}-${notice.status}-${notice.severity}`,
    }
    const ask = { method: 'POST', url, headers, body: JSON.stringify(notice), withinMs: sendWithinMs } as const
    const { status, retryAfterMs } = await outside.ask(ask)
    if (status >= 200 && status < 300) return
    throw new Failure('upstream-unreachable', `it answered ${status}`, {
      ...(retryAfterMs !== null && { retryAfterMs }),
    })
  },
})

type Passed = Readonly<Record<string, string | undefined>>

/** What a command is told beside the document on its stdin, for a script of three lines. */
const environmentOf = ({ status, severity, key, title, incident }: Notice, own: Passed): Record<string, string> => ({
  PATH: own['PATH'] ?? '/usr/bin:/bin',
  ...(own['HOME'] !== undefined && { HOME: own['HOME'] }),
  ...(own['LANG'] !== undefined && { LANG: own['LANG'] }),
  SITTER_ALERT_STATUS: status,
  SITTER_ALERT_SEVERITY: severity,
  SITTER_ALERT_KEY: key,
  SITTER_ALERT_TITLE: title,
  SITTER_ALERT_INCIDENT: incident,
})

interface Machine {
  readonly clock: Clock
  readonly proc: Proc
  readonly outside: Outside
  readonly environment: Passed
}

const command = ({ proc, clock, environment }: Machine, target: AlertTarget, name: string): Target => ({
  name,
  least: target.least,
  send: async (notice) => {
    const [program = '', ...args] = target.command ?? []
    let said = ''
    const child = await proc.spawn({
      command: program.includes('/') ? resolve(target.directory, program) : program,
      args,
      env: environmentOf(notice, environment),
      cwd: target.directory,
      ownGroup: true,
      dieWithParent: true,
      onLine: (_stream, line) => {
        said = line
      },
      input: JSON.stringify(notice),
    })
    let late = false
    const cancel = clock.timer(runWithinMs, () => {
      late = true
      child.killGroup('SIGKILL')
    })
    const { code, signal } = await child.ended
    cancel()
    // What it left running would pile up with every alert.
    child.killGroup('SIGKILL')
    if (code === 0) return
    const how = late ? `did not end within ${runWithinMs / 1_000} s` : `ended with ${signal ?? `exit code ${code}`}`
    throw new Failure('upstream-unreachable', `it ${how}${said === '' ? '' : `, and said: ${said.slice(0, 200)}`}`)
  },
})

const nameOf = ({ webhook: url, command: words }: AlertTarget): string =>
  url === undefined ? `command ${words?.[0]?.slice(0, 80)}` : `webhook ${URL.parse(url)?.host}`

/** The targets of the configuration that holds when it is asked. */
export const targetsOf = (config: Pick<SwarmConfig, 'alerts'>, machine: Machine): (() => readonly Target[]) => {
  let made: { readonly of: SwarmConfig['alerts']; readonly targets: readonly Target[] } | undefined
  return () => {
    if (made?.of === config.alerts) return made.targets
    const used = new Map<string, number>()
    const targets = config.alerts.to.map((target) => {
      const plain = nameOf(target)
      const count = (used.get(plain) ?? 0) + 1
      used.set(plain, count)
      const name = count === 1 ? plain : `${plain} (${count})`
      return target.webhook === undefined
        ? command(machine, target, name)
        : webhook(machine.outside, target.webhook, name, target.least)
    })
    made = { of: config.alerts, targets }
    return targets
  }
}
