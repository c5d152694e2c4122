/**
 * A world for the CLI in this process: time that a test moves, streams that remember, an API that is a function, a
 * watch that is a script.
 */
import type { Surroundings, Watching } from '../../../src/doors/cli/cli.ts'
import { seeded, type Clock } from '../../../src/std/std.ts'
import { nowMs } from './documents.ts'

interface Timer {
  readonly dueMs: number
  readonly fire: () => void
}

/** Time stands still until `next` moves it to the next timer. */
export class MovedClock implements Clock {
  ms = 0
  #timers = new Set<Timer>()
  wallMs(): number {
    return nowMs + this.ms
  }
  monoMs(): number {
    return this.ms
  }
  stamp(): ReturnType<Clock['stamp']> {
    return { wallMs: this.wallMs(), monoMs: this.ms, bootId: 'fake' }
  }
  timer(delayMs: number, fire: () => void): () => void {
    const timer = { dueMs: this.ms + delayMs, fire }
    this.#timers.add(timer)
    return () => {
      this.#timers.delete(timer)
    }
  }
  /** False when nothing waits for time. */
  next(): boolean {
    const [first] = [...this.#timers].toSorted((a, b) => a.dueMs - b.dueMs)
    if (first === undefined) return false
    this.#timers.delete(first)
    this.ms = Math.max(this.ms, first.dueMs)
    first.fire()
    return true
  }
}

export interface FakeWatch {
  readonly watching: Watching
  readonly stops: number[]
  fail(error: Error): void
  end(): void
  say(level: string, message: string): void
}

export const fakeWatch = (): FakeWatch => {
  const failed = Promise.withResolvers<Error>()
  const stopped = Promise.withResolvers<void>()
  const stops: number[] = []
  let listener: Parameters<Watching['onEvent']>[0] = () => {}
  return {
    stops,
    fail: failed.resolve,
    end: stopped.resolve,
    say: (level, message) => listener({ at: nowMs, level, message }),
    watching: {
      apiUrl: 'http://127.0.0.1:7700',
      loginUrl: 'http://127.0.0.1:7700/login?code=once',
      token: 'fake',
      failed: failed.promise,
      stopped: stopped.promise,
      onEvent: (told) => {
        listener = told
      },
      stop: async (withinMs) => {
        stops.push(withinMs)
      },
    },
  }
}

export interface FakeWorld {
  readonly world: Surroundings
  readonly clock: MovedClock
  readonly out: () => string
  readonly messages: () => string
  signal(name: 'SIGINT' | 'SIGTERM'): void
  readonly asked: string[]
}

export interface FakeAsk {
  readonly files?: Readonly<Record<string, string>>
  readonly watch?: FakeWatch
  readonly env?: Readonly<Record<string, string>>
  readonly terminal?: boolean
  /** What is typed at prompts. */
  readonly typed?: string
  /** Answers `METHOD /path`; throws TypeError as fetch does when nobody listens. */
  readonly api?: (asked: string, body: string) => unknown
}

export const fakeWorld = (ask: FakeAsk): FakeWorld => {
  const clock = new MovedClock()
  const files = ask.files ?? {}
  const asked: string[] = []
  const listeners = new Map<string, Set<() => void>>()
  const written = { out: '', err: '' }
  const output = (which: 'out' | 'err'): Surroundings['stdout'] => ({
    write: (text) => {
      written[which] += text
    },
    drained: async () => {},
    closed: false,
    isTerminal: ask.terminal ?? false,
    columns: () => 100,
    rows: () => 30,
  })
  const absent = (): never => {
    throw Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' })
  }
  const world: Surroundings = {
    env: ask.env ?? {},
    directory: '/home',
    version: '0.0.0',
    program: 'sitter',
    clock,
    random: seeded(1),
    stdin: {
      isTerminal: ask.terminal ?? false,
      readAll: async () => ask.typed ?? '',
      readLine: async () => ask.typed ?? '',
      keys: () => () => {},
    },
    terminalGone: () => false,
    stdout: output('out'),
    stderr: output('err'),
    disk: {
      readText: async (path) => files[path] ?? absent(),
      readTextIfThere: async (path) => files[path],
      exists: async (path) => path in files,
      writeWhole: absent,
      append: absent,
      makeDirectory: absent,
      list: absent,
      remove: absent,
      rename: absent,
    },
    proc: {
      spawn: absent,
      startTime: () => undefined,
      killExactly: () => false,
      residentBytes: () => undefined,
      state: () => undefined,
      openFiles: () => undefined,
      oomKills: () => undefined,
      effort: () => undefined,
    },
    fetch: async (input, init) => {
      const path = `${init?.method ?? 'GET'} ${new URL(input as string).pathname}`
      asked.push(path)
      const document = ask.api?.(path, typeof init?.body === 'string' ? init.body : '')
      const status =
        (document as { code?: string; status?: number }).code === undefined
          ? 200
          : (document as { status: number }).status
      return new Response(JSON.stringify(document), { status })
    },
    onSignal: (name, listener) => {
      const set = listeners.get(name) ?? new Set()
      listeners.set(name, set.add(listener))
      return () => {
        set.delete(listener)
      }
    },
    folder: absent,
    inspect: absent,
    startDetached: absent,
    startWatch: async () => (ask.watch ?? fakeWatch()).watching,
  }
  return {
    world,
    clock,
    asked,
    out: () => written.out,
    messages: () => written.err,
    signal: (name) => {
      for (const listener of listeners.get(name) ?? []) listener()
    },
  }
}

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

/** Turns of the event loop in which everything that waits for no timer gets done. */
export const settled = async (): Promise<void> => {
  for (let index = 0; index < 10; index += 1) await turn()
}

/** Moves time until the promise has ended, or the condition holds. */
export const moveUntil = async <Value>(
  clock: MovedClock,
  promise: Promise<Value>,
  condition: () => boolean = () => false,
): Promise<Value | undefined> => {
  let value: { readonly value: Value } | undefined
  void promise.then((one) => {
    value = { value: one }
  })
  for (let moves = 0; moves < 5_000;) {
    await settled()
    if (value !== undefined) return value.value
    if (condition()) return undefined
    // Without a timer something is still being loaded: that takes turns, but no time.
    if (clock.next()) moves += 1
  }
  throw new Error('time was moved 5,000 times and nothing ended')
}
