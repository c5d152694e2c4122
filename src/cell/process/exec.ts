/**
 * The seat of an exec agent: nothing runs in it until there is work, then one process for that task. Payload on stdin,
 * result on stdout, log on stderr; its end is told as an agent would tell it, until the sitter has taken it.
 *
 *   idle ─ run ─▶ running ─ ended ─▶ telling ─ taken ─▶ idle
 *                    └─ cancel, unseat, drain over: SIGTERM to its group, SIGKILL after 2 s
 */
import type { Mode } from '../../model/model.ts'
import { asFailure, failure, JsonText, type Clock, type Disk, type ProcessIdentity } from '../../std/std.ts'
import { bounds, type CancelRun, type Drain, type Frame, type Ping, type Pong, type Run } from '../../wire/wire.ts'
import { removeHome } from '../home.ts'
import type { Cell, CellEvents, CellPlan } from '../port.ts'
import { wayOf } from './bridged.ts'
import type { WalledChild, Walls } from '../walls.ts'
import { startProgram, type ProgramPorts } from './program.ts'
import { execEnding, type ExecEnding } from './verdict.ts'

const killAfterMs = 2_000
/** After its leader's end the group is killed: who still holds its stdout has left the group and is not waited for. */
const outputWithinMs = 1_000
const lastErrors = { lines: 20, characters: 400 } as const
/** A line on stderr is progress; so often it is said. */
const beatEveryMs = 1_000
const firstRetryMs = 500
const longestRetryMs = 10_000
const disowned: ReadonlySet<string> = new Set(['stale', 'not-found', 'not-your-agent'])

interface Task {
  readonly run: Run
  child: WalledChild | null
  stopped: string | null
  /** Its end is not told: the sitter stops, and gives it back without cost. */
  silent: boolean
  readonly over: PromiseWithResolvers<void>
}

const payloadText = ({ payload }: Run): string =>
  payload instanceof JsonText ? payload.text : JSON.stringify(payload ?? null)

export class ExecCell implements Cell {
  readonly id: string
  readonly identity = null
  readonly pendingBytes = 0
  readonly #plan: CellPlan
  readonly #clock: Clock
  readonly #disk: Disk
  readonly #ports: ProgramPorts
  readonly #walls: Walls
  readonly #events: CellEvents
  /** By attempt: at most one an agent, the fleet gives no more. */
  readonly #tasks = new Map<string, Task>()
  /** By agent; the next process is told. */
  readonly #modes: Map<string, Mode>
  #over = false

  constructor(
    plan: CellPlan,
    ports: ProgramPorts & { readonly clock: Clock; readonly disk: Disk; readonly walls: Walls },
    events: CellEvents,
  ) {
    this.id = plan.id
    this.#plan = plan
    this.#clock = ports.clock
    this.#disk = ports.disk
    this.#ports = ports
    this.#walls = ports.walls
    this.#events = events
    this.#modes = new Map(plan.seats.map(({ agent, mode }) => [agent, mode]))
  }

  processOf(agent: string): ProcessIdentity | null {
    return [...this.#tasks.values()].find(({ run }) => run.agent === agent)?.child?.identity ?? null
  }

  send(frames: readonly Frame[]): void {
    for (const frame of frames) if ('method' in frame) this.#take(frame.method, frame.params)
  }

  async ask(method: string, params: unknown): Promise<unknown> {
    if (this.#over) throw failure('cell-lost', `the seat ${this.id} is gone`)
    if (method === 'ping') return this.#pong((params as Ping).nonce)
    return this.#drain((params as Drain).withinMs)
  }

  kill(why: string): void {
    if (this.#over) return
    this.#over = true
    const tasks = [...this.#tasks.values()]
    for (const { child } of tasks) child?.killGroup('SIGKILL')
    void this.#gone(tasks, why)
  }

  async #gone(tasks: readonly Task[], why: string): Promise<void> {
    await Promise.all(tasks.flatMap(({ child }) => child?.ended ?? []))
    let detail = why
    try {
      await this.#walls.close()
      await removeHome(this.#disk, this.#plan)
    } catch (error) {
      detail += `; something of it stays: ${(error as Error).message}`
    }
    this.#events.gone({ cause: 'killed-by-us', detail, end: null })
  }

  #pong(nonce: string): Pong {
    const open = [...this.#tasks.values()].map(({ run: { agent, attempt } }) => ({ agent, attempt }))
    return { nonce, agents: this.#plan.seats.map((seat) => seat.agent).toSorted(), open }
  }

  #take(method: string, params: unknown): void {
    if (method === 'run') void this.#run(params as Run)
    if (method === 'mode') {
      const { agent, mode } = params as { readonly agent: string; readonly mode: Mode }
      this.#modes.set(agent, mode)
    }
    if (method !== 'cancel') return
    const { attempt, reason } = params as CancelRun
    const task = this.#tasks.get(attempt)
    if (task !== undefined) this.#stop(task, reason)
  }

  #stop(task: Task, why: string): void {
    if (task.stopped !== null) return
    task.stopped = why
    task.child?.killGroup('SIGTERM')
    const cancel = this.#clock.timer(killAfterMs, () => task.child?.killGroup('SIGKILL'))
    void task.over.promise.then(cancel)
  }

  async #drain(withinMs: number): Promise<Pick<Pong, 'open'>> {
    const tasks = [...this.#tasks.values()]
    const cancel = this.#clock.timer(withinMs, () => {
      for (const task of this.#tasks.values()) {
        task.silent = task.stopped === null
        this.#stop(task, 'the sitter stops')
      }
    })
    await Promise.all(tasks.map((task) => task.over.promise))
    cancel()
    return { open: tasks.filter(({ silent }) => silent).map(({ run: { agent, attempt } }) => ({ agent, attempt })) }
  }

  #environment({ agent, attempt, task, key, number, deadline }: Run): Readonly<Record<string, string>> {
    return {
      ...this.#plan.env,
      ...this.#plan.proxy?.placeholders,
      SITTER_GATE: this.#walls.gateSocket,
      SITTER_TASK: task,
      SITTER_ATTEMPT: attempt,
      SITTER_AGENT: agent,
      SITTER_KEY: key,
      SITTER_NUMBER: String(number),
      // Whoever is not known to be anything may do nothing.
      SITTER_MODE: this.#modes.get(agent) ?? 'parked',
      ...(deadline === null ? {} : { SITTER_DEADLINE: String(deadline) }),
    }
  }

