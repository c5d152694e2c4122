/**
 * The parent of gate and sitter: starts them, hears that they live, starts again what is dead or silent. It runs no
 * agent code, opens no record, holds no secret. Over a private line (descriptor 3) a program says `beat` once a second,
 * `ready {…}` once, or `failed {code, message}` when starting again cannot help; one whose progress is asked for says
 * `progress`, `idle <why>`, or `ending`. When the watch dies, the line closes and the programs end in order.
 *
 * The sitter's cells are in its process group: when the sitter dies, the group is killed before a new one starts.
 */
import { DatabaseSync } from 'node:sqlite'
import { Failure, type Child, type Clock, type Proc, type ProcessEnd } from './std/std.ts'
import { Life, lookEveryMs, type Verdict } from './watch-life.ts'

export interface Program {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** How long it may take to say `ready`; twice as long after a start that took longer. */
  readonly readyWithinMs: number
  /** Silence on the private line after which it is killed and started again. */
  readonly silentAfterMs: number
  /**
   * Beats without progress, and without a word why, after which it is killed and started again; twice as long each
   * time in a row. Absent = its progress is not asked for.
   */
  readonly idleAfterMs?: number
}
export interface WatchLine {
  readonly at: number
  readonly level: 'info' | 'warn' | 'error'
  readonly message: string
  /** A program ended without order and is started again. */
  readonly ended?: {
    readonly program: string
    /** `signal SIGKILL`, `exit code 70`. */
    readonly by: string
    readonly againInMs: number
    /** In a row, this one included. */
    readonly deaths: number
  }
}
export type ProgramChange =
  | { readonly is: 'started'; readonly program: string; readonly pid: number }
  | { readonly is: 'ready'; readonly program: string }
  | ({ readonly is: 'ended' } & NonNullable<WatchLine['ended']>)
export interface WatchOptions {
  /** Started in this order, each when the one before is ready; stopped in the reverse order. */
  readonly programs: readonly Program[]
  /** Database file whose exclusive lock is the right to be the only watch; the kernel frees it when we die. */
  readonly lockFile: string
  readonly directory: string
  readonly clock: Clock
  readonly proc: Proc
  /** Default 10 s: before SIGKILL once the time to stop is over, and after SIGKILL. */
  readonly patienceMs?: number
  onLine(program: string, stream: 'stdout' | 'stderr', line: string): void
  onEvent(line: WatchLine): void
  onChange?(change: ProgramChange): void
  /** A program that shows progress has shown it again. */
  onProgress?(program: string): void
  /** A program asked that the configuration's file be read again. */
  onReload?(): void
}
export interface Watch {
  /** What a program said with its last `ready`. */
  facts(program: string): Readonly<Record<string, unknown>>
  /** Resolves when the swarm cannot be kept up. */
  readonly failed: Promise<Error>
  /** Resolves when a program asked for the end of all (`down`). */
  readonly stopped: Promise<void>
  /** A word to a program that runs; one that does not run does not hear it. */
  tell(program: string, line: string): void
  /** Ends the programs in order; 0 = at once. */
  stop(withinMs: number): Promise<void>
}

/** Refusals of a program that starting it again cannot mend. */
const finalCodes = [
  'port-taken',
  'place-taken',
  'key-missing',
  'key-wrong',
  'vault-damaged',
  'vault-rolled-back',
  'record-newer',
  'already-running',
  'config-invalid',
  'config-unreadable',
  'conflict',
] as const

/**
 * Deaths in a row after which the watch gives up on a program that was never ready: then it is no accident. One that
 * has worked before is started again for ever, ever more slowly: its disk may be freed while nobody looks.
 */
const deathsMost = 4
const provenMs = 10_000
/**
 * A machine that is too slow, or too busy, for the time that a start may take would kill each start for ever: whoever
 * was not ready in time has twice as long, up to eight times.
 */
const mostDoublings = 3
/** For the last words of a program that lives. */
const accountMs = 1_000
const firstDelayMs = 100
const longestDelayMs = 30_000
/**
 * After the order to stop and the time that was given, before SIGKILL; and after it, before the process is left behind:
 * it runs no more of its code, but a disk that does not answer, or a debugger, may hold its body for ever.
 */
const patienceMs = 10_000

/** The exclusive right to watch this data directory. @throws Failure `already-running`. */
export const lockInstance = (file: string): { release(): void } => {
  const lock = new DatabaseSync(file, { timeout: 0 })
  try {
    lock.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE; CREATE TABLE IF NOT EXISTS held (by TEXT)')
  } catch (error) {
    lock.close()
    throw new Failure('already-running', 'another sitter runs on this data directory', { cause: error })
  }
  return { release: () => lock.close() }
}

const readFacts = (text: string): Record<string, unknown> => {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return {}
  }
}

