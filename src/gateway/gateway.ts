/**
 * Front door of the gateway: the only way out. Opens the stages' room, the cells' doors and the link, and closes them
 * in order: nothing new is taken on, what is in flight is finished within its bound and journalled, whatever is left
 * then is lost and journalled as such.
 */
import { failure, sleep, type Clock, type Disk, type Net, type Random } from '../std/std.ts'
import { openBuckets, openLines } from '../limit/limit.ts'
import type { KeyKind, Vault } from '../vault/vault.ts'
import type { GateStatus } from '../wire/wire.ts'
import type { Room } from './call.ts'
import { openDoors, type Doors } from './doors.ts'
import { textOf } from './frames.ts'
import { openFreezer, type Freezer } from './freeze.ts'
import { openGrants, outcomeOfOpen, type Grants } from './grants.ts'
import { openLinkServer, type LinkServer } from './links.ts'
import { openMeter } from './meter.ts'
import type { CallJournal, Log, Rules, UseBook } from './ports.ts'
import { openRules, type OpenRules } from './rules.ts'
import { openUses } from './uses.ts'

export type { CallJournal, Log, Rules } from './ports.ts'

type SavedLimits = Parameters<typeof openBuckets>[0]['saved']

export interface GatewayOptions {
  readonly rules: Rules
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly net: Net
  readonly vault: Vault
  readonly journal: CallJournal & UseBook
  readonly limits: { readonly saved: SavedLimits; readonly saveWith: (rows: () => SavedLimits) => void }
  readonly gateId: string
  readonly version: string
  readonly pid: number
  readonly linkSocket: string
  readonly frozenPath: string
  /** The sitter says that the applied configuration may be another: reads it. */
  readonly readRules: () => Promise<Rules>
  readonly log: Log
}
export interface Gateway {
  status(): GateStatus
  stop(withinMs: number): Promise<void>
}

/** Calls that the gate before left open are lost from now on; the sitter is told when it links. */
const endWhatWasOpen = async ({ journal, clock, log }: GatewayOptions): Promise<void> => {
  const outcome = outcomeOfOpen(clock)
  const ended = await journal.endOpen((call) => ({
    ended: 'lost',
    status: null,
    outcome: call.grant === null ? null : JSON.stringify(outcome),
    sentMs: null,
    tookMs: null,
    cost: null,
  }))
  if (ended > 0) log('warn', 'calls of the gate before have no known outcome', { calls: ended })
}

/** Everything of a running gateway; closed in the reverse order of opening. */
interface Parts {
  readonly room: Room
  readonly rules: OpenRules
  readonly doors: Doors
  readonly grants: Grants
  readonly freezer: Freezer
}

/** The word of a person: a freeze holds at once, a thaw only when it is written. */
const say = async (journal: CallJournal, freezer: Freezer, frozen: boolean): Promise<{ readonly frozen: boolean }> => {
  if (frozen) void freezer.say(true)
  await journal.setMeta({ frozen: frozen ? 'yes' : 'no' })
  return { frozen: await freezer.say(frozen) }
}

/** Whoever waits is looked at by the new limits at once. */
const takeRules = async ({ readRules }: GatewayOptions, { rules, room }: Parts): Promise<null> => {
  rules.take(await readRules())
  for (const name of room.upstreams.keys()) room.lines.wake(name)
  return null
}

const keyKindOf = (frame: Readonly<Record<string, unknown>>): KeyKind => {
  const kind = textOf(frame, 'kind')
  if (kind === 'file' || kind === 'passphrase' || kind === 'age') return kind
  throw failure('invalid', 'a key is of kind file, passphrase or age')
}

/** Answers the questions of the link. */
const answer = async (
  options: GatewayOptions,
  parts: Parts,
  frame: Readonly<Record<string, unknown>>,
): Promise<unknown> => {
  const { vault, journal } = options
  switch (frame['frame']) {
    case 'vault.set':
      return vault.set(textOf(frame, 'credential'), textOf(frame, 'sealed'), textOf(frame, 'actor'))
    case 'vault.rekey':
      return vault.rekey(keyKindOf(frame))
    case 'vault.backup':
      return vault.backup(textOf(frame, 'recipient'))
    case 'vault.list':
      return Promise.resolve(vault.view())
    case 'status':
      return Promise.resolve(statusOf(options, parts))
    case 'freeze':
      return say(journal, parts.freezer, frame['frozen'] === true)
    case 'config':
      return takeRules(options, parts)
    default:
      return Promise.reject(failure('unknown-method', 'the gate knows no such frame'))
  }
}