  async #run(run: Run): Promise<void> {
    if (this.#over || this.#tasks.has(run.attempt)) return
    const task: Task = { run, child: null, stopped: null, silent: false, over: Promise.withResolvers() }
    this.#tasks.set(run.attempt, task)
    const ending = await this.#perform(task)
    if (!task.silent) await this.#tell(run, ending)
    this.#tasks.delete(run.attempt)
    task.over.resolve()
  }

  async #perform(task: Task): Promise<ExecEnding> {
    const chunks: Uint8Array[] = []
    const errors: string[] = []
    let bytes = 0
    let beatMs = -Infinity
    const onOutput = (chunk: Uint8Array): void => {
      bytes += chunk.length
      if (bytes <= bounds.frameBytes) chunks.push(chunk)
    }
    const onLine = (_stream: 'stdout' | 'stderr', line: string): void => {
      errors.push(line.slice(0, lastErrors.characters))
      if (errors.length > lastErrors.lines) errors.shift()
      this.#events.line('stderr', line)
      const nowMs = this.#clock.monoMs()
      if (nowMs - beatMs < beatEveryMs) return
      beatMs = nowMs
      this.#events.frame('beat', { agent: task.run.agent, progress: line.slice(0, 200) }, () => {})
    }
    try {
      const child = await startProgram(this.#ports, {
        walled: this.#walls.wrap({
          words: this.#plan.run.exec!,
          directory: this.#plan.run.directory!,
          through: wayOf(this.#plan),
        }),
        walls: this.#walls,
        env: this.#environment(task.run),
        onLine,
        output: { input: `${payloadText(task.run)}\n`, onOutput },
      })
      task.child = child
      // Told to stop, or the seat gone, while it was being started.
      if (this.#over || task.stopped !== null) child.killGroup('SIGKILL')
      const end = await child.ended
      task.child = null
      await this.#outputRead(child)
      const { stopped } = task
      const tooMuch = bytes > bounds.frameBytes
      return execEnding({ end, output: Buffer.concat(chunks), tooMuch, errors: errors.join('\n'), stopped })
    } catch (error) {
      const { code, message } = asFailure(error)
      return { method: 'fail', params: { error: { name: 'NotStarted', message, code, kind: 'transient' } } }
    }
  }

  #outputRead(child: WalledChild): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.timer(outputWithinMs, resolve)
      void child.closed.then(() => {
        cancel()
        resolve()
      })
    })
  }

  /** Tells an ending until the sitter has taken it, or has said that it is not ours to tell. */
  async #tell({ agent, attempt }: Run, ending: ExecEnding): Promise<void> {
    for (let delayMs = firstRetryMs; !this.#over; delayMs = Math.min(delayMs * 2, longestRetryMs)) {
      const refusal = await new Promise<unknown>((resolve) => {
        this.#events.frame(ending.method, { agent, attempt, ...ending.params }, (reply) => {
          resolve('error' in reply ? reply.error : null)
        })
      })
      if (refusal === null) return
      const { code, kind, message, retryAfterMs } = asFailure(refusal)
      const passes = kind === 'transient' || kind === 'unknown' || retryAfterMs !== undefined
      if (disowned.has(code) || (!passes && ending.method === 'fail')) return
      if (!passes) {
        const error = { name: 'ResultRefused', message, code, kind: 'permanent' }
        return this.#tell({ agent, attempt } as Run, { method: 'fail', params: { error } })
      }
      const waitMs = Math.max(delayMs, retryAfterMs ?? 0)
      await new Promise<void>((resolve) => {
        this.#clock.timer(waitMs, resolve)
      })
    }
  }
}
