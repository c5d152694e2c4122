/**
 * Versions of the configuration: each that ran is in the record with who applied it and what it changed, and can be
 * applied again. A candidate is checked whole before anything is written. Then, in this order: the version with its
 * audit entry and event, in one transaction; the applied file; the deed. So a crash at any point leads to the new
 * version or leaves the old one, and `startVersion` tells which.
 */
import { asFailure, Failure, type Clock, type Disk } from '../std/std.ts'
import type { ConfigVersionView, Page, PageAsk, Store } from '../store/store.ts'
import { applyConfig, hashConfig, type AppliedConfig } from './applied.ts'
import { checkRaw, type LoadedConfig } from './load.ts'
import { parseConfig } from './parse.ts'
import {
  changesBetween,
  formatChange,
  planChange,
  type ConfigChange,
  type ConfigPlan,
  type KeptConfig,
} from './plan.ts'
import { withoutPasswords, withPasswordsOf } from './passwords.ts'
import type { SwarmConfig } from './types.ts'

export interface Candidate {
  readonly file: string
  readonly baseDirectory: string
  readonly raw: unknown
}
/** Hashes are of the value without passwords: nobody tries passwords against them. */
export interface Checked {
  readonly hash: string
  /** Hash of what runs now: give it back with `apply`, so that what was planned is what is applied. */
  readonly base: string
  readonly plan: ConfigPlan
}
export interface Applied {
  readonly version: number
  readonly hash: string
  readonly plan: ConfigPlan
  /** Whether the gate has taken it over; `unknown` = it did not answer, and is told again at the next link. */
  readonly gate: 'taken' | 'unknown' | 'unchanged'
}
export interface ApplyTerms {
  /** Hash of what the plan was made against. */
  readonly base?: string | undefined
  /** Agreement that the sitter begins anew where the plan says so. */
  readonly restart?: boolean
}
export interface ConfigVersions {
  readonly running: AppliedConfig
  /** What runs, without passwords, and the hash of that. */
  shown(): { readonly raw: unknown; readonly hash: string }
  list(ask: PageAsk): Promise<Page<ConfigVersionView>>
  /** @throws Failure `not-found`. */
  version(number: number): Promise<ConfigVersionView>
  /** @throws Failure `not-found`. */
  diff(from: number, to: number): Promise<readonly ConfigChange[]>
  /** @throws Failure `config-invalid` with every fault. */
  check(candidate: Candidate): Promise<Checked>
  /**
   * Records the version, then does what the plan says; who must begin anew is the caller's to begin. Nothing is written
   * when it changes nothing (`version` is then the newest).
   * @throws Failure `config-invalid`; `restart-needed` without agreement to it; `conflict` when what runs is not
   * `base`.
   */
  apply(candidate: Candidate, actor: string, terms?: ApplyTerms): Promise<Applied>
  /** Tells people that a configuration was not taken, and why; the running one stays. */
  refused(file: string, actor: string, cause: unknown): Promise<void>
}

export interface VersionsOptions {
  readonly store: Store
  readonly disk: Disk
  readonly clock: Clock
  readonly dataDirectory: string
  readonly running: AppliedConfig
  /** Asked before anything is written, for a restart that would not come up again; rejects to refuse it. */
  readonly admit?: (next: SwarmConfig) => Promise<void>
  /** Does what the plan says to the running rooms; resolves with the gate's word. */
  readonly take: (next: AppliedConfig, plan: ConfigPlan, actor: string) => Promise<Applied['gate']>
}

const rawOf = (view: ConfigVersionView): unknown => JSON.parse(view.raw)
const keptOf = (view: ConfigVersionView): KeptConfig => ({ raw: rawOf(view), baseDirectory: view.baseDirectory })
const hashOf = ({ raw, baseDirectory }: KeptConfig): string => hashConfig({ raw: withoutPasswords(raw), baseDirectory })

type RecordPort = Pick<VersionsOptions, 'store' | 'clock'>

const newestOf = ({ store }: RecordPort): Promise<ConfigVersionView | undefined> => store.read.configVersion(null)

/** The version with its audit entry and event; the newest one's number when it is that one. */
const record = async (
  port: RecordPort,
  loaded: LoadedConfig,
  by: { readonly actor: string; readonly changes: readonly ConfigChange[]; readonly what: string },
): Promise<number> => {
  const { store, clock } = port
  const { actor, what } = by
  const { file, baseDirectory } = loaded
  const hash = hashOf(loaded)
  const wallMs = clock.wallMs()
  const changes = by.changes.map(formatChange)
  const facts = { hash, file, changes: changes.length }
  const raw = JSON.stringify(withoutPasswords(loaded.raw))
  const message = `${actor} applied a configuration: ${what}`
  const [added] = await store.transact([
    { kind: 'config.add', with: { version: { hash, file, baseDirectory, raw, changes }, actor, wallMs } },
    {
      kind: 'audit.append',
      with: { wallMs, entries: [{ actor, action: 'config.apply', object: file, decision: 'allowed', facts }] },
    },
    {
      kind: 'events.add',
      with: { wallMs, events: [{ kind: 'config.applied', level: 'info', subject: 'config', message, facts }] },
    },
  ])
  return added.ok ? added.value.version : ((await newestOf(port))?.version ?? 0)
}

class RecordedVersions implements ConfigVersions {
  readonly #options: VersionsOptions
  #running: AppliedConfig
  /** A second apply before the first is done would be planned against what does not run any more. */
  #applying = false

