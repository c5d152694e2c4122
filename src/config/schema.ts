/**
 * The schema of `swarm.config`: what people may write, and what is assumed where they say nothing. Objects are strict.
 * What the contract knows and this version cannot do is refused by name (not-yet.ts), never taken and ignored.
 */
import { z } from 'zod'
import { modes, severities, usualPriority } from '../model/model.ts'
import { budget } from './budgets.ts'
import { credential } from './credentials.ts'
import { upstream } from './upstreams.ts'
import { agentLimits, swarmLimit } from './limits.ts'
import { health } from './health.ts'
import {
  duration,
  header,
  listenHost,
  name,
  notEmpty,
  positiveDuration,
  queryRoute,
  rate,
  route,
  share,
  size,
  storeAddress,
  template,
  usualOutcome,
  variable,
  webAddress,
  whole,
  words,
} from './shapes.ts'

const restart = z.strictObject({
  /** `permanent` always, `transient` only after a fault, `temporary` never. */
  type: z.enum(['permanent', 'transient', 'temporary']).default('permanent'),
  /** Restarts within `within` before quarantine. */
  max: whole(1, 1_000, 'restarts').default(5),
  within: positiveDuration.default(600_000),
  /** First delay; it doubles up to `cap`, with full jitter. */
  base: positiveDuration.default(200),
  cap: positiveDuration.default(30_000),
})

const cellKind = z.enum(['pool', 'vm', 'process', 'sandbox'])

const vmMemory = size.refine((bytes) => bytes >= 2_000_000 && bytes <= 1_000_000_000, 'a size from 2MB to 1GB')
const vmSlice = positiveDuration.refine((ms) => ms >= 5 && ms <= 10_000, 'a time from 5ms to 10s')

