/**
 * Does what people and rules decide about modes: one after the other, recorded first, then told to the gate and to the
 * rooms that give out work and pay.
 *
 * What becomes stricter holds here before the gate is told, so that nobody is given work whose calls are refused; what
 * becomes milder holds at the gate first. A gate that is not there is told at its next link, and its own copy is as
 * strict as before until then.
 */
import {
  agentTarget,
  modeRank,
  stricter,
  typeTarget,
  type Mode,
  type ModeScope,
  type ModeTarget,
  type SwarmConfig,
} from '../../model/model.ts'
import { Failure, type Cancel, type Clock, type Random } from '../../std/std.ts'
import { patiently, type Command, type ModeRow, type NewEvent, type Store } from '../../store/store.ts'
import type { CallsHeard, ToldMode } from '../../wire/wire.ts'
import type { Outcomes } from './decide.ts'
import type { EffectiveMode, Evidence, ModeAnswer, ModeBy, Modes, ModeSetting, Repeating, Spent } from './port.ts'
import { openRepeatWatch, repeatActor, type RepeatStep, type RepeatWatch } from './repeat-watch.ts'
import { rungs } from './repeats.ts'
import { openRules, policyOf, rowOf, type Rules, type Stepped } from './rules.ts'
import { leftOfWord, saveUntil } from './saved.ts'
import { effectiveOf, gathered, overridesOf, strictestOf, toldModes, type Settings } from './settings.ts'
import { budgetActor, parksOf, sameParks, spentTarget, stepsOf, type Parks } from './spent.ts'
import { assertKnown, isKnown, subjectOf } from './target.ts'
import { tellingOf, type Step } from './telling.ts'

export interface ModesOptions {
  readonly store: Pick<Store, 'transact' | 'read' | 'writable'>
  readonly clock: Clock
  readonly random: Random
  /** What runs now. */
  readonly config: () => Pick<SwarmConfig, 'agents' | 'channels' | 'degrade'>
  /** Resolves when the gate has written them; rejects when it could not be told now. */
  readonly tell: (modes: readonly ToldMode[]) => Promise<void>
  /** Another mode holds for somebody. */
  readonly changed: () => void
  /** Wall ms of the last work of an agent that we saw; null = none. */
  readonly progressedMs?: (agent: string) => number | null
  /** Puts an agent into quarantine; `why` null = takes it out, if it is there for that. */
  readonly quarantine?: (agent: string, why: string | null) => Promise<void>
  readonly onFault: (error: unknown) => void
}

/** No timer of the machine is longer. */
const longestTimerMs = 86_400_000

const strictestMode = (settings: readonly ModeSetting[] = []): Mode => strictestOf(settings)?.mode ?? 'active'

class ModesRoom implements Modes {
  readonly #options: ModesOptions
  readonly #persons = new Map<ModeTarget, ModeRow>()
  readonly #stepped = new Map<ModeTarget, ModeRow>()
  readonly #rules: Rules
  readonly #repeats: RepeatWatch
  readonly #openedMs: number
  readonly #decided: Stepped[] = []
  readonly #forgotten: ModeTarget[] = []
  #parks: Parks = new Map()
  #settings: Settings = new Map()
  #turn: Promise<unknown> = Promise.resolve()
  #cancel: Cancel | undefined
  #stopped = false

