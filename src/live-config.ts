/**
 * The configuration of a sitter that runs. All rooms look at one object; taking another configuration over replaces its
 * entries, so that the next look of anybody sees what runs. Those with something to do are told: the gate first, so
 * that who starts afterwards finds its upstreams, then the fleet.
 */
import { createServer } from 'node:net'
import {
  openVersions,
  parseConfig,
  refuseBroken,
  tryAgents,
  typesWithNewCode,
  type AppliedConfig,
  type ConfigPlan,
  type ConfigVersions,
  type SwarmConfig,
} from './config/config.ts'
import { vmModuleFault, type Cells } from './cell/cell.ts'
import type { Fleet } from './fleet/fleet.ts'
import type { GateLink } from './gatelink/gatelink.ts'
import type { Reload } from './private-line.ts'
import { asFailure, Failure, type Clock, type Code, codes, type Disk, type Proc } from './std/std.ts'
import type { ConfigVersionView, Store } from './store/store.ts'

export interface LiveConfig {
  /** What runs now, and later: the same object all the time. */
  readonly config: SwarmConfig
  readonly versions: ConfigVersions
}

export interface LiveConfigOptions {
  readonly store: Store
  readonly disk: Disk
  readonly clock: Clock
  /** Starts the children in which code is loaded for trial. */
  readonly proc: Proc
  readonly dataDirectory: string
  readonly running: AppliedConfig
  readonly gatelink: Pick<GateLink, 'config'>
  /** Opened after the versions, which other rooms need before. */
  readonly fleet: () => Pick<Fleet, 'reconfigure'> | undefined
  /** What holds by the new configuration is told to whom it concerns. */
  readonly taken?: () => void
  readonly cells: () => Pick<Cells, 'housing' | 'take'> | undefined
  readonly onFault: (error: unknown) => void
}

type Parts = Record<string, Record<string, unknown>>

const parts = ['agents', 'tasks', 'upstreams', 'credentials', 'channels', 'rehearsals', 'budgets'] as const

/** Without a prototype, as the parsed parts are: no name reaches one. */
const copied = (config: SwarmConfig): SwarmConfig => {
  const copies = parts.map((part) => [part, Object.assign(Object.create(null) as object, config[part])] as const)
  return { ...config, ...Object.fromEntries(copies) }
}

const replace = (shared: SwarmConfig, next: SwarmConfig): void => {
  for (const part of parts) {
    const entries = (shared as unknown as Parts)[part]!
    for (const name of Object.keys(entries)) if (!Object.hasOwn(next[part], name)) delete entries[name]
    Object.assign(entries, next[part])
  }
  ;(shared as { alerts: SwarmConfig['alerts'] }).alerts = next.alerts
  ;(shared as { degrade: SwarmConfig['degrade'] }).degrade = next.degrade
}

/** A sitter that begins anew and finds its port taken would not come up again: it is tried before. */
const portIsFree = (api: SwarmConfig['api']): Promise<void> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (cause) =>
      reject(new Failure('port-taken', `port ${api.port} of ${api.host} cannot be listened on: ${cause.message}`)),
    )
    server.listen(api.port, api.host, () => server.close(() => resolve()))
  })

/** Of a payment that may be at the provider, or is there and not settled. */
const open: ReadonlySet<string> = new Set(['submitting', 'accepted', 'unknown'])

type Reads = { readonly read: Pick<Store['read'], 'settlementCounts' | 'configVersions'> }

const versionsAtOnce = 100
const mostVersions = 1_000

/** A version of another schema may not be readable any more: it tells nothing. */
const configOf = ({ raw, baseDirectory }: ConfigVersionView): SwarmConfig | undefined => {
  try {
    return parseConfig(JSON.parse(raw) as unknown, baseDirectory)
  } catch {
    return undefined
  }
}

/** The address at which a channel paid by an upstream last, by the versions of the record, newest first. */
const lastAddress = async ({ read }: Reads, channel: string, upstream: string): Promise<string | undefined> => {
  let after: string | null = null
  for (let seen = 0; seen < mostVersions; seen += versionsAtOnce) {
    const { items, next } = await read.configVersions({ limit: versionsAtOnce, after })
    for (const item of items) {
      const config = configOf(item)
      if (config?.channels[channel]?.upstream === upstream) return config.upstreams[upstream]?.url
    }
    if (next === null) return undefined
    after = next
  }
  return undefined
}