const agent = z.strictObject({
  /** What it is; exactly one of these. Paths are relative to the config, and programs are started beside it. */
  run: z
    .strictObject({
      /** A module that default-exports `defineAgent({...})`. */
      module: notEmpty('the path of a module like "./agents/settler.ts"').optional(),
      /** A program that speaks the agent protocol (docs/protocol.md), one process an agent: `['python3', 'a.py']`. */
      command: words.optional(),
      /** A program that is started for each task: payload on stdin, result on stdout. */
      exec: words.optional(),
    })
    .refine(
      (run) => Object.values(run).filter((one) => one !== undefined).length === 1,
      'exactly one of module, command and exec',
    ),
  /** How many of them; they are numbered from 1. */
  count: whole(0, 1_000_000, 'a count of agents').default(1),
  /**
   * Where they live: `pool` = many in one process, for modules; `vm` = the same with a machine of its own for each
   * agent's JavaScript; `sandbox` = one program an agent, with files, processes and network of its own; `process` =
   * the same without walls, under the sitter's own user. When absent: `pool` for modules; for programs `sandbox`, or
   * what the machine can instead where no money is near.
   */
  cell: z
    .union(
      [
        cellKind,
        z.strictObject({
          kind: cellKind,
          /**
           * Takes less where the machine cannot, and says so, instead of not being started at all: a `sandbox`, a `vm`
           * cell, and any kind of a type that may call an upstream with `money` routes.
           */
          orWeaker: z.boolean().default(false),
          /**
           * Hosts started ahead, so that a dead cell is replaced without waiting for a process. When absent: 1 for a
           * type of two cells or more, at most 4 in the swarm. Each costs as much memory as an empty host.
           */
          standby: whole(0, 16, 'hosts that stand by').optional(),
          /** In a `vm` cell: what an agent's values may take. 8 MB when absent. */
          memory: vmMemory.optional(),
          /** In a `vm` cell: CPU time in one turn, after which it is interrupted. 100 ms when absent. */
          slice: vmSlice.optional(),
          /** `false` gives a pool host no walls: its agents' code may touch what the sitter's user may. */
          walls: z.boolean().optional(),
          /**
           * `own`, also when absent: where the sitter is root, a `process` cell has a user of its own, as a sandbox
           * has. `swarm`: it stays the sitter's user, for a program that must write beside itself.
           */
          user: z.enum(['own', 'swarm']).optional(),
          /** What a sandbox may read beside its own program: paths relative to the config. */
          readable: z.array(notEmpty('a path')).max(100).optional(),
        }),
      ],
      '"pool", "vm", "process", "sandbox" or {kind: …}',
    )
    .optional(),
  /** Drills may harm them while the swarm works: they reach no upstream that moves money, and pay nobody. */
  canary: z.boolean().default(false),
  /** Upstreams that they may call. */
  upstreams: z.array(z.string()).max(1_000).default([]),
  /**
   * For programs that know nothing of a gate: `HTTPS_PROXY` and the like lead them to the hosts of their upstreams, and
   * to nothing else. `placeholders` are set where they look for a credential; the gate puts the real one in its place.
   */
  proxy: z
    .union(
      [z.literal(true), z.strictObject({ placeholders: z.record(variable, notEmpty('a text')).default({}) })],
      'true or {placeholders: {API_KEY: "placeholder"}}',
    )
    .optional(),
  restart: restart.prefault({}),
  /** An agent that has been idle for so long sleeps: no process, until work for its type is due. Never when absent. */
  hibernate: z
    .strictObject({
      after: duration,
      /** Agents that may be awake at once; all of them when absent. */
      awake: whole(1, 1_000_000, 'agents that may be awake').optional(),
    })
    .optional(),
  /**
   * How a program (`command`, in a `process` cell) is asked whether it is well. `startup` has its time, `liveness` ends
   * it and must never look at what it depends on, `readiness` keeps work away from it.
   */
  health: health.optional(),
  heartbeat: positiveDuration.default(30_000),
  /** An attempt without progress for this long is stuck; waiting for a payment or a limit is not. */
  stuckAfter: positiveDuration.default(120_000),
  startWithin: positiveDuration.default(30_000),
  /** Agents that share one pool host. About 100 keeps a fault's reach small at 7 MB a host. */
  perCell: whole(1, 1_000, 'agents in one cell').default(100),
  /** What one cell may use: `memory` is the heap of a pool host, and all memory of a program with its /tmp. */
  limits: agentLimits.prefault({}),
  /** Turns that each of its agents has where others have one, when calls wait for the limits of an upstream. */
  weight: whole(1, 1_000, 'a weight').optional(),
  /** Types whose agents must be ready before the first of this type is started; at a stop they go after it. */
  dependsOn: z.array(z.string()).max(100).optional(),
  /** A process is replaced before it is older: drained, nobody's loss, up to a tenth sooner so that they spread. */
  maxLifetime: positiveDuration.refine((ms) => ms >= 10_000, 'a duration of at least 10s').optional(),
  overrides: z.record(z.string(), z.strictObject({ mode: z.enum(modes).optional() })).default({}),
  /** Given to every agent as `ctx.config`; never a secret. */
  config: z.record(z.string(), z.unknown()).default({}),
})

/** Agents that fall and rise together, as under a supervisor of OTP. */
const group = z.strictObject({
  /** In the order of starts: agents like `gauge/0001`, or types, whose agents share one place. */
  agents: z.array(notEmpty('an agent like "gauge/0001", or a type')).min(1).max(1_000),
  /**
   * Who is stopped and started again with one that was lost: nobody, those that come after it, or all. They are stopped
   * in the reverse order.
   */
  strategy: z.enum(['one_for_one', 'rest_for_one', 'one_for_all']).default('one_for_one'),
  /** Losses within `within`, counted over all of them; one more and the group is quarantined. */
  max: whole(0, 1_000, 'losses').default(5),
  within: positiveDuration.default(600_000),
})

const task = z.strictObject({
  agent: z.string(),
  retry: z
    .strictObject({
      max: whole(1, 1_000, 'attempts').default(8),
      base: positiveDuration.default(1_000),
      cap: positiveDuration.default(600_000),
      /** Share of the type's starts that may be retries; what is beyond it is put off. No bound when absent. */
      budget: share.optional(),
    })
    .prefault({}),
  /** From submission; none when absent. */
  deadline: positiveDuration.nullable().default(null),
  /** Time in hand over all attempts, whatever progress they make; only a redrive begins anew. null = no bound. */
  work: positiveDuration.nullable().default(86_400_000),
  /** Higher goes first. */
  priority: whole(0, 9, 'a priority').default(usualPriority),
})

