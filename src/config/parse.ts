/**
 * From anything to a SwarmConfig, or every fault of it at once. Pure. First a walk that bounds the value and refuses
 * keys that reach prototypes, then the schema, then the checks between the parts; the faults of all three are told
 * together.
 */
import { resolve } from 'node:path'
import { formatAgent, parseAgent, type Profile } from '../model/model.ts'
import { toBudget } from './budgets.ts'
import { toCredential } from './credentials.ts'
import { configInvalid, faultAt, type ConfigFault, type Path } from './faults.ts'
import { toFaults } from './issues.ts'
import { toLimit, toSwarmLimits } from './limits.ts'
import { toPrice } from './price.ts'
import { profiles } from './profiles.ts'
import { crossFaults } from './references.ts'
import { swarmSchema, type ParsedSwarm } from './schema.ts'
import type { AgentRun, AgentType, DegradeRule, Health, Probe, Rehearsal, SwarmConfig } from './types.ts'
import { validKeys } from './valid-keys.ts'

/** Far beyond any config for people: a deeper value would break the recursion of every reader after this one. */
const deepest = 64
const forbidden = new Set(['__proto__', 'constructor', 'prototype'])

const walk = (value: unknown, path: Path, faults: ConfigFault[]): void => {
  if (typeof value !== 'object' || value === null) return
  if (path.length >= deepest) {
    faults.push(faultAt(path.slice(0, 3), 'an object', `nesting of at most ${deepest}`))
    return
  }
  for (const key of Object.keys(value)) {
    const step = Array.isArray(value) ? Number(key) : key
    if (forbidden.has(key))
      faults.push(faultAt([...path, step], 'this key', 'another name: this one reaches prototypes'))
    else walk((value as Record<string, unknown>)[key], [...path, step], faults)
  }
}

/** Entries under their names, without a prototype, so that no name can reach one. */
const named = <In, Out>(
  entries: Readonly<Record<string, In>>,
  make: (entry: In, name: string) => Out,
): Readonly<Record<string, Out>> => {
  const all: Record<string, Out> = Object.create(null)
  for (const [name, entry] of Object.entries(entries)) all[name] = make(entry, name)
  return all
}

type ParsedAgent = ParsedSwarm['agents'][string]

/** A program named by a path lies relative to the config; any other is looked for in PATH when it is started. */
const toWords = ([program = '', ...rest]: readonly string[], baseDirectory: string): readonly string[] => [
  program.includes('/') ? resolve(baseDirectory, program) : program,
  ...rest,
]

const toRun = ({ module, command, exec }: ParsedAgent['run'], baseDirectory: string): AgentRun => {
  if (module !== undefined) return { module: resolve(baseDirectory, module) }
  if (command !== undefined) return { command: toWords(command, baseDirectory), directory: baseDirectory }
  return { exec: toWords(exec ?? [], baseDirectory), directory: baseDirectory }
}

/** Whether these agents may call an upstream that moves money. */
const isNearMoney = ({ upstreams }: ParsedAgent, all: ParsedSwarm['upstreams']): boolean =>
  upstreams.some((name) => (all[name]?.money.length ?? 0) > 0)

const vmOf = (kind: string, memoryBytes = 8_000_000, sliceMs = 100): Pick<AgentType['cell'], 'vm'> =>
  kind === 'vm' ? { vm: { memoryBytes, sliceMs } } : {}

/** Who says nothing about a program gets the best that the machine can; who is near money gets it, or is refused. */
const toCell = (agent: ParsedAgent, parsed: ParsedSwarm, baseDirectory: string): AgentType['cell'] => {
  const { cell, run } = agent
  const isNear = isNearMoney(agent, parsed.upstreams)
  const near = isNear ? { nearMoney: true as const } : {}
  if (cell === undefined)
    return run.module === undefined
      ? { kind: 'sandbox', orWeaker: !isNear, ...near }
      : { kind: 'pool', orWeaker: false, ...near }
  if (typeof cell === 'string') return { kind: cell, orWeaker: false, ...near, ...vmOf(cell) }
  const { kind, orWeaker, standby, readable, walls, memory, slice, user } = cell
  return {
    kind,
    orWeaker,
    ...near,
    ...vmOf(kind, memory, slice),
    ...(standby !== undefined && { standby }),
    ...(walls !== undefined && { walls }),
    ...(user !== undefined && { user }),
    ...(readable && { readable: readable.map((path) => resolve(baseDirectory, path)) }),
  }
}

const usualDiskBytes = 64_000_000

const toLimits = ({ limits, run }: ParsedAgent): AgentType['limits'] => {
  const isProgram = run.module === undefined
  return {
    cpus: limits.cpu === undefined ? (isProgram ? 1 : null) : limits.cpu,
    processes: limits.pids,
    files: limits.files ?? (isProgram ? 256 : 4_096),
    diskBytes: limits.disk ?? usualDiskBytes,
    ...(limits.disk !== undefined && { diskIsAsked: true as const }),
  }
}

type ParsedHealth = NonNullable<ParsedAgent['health']>
type ParsedProbe = NonNullable<ParsedHealth['liveness']>

