/**
 * What a seed makes of a world: its size, its rates of faults, and the chances that are asked for while it runs. Each
 * seed leaves some kinds of faults out and has more of others, because worlds in which everything always happens at once
 * all look alike. After `heal` there are no faults any more.
 */
import type { AgentGroup } from '../../src/model/model.ts'
import { between, seeded, type Random } from '../../src/std/std.ts'

/** Faults an hour of each kind; the kinds a seed has are drawn from these. */
const usual = {
  /** A host is killed from outside, or ends by itself. */
  'host-killed': 0.8,
  'host-exits': 0.8,
  /** A host is stopped (SIGSTOP) and, mostly, continued later. */
  'host-stopped': 0.5,
  /** The link between a host and the sitter breaks. */
  'link-cut': 0.3,
  /** The sitter is killed. */
  'sitter-killed': 0.5,
  /** The sitter is stopped for a while. */
  'sitter-stopped': 0.3,
  'gate-killed': 0.4,
  /** The gate's database is lost: another gate. */
  'gate-lost': 0.04,
  /** The record takes nothing for a while. */
  'disk-full': 0.3,
  /** The record takes nothing while a host is silent: the sitter does not see its own beats either. */
  'blind-and-silent': 0.1,
  /** The record answers late for a while. */
  'disk-slow': 0.3,
  /** A COMMIT of which nobody knows whether it was made. */
  'record-unknown': 0.3,
  /** The whole machine stands still again and again. */
  'machine-stutters': 0.2,
  'wall-jumps': 0.2,
  /** The provider refuses with 429 for a while. */
  'provider-limits': 0.4,
  /** The provider answers 503 for a while, or not at all. */
  'provider-sick': 0.4,
  /** For some hours an agent ends its cell whenever it lives in one. */
  'agent-kills': 0.15,
  /** For a while no host of a type comes up. */
  'starts-fail': 0.1,
  /** A person says something: pause, stop, quarantine, cancel, restart. */
  person: 1,
} as const
export type FaultKind = keyof typeof usual

const ofHosts: ReadonlySet<FaultKind> = new Set([
  'host-killed',
  'host-exits',
  'host-stopped',
  'link-cut',
  'agent-kills',
])
const shortHours = 6

/** Chances of one agent's attempt, in a thousand. */
export interface Habits {
  readonly fails: number
  readonly failsForGood: number
  readonly parks: number
  /** Does one piece of its work, and leaves the rest. */
  readonly parts: number
  /** Makes no progress until it is cancelled. */
  readonly stuck: number
  /** And does not even give up then. */
  readonly deaf: number
  /** Drops the attempt without a word. */
  readonly forgets: number
  /** Breaks by itself, and its old self says later that it was done. */
  readonly breaks: number
  /** Is not there any more. */
  readonly vanishes: number
}

export interface Scale {
  readonly seed: number
  readonly agents: number
  readonly hours: number
}

export interface Weather {
  readonly scale: Scale
  readonly random: Random
  readonly rates: ReadonlyMap<FaultKind, number>
  readonly habits: Habits
  readonly heartbeatMs: number
  readonly perCell: number
  readonly standby: number
  readonly absentAfterMs: number
  /** Of the group of clerks. */
  readonly strategy: AgentGroup['strategy']
  /** Mean time between two batches of tasks. */
  readonly batchEveryMs: number
  /** Shares of what a provider makes of a payment, in a thousand. */
  readonly provider: { readonly declines: number; readonly losesAnswer: number; readonly accepted: number }
  healed: boolean
  /** Agents that end their cell soon after they were seated. */
  readonly killers: Set<string>
  /** Types of which no host comes up. */
  readonly barred: Set<string>
  /** A thousandth part; never after the healing. */
  chance(perThousand: number): boolean
  /** On the way between two processes. */
  travelMs(): number
}

const habitsOf = (random: Random): Habits => {
  const some = (most: number): number => (random.next() < 0.4 ? 0 : between(random, 1, most))
  return {
    fails: some(120),
    failsForGood: some(20),
    parks: some(60),
    parts: some(80),
    stuck: some(8),
    deaf: some(3),
    forgets: some(8),
    breaks: some(12),
    vanishes: some(8),
  }
}

export const weatherOf = (scale: Scale): Weather => {
  const random = seeded(scale.seed * 2_654_435_761)
  const kinds = Object.entries(usual) as [FaultKind, number][]
  // A short run gets the faults of a long one, and a large swarm as many a host as a small one.
  const denser = scale.hours < shortHours ? shortHours / scale.hours : 1
  const larger = Math.max(1, Math.min(20, scale.agents / 100))
  const timesOf = (kind: FaultKind): number => denser * (ofHosts.has(kind) ? larger : 1)
  const rates = new Map(
    kinds.flatMap(([kind, rate]) =>
      random.next() < 0.35 ? [] : [[kind, rate * timesOf(kind) * 2 * random.next()] as const],
    ),
  )
  const perCell = scale.agents > 500 ? 100 : between(random, 5, 20)
  const weather: Weather = {
    scale,
    random,
    rates,
    habits: habitsOf(random),
    heartbeatMs: [30_000, 60_000, 120_000][between(random, 0, 2)]!,
    perCell,
    standby: between(random, 0, 1),
    absentAfterMs: between(random, 20, 90) * 1_000,
    strategy: (['rest_for_one', 'one_for_all'] as const)[scale.seed % 2]!,
    batchEveryMs: (between(random, 8, 30) * 60_000) / denser,
    provider: {
      declines: between(random, 0, 60),
      losesAnswer: random.next() < 0.5 ? 0 : between(random, 5, 150),
      accepted: random.next() < 0.5 ? 0 : between(random, 5, 200),
    },
    healed: false,
    killers: new Set(),
    barred: new Set(),
    chance: (perThousand) => !weather.healed && perThousand > 0 && random.next() * 1_000 < perThousand,
    travelMs: () => (random.next() < 0.01 ? between(random, 20, 200) : 0.2 + random.next() * 3),
  }
  return weather
}