const status = whole(200, 599, 'an HTTP status')

const channel = z.strictObject({
  kind: z.literal('http'),
  upstream: z.string(),
  /** The account that pays; references are unique within it. The channel's name when absent. */
  payer: name.optional(),
  pay: route,
  keyHeader: header.default('idempotency-key'),
  body: z.record(z.string().min(1).max(200), template),
  outcome: z
    .strictObject({
      accepted: z
        .array(status)
        .min(1)
        .default([...usualOutcome.accepted]),
      rejected: z.array(status).default([...usualOutcome.rejected]),
      unknown: z
        .array(z.union([z.literal('5xx'), z.literal('lost'), status], '"5xx", "lost" or an HTTP status'))
        .default([...usualOutcome.unknown]),
    })
    .prefault({}),
  /** How an unknown outcome is found out; without it unknowns wait for a person. */
  resolve: z
    .union(
      [z.literal('resend-same-key'), z.strictObject({ query: queryRoute, absentAfter: positiveDuration })],
      '"resend-same-key" or {query, absentAfter}',
    )
    .nullable()
    .default(null),
  tries: whole(1, 1_000, 'tries').default(10),
})

const bound = (usual: number | null) => z.union([share, z.null()], 'a share like "10%", or null').default(usual)
const perSecond = (usual: number) =>
  rate
    .refine(({ count, windowMs }) => count * 1_000 >= windowMs, 'at least one a second, like "25/s"')
    .transform(({ count, windowMs }) => (count * 1_000) / windowMs)
    .default(usual)

const machine = z.strictObject({
  /**
   * Agents woken a second, so that a storm of work does not hold the sitter's loop: 25 and 150 when absent, half of
   * what two cores can start.
   */
  wakes: z.strictObject({ processes: perSecond(25), shared: perSecond(150) }).prefault({}),
  /** Beyond one of these the host is short: nothing new starts, and idle agents that may sleep do so at once. */
  pressure: z
    .strictObject({
      memoryFree: bound(0.05),
      memoryStalled: bound(0.1),
      /** A busy processor slows starts down by itself, so these two stop them only when told to. */
      cpuStalled: bound(null),
      ioStalled: bound(null),
    })
    .prefault({}),
})

const rehearsal = z.strictObject({
  /** `bank` pays; `llm` answers `POST /v1/messages` as Anthropic's API does; `exchange` is one like Binance. */
  kind: z.enum(['bank', 'llm', 'exchange']).default('bank'),
  /** Of `llm`: tokens that it gives, input and output, like "20000/min". */
  tokens: rate.default({ count: 20_000, windowMs: 60_000 }),
  port: whole(0, 65_535, 'a port'),
  seed: whole(0, 4_294_967_295, 'a seed').default(1),
  rate: rate.refine(({ count, windowMs }) => count * 1_000 >= windowMs, 'at least one request a second, like "400/s"'),
  /** Credential that this provider issues to the vault when it has none yet. */
  credential: z.string().nullable().default(null),
  /** Shares of payout requests. */
  faults: z
    .strictObject({
      limited: share,
      error: share,
      overloaded: share,
      slow: share,
      acceptThenCut: share,
      cutBeforeAccept: share,
      decline: share,
      late: share,
    })
    .partial()
    .default({}),
  latency: duration.default(5),
  query: z.boolean().default(true),
})

const alertTarget = z
  .strictObject({
    /** Gets each notice as JSON by POST; `text` in it is one line for chats. */
    webhook: webAddress.optional(),
    /** Gets it on stdin; an exit code other than 0 is tried again. */
    command: words.optional(),
    /** What is less is not sent there. */
    least: z.enum(severities).default('warning'),
  })
  .refine(
    ({ webhook, command }) => (webhook === undefined) !== (command === undefined),
    'exactly one of webhook and command',
  )