const toProbe = ({ http, command, every, timeout, fails }: ParsedProbe, baseDirectory: string): Probe => ({
  ...(http !== undefined && { http }),
  ...(command && { command: toWords(command, baseDirectory) }),
  everyMs: every,
  timeoutMs: timeout,
  fails,
})

const toHealth = ({ startup, liveness, readiness }: ParsedHealth, baseDirectory: string): Health => ({
  ...(startup && { startup: { ...toProbe(startup, baseDirectory), withinMs: startup.within } }),
  ...(liveness && { liveness: toProbe(liveness, baseDirectory) }),
  ...(readiness && { readiness: toProbe(readiness, baseDirectory) }),
})

const toAgents = (parsed: ParsedSwarm, baseDirectory: string): SwarmConfig['agents'] =>
  named(parsed.agents, (agent, name) => ({
    name,
    run: toRun(agent.run, baseDirectory),
    count: agent.count,
    cell: toCell(agent, parsed, baseDirectory),
    upstreams: agent.upstreams,
    ...(agent.proxy && { proxy: agent.proxy === true ? { placeholders: {} } : agent.proxy }),
    restart: {
      type: agent.restart.type,
      max: agent.restart.max,
      withinMs: agent.restart.within,
      baseMs: agent.restart.base,
      capMs: agent.restart.cap,
    },
    ...(agent.hibernate !== undefined && {
      hibernate: {
        afterMs: agent.hibernate.after,
        ...(agent.hibernate.awake !== undefined && { mostAwake: agent.hibernate.awake }),
      },
    }),
    ...(agent.health !== undefined && { health: toHealth(agent.health, baseDirectory) }),
    ...(agent.dependsOn !== undefined && { dependsOn: [...new Set(agent.dependsOn)] }),
    ...(agent.maxLifetime !== undefined && { maxLifetimeMs: agent.maxLifetime }),
    ...(agent.canary && { canary: true as const }),
    heartbeatMs: agent.heartbeat,
    stuckAfterMs: agent.stuckAfter,
    startWithinMs: agent.startWithin,
    perCell: agent.run.module === undefined ? 1 : agent.perCell,
    memoryBytes: agent.limits.memory,
    limits: toLimits(agent),
    ...(agent.weight !== undefined && { weight: agent.weight }),
    overrides: Object.fromEntries(
      Object.entries(agent.overrides).map(([key, { mode }]) => [
        formatAgent(parseAgent(key)!),
        mode === undefined ? {} : { mode },
      ]),
    ),
    config: agent.config,
  }))

const toProfile = (given: ParsedSwarm['upstreams'][string]['profile']): Profile | null =>
  given === undefined ? null : typeof given === 'string' ? profiles[given]! : { name: 'own', ...given }

const toGroups = (parsed: ParsedSwarm): SwarmConfig['groups'] =>
  named(parsed.groups, ({ agents, strategy, max, within }, name) => ({
    name,
    places: agents.map((place) => {
      const agent = parseAgent(place)
      return agent === undefined ? place : formatAgent(agent)
    }),
    strategy,
    max,
    withinMs: within,
  }))

const toUpstreams = (parsed: ParsedSwarm): SwarmConfig['upstreams'] =>
  named(parsed.upstreams, (upstream, name) => ({
    name,
    url: upstream.url,
    ...(upstream.domain !== undefined && { domain: upstream.domain }),
    grant: upstream.grant,
    ca: upstream.ca ?? null,
    credential: upstream.credentials,
    allow: upstream.allow,
    money: upstream.money,
    limits: upstream.limits.map(toLimit),
    timeoutMs: upstream.timeout,
    parkAfterMs: upstream.parkAfter,
    learn: upstream.learn === 'auto',
    breaker:
      upstream.breaker === false
        ? null
        : { share: upstream.breaker.failures, volume: upstream.breaker.over, probeMs: upstream.breaker.probe },
    retries:
      upstream.retries === false
        ? null
        : { max: upstream.retries.max, share: upstream.retries.budget, safe: upstream.retries.safe },
    profile: toProfile(upstream.profile),
    price: toPrice(upstream.cost),
  }))

const toChannels = (parsed: ParsedSwarm): SwarmConfig['channels'] =>
  named(parsed.channels, (channel, name) => ({
    name,
    kind: channel.kind,
    upstream: channel.upstream,
    payer: channel.payer ?? name,
    pay: channel.pay,
    keyHeader: channel.keyHeader,
    body: channel.body,
    outcome: channel.outcome,
    resolve:
      channel.resolve === null
        ? null
        : channel.resolve === 'resend-same-key'
          ? { by: 'resend-same-key' }
          : {
              by: 'query',
              method: channel.resolve.query.method,
              path: channel.resolve.query.path,
              absentAfterMs: channel.resolve.absentAfter,
            },
    tries: channel.tries,
  }))

