/**
 * An agent that behaves, and does on request what agents should not. Its beats are the evidence that it was not
 * disturbed.
 */
import { openSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { defineAgent } from 'swarmsitter/agent'

interface Ask {
  readonly waitMs?: number
  readonly text?: string
}

interface Leak {
  readonly megabytes?: number
  readonly files?: number
  readonly diskMegabytes?: number
}

const kept: Buffer[] = []

export default defineAgent({
  tasks: {
    echo: async (ctx, payload: Ask) => {
      if (payload.waitMs !== undefined) await wait(payload.waitMs)
      return { agent: ctx.agent, said: payload.text ?? null, task: ctx.task, config: ctx.config, pid: process.pid }
    },
    measure: (_, payload: unknown) => Buffer.byteLength(JSON.stringify(payload)),
    throwInTimer: async () => {
      setTimeout(() => {
        throw new Error('thrown in a timer')
      }, 1)
      await wait(60_000)
    },
    throwInMicrotask: async () => {
      queueMicrotask(() => {
        throw new Error('thrown in a microtask')
      })
      await wait(60_000)
    },
    floatingPromise: async () => {
      void Promise.reject(new Error('nobody awaits me'))
      await wait(60_000)
    },
    exit: () => process.exit(3),
    die: () => {
      ;(process as unknown as { reallyExit(code: number): void }).reallyExit(3)
    },

    /** From now on the host speaks nonsense, and its link is cut. */
    garble: async () => {
      Object.defineProperty(JSON, 'stringify', { value: () => 'nonsense' })
      await wait(60_000)
    },

    loop: () => {
      for (;;) {
        /* the cell's only thread is gone */
      }
    },
    loopLater: async () => {
      await wait(5)
      for (;;) {
        /* behind an await: no frame on the stack is the agent's host's any more */
      }
    },
    /** Honest work that holds the loop, for so much CPU time. */
    crunch: (_ctx, { cpuMs = 0 }: { readonly cpuMs?: number }) => {
      const from = process.cpuUsage()
      for (;;) {
        const { user, system } = process.cpuUsage(from)
        if (user + system >= cpuMs * 1_000) return 'crunched'
      }
    },
    /** The loop goes on, and every cell-mate with it, until the memory is full. */
    leakSlowly: async () => {
      const held: number[][] = []
      for (;;) {
        for (let index = 0; index < 4; index += 1) held.push(Array.from({ length: 100_000 }, () => 1.5))
        await wait(1)
      }
    },
    /** Ends well, and leaves so much behind. */
    keep: (_ctx, { megabytes = 0, files = 0, diskMegabytes = 0 }: Leak) => {
      if (megabytes > 0) kept.push(Buffer.alloc(megabytes * 1_000_000, 1))
      for (let index = 0; index < files; index += 1) openSync('/dev/null', 'r')
      if (diskMegabytes > 0) writeFileSync(join(tmpdir(), 'left'), Buffer.alloc(diskMegabytes * 1_000_000, 1))
      return process.pid
    },
    leak: () => {
      const held: number[][] = []
      for (;;) held.push(Array.from({ length: 100_000 }, () => 1.5))
    },
    print: () => {
      console.log('printed by', 'an agent')
      console.error('and an error')
      return 'printed'
    },
    chatter: (ctx) => {
      for (let index = 0; index < 20_000; index += 1) ctx.log.info(`line ${index}`)
      return 'said'
    },
    settle: (ctx, payload: { readonly reference: string }) =>
      ctx.settle({ reference: payload.reference, payee: 'p', amount: '1.00', currency: 'XTS' }),
    swallow: async (ctx, payload: { readonly reference: string }) => {
      try {
        await ctx.settle({ reference: payload.reference, payee: 'p', amount: '1.00', currency: 'XTS' })
      } catch {
        return 'all is well'
      }
      return 'paid'
    },
    hasty: (ctx, payload: { readonly reference: string }) => {
      void ctx.settle({ reference: payload.reference, payee: 'p', amount: '1.00', currency: 'XTS' })
      return 'paid'
    },
    patient: async (ctx) => {
      ctx.progress('waiting')
      await wait(60_000, undefined, { signal: ctx.signal })
    },
    fetch: async (ctx, payload: { readonly path: string; readonly body?: unknown }) => {
      const answer = await ctx.fetch(
        'northbank',
        payload.path,
        payload.body === undefined ? {} : { method: 'POST', body: payload.body },
      )
      return { status: answer.status, json: await answer.json() }
    },
    socket: async (ctx, payload: { readonly say: readonly string[]; readonly leave?: boolean }) => {
      const socket = await ctx.socket('/northbank/v1/stream', { protocols: ['plain'] })
      for (const text of payload.say) await socket.send(text)
      const heard: unknown[] = []
      for await (const message of socket) {
        heard.push(message)
        if (heard.length === payload.say.length) break
      }
      if (payload.leave !== true) {
        socket.close(1000, 'thanks')
        heard.push(await socket.closed)
      }
      return { heard, protocol: socket.protocol }
    },
    big: () => 'x'.repeat(300_000),
    strange: () => ({ count: 12n }),
    write: (_ctx, payload: { readonly path: string }) => writeFileSync(payload.path, String(process.pid)),
  },
})
