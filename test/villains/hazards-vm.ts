/**
 * The villain of hazards.ts in a machine of a `vm` cell: what needs the language alone is the same; for the rest it looks
 * for anything that would let it out, by the names under which that is found elsewhere.
 */
import { defineAgent, type Context } from 'swarmsitter/agent'
import { pureHazards } from './hazards-pure.ts'

interface Ask {
  readonly hazard: string
  readonly targets: Readonly<Record<string, unknown>>
}

/** What its attempt needs, in the kinds of cells where it can be had. */
const needs: Readonly<Record<string, string>> = {
  descriptors: 'node:fs',
  'disk-fill': 'node:fs',
  'neighbour-file': 'node:fs',
  'neighbour-environment': 'node:fs',
  'record-file': 'node:fs',
  symlink: 'node:fs',
  'hard-link': 'node:fs',
  'program-write': 'node:fs',
  'system-write': 'node:fs',
  'kernel-setting': 'node:fs',
  'proc-list': 'node:fs',
  network: 'node:net',
  socket: 'node:net',
  'abstract-socket': 'node:net',
  'record-sqlite': 'node:sqlite',
  'record-attach': 'node:sqlite',
  vault: 'node:sqlite',
  exit: 'node:process',
  abort: 'node:process',
  segfault: 'node:process',
  'neighbour-kill': 'node:process',
  'sitter-signal': 'node:process',
}

const aMoment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0))
const isThere = (value: unknown): boolean => value !== undefined && value !== null
/** Every way that is known from elsewhere to what a host has. */
const waysOut = (ctx: Context): Readonly<Record<string, () => unknown>> => {
  const global = globalThis as Readonly<Record<string, unknown>>
  const maker = (from: object): FunctionConstructor => from.constructor as FunctionConstructor
  return {
    'a global process': () => global['process'],
    'a global require': () => global['require'],
    WebAssembly: () => global['WebAssembly'],
    'the function that tells its host': () => global['swarmsitterTell'],
    'process by Function': () => maker(() => 1)('return globalThis.process')(),
    'process by the maker of its context': () => maker(ctx.settle)('return globalThis.process')(),
    'process by the maker of an error of its host': async () => {
      try {
        return await ctx.fetch('no name of an upstream', '/')
      } catch (error) {
        return maker((error as object).constructor)('return globalThis.process')() as unknown
      }
    },
    'process by eval': () => (global['eval'] as (text: string) => unknown)('globalThis.process'),
  }
}

const own: Readonly<Record<string, (ctx: Context) => unknown>> = {
  escape: async (ctx) => {
    for (const [name, way] of Object.entries(waysOut(ctx))) if (isThere(await way())) return `got ${name}`
    return `refused: none of ${Object.keys(waysOut(ctx)).length} ways leads out`
  },
  pollution: async (ctx) => {
    const payload = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}') as never
    await Promise.allSettled([
      ctx.state.put('shelf', payload, 0),
      ctx.addTask(payload),
      ctx.fetch('bank', '/', payload),
    ])
    for (const object of [ctx, ctx.task, ctx.config, ctx.log, ctx.state])
      Object.defineProperty(Object.getPrototypeOf(object), 'polluted', { value: 1, configurable: true })
    return 'polluted what is inside'
  },
  snapshot: async () => {
    // Nothing that could be packed: the largest snapshot that there can be.
    const noise: Uint32Array[] = []
    let seed = 1
    for (let part = 0; part < 20; part += 1) {
      const numbers = new Uint32Array(75_000)
      for (let at = 0; at < numbers.length; at += 1) {
        seed ^= seed << 13
        seed ^= seed >>> 17
        seed ^= seed << 5
        numbers[at] = seed
      }
      noise.push(numbers)
      await aMoment()
    }
    Object.assign(globalThis, { noise })
    return 'filled itself with noise'
  },
}

export default defineAgent({
  tasks: {
    hazard: async (ctx, { hazard }: Ask) => {
      ctx.log.info('the villain begins')
      // What it does next may end its turn, and what it said is to be heard.
      await aMoment()
      try {
        const attempt = own[hazard] ?? pureHazards[hazard]
        if (attempt !== undefined) return String(await attempt(ctx))
        const name = needs[hazard] ?? 'node:child_process'
        await import(name)
        return `got ${name}`
      } catch (error) {
        return `refused: ${(error as Error).message}`
      }
    },
  },
})
