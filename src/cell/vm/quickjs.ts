/**
 * The engine quickjs-wasi: QuickJS compiled to WebAssembly, one instance with a memory of its own for each machine.
 * What holds by itself there was tried (test/cell/vm-engine.test.ts): the bound of memory, the interrupt also in
 * regular expressions and most built-in functions, the bound of the stack. What does not: a built-in function that
 * walks a huge sparse array asks nobody whether it may go on. That holds the host, whose end is its sitter's to see.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { EvalFlags, JSException, QuickJS, type JSValueHandle, type QuickJSOptions } from 'quickjs-wasi'
import {
  importOf,
  VmFailure,
  type Engine,
  type Loader,
  type Modules,
  type Thrown,
  type Vm,
  type VmFault,
  type VmPlan,
} from './port.ts'

/** Stays inside; the name is in the snapshot. */
const tellName = 'swarmsitterTell'
const mostCharacters = { message: 4_096, stack: 16_384 } as const
/**
 * Stack inside: some 800 calls deep. More, and the process's own stack (3,000 kB, see pool.ts) would end first in what
 * the parser calls, which nothing inside could catch (tried from 64,000 to 524,288).
 */
const stackBytes = 200_000
/** Of machines that only read modules. */
const linkBytes = 64_000_000

const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

/** Compiled code; the types of this project know no WebAssembly. */
type Wasm = object
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: { readonly Module: new (bytes: Uint8Array) => Wasm }
}

const cut = (text: string, most: number): string => (text.length > most ? text.slice(0, most) : text)

/** Text of a property that is plain text; a getter would run code once more. */
const plainText = (value: JSValueHandle, name: string): string | undefined => {
  let at = value.dup()
  for (let depth = 0; at.isObject && !at.isProxy && depth < 4; depth += 1) {
    using holder = at
    const own = holder.getOwnPropertyDescriptor(name)
    if (own !== undefined) {
      own.get?.dispose()
      own.set?.dispose()
      using found = own.value
      return found?.isString === true ? found.toString() : undefined
    }
    at = holder.getPrototypeOf()
  }
  return undefined
}

const readThrown = (value: JSValueHandle): Thrown => {
  if (!value.isObject) {
    const text = value.isString || value.isNumber || value.isBool ? value.toString() : value.typeof
    return { name: 'Error', message: cut(`${value.typeof} was thrown: ${text}`, mostCharacters.message) }
  }
  const stack = plainText(value, 'stack')
  return {
    name: cut(plainText(value, 'name') ?? 'Error', 200),
    message: cut(plainText(value, 'message') ?? 'an object without a message was thrown', mostCharacters.message),
    ...(stack !== undefined && { stack: cut(stack, mostCharacters.stack) }),
  }
}

/** By the engine's own words for what code inside cannot catch. */
const faultOf = ({ name, message }: Thrown): VmFault =>
  name === 'InternalError' && message === 'interrupted'
    ? 'slice'
    : name === 'InternalError' && message === 'out of memory'
      ? 'memory'
      : 'stray'

class QuickVm implements Vm {
  readonly #sliceMs: number
  readonly #modules: Modules
  #quick!: QuickJS
  #began = { wallMs: 0, cpuMs: 0 }
  #interrupted = false
  #closed = false
  /** Promises that were rejected and that nobody has looked at. */
  readonly #strays = new Map<number, Thrown>()

  constructor({ sliceMs, modules }: VmPlan) {
    this.#sliceMs = sliceMs
    this.#modules = modules
  }

  options(wasm: Wasm, { memoryBytes, modules: { sources, imports } }: VmPlan): QuickJSOptions {
    return {
      wasm,
      memoryLimit: memoryBytes,
      maxStackSize: stackBytes,
      timezoneOffset: 0,
      interruptHandler: () => this.#isOver(),
      onUnhandledRejection: (promise, reason, isHandled) => {
        if (isHandled) this.#strays.delete(promise.identity)
        else this.#strays.set(promise.identity, readThrown(reason))
      },
      moduleLoader: {
        normalize: (from, specifier) => {
          const name = imports.get(importOf(from, specifier))
          if (name === undefined) throw new Error(`${specifier} is not here: import it at the top of a module`)
          return name
        },
        load: (name) => sources.get(name)!,
      },
    }
  }

