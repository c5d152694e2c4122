/**
 * Versions of the configuration: each that ran is in the record with who applied it and what it changed, and can be
 * applied again. A candidate is checked whole before anything is written; the running one stays until the process
 * begins anew.
 */
import { Failure, type Clock, type Disk } from '../std/std.ts'
import type { ConfigVersionView, Page, PageAsk, Store } from '../store/store.ts'
import { applyConfig, hashConfig, type AppliedConfig } from './applied.ts'
import { checkRaw, type LoadedConfig } from './load.ts'
import { formatChange, planChange, type ConfigChange, type ConfigPlan } from './plan.ts'
import { withoutPasswords, withPasswordsOf } from './passwords.ts'

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
   * Records the version with its audit entry, then puts it where the next start reads it. Nothing is written when it
   * changes nothing (`version` is then the newest).
   * @throws Failure `config-invalid`, `conflict` when what runs is not `base`, or when only a new start reaches it.
   */
  apply(candidate: Candidate, actor: string, base?: string): Promise<Applied>
}

export interface VersionsOptions {
  readonly store: Store
  readonly disk: Disk
  readonly clock: Clock
  readonly dataDirectory: string
  readonly running: AppliedConfig
}

const rawOf = (view: ConfigVersionView): unknown => JSON.parse(view.raw)
const hashOf = (raw: unknown): string => hashConfig(withoutPasswords(raw))

class RecordedVersions implements ConfigVersions {
  readonly #options: VersionsOptions
  /** A second apply before the restart would be planned against what does not run any more. */
  #applying = false

  constructor(options: VersionsOptions) {
    this.#options = options
  }

  get running(): AppliedConfig {
    return this.#options.running
  }

  shown(): { readonly raw: unknown; readonly hash: string } {
    return { raw: withoutPasswords(this.running.raw), hash: hashOf(this.running.raw) }
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
    return planChange(rawOf(before), rawOf(after)).changes
  }

  async check(candidate: Candidate): Promise<Checked> {
    const { raw } = await this.#load(candidate)
    return { hash: hashOf(raw), base: this.shown().hash, plan: planChange(this.running.raw, raw) }
  }

  async apply(candidate: Candidate, actor: string, base?: string): Promise<Applied> {
    const loaded = await this.#load(candidate)
    const { running } = this
    if (this.#applying) throw new Failure('conflict', 'another configuration is being applied')
    if (base !== undefined && base !== this.shown().hash)
      throw new Failure('conflict', 'another configuration runs than the one this was planned against; plan again')
    const plan = planChange(running.raw, loaded.raw)
    const hash = hashOf(loaded.raw)
    if (plan.restarts === 'none') return { version: await this.#newest(), hash, plan }
    if (plan.restarts === 'swarm') throw new Failure('conflict', plan.effects.join('; '))
    this.#applying = true
    try {
      const version = await this.record(loaded, actor, plan)
      await applyConfig(this.#options.disk, this.#options.dataDirectory, loaded)
      return { version, hash, plan }
    } catch (error) {
      this.#applying = false
      throw error
    }
  }

  /** The version with its audit entry and event; the newest one's number when it is that one. */
  async record(loaded: LoadedConfig, actor: string, plan: ConfigPlan): Promise<number> {
    const { store, clock } = this.#options
    const { file, baseDirectory } = loaded
    const raw = withoutPasswords(loaded.raw)
    const hash = hashConfig(raw)
    const wallMs = clock.wallMs()
    const changes = plan.changes.map(formatChange)
    const facts = { hash, file, changes: changes.length }
    const [added] = await store.transact([
      {
        kind: 'config.add',
        with: { version: { hash, file, baseDirectory, raw: JSON.stringify(raw), changes }, actor, wallMs },
      },
      {
        kind: 'audit.append',
        with: { wallMs, entries: [{ actor, action: 'config.apply', object: file, decision: 'allowed', facts }] },
      },
      {
        kind: 'events.add',
        with: {
          wallMs,
          events: [
            {
              kind: 'config.applied',
              level: 'info',
              subject: 'config',
              message: `${actor} applied a configuration: ${plan.effects[0] ?? 'the first one'}`,
              facts,
            },
          ],
        },
      },
    ])
    return added.ok ? added.value.version : this.#newest()
  }

  async #newest(): Promise<number> {
    return (await this.#options.store.read.configVersion(null))?.version ?? 0
  }

  async #load({ file, baseDirectory, raw: given }: Candidate): Promise<LoadedConfig> {
    const raw = withPasswordsOf(given, this.running.raw)
    return { file, baseDirectory, raw, config: await checkRaw(this.#options.disk, raw, baseDirectory, file) }
  }
}

/** Records the version that runs, when it is not the newest one already: it came by `sitter up`. */
export const openVersions = async (options: VersionsOptions): Promise<ConfigVersions> => {
  const versions = new RecordedVersions(options)
  const newest = await options.store.read.configVersion(null)
  if (newest?.hash !== versions.shown().hash)
    await versions.record(
      options.running,
      'up',
      planChange(newest === undefined ? {} : rawOf(newest), versions.shown().raw),
    )
  return versions
}
