/**
 * Front door of the gateway: the only way out. Opens the stages' room, the cells' doors and the link, and closes them
 * in order: nothing new is taken on, what is in flight is finished within its bound and journalled, whatever is left
 * then is lost and journalled as such.
 */
import { failure, sleep, type Clock, type Disk, type Net, type Random } from '../std/std.ts'
import { openBuckets, openLines, type Buckets, type Lines } from '../limit/limit.ts'
import type { AskOutside, Keeper, KeyKind, RecordUse } from '../vault/vault.ts'
import type { GateStatus } from '../wire/wire.ts'
import type { Room } from './call.ts'
import { openBudgets, type Budgets } from './cost/budgets.ts'
import { standingOf } from './cost/standing.ts'
import { costOfTold, costsTold } from './cost/told.ts'
import { spentOfOpen } from './cost/spent.ts'
import { openDoors, type Doors, type OpenDoor } from './doors.ts'
import { readKinds, readModes, textOf } from './frames.ts'
import { openFreezer, type Freezer } from './freeze.ts'
import { openCallsCounted, type CallsCounted } from './heard.ts'
import { askUpstream } from './house-calls.ts'
import { openGrants, outcomeOfOpen, type Grants } from './grants.ts'
import { openLinkServer, type LinkServer } from './links.ts'
import { openKeptKeys, type KeptKeys } from './kept-keys.ts'
import { openMeter } from './meter.ts'
import { recordUses } from './own-uses.ts'
import { openModes, type Modes, type SavedMode, type SetMode } from './modes.ts'
import type { CallJournal, Log, Rules, SpendingBook, UseBook } from './ports.ts'
import { openPriorities } from './priorities.ts'
import { openRepeats, type Repeats } from './repeats.ts'
import { openRetries } from './retries.ts'
import { openRules, type OpenRules } from './rules.ts'
import { openAuthority, type Authority } from './proxy/certificates.ts'
import { openShownSecrets } from './shown-secrets.ts'
import { openSkew } from './skew.ts'
import { openCallsSeen, type CallsSeen } from './seen.ts'
import { openShares, type Shares } from './shares.ts'
import { bannedForMs } from './token-calls.ts'
import { openUses } from './uses.ts'
import { vacanciesOf } from './vacancies.ts'
import { limitsOfAgent, limitsSeen, upstreamsSeen } from './views.ts'

export type { CallJournal, Log, Rules } from './ports.ts'
export type { OpenDoor } from './doors.ts'
export { secretEnd, secretFault } from './signers/signers.ts'
export { openTokenCalls, type TokenCalls } from './token-calls.ts'

type SavedLimits = Parameters<typeof openBuckets>[0]['saved']

export interface GatewayOptions {
  readonly rules: Rules
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly net: Net
  readonly vault: Keeper
  readonly journal: CallJournal & UseBook
  /** It may be a copy, in which calls are missing that were sent since. */
  readonly journalMayBeOlder: boolean
  readonly spending: SpendingBook
  readonly limits: { readonly saved: SavedLimits; readonly saveWith: (rows: () => SavedLimits) => void }
  readonly modes: {
    /** Undefined = this gate was never told. */
    readonly saved: readonly SavedMode[] | undefined
    readonly save: (modes: readonly SetMode[]) => Promise<void>
  }
  readonly gateId: string
  readonly version: string
  readonly pid: number
  readonly linkSocket: string
  /** Who makes the cells' sockets, when the gate may not. */
  readonly openDoor?: OpenDoor | undefined
  /** As whom this process runs. */
  readonly user: () => GateStatus['user']
  readonly frozenPath: string
  /** The sitter says that the applied configuration may be another: reads it. */
  readonly readRules: () => Promise<Rules>
  readonly log: Log
}
export interface Gateway {
  status(): GateStatus
  /** A request of the gate's own. */
  readonly ask: AskOutside
  /** A use of secrets that is no call: by token servers and programs that rotate. */
  readonly recordUse: RecordUse
  /** For how many ms all who come from here are banned at this host; 0 = they are not. */
  bannedForMs(host: string): number
  stop(withinMs: number): Promise<void>
}