  constructor(options: VersionsOptions) {
    this.#options = options
    this.#running = options.running
  }

  get running(): AppliedConfig {
    return this.#running
  }

  shown(): { readonly raw: unknown; readonly hash: string } {
    return { raw: withoutPasswords(this.#running.raw), hash: hashOf(this.#running) }
  }

  list(ask: PageAsk): Promise<Page<ConfigVersionView>> {
    return this.#options.store.read.configVersions(ask)
  }

  async version(number: number): Promise<ConfigVersionView> {
    const view = await this.#options.store.read.configVersion(number)
    if (view === undefined) throw new Failure('not-found', `there is no version ${number} of the configuration`)
    return view
  }

  async diff(from: number, to: number): Promise<readonly ConfigChange[]> {
    const [before, after] = await Promise.all([this.version(from), this.version(to)])
    return changesBetween(keptOf(before), keptOf(after))
  }

  async check(candidate: Candidate): Promise<Checked> {
    const loaded = await this.#load(candidate)
    return { hash: hashOf(loaded), base: this.shown().hash, plan: planChange(this.#running, loaded) }
  }

  async apply(candidate: Candidate, actor: string, terms: ApplyTerms = {}): Promise<Applied> {
    const loaded = await this.#load(candidate)
    if (this.#applying) throw new Failure('conflict', 'another configuration is being applied')
    this.#applying = true
    let begunAnew = false
    try {
      const applied = await this.#carryOut(loaded, actor, terms)
      // What the sitter begins anew with is planned against no more; the next one begins with it.
      begunAnew = applied.plan.restarts !== 'none'
      return applied
    } finally {
      this.#applying = begunAnew
    }
  }

  async #carryOut(loaded: LoadedConfig, actor: string, { base, restart }: ApplyTerms): Promise<Applied> {
    const { disk, dataDirectory, admit, take } = this.#options
    if (base !== undefined && base !== this.shown().hash)
      throw new Failure('conflict', 'another configuration runs than the one this was planned against; plan again')
    const plan = planChange(this.#running, loaded)
    const hash = hashOf(loaded)
    // Recorded, but never put where the next start reads it (the disk was full then): that is still to be done.
    const newest = await newestOf(this.#options)
    if (plan.changes.length === 0 && newest?.hash === hash)
      return { version: newest.version, hash, plan, gate: 'unchanged' }
    if (plan.restarts === 'swarm' || (plan.restarts === 'sitter' && restart !== true))
      throw new Failure('restart-needed', `not applied: ${plan.effects.slice(0, 2).join('; ')}`, {
        facts: { effects: plan.effects, restarts: plan.restarts },
      })
    await admit?.(loaded.config)
    const by = { actor, changes: plan.changes, what: plan.effects[0] ?? '' }
    const version = await record(this.#options, loaded, by)
    const next = await applyConfig(disk, dataDirectory, loaded, version)
    if (plan.restarts !== 'none') return { version, hash, plan, gate: 'unchanged' }
    this.#running = next
    return { version, hash, plan, gate: await take(next, plan, actor) }
  }

  async refused(file: string, actor: string, cause: unknown): Promise<void> {
    const { store, clock } = this.#options
    const { code, message } = asFailure(cause)
    const wallMs = clock.wallMs()
    const facts = { file, code, by: actor, why: message.slice(0, 2_000) }
    const told = `a configuration was refused (${code}), the running one stays: ${message.split('\n', 1)[0]}`
    await store.transact([
      {
        kind: 'audit.append',
        with: {
          wallMs,
          entries: [{ actor, action: 'config.apply', object: file, decision: 'refused', facts: { code } }],
        },
      },
      {
        kind: 'events.add',
        with: {
          wallMs,
          events: [{ kind: 'config.refused', level: 'error', subject: 'config', message: told.slice(0, 500), facts }],
        },
      },
    ])
  }

  async #load({ file, baseDirectory, raw: given }: Candidate): Promise<LoadedConfig> {
    const raw = withPasswordsOf(given, this.#running.raw)
    return { file, baseDirectory, raw, config: await checkRaw(this.#options.disk, { raw, baseDirectory, file }) }
  }
}

type StartPort = Pick<VersionsOptions, 'store' | 'disk' | 'clock' | 'dataDirectory'>

/**
 * What a sitter starts with: what `up` brought is recorded and runs; else the newest version of the record, though the
 * file that follows it was not written any more.
 */
export const startVersion = async (port: StartPort, applied: AppliedConfig): Promise<AppliedConfig> => {
  const newest = await newestOf(port)
  if (applied.version !== null && newest !== undefined && newest.version > applied.version) {
    const { file, baseDirectory } = newest
    const raw = withPasswordsOf(rawOf(newest), applied.raw)
    const config = parseConfig(raw, baseDirectory)
    return applyConfig(port.disk, port.dataDirectory, { file, baseDirectory, raw, config }, newest.version)
  }
  if (newest?.hash === hashOf(applied) && applied.version === newest.version) return applied
  const changes = changesBetween(
    newest === undefined ? { raw: {}, baseDirectory: applied.baseDirectory } : keptOf(newest),
    { raw: withoutPasswords(applied.raw), baseDirectory: applied.baseDirectory },
  )
  const version = await record(port, applied, { actor: 'up', changes, what: 'the swarm was started with it' })
  return applyConfig(port.disk, port.dataDirectory, applied, version)
}

export const openVersions = (options: VersionsOptions): ConfigVersions => new RecordedVersions(options)
