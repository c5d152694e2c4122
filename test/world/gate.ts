/**
 * The gate of a world: the real link, grants, stages and limits, over a journal in memory that outlives the process, a
 * vault without secrets, and a provider instead of the network. `lose` takes its journal away, as a lost gate.db.
 */
import type { CallJournal, JournalEnd, JournalRow } from '../../src/gateway/ports.ts'
import type { Room } from '../../src/gateway/call.ts'
import { readModes } from '../../src/gateway/frames.ts'
import { openModes } from '../../src/gateway/modes.ts'
import { openPriorities } from '../../src/gateway/priorities.ts'
import { openRepeats } from '../../src/gateway/repeats.ts'
import { openRetries } from '../../src/gateway/retries.ts'
import type { Uses } from '../../src/gateway/uses.ts'
import { openGrants, outcomeOfOpen, type Grants } from '../../src/gateway/grants.ts'
import { openLinkServer, type LinkServer } from '../../src/gateway/links.ts'
import { openShownSecrets } from '../../src/gateway/shown-secrets.ts'
import { openSkew } from '../../src/gateway/skew.ts'
import { openMeter } from '../../src/gateway/meter.ts'
import { openBudgets } from '../../src/gateway/cost/budgets.ts'
import { openPrice } from '../../src/gateway/cost/price.ts'
import { parseRoute } from '../../src/gateway/path.ts'
import { openBuckets, openLines, type Buckets, type Lines } from '../../src/limit/limit.ts'
import type { RatedLimit } from '../../src/model/model.ts'
import { failure, seeded, type Clock } from '../../src/std/std.ts'
import { WorldProcess, type Timeline } from '../worlds/timeline.ts'
import type { WorldNet } from './net.ts'
import type { Provider } from './provider.ts'
import type { Times } from './times.ts'
import type { Weather } from './weather.ts'

export const gateSocket = '/world/gate.sock'
export const bankLimit: RatedLimit = {
  per: 'credential',
  rate: { count: 20, windowMs: 1_000 },
  burst: 5,
  guard: 0.05,
  window: 'smooth',
  match: [],
  weights: [],
}

const noUses: Uses = {
  added: () => {},
  behind: () => false,
  tells: () => false,
  link: () => {},
  unlink: () => {},
  acknowledged: () => {},
}

const isTurnedAway = (outcome: string | null): boolean => outcome?.includes('breaker-open') === true

/** As gate.db's journal: a grant stands in it once, and every row keeps its first end. */
class Journal implements CallJournal {
  readonly gateId: string
  readonly #rows: JournalRow[] = []
  readonly #byGrant = new Map<string, number>()
  readonly #untold = new Set<number>()
  readonly #meta = new Map<string, string>()
  /** Called when a call ends for a breaker. */
  turnedAway: () => void = () => {}
  constructor(gateId: string) {
    this.gateId = gateId
  }
  #add(call: Omit<JournalRow, 'journal' | 'end' | 'acked'>): number | 'spent' {
    if (call.grant !== null && this.#byGrant.has(call.grant)) return 'spent'
    const journal = this.#rows.push({ ...call, journal: this.#rows.length + 1, end: null, acked: false })
    if (call.grant !== null) this.#byGrant.set(call.grant, journal)
    return journal
  }
  #end(journal: number, end: JournalEnd): void {
    const row = this.#rows[journal - 1]!
    if (row.end !== null) return
    if (isTurnedAway(end.outcome)) this.turnedAway()
    this.#rows[journal - 1] = { ...row, end }
    if (row.grant !== null) this.#untold.add(journal)
  }
  begin: CallJournal['begin'] = async (call) => this.#add(call)
  end: CallJournal['end'] = async (journal, end) => this.#end(journal, end)
  refuse: CallJournal['refuse'] = async (call, end) => {
    const journal = this.#add(call)
    if (journal !== 'spent') this.#end(journal, end)
    return journal
  }
  ack: CallJournal['ack'] = async (journals) => {
    for (const journal of journals) this.#untold.delete(journal)
  }
  findGrant = (grant: string): JournalRow | undefined => this.#rows[(this.#byGrant.get(grant) ?? 0) - 1]
  findCall = (journal: number): JournalRow | undefined => this.#rows[journal - 1]
  untold = (after: number, limit: number): readonly number[] =>
    [...this.#untold]
      .filter((journal) => journal > after)
      .toSorted((a, b) => a - b)
      .slice(0, limit)
  endOpen: CallJournal['endOpen'] = async (endOf) => {
    const open = this.#rows.filter((row) => row.end === null)
    for (const row of open) this.#end(row.journal, endOf(row))
    return open.length
  }
  counts: CallJournal['counts'] = () => []
  shadow: CallJournal['shadow'] = async () => {}
  shadowed: CallJournal['shadowed'] = () => []
  meta = (name: string): string | undefined => this.#meta.get(name)
  refuses(): boolean {
    return false
  }
  setMeta: CallJournal['setMeta'] = async (values) => {
    for (const [name, value] of Object.entries(values)) this.#meta.set(name, value)
  }
}

