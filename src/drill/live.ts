/**
 * One drill on a canary of a swarm that works. The sitter says whether it may begin (never near money, not while
 * something is wrong), keeps that it did, and hears what was found; the harm is done from here, to exactly the process
 * that it named. Whatever was stopped goes on afterwards, however the drill ends.
 */
import { failure, sleep, type Clock } from '../std/std.ts'
import { isThere, processes, signal, withChildren, type Seen } from './machine.ts'
import { check, reportOf, type DrillReport } from './report.ts'

export interface LiveAsk {
  readonly clock: Clock
  readonly name: string
  /** A type, or one of its agents. */
  readonly agent: string
  readonly interrupted: AbortSignal
  get<Answer>(path: string, query?: Readonly<Record<string, string | number>>): Promise<Answer>
  post<Answer>(path: string, body: unknown): Promise<Answer>
}

interface Begun {
  readonly id: string
  readonly agent: string
  readonly type: string
  readonly cell: { readonly id: string; readonly pid: number; readonly startTime: string }
  readonly heartbeatMs: number
  readonly stuckAfterMs: number
  readonly harms: boolean
}
interface EventSeen {
  readonly seq: number
  readonly kind: string
  readonly subject: string
  readonly facts: Readonly<Record<string, unknown>>
}
interface AgentSeen {
  readonly id: string
  readonly state: string
  readonly cell: { readonly id: string; readonly pid: number; readonly startTime: string } | null
}

interface Harm {
  readonly what: string
  readonly sign?: 'SIGKILL' | 'SIGSTOP'
  /** Events that say a word about it. */
  readonly words: readonly string[]
  readonly detectWithinMs: (begun: Begun) => number
}

/** As for scratch drills: a machine that does much else is late by itself. */
const slackMs = 5_000
const lookEveryMs = 50
const recoverWithinMs = 60_000
const beats = ({ heartbeatMs }: Begun): number => 3 * heartbeatMs + slackMs

const harms: Readonly<Record<string, Harm>> = {
  kill: {
    what: 'a host of canaries is ended by SIGKILL',
    sign: 'SIGKILL',
    words: ['cell.silent', 'cell.lost'],
    detectWithinMs: () => slackMs,
  },
  stop: {
    what: 'a host of canaries is stopped by SIGSTOP',
    sign: 'SIGSTOP',
    words: ['cell.silent', 'cell.lost'],
    detectWithinMs: beats,
  },
  loop: { what: 'a canary holds its loop for ever', words: ['cell.silent', 'cell.lost'], detectWithinMs: beats },
  leak: {
    what: 'a canary fills the memory of its host',
    words: ['cell.lost', 'cell.recycling'],
    detectWithinMs: () => recoverWithinMs,
  },
  silence: {
    what: 'a canary neither ends its work nor hears that it should',
    words: ['attempt.cancelled', 'cell.lost'],
    detectWithinMs: ({ stuckAfterMs }) => stuckAfterMs + slackMs,
  },
}

export const liveDrills: readonly string[] = Object.keys(harms)

const key = ({ pid, startTime }: Pick<Seen, 'pid' | 'startTime'>): string => `${pid} ${startTime}`

class LiveDrill {
  readonly #ask: LiveAsk
  readonly #begun: Begun
  readonly #harm: Harm
  /** Who was free when it began, and is so again when it is over. */
  #idle: readonly string[] = []

  constructor(ask: LiveAsk, begun: Begun) {
    this.#ask = ask
    this.#begun = begun
    this.#harm = harms[ask.name]!
  }