  constructor(options: ModesOptions, rows: readonly ModeRow[]) {
    this.#options = options
    this.#openedMs = options.clock.wallMs()
    for (const row of rows)
      if (row.source !== 'repeats') (row.source === 'person' ? this.#persons : this.#stepped).set(row.target, row)
    this.#rules = openRules({ ...options, rows: [...this.#stepped.values()] })
    const repeats = rows.filter(({ source }) => source === 'repeats')
    this.#repeats = openRepeatWatch({ ...options, rule: () => options.config().degrade.repeats, rows: repeats })
    this.#gather()
  }

  of(scope: ModeScope): EffectiveMode {
    return effectiveOf(this.#settings, scope)
  }

  list(): readonly ModeSetting[] {
    return [...this.#settings.keys()].toSorted().flatMap((target) => this.#settings.get(target)!)
  }

  told(): readonly ToldMode[] {
    return toldModes(this.#settings)
  }

  set(target: ModeTarget, mode: Mode, by: ModeBy): Promise<ModeAnswer> {
    assertKnown(this.#options.config(), target)
    if (mode === 'active' && by.forMs !== null)
      throw new Failure('invalid', '`active` takes a mode back, and that needs no end')
    return this.#inTurn(() => this.#set(target, mode, by))
  }

  heard(target: ModeTarget, evidence: Evidence): void {
    this.#outcomes(target, evidence, evidence === 'worked')
  }

  called(agents: readonly CallsHeard[]): void {
    const { types, agents: each } = this.#options.config().degrade
    const ofTypes = new Map<string, Outcomes>()
    for (const [agent, good, bad] of agents) {
      const type = agent.slice(0, agent.lastIndexOf('/'))
      const sum = ofTypes.get(type) ?? { good: 0, bad: 0 }
      ofTypes.set(type, { good: sum.good + good, bad: sum.bad + bad })
      if (each?.calls === true) this.#outcomes(agentTarget(agent), { good, bad }, bad === 0)
    }
    if (types?.calls === true) for (const [type, sum] of ofTypes) this.#outcomes(typeTarget(type), sum, sum.bad === 0)
  }

  #outcomes(target: ModeTarget, fact: Evidence | Outcomes, isGood: boolean): void {
    const watched = this.#rules.stateOf(target)
    // Nearly everything is well, and nobody remembers that of each agent.
    if (watched === undefined && isGood && target.startsWith('agent:')) return
    const stepped = this.#rules.heard(target, fact)
    if (stepped !== undefined) this.#take([stepped])
    else if (watched?.probation && this.#rules.isForgettable(target)) this.#take([], [target])
  }

  spent(spent: readonly Spent[]): void {
    const { clock, config, onFault } = this.#options
    const known = spent.filter((one) => isKnown(config(), spentTarget(one)))
    if (this.#stopped || sameParks(this.#parks, parksOf(known, this.#parks, clock.wallMs()))) return
    this.#inTurn(() => this.#park(known)).catch(onFault)
  }

  repeating(seen: readonly Repeating[]): void {
    const { config, progressedMs = () => null } = this.#options
    const known = seen.filter(({ agent }) => isKnown(config(), agentTarget(agent)))
    this.#repeated(this.#repeats.look(known, progressedMs))
  }

  #repeated(steps: readonly RepeatStep[]): void {
    if (steps.length > 0 && !this.#stopped) this.#inTurn(() => this.#takeRepeats(steps)).catch(this.#options.onFault)
  }

  reconfigured(): void {
    const { config } = this.#options
    this.#repeated(this.#repeats.unwatched())
    const unwatched = [...this.#stepped.keys()].filter((target) => policyOf(config(), target) === undefined)
    for (const target of unwatched) this.#rules.forget(target)
    this.#take([], unwatched)
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
  }

  /** Begins to look at what was to end meanwhile. */
  start(): void {
    this.reconfigured()
    this.#look()
  }

  async #set(target: ModeTarget, mode: Mode, { actor, reason, forMs }: ModeBy): Promise<ModeAnswer> {
    const { clock, store } = this.#options
    const stamp = clock.stamp()
    const wallMs = stamp.wallMs
    const row: ModeRow = {
      target,
      source: 'person',
      mode,
      reason,
      actor,
      sinceMs: wallMs,
      untilMs: forMs === null ? null : wallMs + forMs,
      state: forMs === null ? null : saveUntil(stamp, forMs),
    }
    const before = strictestMode(this.#settings.get(target))
    const facts = { target, mode, before, reason, untilMs: row.untilMs }
    const until = row.untilMs === null ? '' : ` until ${new Date(row.untilMs).toISOString()}`
    const changes: Command[] =
      mode === 'active'
        ? (['person', 'rule', 'repeats'] as const).map((source) => ({ kind: 'mode.clear', with: { target, source } }))
        : [{ kind: 'mode.put', with: row }]
    const message = `${target} is set to ${mode} by ${actor}${until}: ${reason}`
    await store.transact([
      {
        kind: 'audit.append',
        with: { wallMs, entries: [{ actor, action: 'mode.set', object: target, decision: 'done', facts }] },
      },
      ...changes,
      {
        kind: 'events.add',
        with: {
          wallMs,
          events: [
            { kind: 'mode.set', level: 'warn', subject: subjectOf(target), message, facts: { ...facts, by: actor } },
          ],
        },
      },
    ])
    if (mode === 'active') {
      this.#persons.delete(target)
      this.#stepped.delete(target)
      this.#rules.forget(target)
      this.#repeats.forget(target)
    } else this.#persons.set(target, row)
    const gate = await this.#apply()
    const settings = this.#settings.get(target) ?? []
    return { target, mode: strictestMode(settings), settings, gate }
  }

  /**
   * What rules have decided, and targets of which nothing has to be remembered any more. What comes while others are
   * being written is taken with the next: thousands may step at once.
   */
  #take(stepped: readonly Stepped[], forgotten: readonly ModeTarget[] = []): void {
    const isFirst = this.#decided.length + this.#forgotten.length === 0
    this.#decided.push(...stepped)
    this.#forgotten.push(...forgotten)
    if (isFirst) this.#inTurn(() => this.#takeAll()).catch(this.#options.onFault)
  }

  async #takeAll(): Promise<void> {
    const { store, clock } = this.#options
    const decided = this.#decided.splice(0)
    const gone = this.#forgotten.splice(0).filter((target) => this.#stepped.has(target))
    if (this.#stopped) return
    // Of several steps the last is what holds; of a rule that a person let begin anew meanwhile, none.
    const rows = decided
      .filter(({ target, step }) => this.#rules.stateOf(target)?.mode === step.to)
      .map((one) => rowOf(one, clock))
    const commands: Command[] = [
      ...rows.map((row): Command => ({ kind: 'mode.put', with: row })),
      ...gone.map((target): Command => ({ kind: 'mode.clear', with: { target, source: 'rule' } })),
      ...tellingOf(
        decided.map((one) => stepOf(one, clock)),
        'rule:degrade',
        clock.wallMs(),
      ),
    ]
    if (commands.length > 0) await patiently(store, commands)
    for (const row of rows) this.#stepped.set(row.target, row)
    for (const target of gone) this.#stepped.delete(target)
    await this.#apply()
  }

  async #expire(): Promise<void> {
    const { store, clock } = this.#options
    const stamp = clock.stamp()
    const over = [...this.#persons.values()].filter((row) => row.untilMs !== null && this.#leftMs(row) <= 0)
    if (over.length === 0) return
    const events = over.map(({ target, mode, actor }): NewEvent => ({
      kind: 'mode.expired',
      level: 'info',
      subject: subjectOf(target),
      message: `${target} is not ${mode} any more: the time that ${actor} gave it is over`,
      facts: { target, mode, by: actor },
    }))
    const { wallMs } = stamp
    await patiently(store, [
      ...over.map(({ target }): Command => ({ kind: 'mode.clear', with: { target, source: 'person' } })),
      { kind: 'events.add', with: { wallMs, events } },
      {
        kind: 'audit.append',
        with: {
          wallMs,
          entries: over.map(({ target, mode, actor }) => ({
            actor: 'sitter',
            action: 'mode.expired',
            object: target,
            decision: 'done',
            facts: { mode, by: actor },
          })),
        },
      },
    ])
    for (const { target } of over) this.#persons.delete(target)
    await this.#apply()
  }

  /** Recorded and told first; then who is to have no process loses it, and who is tried again gets one. */
  async #takeRepeats(steps: readonly RepeatStep[]): Promise<void> {
    const { store, clock, quarantine } = this.#options
    const rows = steps.map(({ target, row }): Command =>
      row === null ? { kind: 'mode.clear', with: { target, source: 'repeats' } } : { kind: 'mode.put', with: row },
    )
    await patiently(store, [...rows, ...tellingOf(steps.map(stepOfRepeat), repeatActor, clock.wallMs())])
    await this.#apply()
    for (const { agent, step } of steps)
      if (step.to === 'quarantined' || step.from === 'quarantined')
        await quarantine?.(agent, step.to === 'quarantined' ? step.why : null)
  }

  async #park(spent: readonly Spent[]): Promise<void> {
    const { clock, store } = this.#options
    const wallMs = clock.wallMs()
    const parks = parksOf(spent, this.#parks, wallMs)
    const telling = tellingOf(stepsOf(this.#parks, parks), budgetActor, wallMs)
    if (this.#stopped) return
    if (telling.length > 0) await patiently(store, telling)
    this.#parks = parks
    await this.#apply()
  }

  /** What holds is gathered anew, and everybody hears of it. */
  async #apply(): Promise<'taken' | 'unknown'> {
    const before = this.#settings
    this.#gather()
    const all = new Set([...before.keys(), ...this.#settings.keys()])
    const isStricter = [...all].some(
      (target) => modeRank[strictestMode(this.#settings.get(target))] > modeRank[strictestMode(before.get(target))],
    )
    if (isStricter) this.#options.changed()
    let gate: 'taken' | 'unknown' = 'unknown'
    try {
      await this.#options.tell(this.told())
      gate = 'taken'
    } catch {
      // It is told at its next link, before anything else.
    }
    this.#options.changed()
    this.#arm()
    return gate
  }

  #gather(): void {
    this.#settings = gathered([
      ...overridesOf(this.#options.config(), this.#openedMs),
      ...[...this.#persons.values()].map((row) => this.#asSetting(row)),
      ...this.#parks.values(),
      ...this.#repeats.settings(),
      ...[...this.#stepped.values()].filter(({ mode }) => mode !== 'active').map((row) => this.#asSetting(row)),
    ])
  }

  #asSetting({ target, source, mode, reason, actor, sinceMs, untilMs }: ModeRow): ModeSetting {
    const setting = { target, source, mode, reason, actor, sinceMs }
    if (source === 'person')
      return untilMs === null
        ? { ...setting, exit: { kind: 'owner', who: 'operator', what: `sitter mode active ${target}` } }
        : { ...setting, exit: { kind: 'time', at: untilMs } }
    const { clock } = this.#options
    const nextMs = this.#rules.stateOf(target)?.nextMs ?? clock.monoMs()
    const what = mode === 'parked' ? 'a probe' : 'it is looked at; successes end it'
    return { ...setting, exit: { kind: 'time', what, at: Math.round(clock.wallMs() + nextMs - clock.monoMs()) } }
  }

  #leftMs({ untilMs, state }: ModeRow): number {
    const stamp = this.#options.clock.stamp()
    return leftOfWord(state ?? '', stamp) ?? (untilMs ?? Infinity) - stamp.wallMs
  }

  /** Ends what has ended, and lets rules look whose time has come. */
  #look(): void {
    this.#inTurn(() => this.#expire()).catch(this.#options.onFault)
    const stepped = this.#rules.due()
    if (stepped.length > 0) return this.#take(stepped)
    // Looked at and left as it is: it has another next time.
    this.#gather()
    this.#arm()
  }

  #arm(): void {
    this.#cancel?.()
    if (this.#stopped) return
    const { clock } = this.#options
    const words = [...this.#persons.values()].filter(({ untilMs }) => untilMs !== null).map((row) => this.#leftMs(row))
    const soonestMs = Math.min(this.#rules.nextMs() - clock.monoMs(), ...words)
    if (soonestMs === Infinity) return
    this.#cancel = clock.timer(Math.min(longestTimerMs, Math.max(1, soonestMs)), () => this.#look())
  }

  #inTurn<Value>(deed: () => Promise<Value>): Promise<Value> {
    const done = this.#turn.then(deed)
    // The caller hears of a failure; the next goes on all the same.
    this.#turn = done.catch(() => undefined)
    return done
  }
}

const stepOf = ({ target, step, state }: Stepped, clock: Clock): Step => {
  const waitMs = state.nextMs === null ? null : Math.round(state.nextMs - clock.monoMs())
  const facts = { trips: state.trips, nextInMs: waitMs, probation: state.probation }
  return { target, ...step, isDown: stricter(step.from, step.to) === step.to, facts }
}

const stepOfRepeat = ({ target, step }: RepeatStep): Step => ({
  target,
  ...step,
  isDown: rungs.indexOf(step.to) > rungs.indexOf(step.from),
})

/** Reads what holds; nothing ends by its time, and no rule acts, before `start`. */
export const openModes = async (options: ModesOptions): Promise<Modes> =>
  new ModesRoom(options, await options.store.read.modes())