const toRehearsals = (parsed: ParsedSwarm): SwarmConfig['rehearsals'] =>
  named(parsed.rehearsal, (rehearsal, name): Rehearsal => ({
    name,
    kind: rehearsal.kind,
    tokens: rehearsal.tokens,
    port: rehearsal.port,
    seed: rehearsal.seed,
    rate: rehearsal.rate.count / (rehearsal.rate.windowMs / 1_000),
    credential: rehearsal.credential,
    faults: Object.fromEntries(Object.entries(rehearsal.faults).filter(([, share]) => share !== undefined)),
    latencyMs: rehearsal.latency,
    query: rehearsal.query,
  }))

const toAlerts = ({ alerts }: ParsedSwarm, directory: string): SwarmConfig['alerts'] => ({
  to: alerts.to.map(({ webhook, command, least }) => ({
    directory,
    least,
    ...(webhook !== undefined && { webhook }),
    ...(command !== undefined && { command: toWords(command, directory) }),
  })),
  deadman: alerts.deadman === undefined ? null : { url: alerts.deadman.url, everyMs: alerts.deadman.every },
})

const toRule = (rule: ParsedSwarm['degrade']['channels'][string] & { readonly calls?: boolean }): DegradeRule => ({
  failures: rule.failures,
  over: rule.over,
  withinMs: rule.within,
  holdMs: rule.hold,
  longestMs: rule.cap,
  least: rule.least,
  calls: rule.calls ?? false,
})
const toRepeats = (rule: ParsedSwarm['degrade']['repeats']): SwarmConfig['degrade']['repeats'] =>
  rule === false
    ? null
    : {
        calls: rule.calls,
        withinMs: rule.within,
        holdMs: rule.hold,
        longestMs: rule.cap,
        least: rule.least,
      }
const toDegrade = ({ degrade: { types, agents, repeats, channels } }: ParsedSwarm): SwarmConfig['degrade'] => ({
  types: types === false ? null : toRule(types),
  agents: agents === false ? null : toRule(agents),
  repeats: toRepeats(repeats),
  channels: named(channels, toRule),
})

const normalise = (parsed: ParsedSwarm, baseDirectory: string): SwarmConfig => ({
  name: parsed.name,
  store: parsed.store,
  bus: parsed.bus,
  agents: toAgents(parsed, baseDirectory),
  groups: toGroups(parsed),
  tasks: named(parsed.tasks, (task, name) => ({
    name,
    agent: task.agent,
    retry: {
      max: task.retry.max,
      baseMs: task.retry.base,
      capMs: task.retry.cap,
      ...(task.retry.budget === undefined ? {} : { budget: task.retry.budget }),
    },
    deadlineMs: task.deadline,
    ...(task.work !== null && { workMs: task.work }),
    priority: task.priority,
  })),
  upstreams: toUpstreams(parsed),
  credentials: named(parsed.credentials, (credential, name) => {
    const upstream = Object.entries(parsed.upstreams).find(([, one]) => one.credentials === name)?.[0] ?? ''
    return toCredential(credential, { name, upstream, directory: baseDirectory })
  }),
  channels: toChannels(parsed),
  rehearsals: toRehearsals(parsed),
  machine: {
    wakes: {
      processesPerSecond: parsed.machine.wakes.processes,
      sharedPerSecond: parsed.machine.wakes.shared,
    },
    pressure: parsed.machine.pressure,
  },
  alerts: toAlerts(parsed, baseDirectory),
  degrade: toDegrade(parsed),
  budgets: named(parsed.budgets, toBudget),
  limits: toSwarmLimits(parsed),
  api: parsed.api,
})

export type Inspected =
  | { readonly faults: readonly []; readonly config: SwarmConfig }
  | { readonly faults: readonly ConfigFault[]; readonly config: null }

/** Reads a config and tells every fault, as a value. */
export const inspectConfig = (raw: unknown, baseDirectory: string): Inspected => {
  const faults: ConfigFault[] = []
  walk(raw, [], faults)
  if (faults.some((fault) => fault.expected.startsWith('nesting'))) return { faults, config: null }
  const parsed = swarmSchema.safeParse(raw, { reportInput: false })
  const keys = validKeys(swarmSchema)
  if (parsed.error) faults.push(...parsed.error.issues.flatMap((issue) => toFaults(issue, raw, keys)))
  faults.push(...crossFaults(raw))
  // A forbidden key may be refused twice, by the walk and as unknown; the walk's word is the better one.
  const told = new Set<string>()
  const unique = faults.filter(
    (fault) => !(told.has(fault.path) && fault.found === 'an unknown key') && told.add(fault.path),
  )
  return parsed.success && unique.length === 0
    ? { faults: [], config: normalise(parsed.data, baseDirectory) }
    : { faults: unique, config: null }
}

/**
 * The SwarmConfig of a user's value; paths in it are relative to `baseDirectory` (absolute).
 * @throws Failure `config-invalid` with every fault: one line each in the message and in `facts.errors`.
 */
export const parseConfig = (raw: unknown, baseDirectory: string): SwarmConfig => {
  const inspected = inspectConfig(raw, baseDirectory)
  if (inspected.config === null) throw configInvalid(inspected.faults)
  return inspected.config
}