/** Calls that the gate before left open are lost from now on; the sitter is told when it links. */
const endWhatWasOpen = async ({ journal, rules, clock, log }: GatewayOptions): Promise<void> => {
  const outcome = outcomeOfOpen(clock)
  const budgets = Object.values(rules.budgets)
  const ended = await journal.endOpen((call) => ({
    ended: 'lost',
    status: null,
    outcome: call.grant === null ? null : JSON.stringify(outcome),
    sentMs: null,
    tookMs: null,
    cost: call.reserved === null ? null : 'unknown',
    spent: spentOfOpen(call, budgets, clock.wallMs()),
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
  readonly modes: Modes
  readonly calls: CallsCounted
  readonly seen: CallsSeen
  readonly budgets: Budgets
  readonly repeats: Repeats
  readonly keptKeys: KeptKeys
  readonly shares: Shares
}

/** The word of a person: a freeze holds at once, a thaw only when it is written. */
const say = async (journal: CallJournal, freezer: Freezer, frozen: boolean): Promise<{ readonly frozen: boolean }> => {
  if (frozen) void freezer.say(true)
  await journal.setMeta({ frozen: frozen ? 'yes' : 'no' })
  return { frozen: await freezer.say(frozen) }
}

const countsCalls = ({ degrade }: Rules): boolean => degrade?.types?.calls === true || degrade?.agents?.calls === true

/** Whoever waits is looked at by the new limits at once. */
const takeRules = async (
  { readRules }: GatewayOptions,
  { rules, room, calls, budgets, repeats, keptKeys, shares }: Parts,
): Promise<null> => {
  const next = await readRules()
  rules.take(next)
  keptKeys.take(room.upstreams)
  shares.take(next)
  calls.watch(countsCalls(next))
  repeats.watch(next.degrade?.repeats ?? null)
  budgets.take(Object.values(next.budgets))
  for (const name of room.upstreams.keys()) room.lines.wake(name)
  return null
}

/** A person's word about one credential. */
const renew = async (vault: Keeper, frame: Readonly<Record<string, unknown>>): Promise<null> => {
  const [name, actor] = [textOf(frame, 'credential'), textOf(frame, 'actor')]
  const version = frame['version']
  switch (frame['deed']) {
    case 'rotate':
      await vault.rotate(name)
      return null
    case 'compromised':
      await vault.compromised(name, actor)
      return null
    case 'revoke':
      await vault.revoke(name, Number.isSafeInteger(version) ? (version as number) : 0, actor)
      return null
    default:
      throw failure('unknown-method', 'the gate knows no such deed')
  }
}

const takeModes = async (parts: Parts, frame: Readonly<Record<string, unknown>>): Promise<{ readonly set: number }> => {
  const told = readModes(frame)
  if (told === undefined) throw failure('invalid', 'these are no modes: those of before hold on')
  const answer = await parts.modes.tell(told)
  // Who waits goes by the new ones.
  for (const name of parts.room.upstreams.keys()) parts.room.lines.wake(name)
  return answer
}

/** Told of each kind of call at most. */
const mostVacancies = 500

const shadowedFrom = (journal: CallJournal, frame: Readonly<Record<string, unknown>>) =>
  journal.shadowed(Number(frame['after']) || 0, Math.min(1_001, Number(frame['limit']) || 100))

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
    case 'vault.renew':
      return renew(vault, frame)
    case 'vault.notes':
      await options.spending.settled()
      return vault.notes(Number.isSafeInteger(frame['after']) ? (frame['after'] as number) : 0)
    case 'status':
      return Promise.resolve(statusOf(options, parts))
    case 'limits':
      return Promise.resolve(limitsSeen(parts.room, textOf(frame, 'upstream')))
    case 'limits.of':
      return Promise.resolve(limitsOfAgent(parts.room, textOf(frame, 'agent')))
    case 'freeze':
      return say(journal, parts.freezer, frame['frozen'] === true)
    case 'config':
      return takeRules(options, parts)
    case 'mode':
      return takeModes(parts, frame)
    case 'costs':
      await options.spending.settled()
      return costsTold(options.spending, frame, options.clock.wallMs())
    case 'cost.of':
      await options.spending.settled()
      return costOfTold(options.spending, frame)
    case 'standing':
      return Promise.resolve(standingOf(parts.budgets, parts.repeats))
    case 'vacancies':
      return Promise.resolve(vacanciesOf(parts.room, readKinds(frame) ?? [], mostVacancies))
    case 'shadowed':
      return Promise.resolve(shadowedFrom(journal, frame))
    default:
      return Promise.reject(failure('unknown-method', 'the gate knows no such frame'))
  }
}

/** Gives what is in flight its time, then calls the rest lost. */
const finish = async ({ room, rules, doors, grants, freezer, calls, seen }: Parts, withinMs: number): Promise<void> => {
  room.lines.dropAll()
  doors.endRelays()
  const late = new AbortController()
  await Promise.race([Promise.all([grants.idle(), doors.idle()]), sleep(room.clock, withinMs, late.signal)])
  late.abort()
  grants.abortAll()
  await doors.closeAll()
  await Promise.all([grants.idle(), doors.idle()])
  await rules.close()
  room.lines.stop()
  calls.stop()
  seen.stop()
  freezer.stop()
}

const openLimits = ({ clock, random, limits, log }: GatewayOptions): Buckets => {
  const buckets = openBuckets({
    clock,
    random,
    saved: limits.saved,
    breakerEvents: {
      moved: ({ state, ...breaker }) => {
        const { upstream, credential, endpoint, failedProbes } = breaker
        const fields = { upstream, credential, endpoint, failedProbes }
        log(state === 'open' ? 'warn' : 'info', `the breaker of ${upstream} is ${state}`, fields)
      },
    },
  })
  return buckets
}

const authorityOf = ({ clock, random, rules, vault }: GatewayOptions): Authority =>
  openAuthority({ clock, random, swarm: rules.name, seed: vault.authoritySeed })

/** What is counted of calls: outcomes by agent, who gets on, what was spent, and repeats. */
const openCounting = ({ clock, rules, spending }: GatewayOptions, link: () => LinkServer | undefined) => {
  const calls = openCallsCounted(clock, (agents) => link()?.heard(agents))
  const seen = openCallsSeen(clock, (told) => link()?.seen(told))
  calls.watch(countsCalls(rules))
  const repeats = openRepeats(clock)
  repeats.watch(rules.degrade?.repeats ?? null)
  return { calls, seen, repeats, budgets: openBudgets(clock, Object.values(rules.budgets), spending.spentSums()) }
}

/** A freeze lets go of all who wait. */
const openSwitch = ({ clock, disk, frozenPath: path, journal, log }: GatewayOptions, lines: Lines): Promise<Freezer> =>
  openFreezer({
    clock,
    disk,
    path,
    said: journal.meta('frozen') === 'yes',
    changed: (frozen, why) => {
      log('warn', frozen ? 'frozen: nothing is sent' : 'thawed', { why })
      if (frozen) lines.dropAll()
    },
  })

export const openGateway = async (options: GatewayOptions): Promise<Gateway> => {
  const { clock, disk, net, vault, journal, log } = options
  await endWhatWasOpen(options)
  const buckets = openLimits(options)
  const retries = openRetries({ ...options, saved: options.limits.saved })
  options.limits.saveWith(() => [...buckets.changed(), ...retries.changed()])
  const lines = openLines({ clock, buckets })
  const freezer = await openSwitch(options, lines)
  const rules = openRules({ clock, buckets })
  rules.take(options.rules)
  const { upstreams } = rules
  // The link and the grants know each other: outcomes may be told as soon as the link is there.
  const late: { link?: LinkServer; ending?: true } = {}
  const modes = openModes(options.modes)
  const uses = openUses({ clock, book: journal, log })
  const priorities = openPriorities()
  const shares = openShares(options.rules)
  const counting = openCounting(options, () => late.link)
  const opened = { clock, upstreams, vault, buckets, lines, journal, uses, log, modes, priorities, shares }
  const meter = openMeter(journal.counts())
  const keptKeys = openKeptKeys({ clock, journal, meter, log })
  keptKeys.take(upstreams)
  if (options.journalMayBeOlder) keptKeys.doubt()
  const room: Room = {
    ...opened,
    ...counting,
    retries,
    meter,
    keptKeys,
    skew: openSkew(clock),
    shown: openShownSecrets(clock),
    frozen: freezer.frozen,
    ending: () => late.ending === true,
  }
  const doors = openDoors(room, disk, authorityOf(options), options.openDoor)
  const grants = openGrants({
    room,
    tell: (number) => late.link?.tell(number),
    tellUnwritten: (grant, outcome, waitedMs) => late.link?.tellUnwritten(grant, outcome, waitedMs),
  })
  const parts: Parts = { room, rules, doors, grants, freezer, modes, keptKeys, shares, ...counting }
  const identity = { swarm: options.rules.name, gateId: options.gateId, version: options.version }
  const link = await openLinkServer({
    ...identity,
    net,
    socketPath: options.linkSocket,
    journal,
    uses,
    doors,
    priorities,
    log,
    grants: () => grants,
    firstMet: (epoch) => {
      // The swarm is older than this gate.db: another one had its calls.
      if (epoch > 1) keptKeys.doubt()
    },
    ask: (frame) => answer(options, parts, frame),
  })
  late.link = link
  return {
    status: () => statusOf(options, parts),
    ask: (asking) => askUpstream(room, asking),
    recordUse: recordUses(room),
    bannedForMs: (host) => bannedForMs(room, host),
    stop: async (withinMs) => {
      late.ending = true
      await link.stop()
      await finish(parts, withinMs)
    },
  }
}

const statusOf = (options: GatewayOptions, { room, doors, grants }: Parts): GateStatus => ({
  gateId: options.gateId,
  pid: options.pid,
  user: options.user(),
  frozen: room.frozen(),
  journalRefuses: room.journal.refuses(),
  queued: room.lines.waiting(),
  inFlight: grants.inFlight() + doors.inFlight(),
  cells: doors.count(),
  credentialsWaiting: options.vault.waiting(),
  upstreams: upstreamsSeen(room),
})