  born(quick: QuickJS, { tell }: VmPlan, isNew: boolean): this {
    this.#quick = quick
    const told = (...[text]: JSValueHandle[]): JSValueHandle => {
      if (text?.isString !== true) throw new TypeError('text is told, nothing else')
      // The engine looks only now and then whether its slice is over, and what is told takes the host's time.
      if (this.#isOver()) this.#interrupted = true
      return quick.newString(this.#interrupted ? '' : tell(text.toString()))
    }
    if (!isNew) quick.registerHostCallback(tellName, told)
    else {
      using fn = quick.newFunction(tellName, told)
      quick.setProp(quick.global, tellName, fn)
    }
    return this
  }

  begin(): void {
    const { main, sources } = this.#modules
    this.#turn(() => this.#quick.evalCode(sources.get(main)!, main, EvalFlags.TYPE_MODULE).dispose())
  }

  call(name: string, text: string): void {
    this.#turn(() => {
      using fn = this.#quick.global.getProp(name)
      using argument = this.#quick.newString(text)
      this.#quick.callFunction(fn, this.#quick.undefined, argument).dispose()
    })
  }

  snapshot(): Uint8Array {
    return QuickJS.serializeSnapshot(this.#quick.snapshot())
  }

  interrupt(): void {
    this.#interrupted = true
  }

  memory(): { readonly usedBytes: number; readonly heldBytes: number } {
    return { usedBytes: this.#quick.getAllocatedSize(), heldBytes: this.#quick._getMemory().buffer.byteLength }
  }

  close(): void {
    this.#closed = true
    try {
      this.#quick.dispose()
    } catch {
      /* a machine that crashed cannot even end; its memory goes with it */
    }
  }

  #isOver(): boolean {
    if (this.#interrupted) return true
    // The machine's own time is asked for only when it can be over: that costs a system call.
    if (performance.now() - this.#began.wallMs < this.#sliceMs) return false
    return cpuMs() - this.#began.cpuMs >= this.#sliceMs
  }

  #turn(work: () => void): void {
    if (this.#closed) throw new VmFailure('crashed', { name: 'Error', message: 'this machine is closed' })
    this.#began = { wallMs: performance.now(), cpuMs: cpuMs() }
    this.#interrupted = false
    try {
      work()
      this.#quick.executePendingJobs()
    } catch (error) {
      throw this.#asFailure(error)
    }
    const [stray] = this.#strays.values()
    this.#strays.clear()
    if (stray !== undefined) throw new VmFailure('stray', stray)
  }

  #asFailure(error: unknown): VmFailure {
    if (error instanceof JSException) {
      using handle = error.handle
      const thrown = readThrown(handle)
      return new VmFailure(faultOf(thrown), thrown)
    }
    const { name, message } = error as Error
    // The process's own stack ended, or the engine itself failed: nothing inside could catch it.
    return new VmFailure(message === 'wasm_malloc failed' ? 'memory' : 'crashed', { name, message })
  }
}

const linked = async (wasm: Wasm, entry: string, loader: Loader): Promise<void> => {
  let fault: { readonly error: unknown } | undefined
  const kept = <Value>(work: () => Value): Value => {
    try {
      return work()
    } catch (error) {
      fault ??= { error }
      throw error
    }
  }
  using quick = await QuickJS.create({
    wasm,
    memoryLimit: linkBytes,
    moduleLoader: {
      normalize: (from: string, specifier: string) => kept(() => loader.resolve(from, specifier)),
      load: (name: string) => kept(() => loader.load(name)),
    },
  })
  try {
    quick.compile(loader.load(entry), entry, EvalFlags.TYPE_MODULE)
  } catch (error) {
    throw fault === undefined ? error : fault.error
  }
}

export const quickEngine = (): Engine => {
  const bytes = readFileSync(fileURLToPath(import.meta.resolve('quickjs-wasi/quickjs.wasm')))
  const wasm = new WebAssembly.Module(bytes)
  return {
    build: `quickjs-wasi ${createHash('sha256').update(bytes).digest('hex')}`,
    create: async (plan) => {
      const vm = new QuickVm(plan)
      return vm.born(await QuickJS.create(vm.options(wasm, plan)), plan, true)
    },
    restore: async (snapshot, plan) => {
      const vm = new QuickVm(plan)
      const read = QuickJS.deserializeSnapshot(snapshot)
      return vm.born(await QuickJS.restore(read, vm.options(wasm, plan)), plan, false)
    },
    link: (entry, loader) => linked(wasm, entry, loader),
  }
}