  async run(): Promise<DrillReport> {
    const { clock } = this.#ask
    const { cell } = this.#begun
    const root = processes().find((one) => key(one) === key(cell))
    if (root === undefined)
      throw failure('not-allowed', `the process ${cell.pid} of ${this.#begun.agent} is not on this machine`, {
        facts: { wayOut: 'run the drill where the swarm runs, as its user' },
      })
    const tree = withChildren(root)
    const sinceSeq = (await this.#events())[0]?.seq ?? 0
    this.#idle = (await this.#canaries()).flatMap(({ id, state }) => (state === 'idle' ? [id] : []))
    const fromMs = clock.monoMs()
    try {
      const task = await this.#do(tree)
      const withinMs = this.#harm.detectWithinMs(this.#begun)
      const word = await this.#seen(() => this.#word(sinceSeq), withinMs + 10_000)
      const detectMs = word === null ? null : Math.round(clock.monoMs() - fromMs)
      const whole = await this.#seen(() => this.#isWhole(task), recoverWithinMs + withinMs)
      const recoverMs = whole === null ? null : Math.round(clock.monoMs() - fromMs)
      return await this.#report({ tree, sinceSeq, detectMs, recoverMs })
    } finally {
      // Nothing of it stays stopped, whoever did not find it.
      if (this.#harm.sign === 'SIGSTOP') signal(tree, 'SIGCONT')
    }
  }

  /** Does the harm; gives the task that does it from within. */
  async #do(tree: readonly Seen[]): Promise<string | null> {
    const { name, post, clock } = this.#ask
    const { sign } = this.#harm
    if (sign === undefined) {
      const asked = { type: 'harm', payload: { harm: name }, key: `drill-${name}-${clock.wallMs()}` }
      return (await post<{ readonly id: string }>('/api/v1/tasks', asked)).id
    }
    signal(tree, sign)
    const isDone = (): boolean => {
      const now = processes().filter((one) => tree.some((seen) => key(seen) === key(one)))
      return sign === 'SIGKILL' ? now.length === 0 : now.every(({ state }) => state === 'T')
    }
    if ((await this.#seen(async () => isDone(), 2_000)) === null)
      throw failure('not-allowed', `the processes of ${this.#begun.agent} do not take ${sign}`, {
        facts: { wayOut: 'run the drill as the user that the swarm runs as, or as root' },
      })
    return null
  }

  async #events(): Promise<readonly EventSeen[]> {
    const newest = { newestFirst: 'true', limit: 500 }
    return (await this.#ask.get<{ readonly items: readonly EventSeen[] }>('/api/v1/events', newest)).items
  }

  async #word(sinceSeq: number): Promise<EventSeen | undefined> {
    const { words, sign } = this.#harm
    const mine = new Set([this.#begun.cell.id, ...(await this.#canaries()).flatMap(({ cell }) => cell?.id ?? [])])
    return (await this.#events()).find(
      ({ seq, kind, subject }) =>
        seq > sinceSeq &&
        words.includes(kind) &&
        // From within it is any of them that takes the task.
        (sign === undefined
          ? mine.has(subject) || subject.startsWith(`${this.#begun.type}/`)
          : subject === this.#begun.cell.id),
    )
  }

  async #canaries(): Promise<readonly AgentSeen[]> {
    const path = `/api/v1/agents/${encodeURIComponent(this.#begun.type)}`
    return (await this.#ask.get<{ readonly items: readonly AgentSeen[] }>(path, { limit: 1_000 })).items
  }

  async #isWhole(task: string | null): Promise<boolean> {
    if (task !== null) {
      const { state } = await this.#ask.get<{ readonly state: { readonly state: string } }>(`/api/v1/tasks/${task}`)
      if (state.state !== 'succeeded') return false
    }
    const there = new Set(processes().map(key))
    const meant = (await this.#canaries()).filter(({ id }) => this.#idle.includes(id))
    return meant.every(({ state, cell }) => state === 'idle' && cell !== null && there.has(key(cell)))
  }

  async #report(seen: {
    readonly tree: readonly Seen[]
    readonly sinceSeq: number
    readonly detectMs: number | null
    readonly recoverMs: number | null
  }): Promise<DrillReport> {
    const { type, agent, cell } = this.#begun
    const lost = (await this.#events()).filter(({ seq, kind }) => seq > seen.sinceSeq && kind === 'cell.lost')
    const first = lost.at(-1)?.subject
    const isMeant = ({ subject }: EventSeen): boolean =>
      subject === cell.id || (this.#harm.sign === undefined && subject === first)
    // Only what the swarm ended itself is its fault: others may die of their own while a drill goes on.
    const others = lost.filter((one) => !isMeant(one) && one.facts['cause'] === 'killed-by-us')
    return reportOf({
      name: this.#ask.name,
      what: this.#harm.what,
      detectMs: seen.detectMs,
      detectWithinMs: Math.round(this.#harm.detectWithinMs(this.#begun)),
      recoverMs: seen.recoverMs,
      recoverWithinMs: recoverWithinMs + Math.round(this.#harm.detectWithinMs(this.#begun)),
      falseKills: others.length,
      doubleEffects: 0,
      leftovers: lost.some(isMeant)
        ? seen.tree.filter(isThere).map(({ pid, command }) => `${pid} ${command.slice(0, 80)}`)
        : [],
      more: [check('only a canary was harmed', agent.startsWith(`${type}/`), `${agent}, which pays nobody`)],
    })
  }

  /** Looks again until it gives something; null when the time is over. Who cannot be asked says nothing. */
  async #seen<Value>(look: () => Promise<Value | undefined | false>, withinMs: number): Promise<Value | null> {
    const { clock, interrupted } = this.#ask
    for (const endMs = clock.monoMs() + withinMs; ;) {
      const found = await look().catch(() => undefined)
      if (found !== undefined && found !== false) return found
      if (interrupted.aborted) throw failure('timed-out', 'interrupted; what was stopped goes on')
      if (clock.monoMs() >= endMs) return null
      await sleep(clock, lookEveryMs)
    }
  }
}

/** @throws Failure `not-found`, `not-allowed` or `conflict` when it may not begin: then nothing was done. */
export const runLive = async (ask: LiveAsk): Promise<{ readonly report: DrillReport; readonly agent: string }> => {
  if (!Object.hasOwn(harms, ask.name))
    throw failure('not-allowed', `the drill ${ask.name} is not for a swarm that works: it would harm all of it`, {
      facts: { wayOut: `live: ${liveDrills.join(', ')}; the others without --live, on a swarm of their own` },
    })
  const begun = await ask.post<Begun>('/api/v1/drills', { name: ask.name, agent: ask.agent })
  let report: DrillReport | undefined
  try {
    if (harms[ask.name]!.sign === undefined && !begun.harms)
      throw failure('not-found', `${begun.type} has no task type \`harm\`, by which a canary harms itself`, {
        facts: { wayOut: 'live drills that need none: kill, stop; docs/guides/drills.md shows how to have one' },
      })
    report = await new LiveDrill(ask, begun).run()
  } finally {
    const found = {
      held: report?.held ?? false,
      detectMs: report?.detectMs ?? null,
      recoverMs: report?.recoverMs ?? null,
    }
    await ask.post(`/api/v1/drills/${begun.id}/end`, found).catch(() => undefined)
  }
  return { report, agent: begun.agent }
}
