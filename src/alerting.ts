/**
 * What a sitter wakes people for: conditions read off the rooms (level, not edge: what holds now is told, whatever was
 * missed).
 */
import { createHash } from 'node:crypto'
import type { SwarmConfig } from './config/config.ts'
import type { Fleet, FleetSummary, Modes, ModeSetting } from './fleet/fleet.ts'
import type { FreezeSwitch, GateLink, GateStatus } from './gatelink/gatelink.ts'
import type { Condition } from './record/record.ts'
import { credentialConditions } from './renewing.ts'
import type { Spending } from './spending.ts'
import type { Clock } from './std/std.ts'
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
  /** When sitters began after one that had died (wall ms). */
  readonly deaths: readonly number[]
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

const dyingWithinMs = 600_000
const mostDeaths = 3

/** The dead-man's ping goes out for each life that lasts a few seconds: that there are many of them is told here. */
const sitterConditions = ({ deaths, clock }: AlertingRooms, { suspects }: FleetSummary): Condition[] => {
  const late = deaths.filter((atMs) => clock.wallMs() - atMs < dyingWithinMs)
  if (late.length < mostDeaths) return []
  const wayOut =
    suspects?.count === 1
      ? `sitter quarantine ${suspects.agents} keeps it out`
      : 'the last words of each are in sitter logs sitter --level error'
  const who = suspects === undefined ? '' : `, each time just after ${suspects.agents} had begun`
  return [
    {
      key: 'sitter-restarts',
      severity: 'critical',
      title: `the sitter died ${late.length} times within 10 minutes${who}`.slice(0, 500),
      facts: { deaths: late.length, lastMs: late[0]!, suspects: suspects?.agents ?? null },
      proposed: `${wayOut}; docs/guides/operating.md, SitterRestarts`,
    },
  ]
}

/** Probes follow each other within five minutes: so long after the first failure the upstream is ill, not hiccuping. */
const brokenForMs = 300_000
const brokenLongMs = 900_000

/** Its disk, or its part of one, may be full while the record's is not. Each look lets it try again. */
const journalConditions = ({ journalRefuses }: GateStatus): Condition[] =>
  journalRefuses
    ? [
        {
          key: 'gate-journal',
          severity: 'critical',
          title: 'the gate cannot write its journal: nothing goes out',
          facts: {},
          proposed: 'make room on the disk of gate.db, it goes on by itself; if there is room: sitter logs gate',
          // One write that failed may be over at the next look.
          afterMs: gateGoneMs,
        },
      ]
    : []

/** Breakers that have been tried again, in vain, for long. */
const breakerConditions = ({ upstreams }: GateStatus, nowMs: number): Condition[] =>
  upstreams.flatMap(({ name, breakers }): Condition[] => {
    const old = breakers
      .filter(({ sinceMs, failedProbes }) => failedProbes > 0 && nowMs - sinceMs >= brokenForMs)
      .toSorted((one, other) => one.sinceMs - other.sinceMs)
    if (old.length === 0) return []
    const { endpoint, sinceMs, failedProbes, nextProbeMs } = old[0]!
    const others = old.length === 1 ? '' : ` (and ${old.length - 1} more)`
    return [
      {
        key: `breakers/${name}`,
        severity: nowMs - sinceMs >= brokenLongMs ? 'critical' : 'warning',
        title: `calls to ${name} fail: its breaker for ${endpoint}${others} does not close`.slice(0, 500),
        facts: { upstream: name, endpoint, breakers: old.length, sinceMs, failedProbes, nextProbeMs },
        proposed: `it is tried again by itself; sitter upstream show ${name} tells what it answers`,
      },
    ]
  })

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

/** A gate that is away or slow takes no condition back. */
const keeping = (
  gatelink: GateLink,
  ask: () => Promise<readonly Condition[]>,
): (() => Promise<readonly Condition[]>) => {
  let known: readonly Condition[] = []
  return async () => {
    try {
      if (gatelink.gateId !== null) known = await ask()
    } catch {
      // It is asked again at the next look; that it is gone is told by itself.
    }
    return known
  }
}

/** Asks for what holds now; counts of the record may be ten seconds old. */
export const conditionsOf = (rooms: AlertingRooms): (() => Promise<readonly Condition[]>) => {
  let counted: readonly Condition[] = []
  let countedMs = -Infinity
  const { gatelink, clock } = rooms
  const ofGate = [
    keeping(gatelink, async () => {
      const gate = await gatelink.status()
      return [...journalConditions(gate), ...breakerConditions(gate, clock.wallMs())]
    }),
    keeping(gatelink, () => credentialConditions(gatelink, clock)),
  ]
  return async () => {
    const nowMs = rooms.clock.monoMs()
    if (nowMs - countedMs >= countsEveryMs) {
      counted = [...(await paymentConditions(rooms)), ...(await deadLetterConditions(rooms))]
      for (const known of ofGate) counted = [...counted, ...(await known())]
      countedMs = nowMs
    }
    // A pass over all agents, once a look.
    const fleet = rooms.fleet.summary()
    return [
      ...switchConditions(rooms),
      ...sitterConditions(rooms, fleet),
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
