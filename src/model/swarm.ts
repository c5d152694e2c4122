/**
 * The applied configuration: what the schema makes of the user's file. Every duration is in ms, every size in bytes,
 * every path absolute.
 */
import type { Mode } from './agent.ts'
import type { Budget } from './budget.ts'
import type { RotationRule, Signing, SwitchOn } from './credential.ts'
import type { Severity } from './incident.ts'
import type { Price } from './price.ts'
import type { BreakerRule, Profile, RetryRule } from './profile.ts'
import type { Rate } from '../std/std.ts'

export interface RestartPolicy {
  readonly type: 'permanent' | 'transient' | 'temporary'
  readonly max: number
  readonly withinMs: number
  readonly baseMs: number
  readonly capMs: number
}
/**
 * What an agent is: a `module` that a pool host loads; a `command`, one process for the agent's life that speaks the
 * agent protocol; or an `exec`, one process for each task. `directory` (absolute) is where a program is started: its
 * own name, when it has a slash, is absolute too.
 */
export type AgentRun =
  | {
      readonly module: string
      readonly directory?: undefined
      readonly command?: undefined
      readonly exec?: undefined
    }
  | {
      readonly command: readonly string[]
      readonly directory: string
      readonly module?: undefined
      readonly exec?: undefined
    }
  | {
      readonly exec: readonly string[]
      readonly directory: string
      readonly module?: undefined
      readonly command?: undefined
    }

/** One way to ask a program: exactly one of `http` (its own address on this host) and `command`. */
export interface Probe {
  /** `{number}` in it stands for the agent's number. */
  readonly http?: string
  readonly command?: readonly string[]
  readonly everyMs: number
  readonly timeoutMs: number
  /** Fails in a row that count. */
  readonly fails: number
}
export interface Health {
  readonly startup?: Probe & { readonly withinMs: number }
  readonly liveness?: Probe
  readonly readiness?: Probe
}

export interface AgentType {
  readonly name: string
  readonly run: AgentRun
  readonly count: number
  /** What was asked for; what the machine makes of it is the cell room's to say. */
  readonly cell: {
    readonly kind: 'pool' | 'vm' | 'process' | 'sandbox'
    /** Whether less will do where the machine cannot. */
    readonly orWeaker: boolean
    /** It may call an upstream that moves money: less than was asked for is then nobody's but who has said so. */
    readonly nearMoney?: true
    /** What each agent of a `vm` cell may use: its own memory, and CPU time in one turn. */
    readonly vm?: { readonly memoryBytes: number; readonly sliceMs: number }
    /** Hosts that stand by for its cells; absent = as many as the fleet thinks right. */
    readonly standby?: number
    /** False = a pool host without walls: its agents' code may touch files and network. */
    readonly walls?: boolean
    /** `swarm` = a `process` cell stays the sitter's own user, also where that is root. */
    readonly user?: 'own' | 'swarm'
    /** Beside its own program, what a sandbox may read: absolute paths. */
    readonly readable?: readonly string[]
  }
  readonly upstreams: readonly string[]
  /** Its program knows no gate and is given a proxy; `placeholders` by variable. Absent = it speaks to the gate. */
  readonly proxy?: { readonly placeholders: Readonly<Record<string, string>> }
  readonly restart: RestartPolicy
  /** Its agents sleep when they have been idle for so long; absent = never. */
  readonly hibernate?: {
    readonly afterMs: number
    /** Agents that may be awake at once; absent = all. */
    readonly mostAwake?: number
  }
  /** How a program is asked beside its protocol; absent = it is not. */
  readonly health?: Health
  readonly heartbeatMs: number
  readonly stuckAfterMs: number
  readonly startWithinMs: number
  /** Agents that share one cell; 1 in process cells. */
  readonly perCell: number
  readonly memoryBytes: number
  readonly limits: {
    /** Cores, in parts; null = as many as there are. */
    readonly cpus: number | null
    readonly processes: number
    readonly files: number
    readonly diskBytes: number
    /** A person has written it: where nothing bounds a disk, that is told. */
    readonly diskIsAsked?: true
  }
  /** Turns of each of its agents in lines of calls, where others have one; absent = 1. */
  readonly weight?: number
  /** Types whose agents must be ready before the first of this one is started; absent = none. */
  readonly dependsOn?: readonly string[]
  /** A process of this type is replaced before it is older; absent = never for its age. */
  readonly maxLifetimeMs?: number
  /** Its agents are there to be harmed by drills: they reach no money, and pay nobody. */
  readonly canary?: true
  readonly overrides: Readonly<Record<string, { readonly mode?: Mode }>>
  /** Given to every agent of the type as `ctx.config`; never a secret. */
  readonly config: Readonly<Record<string, unknown>>
}
/**
 * Agents that one restart strategy holds together, as a supervisor of OTP does. Each entry of `places` is one place in
 * the order of starts: an agent like `gauge/0001`, or all agents of a type, which share theirs.
 */