const describeEnd = (end: ProcessEnd): string =>
  end.signal === null ? `exit code ${end.code}` : `signal ${end.signal}`

/** One program, kept alive until it is stopped. */
class Keeper {
  readonly program: Program
  readonly #options: WatchOptions
  readonly #patienceMs: number
  readonly #giveUp: (error: Error) => void
  readonly #askedDown: (withinMs: number) => void
  readonly #ready = Promise.withResolvers<void>()
  facts: Readonly<Record<string, unknown>> = {}
  #child: Child | undefined
  /** Tells the life under way that its process was killed and is not waited for any longer. */
  #leave: () => void = () => {}
  #stopping = false
  #deaths = 0
  /** How often in a row it was killed for not being ready in time. */
  #hurried = 0
  /** How often in a row it was killed for making no progress. */
  #idled = 0
  #everReady = false
  #refusal: Failure | undefined
  /** The last line on stderr that names an error: what a person wants to read when it cannot be started. */
  #lastError = ''
  #loop: Promise<void> = Promise.resolve()

  constructor(
    program: Program,
    options: WatchOptions,
    giveUp: (error: Error) => void,
    askedDown: (withinMs: number) => void,
  ) {
    this.program = program
    this.#options = options
    this.#patienceMs = options.patienceMs ?? patienceMs
    this.#giveUp = giveUp
    this.#askedDown = askedDown
  }