/** Gives what is in flight its time, then calls the rest lost. */
const finish = async ({ room, rules, doors, grants, freezer }: Parts, withinMs: number): Promise<void> => {
  room.lines.dropAll()
  const late = new AbortController()
  await Promise.race([Promise.all([grants.idle(), doors.idle()]), sleep(room.clock, withinMs, late.signal)])
  late.abort()
  grants.abortAll()
  await doors.closeAll()
  await Promise.all([grants.idle(), doors.idle()])
  await rules.close()
  room.lines.stop()
  freezer.stop()
}

export const openGateway = async (options: GatewayOptions): Promise<Gateway> => {
  const { clock, random, disk, net, vault, journal, log } = options
  await endWhatWasOpen(options)
  const buckets = openBuckets({ clock, random, saved: options.limits.saved })
  options.limits.saveWith(buckets.changed)
  const lines = openLines({ clock, buckets })
  const freezer = await openFreezer({
    clock,
    disk,
    path: options.frozenPath,
    said: journal.meta('frozen') === 'yes',
    changed: (frozen, why) => {
      log('warn', frozen ? 'frozen: nothing is sent' : 'thawed', { why })
      if (frozen) lines.dropAll()
    },
  })
  const rules = openRules({ clock, buckets })
  rules.take(options.rules)
  const { upstreams } = rules
  // The link and the grants know each other: outcomes may be told as soon as the link is there.
  const late: { link?: LinkServer; ending?: true } = {}
  const uses = openUses({ clock, book: journal, log })
  const opened = { clock, upstreams, vault, buckets, lines, journal, uses, log }
  const room: Room = {
    ...opened,
    meter: openMeter(journal.counts()),
    frozen: freezer.frozen,
    ending: () => late.ending === true,
  }
  const doors = openDoors(room, disk)
  const grants = openGrants({
    room,
    tell: (number) => late.link?.tell(number),
    tellUnwritten: (grant, outcome, waitedMs) => late.link?.tellUnwritten(grant, outcome, waitedMs),
  })
  const parts: Parts = { room, rules, doors, grants, freezer }
  const identity = { swarm: options.rules.name, gateId: options.gateId, version: options.version }
  const link = await openLinkServer({
    ...identity,
    net,
    socketPath: options.linkSocket,
    journal,
    uses,
    doors,
    log,
    grants: () => grants,
    ask: (frame) => answer(options, parts, frame),
  })
  late.link = link
  return {
    status: () => statusOf(options, parts),
    stop: async (withinMs) => {
      late.ending = true
      await link.stop()
      await finish(parts, withinMs)
    },
  }
}

const statusOf = (options: GatewayOptions, { room, doors, grants }: Parts): GateStatus => {
  const { clock } = options
  return {
    gateId: options.gateId,
    pid: options.pid,
    frozen: room.frozen(),
    queued: room.lines.waiting(),
    inFlight: grants.inFlight() + doors.inFlight(),
    cells: doors.count(),
    upstreams: [...room.upstreams.values()].map(({ rule, credential }) => {
      const version = credential === null ? undefined : room.vault.choose(credential)
      const leftMs =
        room.buckets.pausedUntil({ upstream: rule.name, credential: version?.name ?? null, agent: null }) -
        clock.monoMs()
      return {
        name: rule.name,
        ...room.meter.figures(rule.name),
        limits: rule.limits.map(({ per, rate }) => ({
          per,
          rate: `${rate.count}/${rate.windowMs / 1_000}s`,
          pausedUntilMs: leftMs > 0 ? clock.wallMs() + leftMs : null,
          waiting: room.lines.waiting(rule.name),
        })),
      }
    }),
  }
}