const alerts = z.strictObject({
  /** Who is told of an incident, at its beginning and at its end. */
  to: z.array(alertTarget).max(20).default([]),
  /** Asked for at this pace while the sitter makes progress, so that silence there is the alarm. */
  deadman: z
    .strictObject({
      url: webAddress,
      every: positiveDuration
        .refine((everyMs) => everyMs >= 10_000 && everyMs <= 86_400_000, 'a duration from 10s to 24h')
        .default(60_000),
    })
    .optional(),
})

const degradeFields = (least: 'throttled' | 'parked') => ({
  /** Share of outcomes that may not fail. */
  failures: share.refine((part) => part > 0, 'a share over 0').default(0.5),
  /** Outcomes that make a verdict, within `within`. */
  over: whole(3, 100_000, 'outcomes').default(20),
  within: positiveDuration.default(60_000),
  /** First time until it is looked at again; doubled with each step down, up to `cap`. */
  hold: positiveDuration.default(30_000),
  cap: positiveDuration.default(600_000),
  /** How far down it goes. */
  least: z.enum(['throttled', 'parked']).default(least),
})
const agentRule = z.union(
  [
    z.literal(false),
    z.strictObject({
      ...degradeFields('throttled'),
      /** Agents' own calls through the gate count beside their attempts. */
      calls: z.boolean().default(false),
    }),
  ],
  'false or a rule like {failures: "50%"}',
)

/** Whoever makes the same call again and again, and nothing comes of it. */
const repeatRule = z.union(
  [
    z.literal(false),
    z.strictObject({
      /** So many times the same method, path, query and body. */
      calls: whole(10, 100_000, 'calls').default(100),
      within: positiveDuration.default(60_000),
      /** Time until it is looked at again; doubled with each step down, up to `cap`. */
      hold: positiveDuration.default(30_000),
      cap: positiveDuration.default(600_000),
      /** How far down it goes. */
      least: z.enum(['throttled', 'shadow', 'quarantined']).default('throttled'),
    }),
  ],
  'false or a rule like {calls: 100, within: "1m"}',
)

/** Rules that make a mode stricter when too much fails, and milder again when it works. */
const degrade = z.strictObject({
  types: agentRule.prefault({}),
  agents: agentRule.prefault({}),
  repeats: repeatRule.prefault({}),
  /** Channels have no rule unless they are named here. */
  channels: z.record(name, z.strictObject(degradeFields('parked'))).default({}),
})

export const swarmSchema = z.strictObject({
  /** For editors; plays no part. */
  $schema: z.string().optional(),
  name,
  /** Paths of values that look like secrets and are none, like "agents.reader.config.token". */
  notSecrets: z.array(z.string()).max(1_000).default([]),
  /** Where the record is: a file in the data directory, or a database that the sitter has for itself. */
  store: storeAddress.default('embedded'),
  bus: z.literal('local').default('local'),
  agents: z.record(name, agent),
  groups: z.record(name, group).default({}),
  tasks: z.record(name, task).default({}),
  upstreams: z.record(name, upstream).default({}),
  credentials: z.record(name, credential).default({}),
  channels: z.record(name, channel).default({}),
  /** Providers that `up` starts beside the swarm; they behave like the real ones, with faults on request. */
  rehearsal: z.record(name, rehearsal).default({}),
  /** Bounds of the whole host. */
  machine: machine.prefault({}),
  /** Who is woken, and who notices when nobody can be. */
  alerts: alerts.prefault({}),
  degrade: degrade.prefault({}),
  /** What may be spent on calls. */
  budgets: z.record(name, budget).default({}),
  /** How many calls there may be, whatever upstreams they go to. */
  limits: z.record(name, swarmLimit).default({}),
  api: z
    .strictObject({ host: listenHost.default('127.0.0.1'), port: whole(0, 65_535, 'a port').default(7_700) })
    .prefault({}),
})

/** What people write. */
export type SwarmInput = z.input<typeof swarmSchema>
/** What the schema makes of it. */
export type ParsedSwarm = z.output<typeof swarmSchema>
