/**
 * A virtual machine for one agent's JavaScript, and whatever engine makes them: the port, so that another engine can
 * take quickjs-wasi's place. Code inside reaches one function of ours and nothing else; text goes in, text comes out.
 */

/** Modules that belong together, read and found beforehand: nothing is looked for while code runs. */
export interface Modules {
  /** Where a machine begins. */
  readonly main: string
  readonly sources: ReadonlyMap<string, string>
  /** Of all of it. */
  readonly hash: string
  /** The name of what a module imports, by `importOf`. */
  readonly imports: ReadonlyMap<string, string>
}
export const importOf = (from: string, specifier: string): string => `${from}\n${specifier}`

export interface VmBounds {
  /** What all values inside may take. */
  readonly memoryBytes: number
  /** CPU time that one turn may take; then it is interrupted. */
  readonly sliceMs: number
}

export interface VmPlan extends VmBounds {
  /** The modules that code inside may import; others do not exist. */
  readonly modules: Modules
  /**
   * Called from inside, with text; what it returns goes back in, what it throws is thrown there. Not when the turn is
   * over that it is told in.
   */
  readonly tell: (text: string) => string
}

/**
 * What ended a turn. `slice`: it took too long; `memory`: it wanted more than it may have; `crashed`: the engine itself
 * failed. After these three a machine is not to be used any more. `stray`: an error that nobody inside caught.
 */
export type VmFault = 'slice' | 'memory' | 'crashed' | 'stray'

/** What code inside threw, as far as it can be read without running any of it. */
export interface Thrown {
  readonly name: string
  readonly message: string
  readonly stack?: string
}

export class VmFailure extends Error {
  override readonly name = 'VmFailure'
  readonly fault: VmFault
  readonly thrown: Thrown
  constructor(fault: VmFault, thrown: Thrown) {
    super(thrown.message)
    this.fault = fault
    this.thrown = thrown
  }
}

/** All verbs but `close` run code inside for one slice at most, with what it has asked the machine to do later. */
export interface Vm {
  /** Runs the main module, with what it imports. @throws VmFailure. */
  begin(): void
  /** Calls a global function with text. @throws VmFailure. */
  call(name: string, text: string): void
  /** All that is inside, also promises that wait; it goes on as it was. */
  snapshot(): Uint8Array
  /** Has the turn that runs now end as if its slice were over; for what is called from inside. */
  interrupt(): void
  /** `used` counts against the bound; `held` is what the machine has from the process. */
  memory(): { readonly usedBytes: number; readonly heldBytes: number }
  close(): void
}

export interface Engine {
  /** Names the very build: a snapshot is another build's rubbish. */
  readonly build: string
  create(plan: VmPlan): Promise<Vm>
  /** @throws Error when these bytes are no snapshot of this build. */
  restore(snapshot: Uint8Array, plan: VmPlan): Promise<Vm>
  /** Reads a module and all that it imports, and runs none of it. What `load` throws is thrown. */
  link(entry: string, loader: Loader): Promise<void>
}

export interface Loader {
  /** The name of what `from` imports as `specifier`. */
  resolve(from: string, specifier: string): string
  load(name: string): string
}
