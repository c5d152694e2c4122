/** What any engine of `vm` cells keeps: run against each. */
import { describe, expect, it } from 'vitest'
import { VmFailure, type Engine, type Modules, type Vm, type VmPlan } from '../../src/cell/vm/port.ts'

const modulesOf = (source: string, more: Readonly<Record<string, string>> = {}): Modules => ({
  main: 'main',
  hash: 'any',
  sources: new Map([['main', source], ...Object.entries(more)]),
  imports: new Map(Object.keys(more).map((name) => [`main\n${name}`, name])),
})

/** Evaluates what it is given. */
const asked = 'globalThis.hear = (text) => void (0, eval)(text)'

export const vmConformance = (name: string, engine: Engine): void => {
  const told: string[] = []
  const planOf = (modules: Modules, change: Partial<VmPlan> = {}): VmPlan => ({
    memoryBytes: 8_000_000,
    sliceMs: 100,
    modules,
    tell: (text) => {
      told.push(text)
      return `heard ${text}`
    },
    ...change,
  })
  const begun = async (change: Partial<VmPlan> = {}, source = asked): Promise<Vm> => {
    told.length = 0
    const vm = await engine.create(planOf(modulesOf(`globalThis.tell = swarmsitterTell; ${source}`), change))
    vm.begin()
    return vm
  }
  const faultOf = (work: () => void): VmFailure => {
    try {
      work()
    } catch (error) {
      if (error instanceof VmFailure) return error
      throw error
    }
    throw new Error('nothing went wrong')
  }
  const say = (vm: Vm, code: string): string => {
    vm.call('hear', `tell(String(${code}))`)
    return told.at(-1)!
  }

  describe(`${name} is an engine of machines`, () => {
    it('runs a module with what it imports, and tells text to its host', async () => {
      told.length = 0
      const source = "import { two } from 'part'; globalThis.answer = swarmsitterTell(String(two * 21))"
      const vm = await engine.create(planOf(modulesOf(source, { part: 'export const two = 2' })))
      vm.begin()
      expect(told).toEqual(['42'])
      vm.close()
    })

    it('does later, in the same turn, what a promise asked for', async () => {
      const vm = await begun()
      vm.call('hear', "Promise.resolve('later').then((word) => tell(word)); tell('now')")
      expect(told).toEqual(['now', 'later'])
      vm.close()
    })

    it.each([
      ['an endless loop', 'for (;;);'],
      ['endless microtasks', '(async () => { for (;;) await null })()'],
      ['a regular expression without end', '/^(a+)+$/.test("a".repeat(40) + "b")'],
      ['a walk through what is not there', 'new Array(4294967295).indexOf(1)'],
      ['a loop that catches everything', 'for (;;) { try { for (;;); } catch {} finally { continue } }'],
    ])('interrupts %s after its slice', async (_what, code) => {
      const vm = await begun({ sliceMs: 50 })
      const beganMs = performance.now()
      expect(faultOf(() => vm.call('hear', code)).fault).toBe('slice')
      expect(performance.now() - beganMs).toBeGreaterThanOrEqual(50)
      vm.close()
    })

    it('interrupts the turn that runs when its host says so', async () => {
      const vm: Vm = await engine.create(
        planOf(modulesOf(`globalThis.tell = swarmsitterTell; ${asked}`), {
          sliceMs: 60_000,
          tell: () => {
            vm.interrupt()
            return ''
          },
        }),
      )
      vm.begin()
      expect(faultOf(() => vm.call('hear', 'tell(""); for (;;);')).fault).toBe('slice')
      vm.close()
    })

    it.each([
      ['objects', 'const all = []; for (;;) all.push({ number: all.length })'],
      ['an array', 'new Array(100_000_000).fill(0)'],
      ['text', 'let text = "x".repeat(1_000_000); const all = []; for (;;) all.push(text + all.length)'],
      ['buffers', 'const all = []; for (;;) all.push(new Uint8Array(1_000_000).fill(1))'],
      ['what catches it', 'const all = []; try { for (;;) all.push([1, 2, 3]) } catch {} tell("caught")'],
    ])('bounds the memory of %s', async (_what, code) => {
      const vm = await begun({ sliceMs: 5_000 })
      expect(faultOf(() => vm.call('hear', code)).fault).toBe('memory')
      expect(told).toEqual([])
      expect(vm.memory().heldBytes).toBeLessThan(8_000_000 * 1.5 + 2_000_000)
      vm.close()
    })

    it.each([
      ['calls', 'const deeper = () => deeper() + 1; try { deeper() } catch (error) { tell(error.name) }'],
      ['getters', 'const it = { get it() { return this.it } }; try { it.it } catch (error) { tell(error.name) }'],
      [
        'text of itself',
        'const it = { toString() { return `${this}` } }; try { `${it}` } catch (error) { tell(error.name) }',
      ],
    ])('ends deep recursion of %s as an error inside', async (_what, code) => {
      const vm = await begun()
      vm.call('hear', code)
      expect(told).toEqual(['RangeError'])
      expect(say(vm, '1 + 1')).toBe('2')
      vm.close()
    })

    it('never lets what goes too deep end more than the machine', async () => {
      const vm = await begun({ sliceMs: 5_000 })
      for (const code of ['[', '(', '{a:'].map((open) => `eval(${JSON.stringify(open)}.repeat(200_000))`))
        try {
          vm.call('hear', `try { ${code} } catch {}`)
        } catch (error) {
          expect(error).toBeInstanceOf(VmFailure)
        }
      vm.close()
      expect(say(await begun(), '1 + 1')).toBe('2')
    })

    it('tells an error that nobody inside caught, with its words', async () => {
      const vm = await begun()
      const { fault, thrown } = faultOf(() => vm.call('hear', "throw new TypeError('not so')"))
      expect([fault, thrown.name, thrown.message]).toEqual(['stray', 'TypeError', 'not so'])
      const stray = faultOf(() => vm.call('hear', "void Promise.reject(new Error('nobody awaits me'))"))
      expect([stray.fault, stray.thrown.message]).toEqual(['stray', 'nobody awaits me'])
      vm.call('hear', "Promise.reject(new Error('caught')).catch(() => {})")
      vm.close()
    })

    it('reads what was thrown without running code of it', async () => {
      const vm = await begun()
      const traps = ['throw { get message() { for (;;); } }', 'throw new Proxy({}, { get() { for (;;); } })', 'throw 7']
      for (const code of traps) expect(faultOf(() => vm.call('hear', code)).fault).toBe('stray')
      vm.close()
    })

    it('has nothing of the process inside', async () => {
      const vm = await begun()
      const names = ['process', 'require', 'fetch', 'WebAssembly', 'Buffer', 'Deno', 'std', 'os', 'Worker', 'module']
      expect(say(vm, `${JSON.stringify(names)}.filter((name) => name in globalThis)`)).toBe('')
      expect(say(vm, "Function('return typeof process')()")).toBe('undefined')
      vm.call('hear', "import('node:fs').catch((error) => tell(error.message))")
      expect(told.at(-1)).toContain('node:fs is not here')
      vm.close()
    })

    it('cannot be reached through what its host tells it', async () => {
      const vm = await begun()
      vm.call('hear', 'tell(String(tell("x").constructor === String))')
      expect(told.at(-1)).toBe('true')
      vm.call('hear', 'Object.prototype.polluted = 1; tell.__proto__.polluted = 1')
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
      vm.close()
    })

    it('goes on from a snapshot as it was, with promises that wait', async () => {
      const vm = await begun()
      vm.call('hear', 'globalThis.waits = new Promise((resolve) => (globalThis.go = () => resolve(7)))')
      vm.call('hear', 'waits.then((value) => tell(`woke with ${value}`)); globalThis.count = 41')
      const snapshot = vm.snapshot()
      expect(say(vm, '(count += 1)')).toBe('42')
      vm.close()
      const again = await engine.restore(snapshot, planOf(modulesOf(asked)))
      expect(say(again, '(count += 1)')).toBe('42')
      again.call('hear', 'go()')
      expect(told.at(-1)).toBe('woke with 7')
      again.close()
    })

    it('keeps the bounds of a machine that goes on from a snapshot', async () => {
      const vm = await begun()
      const snapshot = vm.snapshot()
      vm.close()
      const plan = planOf(modulesOf(asked), { sliceMs: 50 })
      const looping = await engine.restore(snapshot, plan)
      expect(faultOf(() => looping.call('hear', 'for (;;);')).fault).toBe('slice')
      looping.close()
      const leaking = await engine.restore(snapshot, { ...plan, sliceMs: 5_000 })
      expect(faultOf(() => leaking.call('hear', 'const all = []; for (;;) all.push({})')).fault).toBe('memory')
      leaking.close()
      const stray = await engine.restore(snapshot, plan)
      expect(faultOf(() => stray.call('hear', "void Promise.reject(new Error('still told'))")).fault).toBe('stray')
      stray.close()
    })

    it('refuses what is no snapshot', async () => {
      await expect(engine.restore(new Uint8Array(100).fill(7), planOf(modulesOf(asked)))).rejects.toThrow()
      await expect(engine.restore(new Uint8Array(), planOf(modulesOf(asked)))).rejects.toThrow()
    })

    it('reads modules without running them', async () => {
      const loaded: string[] = []
      const loader = {
        resolve: (from: string, specifier: string) => `${from}>${specifier}`,
        load: (name: string) => {
          loaded.push(name)
          return name === 'main' ? "import 'a'; import 'b'; throw new Error('it ran')" : ''
        },
      }
      await engine.link('main', loader)
      expect(loaded.toSorted()).toEqual(['main', 'main>a', 'main>b'])
      const refusal = new Error('no such thing')
      const refusing = (): never => {
        throw refusal
      }
      await expect(engine.link('main', { ...loader, resolve: refusing })).rejects.toBe(refusal)
      await expect(engine.link('main', { ...loader, load: () => 'let a: number' })).rejects.toThrow()
    })

    it('says how much memory is used, and by what build', async () => {
      const vm = await begun()
      const before = vm.memory().usedBytes
      vm.call('hear', 'globalThis.kept = new Uint8Array(3_000_000)')
      expect(vm.memory().usedBytes - before).toBeGreaterThan(2_900_000)
      expect(engine.build).toMatch(/\w+ [0-9a-f]{64}$/)
      vm.close()
      expect(faultOf(() => vm.call('hear', '1')).fault).toBe('crashed')
    })
  })
}