export interface AgentGroup {
  readonly name: string
  readonly places: readonly string[]
  readonly strategy: 'one_for_one' | 'rest_for_one' | 'one_for_all'
  /** More than `max` losses within `withinMs`, counted over all of them: the group is quarantined. */
  readonly max: number
  readonly withinMs: number
}
/** What the whole host may start, and how short of something it may become; shares lie in [0, 1]. */
export interface MachineBounds {
  /** Wakes of agents a second, and at once: of those with a process of their own, and of those that share one. */
  readonly wakes: { readonly processesPerSecond: number; readonly sharedPerSecond: number }
  /** Nothing new starts while the host is beyond one of these; null = not looked at. */
  readonly pressure: {
    /** Memory that must be left, as a share of what the host (or our own group) may use. */
    readonly memoryFree: number | null
    /** Share of the last 10 s in which everything (memory, io) or something (cpu) waited for it. */
    readonly memoryStalled: number | null
    readonly cpuStalled: number | null
    readonly ioStalled: number | null
  }
}
export interface TaskType {
  readonly name: string
  readonly agent: string
  readonly retry: {
    readonly max: number
    readonly baseMs: number
    readonly capMs: number
    /** Share of starts that may be retries, in [0, 1]; absent = no bound. */
    readonly budget?: number
  }
  readonly deadlineMs: number | null
  /** Time that a task may be in hand, over all its attempts; absent = no bound. */
  readonly workMs?: number
  readonly priority: number
}
/** Whose calls are counted together. `host`: of all upstreams at the same address, as a provider counts source IPs. */
export type LimitOwner = 'credential' | 'upstream' | 'host' | 'type' | 'agent' | 'swarm'
interface LimitScope {
  readonly per: LimitOwner
  /** Patterns `METHOD /path/**` of the calls that it is for; empty = all. */
  readonly match: readonly string[]
}
export interface RatedLimit extends LimitScope {
  readonly rate: Rate
  /** `smooth`: spread over the window but for a burst. `sliding`: at once if need be, then none until those are old. */
  readonly window: 'smooth' | 'sliding'
  readonly burst: number
  /** Share of the rate that is left for jitter on the way, in [0, 1). */
  readonly guard: number
  /** What calls weigh that weigh more than 1; the first that fits counts. */
  readonly weights: readonly { readonly match: string; readonly weight: number }[]
}
/** Calls at the upstream at once. */
export interface ConcurrencyLimit extends LimitScope {
  readonly concurrent: number
}
export type UpstreamLimit = RatedLimit | ConcurrencyLimit
/** Over all upstreams: calls of the whole swarm, or of each type or agent. */
export type SwarmLimit = UpstreamLimit & {
  /** Of one that is written at an agent type: `agents.<type>`. */
  readonly name: string
  readonly per: 'agent' | 'type' | 'swarm'
  /** Agent types whose calls count; empty = all, and what the gate asks for itself. */
  readonly types: readonly string[]
  /** Empty = all. */
  readonly upstreams: readonly string[]
}
export interface Upstream {
  readonly name: string
  /** Origin without a path, `http://127.0.0.1:9100`. */
  readonly url: string
  /** Whose bans and limits per host it shares; absent = those of its `host:port`. */
  readonly domain?: string
  /** Private addresses that may be connected to, `host:port`. */
  readonly grant: readonly string[]
  /** PEM of the authorities that its certificate is believed by; null = those of Node. */
  readonly ca?: string | null
  readonly credential: string | null
  /** Patterns `METHOD /path/**`. */
  readonly allow: readonly string[]
  readonly money: readonly string[]
  readonly limits: readonly UpstreamLimit[]
  readonly timeoutMs: number
  /** An agent's call that would wait longer for a limit is refused at once, and its task waits without a process. */
  readonly parkAfterMs: number
  /** Whether limits are learned from answers. */
  readonly learn: boolean
  /** Null = no breaker. */
  readonly breaker: BreakerRule | null
  /** Null = the gate tries nothing again. */
  readonly retries: RetryRule | null
  /** What its provider's answers mean; null = the usual. */
  readonly profile: Profile | null
  /** What calls cost; null = nothing. */
  readonly price: Price | null
}
/** What a credential may be used for; null = not bounded. */
export interface CredentialScope {
  /** At the provider. Two credentials with one account are keys of the same; fallbacks go by it. */
  readonly account: string | null
  /** `host` or `host:port`. */
  readonly hosts: readonly string[] | null
  readonly methods: readonly string[] | null
  /** Patterns like `/v1/**`. */
  readonly paths: readonly string[] | null
  /** Agent types. */
  readonly agents: readonly string[] | null
}
export interface Credential {
  readonly name: string
  readonly kind: Signing['kind']
  readonly rotateEveryMs: number
  readonly warnBeforeMs: number
  readonly pool: readonly string[]
  readonly signing: Signing
  readonly rotation: RotationRule
  readonly switchOn: readonly SwitchOn[]
  readonly scope: CredentialScope
  /** A credential of another account at the same provider. */
  readonly fallback: string | null
}
export interface Channel {
  readonly name: string
  readonly kind: 'http'
  readonly upstream: string
  /** Account that pays; references are unique within it. */
  readonly payer: string
  readonly pay: { readonly method: string; readonly path: string }
  readonly keyHeader: string
  /** Template of the JSON body: strings with `{reference} {payee} {amount} {currency} {memo} {key}`. */
  readonly body: Readonly<Record<string, string>>
  readonly outcome: {
    readonly accepted: readonly number[]
    readonly rejected: readonly number[]
    readonly unknown: readonly (number | '5xx' | 'lost')[]
  }
  readonly resolve:
    | { readonly by: 'query'; readonly method: string; readonly path: string; readonly absentAfterMs: number }
    | { readonly by: 'resend-same-key' }
    | null
  /** Payment tries that are proven not to have been accepted, before it is `failed`. */
  readonly tries: number
}
/** A rehearsal provider that `up` starts beside the swarm; it behaves like a real one, with faults on request. */
export interface Rehearsal {
  readonly name: string
  readonly kind: 'bank' | 'llm' | 'exchange'
  /** Tokens that a language model gives in a window; a bank has none. */
  readonly tokens: Rate
  readonly port: number
  readonly seed: number
  /** Requests per second it accepts before it answers 429. */
  readonly rate: number
  /** Credential that this provider issues to the vault when it has none yet. */
  readonly credential: string | null
  /** Shares in [0, 1] of payout requests. */
  readonly faults: Readonly<Partial<Record<RehearsalFault, number>>>
  readonly latencyMs: number
  readonly query: boolean
}
export type RehearsalFault =
  | 'limited'
  | 'error'
  | 'overloaded'
  | 'slow'
  | 'acceptThenCut'
  | 'cutBeforeAccept'
  | 'decline'
  | 'late'

