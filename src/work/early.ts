/**
 * Waiting tasks whose reason has ended before their time. What a task waits for stands in its row; once a second, while
 * there is any, the gate is asked for how many calls each of those is open now, and the sitter's own modes for what a
 * mode forbade. So many tasks become ready, those first whose time comes first. All of it is what holds now: a message
 * that was lost, a gate or a sitter that began anew change nothing, and the task's own time wakes it at the latest.
 *
 * In lots: the gate counts what its line has room for, and what was woken has some time to get there before it is asked
 * about the same again.
 */
import type { GateLink } from '../gatelink/gatelink.ts'
import type { Mode } from '../model/model.ts'
import { every, type Clock } from '../std/std.ts'
import { patiently, type Command, type Store } from '../store/store.ts'
import { mayForbid } from './endings.ts'

const everyMs = 1_000
/** Texts that are asked about at once; what is beyond has its turn in the next seconds. */
const atOnce = 500
/** What was woken calls within this time, or finds others in its place. */
const restMs = 2_000
/** Nobody is woken sooner after it began to wait: whoever answers wrongly makes no loop. */
const leastWaitMs = 1_000
/** Of those whom a mode has forbidden something, and who go to any upstream. */
const modeLot = 200
const modePrefix = 'mode '

export interface EarlyOptions {
  readonly store: Pick<Store, 'transact' | 'writable' | 'read' | 'onCommit'>
  readonly gatelink: Pick<GateLink, 'gateId' | 'vacancies'>
  readonly clock: Clock
  readonly modeOf: (agent: string) => { readonly mode: Mode }
  /** A look failed; there is another one in a second. */
  readonly onFault: (error: unknown) => void
}
export interface Early {
  stop(): void
}

const parksFor = (command: Command): boolean =>
  command.kind === 'attempts.finish' &&
  command.with.finishes.some(({ event }) => event.event === 'park' && event.waitsFor !== undefined)

class Looks implements Early {
  readonly #options: EarlyOptions
  readonly #stop: () => void
  readonly #restsUntil = new Map<string, number>()
  /** Some may wait; the sitter before may have left any. */
  #mayWait = true
  #after = ''
  #busy = false

  constructor(options: EarlyOptions) {
    this.#options = options
    options.store.onCommit((committed) => {
      if (!this.#mayWait && committed.some(({ command }) => parksFor(command))) this.#mayWait = true
    })
    this.#stop = every(options.clock, everyMs, () => {
      if (this.#busy || !this.#mayWait) return
      this.#busy = true
      this.#look()
        .catch(options.onFault)
        .finally(() => {
          this.#busy = false
        })
    })
  }

  stop(): void {
    this.#stop()
  }

  async #look(): Promise<void> {
    const { store, clock } = this.#options
    const isWhole = this.#after === ''
    // Before the record is asked: whoever begins to wait meanwhile says so again.
    if (isWhole) this.#mayWait = false
    const names = await store.read.waitedFor(this.#after, atOnce)
    if (names.length > 0 || !isWhole) this.#mayWait = true
    this.#after = names.length < atOnce ? '' : names.at(-1)!
    const nowMs = clock.monoMs()
    for (const [name, untilMs] of this.#restsUntil) if (untilMs <= nowMs) this.#restsUntil.delete(name)
    const asked = names.filter((name) => !this.#restsUntil.has(name))
    const open = await this.#vacancies(asked)
    await this.#wake(asked.flatMap((name, at) => (open[at]! > 0 ? [{ name, limit: open[at]! }] : [])))
  }

  async #vacancies(names: readonly string[]): Promise<readonly number[]> {
    const { gatelink, modeOf } = this.#options
    const outside = names.filter((name) => !name.startsWith(modePrefix))
    // Without a gate nobody could call: all wait for their time.
    const told = outside.length === 0 || gatelink.gateId === null ? [] : await gatelink.vacancies(outside)
    const byName = new Map(outside.map((name, at) => [name, told[at] ?? 0]))
    return names.map(
      (name) => byName.get(name) ?? (mayForbid(modeOf(name.slice(modePrefix.length)).mode) ? 0 : modeLot),
    )
  }

  async #wake(open: readonly { readonly name: string; readonly limit: number }[]): Promise<void> {
    if (open.length === 0) return
    const { store, clock } = this.#options
    const wallMs = clock.wallMs()
    const sinceMs = wallMs - leastWaitMs
    const results = await patiently(
      store,
      open.map(
        ({ name, limit }) => ({ kind: 'tasks.open', with: { waitsFor: name, sinceMs, limit, wallMs } }) as const,
      ),
    )
    const untilMs = clock.monoMs() + restMs
    for (const [at, result] of results.entries())
      if (result.ok && result.value.ready > 0) this.#restsUntil.set(open[at]!.name, untilMs)
  }
}

/** Begins to look at once. */
export const openEarly = (options: EarlyOptions): Early => new Looks(options)