  /** Resolves at the first `ready`; rejects when it cannot be started. */
  start(): Promise<void> {
    this.#ready.promise.catch(() => {
      /* told to the caller of start, and through `failed` */
    })
    this.#loop = this.#keep()
    return this.#ready.promise
  }

  #tell(level: WatchLine['level'], message: string, ended?: WatchLine['ended']): void {
    const { onEvent, clock } = this.#options
    const line = { at: clock.wallMs(), level, message: `${this.program.name} ${message}` }
    onEvent(ended === undefined ? line : { ...line, ended })
  }

  async #keep(): Promise<void> {
    while (!this.#stopping) {
      const startedMs = this.#options.clock.monoMs()
      const end = await this.#liveOnce()
      if (this.#stopping) return
      if (this.#refusal) return this.#end(this.#refusal)
      this.#deaths = this.#options.clock.monoMs() - startedMs >= provenMs ? 1 : this.#deaths + 1
      if (this.#deaths > deathsMost && !this.#everReady) {
        const often = `${this.program.name} died ${this.#deaths} times in a row`
        return this.#end(new Failure('cell-start', `${often}, last by ${end} ${this.#lastError}`.trim()))
      }
      const delayMs = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(20, this.#deaths - 1))
      const ended = { program: this.program.name, by: end, againInMs: delayMs, deaths: this.#deaths }
      this.#tell('warn', `ended by ${end}; starting it again in ${delayMs} ms`, ended)
      this.#options.onChange?.({ is: 'ended', ...ended })
      await new Promise<void>((resolve) => {
        this.#options.clock.timer(delayMs, resolve)
      })
    }
  }

  #end(error: Error): void {
    this.#ready.reject(error)
    this.#giveUp(error)
  }

  /** One life from start to end; gives how it ended. */
  async #liveOnce(): Promise<string> {
    const { clock, proc, onLine, directory } = this.#options
    const { name, command, args, env } = this.program
    const life = this.#begin()
    const child = await proc.spawn({
      command,
      args,
      env,
      cwd: directory,
      ownGroup: true,
      dieWithParent: false,
      onLine: (stream, line) => {
        if (stream === 'stderr' && /error/i.test(line)) this.#lastError = line.trim().slice(0, 300)
        onLine(name, stream, line)
      },
      onPrivateLine: (line) => this.#hear(life, line),
    })
    this.#child = child
    this.#options.onChange?.({ is: 'started', program: name, pid: child.identity.pid })
    const left = Promise.withResolvers<undefined>()
    this.#leave = () => left.resolve(undefined)
    if (this.#stopping) this.#kill(child)
    let judged = false
    const look = (): void => {
      const verdict = life.look(clock.monoMs())
      if (verdict !== undefined && !judged && !this.#stopping) {
        judged = true
        this.#judge(child, verdict)
      }
      cancel = clock.timer(lookEveryMs, look)
    }
    let cancel = clock.timer(lookEveryMs, look)
    const end = await Promise.race([child.ended, left.promise])
    cancel()
    // What it left in its group (cells of a sitter) must not outlive it.
    child.killGroup('SIGKILL')
    if (end !== undefined) return describeEnd(end)
    const told = `process ${child.identity.pid} was killed but is not gone after ${this.#patienceMs} ms`
    this.#tell('error', `${told}: a disk or a debugger holds it; it runs no more and is not waited for`)
    return 'SIGKILL, but its process is not gone'
  }

  #begin(): Life {
    const { readyWithinMs, silentAfterMs, idleAfterMs } = this.program
    const times = (count: number): number => 2 ** Math.min(count, mostDoublings)
    const bounds = {
      readyWithinMs: readyWithinMs * times(this.#hurried),
      silentAfterMs,
      idleAfterMs: idleAfterMs === undefined ? null : idleAfterMs * times(this.#idled),
    }
    return new Life(bounds, this.#options.clock.monoMs())
  }

  #hear(life: Life, line: string): void {
    const { name } = this.program
    const { clock, onChange, onProgress, onReload } = this.#options
    const nowMs = clock.monoMs()
    life.heard(nowMs)
    if (line.startsWith('ready ')) {
      life.ready(nowMs)
      this.#everReady = true
      this.#hurried = 0
      this.facts = readFacts(line.slice(6))
      this.#ready.resolve()
      onChange?.({ is: 'ready', program: name })
    } else if (line.startsWith('failed ')) this.#refusal = this.#readRefusal(line.slice(7))
    else if (line === 'progress') {
      this.#idled = 0
      if (life.progress(nowMs)) this.#tell('info', 'makes progress again')
      onProgress?.(name)
    } else if (line.startsWith('idle ')) {
      const why = line.slice(5, 305)
      if (life.idle(why, nowMs)) this.#tell('error', `makes no progress: ${why}; it lives, and is not ended for that`)
    } else if (line === 'ending') life.ending(nowMs)
    else if (line === 'reload') onReload?.()
    else if (line.startsWith('down ')) this.#askedDown(Number(line.slice(5)))
  }

  #judge(child: Child, { is, why }: Verdict): void {
    if (is === 'late') this.#hurried += 1
    this.#tell('error', `${why}: killed`)
    if (is !== 'idle') return this.#kill(child)
    this.#idled += 1
    // Its loop turns: it can still say what it waits for, which nobody can see from outside.
    child.tell('account')
    this.#options.clock.timer(accountMs, () => this.#kill(child))
  }

  #kill(child: Child): void {
    child.killGroup('SIGKILL')
    const leave = this.#leave
    const cancel = this.#options.clock.timer(this.#patienceMs, leave)
    void child.ended.then(cancel)
  }

  /** What starting again cannot mend; undefined for everything that may pass (a full disk, too few descriptors). */
  #readRefusal(text: string): Failure | undefined {
    const { code, message, wayOut } = readFacts(text)
    this.#lastError = String(message).slice(0, 300)
    const final = finalCodes.find((one) => one === code)
    return (
      final &&
      new Failure(final, `${this.program.name}: ${this.#lastError}`, {
        facts: typeof wayOut === 'string' ? { wayOut } : {},
      })
    )
  }

  tell(line: string): void {
    this.#child?.tell(line)
  }

  async stop(withinMs: number): Promise<void> {
    this.#stopping = true
    const child = this.#child
    if (child) {
      if (withinMs > 0) {
        child.tell(`stop ${withinMs}`)
        const late = Promise.withResolvers<void>()
        const cancel = this.#options.clock.timer(withinMs + this.#patienceMs, late.resolve)
        await Promise.race([child.ended, late.promise])
        cancel()
      }
      this.#kill(child)
    }
    await this.#loop
  }
}

/** Starts all programs in order. Rejects, with all stopped again, when one cannot be started. */
export const startWatch = async (options: WatchOptions): Promise<Watch> => {
  const lock = lockInstance(options.lockFile)
  const failed = Promise.withResolvers<Error>()
  const stopped = Promise.withResolvers<void>()
  const keepers: Keeper[] = []
  let stopping: Promise<void> | undefined
  const stop = (withinMs: number): Promise<void> => {
    const now = withinMs === 0 ? Promise.all(keepers.map((keeper) => keeper.stop(0))) : undefined
    stopping ??= (async () => {
      for (const keeper of keepers.toReversed()) await keeper.stop(withinMs)
      lock.release()
      stopped.resolve()
    })()
    return now === undefined ? stopping : Promise.all([now, stopping]).then(() => undefined)
  }
  for (const program of options.programs) {
    const keeper = new Keeper(program, options, failed.resolve, (withinMs) => {
      void stop(withinMs)
    })
    keepers.push(keeper)
    try {
      await keeper.start()
    } catch (error) {
      await stop(0)
      throw error
    }
  }
  return {
    facts: (name) => keepers.find((keeper) => keeper.program.name === name)?.facts ?? {},
    failed: failed.promise,
    stopped: stopped.promise,
    tell: (name, line) => keepers.find((keeper) => keeper.program.name === name)?.tell(line),
    stop,
  }
}
