/** Hazards that need nothing but the language: any kind of cell can be tried with them. */
export const pureHazards: Readonly<Record<string, () => unknown>> = {
  control: () => 'got what anybody may have',
  loop: () => {
    for (;;) {
      /* its thread is gone */
    }
  },
  microtasks: () => {
    const again = (): void => void Promise.resolve().then(again)
    again()
    return new Promise(() => {})
  },
  heap: () => {
    const held: number[][] = []
    for (;;) held.push(Array.from({ length: 100_000 }, () => 1.5))
  },
  buffers: () => {
    const held: Uint8Array[] = []
    for (;;) held.push(new Uint8Array(16_000_000).fill(1))
  },
  recursion: () => {
    const deeper = (depth: number): number => deeper(depth + 1) + 1
    return deeper(0)
  },
  getters: () => {
    const it: { readonly it: unknown } = {
      get it() {
        return this.it
      },
    }
    return it.it
  },
  'native-long': () => /^(a+)+$/.test(`${'a'.repeat(40)}!`),
  // An array of holes, as long as there are: who walks through it asks nobody.
  'native-blind': () => {
    const holes: unknown[] = []
    holes[2 ** 32 - 2] = 1
    return holes.join('').length
  },
  text: () => {
    const held: string[] = []
    for (let text = 'x'.repeat(1_000); ; text = `${text}${text.slice(0, 100_000_000)}`)
      held.push(`${text}${held.length}`)
  },
  numbers: () => {
    let number = 3n
    for (;;) number *= number
  },
  promises: () => {
    const flood = (): void => {
      for (;;) void new Promise((resolve) => queueMicrotask(() => resolve(1))).then(flood)
    }
    flood()
  },
  timers: () => {
    const flood = (): void => {
      for (let timer = 0; timer < 100; timer += 1) setTimeout(flood, 0)
    }
    flood()
    return new Promise(() => {})
  },
  words: () => {
    for (;;) console.log('one of many')
  },
  rejection: () => {
    void Promise.reject(new Error('nobody awaits me'))
    return new Promise(() => {})
  },
  'throw-in-timer': () => {
    setTimeout(() => {
      throw new Error('thrown in a timer')
    }, 1)
    return new Promise(() => {})
  },
  globals: () => {
    Object.defineProperty(globalThis.JSON, 'stringify', { value: () => 'patched', configurable: true, writable: true })
    Object.defineProperty(Object.prototype, 'agent', { value: 'villain/0002', configurable: true })
    return 'patched its own JSON'
  },
}