interface GateAsk {
  readonly timeline: Timeline
  readonly weather: Weather
  readonly net: WorldNet
  readonly provider: Provider
  readonly times: Times
  violated(what: string): void
}

/** A probe that nobody hears of counts as lost after two minutes; a refused call may have been in line so long. */
const probeLateMs = 300_000

/** A call in line, for as long as it is. */
interface InLine {
  readonly endpoint: string
  readonly sinceMs: number
}

/** The same lines and buckets, with a list of who waits for which endpoint: that no room tells. */
const watched = (
  clock: Clock,
  lines: Lines,
  buckets: Buckets,
): Pick<Room, 'lines' | 'buckets'> & { waiting: Set<InLine> } => {
  const waiting = new Set<InLine>()
  const endpoints = new WeakMap<object, string>()
  return {
    waiting,
    buckets: {
      ...buckets,
      applied: (limits, scope, watching) => {
        const gauges = buckets.applied(limits, scope, watching)
        endpoints.set(gauges, watching?.endpoint ?? '')
        return gauges
      },
    },
    lines: {
      ...lines,
      wait: (wanted) => {
        const one = { endpoint: endpoints.get(wanted.limits) ?? '', sinceMs: clock.monoMs() }
        waiting.add(one)
        const decided: typeof wanted.decided = (admission) => {
          waiting.delete(one)
          wanted.decided(admission)
        }
        return lines.wait({ ...wanted, decided })
      },
    },
  }
}

export class WorldGate {
  process: WorldProcess | undefined
  /** Breakers with calls in line that should have been probed long ago. */
  forgotten: () => readonly string[] = () => []
  #journal: Journal
  #gates = 1
  readonly #ask: GateAsk

  constructor(ask: GateAsk) {
    this.#ask = ask
    this.#journal = new Journal('gat_1')
  }