/**
 * A channel whose upstream has another address asks another bank: "not there" would be taken for proof, and paid again.
 * So the address stays as long as a payment of the channel is open, whoever brings the other one: a live change, or a
 * file that `up` is given. A channel that was gone meanwhile is compared with what it was before. Nothing has been
 * recorded of what is refused. @throws Failure `conflict`.
 */
export const admitAddresses = async (store: Reads, next: SwarmConfig): Promise<void> => {
  const counts = await store.read.settlementCounts()
  for (const { name, upstream } of Object.values(next.channels)) {
    const count = counts
      .filter((row) => row.channel === name && open.has(row.state))
      .reduce((sum, row) => sum + row.count, 0)
    const before = count === 0 ? undefined : await lastAddress(store, name, upstream)
    if (before === undefined || before === next.upstreams[upstream]?.url) continue
    const payments = count === 1 ? '1 payment is' : `${count} payments are`
    const until = `before upstream ${upstream} gets another address; until then keep ${before}`
    throw new Failure('conflict', `${payments} open at ${before}, by channel ${name}`, {
      facts: { wayOut: `wait until they have ended, or resolve them, ${until}` },
    })
  }
}

export const openLiveConfig = (options: LiveConfigOptions): LiveConfig => {
  const { running, gatelink, cells, fleet, onFault } = options
  const config = copied(running.config)
  const tellGate = async (): Promise<'taken' | 'unknown'> => {
    try {
      await gatelink.config()
      return 'taken'
    } catch (error) {
      // It reads the file when it starts, and is told again when it is linked.
      onFault(error)
      return 'unknown'
    }
  }
  const take = async (
    next: AppliedConfig,
    plan: ConfigPlan,
    actor: string,
  ): Promise<'taken' | 'unknown' | 'unchanged'> => {
    const gate = plan.gate ? await tellGate() : 'unchanged'
    replace(config, next.config)
    options.taken?.()
    cells()?.take(next.config.agents)
    await fleet()?.reconfigure(next.config.agents, actor)
    return gate
  }
  /** A type that was refused before, and is shown so, keeps no other change from being made. */
  const admitCells = (next: SwarmConfig['agents']): void => {
    for (const type of Object.values(next)) {
      const refused = cells()?.housing(type).refused
      const before = config.agents[type.name]
      if (refused && (before === undefined || cells()?.housing(before).refused === null))
        throw new Failure('cell-refused', `${refused.why}. Way out: ${refused.wayOut}`)
    }
  }
  const admit = async (next: SwarmConfig): Promise<void> => {
    const { api, agents } = next
    admitCells(agents)
    refuseBroken(await tryAgents({ ...options, checkVm: vmModuleFault }, typesWithNewCode(config, next)), next)
    await admitAddresses(options.store, next)
    if (api.port !== 0 && (api.port !== config.api.port || api.host !== config.api.host)) await portIsFree(api)
  }
  return { config, versions: openVersions({ ...options, admit, take }) }
}

const signal = 'signal:SIGHUP'

/** Applies what the watch has read; whatever is wrong with it is told to people, and the running one stays. */
const applyReload = async ({ file, candidate, refused }: Reload, versions: ConfigVersions): Promise<string> => {
  try {
    if (candidate === undefined) {
      const code = refused !== undefined && Object.hasOwn(codes, refused.code) ? (refused.code as Code) : 'bug'
      throw new Failure(code, refused?.message ?? 'the file could not be read')
    }
    const { version, plan } = await versions.apply(candidate, signal)
    return plan.changes.length === 0 ? 'the file says what runs already' : `version ${version} is applied`
  } catch (error) {
    await versions.refused(file, signal, error)
    throw asFailure(error)
  }
}

/**
 * Gives what to call when the watch says that it has read the file again. One after the other; what it said while this
 * sitter was not there yet lies there, and is taken first.
 */
export const openReload = (
  path: string,
  { disk, versions }: { readonly disk: Disk; readonly versions: ConfigVersions },
  told: { readonly said: (what: string) => void; readonly failed: (error: unknown) => void },
): (() => void) => {
  let turn: Promise<void> = Promise.resolve()
  const take = async (): Promise<void> => {
    const text = await disk.readTextIfThere(path)
    if (text === undefined) return
    await disk.remove(path)
    told.said(await applyReload(JSON.parse(text) as Reload, versions))
  }
  const reload = (): void => {
    turn = turn.then(take).catch(told.failed)
  }
  reload()
  return reload
}
