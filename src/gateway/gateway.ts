/**
 * Front door of the gateway: the only way out. Opens the stages' room, the cells' doors and the link, and closes them
 * in order: nothing new is taken on, what is in flight is finished within its bound and journalled, whatever is left
 * then is lost and journalled as such.
 */
import { failure, sleep, type Clock, type Disk, type Net, type Random } from '../std/std.ts'
import { openBuckets, openLines } from '../limit/limit.ts'
import type { Vault } from '../vault/vault.ts'
import type { GateStatus } from '../wire/wire.ts'
import type { OpenUpstream, Room } from './call.ts'
import { openDoors, type Doors } from './doors.ts'
import { textOf } from './frames.ts'
import { openFreezer } from './freeze.ts'
import { openGrants, outcomeOfOpen, type Grants } from './grants.ts'
import { openLinkServer, type LinkServer } from './links.ts'
import { openMeter } from './meter.ts'
import { openOutbound } from './outbound.ts'
import { parseRoute } from './path.ts'
import type { CallJournal, Log, Rules, UpstreamRule } from './ports.ts'

export type { CallJournal, Log, Rules } from './ports.ts'

type SavedLimits = Parameters<typeof openBuckets>[0]['saved']

export interface GatewayOptions {
  readonly rules: Rules
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly net: Net
  readonly vault: Vault
  readonly journal: CallJournal
  readonly limits: { readonly saved: SavedLimits; readonly saveWith: (rows: () => SavedLimits) => void }
  readonly gateId: string
  readonly version: string
  readonly pid: number
  readonly linkSocket: string
  readonly frozenPath: string
  readonly log: Log
}
export interface Gateway {
  status(): GateStatus
  stop(withinMs: number): Promise<void>
}

const openUpstream = (rule: UpstreamRule, rules: Rules, clock: Clock): OpenUpstream => ({
  rule,
  credential:
    rule.credential === null ? null : (rules.credentials[rule.credential] ?? { name: rule.credential, pool: [] }),
  allow: rule.allow.map(parseRoute),
  money: rule.money.map(parseRoute),
  outbound: openOutbound(rule, clock),
})

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

export const openGateway = async (options: GatewayOptions): Promise<Gateway> => {
  const { rules, clock, random, disk, vault, journal, log } = options
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
  const upstreams = new Map(Object.values(rules.upstreams).map((rule) => [rule.name, openUpstream(rule, rules, clock)]))
  const room: Room = {
    clock,
    upstreams,
    vault,
    buckets,
    lines,
    journal,
    meter: openMeter(journal.counts()),
    log,
    frozen: freezer.frozen,
  }
  const doors = openDoors(room, disk)
  // The link and the grants know each other: outcomes may be told as soon as the link is there.
  const end: { link?: LinkServer } = {}
  const grants = openGrants({
    room,
    tell: (number) => end.link?.tell(number),
    tellUnwritten: (grant, outcome, waitedMs) => end.link?.tellUnwritten(grant, outcome, waitedMs),
  })
  const status = (): GateStatus => statusOf(options, { room, doors, grants })
  const link = await openLinkServer({
    net: options.net,
    socketPath: options.linkSocket,
    swarm: rules.name,
    gateId: options.gateId,
    version: options.version,
    journal,
    grants: () => grants,
    doors,
    log,
    ask: (frame) => {
      switch (frame['frame']) {
        case 'vault.set':
          return vault.set(textOf(frame, 'credential'), textOf(frame, 'sealed'), textOf(frame, 'actor'))
        case 'vault.list':
          return Promise.resolve(vault.view())
        case 'status':
          return Promise.resolve(status())
        case 'freeze':
          return say(frame['frozen'] === true)
        default:
          return Promise.reject(failure('unknown-method', 'the gate knows no such frame'))
      }
    },
  })
  const say = async (frozen: boolean): Promise<{ frozen: boolean }> => {
    // A freeze holds at once, a thaw only when it is written.
    if (frozen) freezer.say(true)
    await journal.setMeta({ frozen: frozen ? 'yes' : 'no' })
    return { frozen: freezer.say(frozen) }
  }
  end.link = link

  return {
    status,
    stop: async (withinMs) => {
      await link.stop()
      const closing = doors.closeAll
      lines.dropAll()
      const idle = Promise.all([grants.idle(), doors.idle()])
      const late = new AbortController()
      await Promise.race([idle, sleep(clock, withinMs, late.signal)])
      late.abort()
      grants.abortAll()
      await closing()
      await Promise.all([grants.idle(), doors.idle()])
      await Promise.all([...upstreams.values()].map((upstream) => upstream.outbound.close()))
      lines.stop()
      freezer.stop()
    },
  }
}

const statusOf = (
  options: GatewayOptions,
  parts: { readonly room: Room; readonly doors: Doors; readonly grants: Grants },
): GateStatus => {
  const { room, doors, grants } = parts
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
