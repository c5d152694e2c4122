/** What agents in machines of their own do, well and badly: each task is one thing to be seen from outside. */
import { defineAgent, TaskFailure, type Context } from 'swarmsitter/agent'
import { doubled } from './vm-part.ts'

type With<Payload> = (ctx: Context, payload: Payload) => unknown
const forever = (): never => {
  for (;;);
}
let seen = 0
let kept: Promise<string> | undefined
const tasks = {
  echo: ((ctx, { text }) => ({ said: text, agent: ctx.agent })) as With<{ readonly text: string }>,
  facts: ((ctx) => ({ agent: ctx.agent, config: ctx.config, task: ctx.task, doubled: doubled(21) })) as With<unknown>,
  count: () => (seen += 1),
  say: ((ctx, { text }) => {
    ctx.log.info(text, { seen })
    console.warn('printed', text)
    ctx.progress('half')
  }) as With<{ readonly text: string }>,
  globals: () => Object.getOwnPropertyNames(globalThis).toSorted(),
  settle: ((ctx, payment) => ctx.settle(payment)) as With<never>,
  state: (async (ctx) => {
    const { version } = await ctx.state.get('shelf')
    const lock = await ctx.lock('door', 1_000)
    await lock.renew(2_000)
    return [await ctx.state.put('shelf', { a: 1 }, version), lock.fence, await lock.free()]
  }) as With<unknown>,
  fetch: (async (ctx, { path, how }) => {
    const answer = await ctx.fetch('bank', path, { method: 'POST', body: { hello: 'gate' } })
    if (how === 'text') return [answer.status, await answer.text()]
    let bytes = 0
    for await (const part of answer.body) bytes += part.length
    return [answer.status, bytes]
  }) as With<{ readonly path: string; readonly how: string }>,
  socket: (async (ctx) => ctx.socket('/bank/v1/stream')) as With<unknown>,
  wait: ((_ctx, { ms }) => new Promise((resolve) => setTimeout(() => resolve('waited'), ms))) as With<{
    readonly ms: number
  }>,
  keep: ((_ctx, { ms = 200 }) => {
    kept = new Promise((resolve) => setTimeout(() => resolve(`kept ${(seen += 1)}`), ms))
  }) as With<{ readonly ms?: number }>,
  kept: () => kept,
  abort: ((ctx) =>
    new Promise((_resolve, reject) => {
      ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error))
    })) as With<unknown>,
  fail: () => {
    throw new TaskFailure('the bank is closed', { kind: 'permanent', code: 'closed', retryAfterMs: 5 })
  },
  part: () => {
    throw new TaskFailure('two are refused', { kind: 'transient', partial: { done: [1, 2], rest: [3, 4] } })
  },
  park: ((ctx) => ctx.park('signal', 1_000)) as With<unknown>,
  loop: forever,
  microtasks: async () => {
    for (;;) await Promise.resolve()
  },
  leak: () => {
    const all: unknown[] = []
    for (;;) all.push({ number: all.length })
  },
  blind: (async (ctx) => {
    ctx.log.info('it walks')
    await new Promise((resolve) => setTimeout(resolve, 0))
    const holes: unknown[] = []
    holes[2 ** 32 - 2] = 1
    return holes.join('').length
  }) as With<unknown>,
  recursion: () => {
    const deeper = (): number => deeper() + 1
    return deeper()
  },
  stray: () => {
    void Promise.reject(new Error('nobody awaits me'))
  },
  'throw-in-timer': () => {
    setTimeout(() => {
      throw new Error('thrown in a timer')
    }, 0)
    return new Promise(() => {})
  },
  escape: (async (ctx) => ({
    process: typeof (globalThis as { process?: unknown }).process,
    // oxlint-disable-next-line typescript/no-implied-eval -- what it can reach is the question
    viaFunction: new Function('return typeof process')() as string,
    viaContext: await (ctx.fetch.constructor as FunctionConstructor)('return typeof process')(),
  })) as With<unknown>,
  large: () => 'x'.repeat(300_000),
  deep: () => {
    let deep: unknown[] = []
    for (let level = 0; level < 100; level += 1) deep = [deep]
    return deep
  },
  flood: (async (ctx) => {
    for (;;) {
      try {
        ctx.log.info('one of many')
      } catch {
        /* it goes on */
      }
    }
  }) as With<unknown>,
  timers: ((ctx) => {
    const burn = (): void => {
      const untilMs = performance.now() + 60
      while (performance.now() < untilMs);
    }
    for (let timer = 0; timer < 500; timer += 1) setTimeout(burn, 0)
    ctx.log.info('the timers are set')
    return new Promise(() => {})
  }) as With<unknown>,
  import: async () => {
    const name = 'node:fs'
    await import(name)
  },
} as const

export default defineAgent({ tasks: tasks as never, start: (ctx) => ctx.log.info('started') })