/** Who is told of incidents: exactly one of webhook (a URL that is posted to) and command (words). */
export interface AlertTarget {
  readonly webhook?: string
  readonly command?: readonly string[]
  /** Where a command is started. */
  readonly directory: string
  readonly least: Severity
}
export interface AlertSettings {
  readonly to: readonly AlertTarget[]
  /** Asked for by the watch as long as the sitter makes progress: whoever listens there rings when it stops. */
  readonly deadman: { readonly url: string; readonly everyMs: number } | null
}

/**
 * When a rule makes the mode of a type, an agent or a channel stricter: of at least `over` outcomes within `withinMs`
 * the share `failures` failed. `holdMs` is the first time until it is looked at again, `longestMs` the longest.
 */
export interface DegradeRule {
  readonly failures: number
  readonly over: number
  readonly withinMs: number
  readonly holdMs: number
  readonly longestMs: number
  /** How far down it goes. */
  readonly least: 'throttled' | 'parked'
  /** Outcomes of agents' own calls count beside those of their attempts. */
  readonly calls: boolean
}
/**
 * When an agent counts as a runaway: it makes the same call `calls` times within `withinMs`, and nothing comes of it.
 * Each step down holds for `holdMs`, twice as long each time, at most `longestMs`.
 */
export interface RepeatRule {
  readonly calls: number
  readonly withinMs: number
  readonly holdMs: number
  readonly longestMs: number
  /** How far down it goes. */
  readonly least: 'throttled' | 'shadow' | 'quarantined'
}
export interface DegradeSettings {
  /** Null = no rule. */
  readonly types: DegradeRule | null
  readonly agents: DegradeRule | null
  /** Null = nobody is watched. */
  readonly repeats: RepeatRule | null
  /** Only the channels that are named: a rule that stops payments is asked for. */
  readonly channels: Readonly<Record<string, DegradeRule>>
}

export interface SwarmConfig {
  readonly name: string
  readonly store: string
  readonly bus: string
  readonly agents: Readonly<Record<string, AgentType>>
  readonly groups: Readonly<Record<string, AgentGroup>>
  readonly tasks: Readonly<Record<string, TaskType>>
  readonly upstreams: Readonly<Record<string, Upstream>>
  readonly credentials: Readonly<Record<string, Credential>>
  readonly channels: Readonly<Record<string, Channel>>
  readonly rehearsals: Readonly<Record<string, Rehearsal>>
  readonly machine: MachineBounds
  readonly alerts: AlertSettings
  readonly degrade: DegradeSettings
  readonly budgets: Readonly<Record<string, Budget>>
  /** Over upstreams. */
  readonly limits: Readonly<Record<string, SwarmLimit>>
  readonly api: { readonly host: string; readonly port: number }
}