  async start(): Promise<void> {
    const { timeline, weather, net, provider, times, violated } = this.#ask
    const process = new WorldProcess(timeline, 'gate', 'boot')
    this.process = process
    const clock = times.clock(process, false)
    const journal = this.#journal
    await journal.endOpen(() => ({
      ended: 'lost',
      status: null,
      outcome: JSON.stringify(outcomeOfOpen(clock)),
      sentMs: null,
      tookMs: null,
      cost: null,
    }))
    const buckets = openBuckets({ clock, random: seeded(weather.scale.seed), saved: [] })
    const lines = openLines({ clock, buckets })
    const rule = {
      name: 'bank',
      url: 'http://bank',
      grant: [],
      credential: null,
      allow: ['GET /v1/**', 'POST /v1/**'],
      money: ['POST /v1/payouts'],
      limits: [bankLimit],
      timeoutMs: 10_000,
      parkAfterMs: 10_000,
      learn: true,
      // The least that a configuration may have: a world pays rarely.
      breaker: { share: 0.5, volume: 5, probeMs: 5_000 },
      retries: null,
      profile: null,
      price: { currency: 'XTS', call: 10_000_000_000n, weight: 0n, weights: [], tokens: null },
    }
    const upstream = {
      rule,
      credential: null,
      allow: rule.allow.map(parseRoute),
      money: rule.money.map(parseRoute),
      safe: [],
      host: 'bank',
      place: 'bank',
      over: [],
      weigh: () => 1,
      price: openPrice(rule.price),
      outbound: provider.of(process),
    }
    const seen = watched(clock, lines, buckets)
    const overdueMs = (nextProbeMs: number | null): number => clock.monoMs() - (nextProbeMs ?? Infinity)
    this.forgotten = () =>
      buckets.breakers().flatMap(({ endpoint, state, nextProbeMs }) => {
        if (state === 'closed' || overdueMs(nextProbeMs) <= probeLateMs) return []
        const isWaited = [...seen.waiting].some(
          (one) => one.endpoint === endpoint && overdueMs(one.sinceMs) > probeLateMs,
        )
        return isWaited ? [`${endpoint}, due at ${nextProbeMs}`] : []
      })
    const modes = openModes({ saved: undefined, save: async () => {} })
    const priorities = openPriorities()
    const room: Room = {
      modes,
      shares: { of: () => 1 },
      priorities,
      retries: openRetries({ clock, random: seeded(1) }),
      budgets: openBudgets(clock, []),
      repeats: openRepeats(clock),
      clock,
      upstreams: new Map([['bank', upstream]]),
      vault: {
        way: () => ({ why: 'this world has no credentials', isAlone: false }),
        look: () => undefined,
        pin: () => undefined,
        secretFor: noVault,
        answered: () => {},
      },
      skew: openSkew(clock),
      shown: openShownSecrets(clock),
      buckets: seen.buckets,
      lines: seen.lines,
      journal,
      uses: noUses,
      meter: openMeter([]),
      keptKeys: { forgottenUntilMs: () => null },
      calls: { count: () => {} },
      seen: { begin: () => () => {}, answered: () => {} },
      log: () => {},
      frozen: () => false,
      ending: () => false,
    }
    const late: { link?: LinkServer; grants?: Grants } = {}
    /** A call that was turned away by a breaker: was it the one that should have been let through? */
    const turnedAway = (): void => {
      for (const { endpoint, state, nextProbeMs } of buckets.breakers()) {
        const lateMs = overdueMs(nextProbeMs)
        if (state !== 'closed' && lateMs > probeLateMs)
          violated(`the breaker for ${endpoint} is open and was due to be probed ${Math.round(lateMs)} ms ago`)
      }
    }
    journal.turnedAway = turnedAway
    late.grants = openGrants({
      room,
      tell: (number) => late.link?.tell(number),
      tellUnwritten: (grant, outcome, waitedMs) => {
        if (isTurnedAway(JSON.stringify(outcome))) turnedAway()
        late.link?.tellUnwritten(grant, outcome, waitedMs)
      },
    })
    const nothing = async (): Promise<void> => {}
    late.link = await openLinkServer({
      net: net.of(process),
      socketPath: gateSocket,
      swarm: 'world',
      gateId: journal.gateId,
      version: '1',
      journal,
      uses: noUses,
      priorities,
      grants: () => late.grants!,
      doors: { open: nothing, close: nothing, closeAll: nothing },
      log: () => {},
      ask: (frame) => {
        const told = frame['frame'] === 'mode' ? readModes(frame) : undefined
        return told === undefined
          ? Promise.reject(failure('unknown-method', 'a world asks its gate nothing else'))
          : modes.tell(told)
      },
    })
  }

  kill(): void {
    this.process?.end()
    this.process = undefined
    this.forgotten = () => []
  }
  /** Its journal is gone: what starts next is another gate. */
  lose(): void {
    this.kill()
    this.#gates += 1
    this.#journal = new Journal(`gat_${this.#gates}`)
  }
}

const noVault = (): never => {
  throw failure('credential-unavailable', 'a world has no vault')
}
