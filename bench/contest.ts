/**
 * One contestant, one scenario, one process: opens, warms up, measures, checks that every task was delivered exactly
 * once, and prints one line of JSON. Started by rounds.ts with the ask as its only argument.
 */
import { cpuMs } from './cpu.ts'
import { payload, type Contestant, type Entry, type Open } from './contestant.ts'
import { delivery, percentile, type Delivery, type Outcome } from './figures.ts'

export type Scenario =
  | { readonly kind: 'end-to-end'; readonly inFlight: number; readonly warmMs: number; readonly measureMs: number }
  | { readonly kind: 'drain'; readonly count: number }
  | { readonly kind: 'submit'; readonly count: number; readonly inFlight: number; readonly bulk: number }
  | { readonly kind: 'latency'; readonly count: number; readonly perSecond: number }

export interface Ask extends Omit<Entry, 'done'> {
  /** Absolute path of the contestant's module. */
  readonly module: string
  readonly scenario?: Scenario
}

export interface Told {
  readonly figures: Readonly<Record<string, number>>
  readonly delivery: Delivery | null
  readonly facts: Readonly<Record<string, unknown>>
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** What was submitted, who waits for it, and when it came back. */
class Book {
  readonly outcomes: Outcome[] = []
  asked = 0
  firstMs = 0
  lastMs = 0
  firstCpuMs = 0
  readonly #waiting = new Map<number, () => void>()

  readonly done = (outcome: Outcome): void => {
    this.lastMs = performance.now()
    if (this.outcomes.length === 0) {
      this.firstMs = this.lastMs
      this.firstCpuMs = cpuMs()
    }
    this.outcomes.push(outcome)
    this.#waiting.get(outcome.n)?.()
    this.#waiting.delete(outcome.n)
  }

  /** Submits the next task; resolves when its outcome is recorded. */
  one(contestant: Contestant): Promise<void> {
    const n = this.asked
    this.asked += 1
    return new Promise((resolve, reject) => {
      this.#waiting.set(n, resolve)
      contestant.submit(payload(n)).catch(reject)
    })
  }

  async all(): Promise<void> {
    while (this.outcomes.length < this.asked) await pause(5)
  }
}

const lanes = async (count: number, lane: () => Promise<void>): Promise<void> => {
  await Promise.all(Array.from({ length: count }, lane))
}

type Figures = Readonly<Record<string, number>>
/** Of all processes, servers included. */
const cpuFigure = 'CPU µs a task'

const endToEnd = async (it: Contestant, book: Book, ask: Scenario & { kind: 'end-to-end' }): Promise<Figures> => {
  await it.work()
  const untilMs = performance.now() + ask.warmMs + ask.measureMs
  const measured = { from: 0, count: 0, cpu: 0 }
  setTimeout(() => {
    measured.from = performance.now()
    measured.count = book.outcomes.length
    measured.cpu = cpuMs()
  }, ask.warmMs)
  await lanes(ask.inFlight, async () => {
    while (performance.now() < untilMs) await book.one(it)
  })
  const tookMs = performance.now() - measured.from
  const count = book.outcomes.length - measured.count
  return { 'tasks/s': (count / tookMs) * 1_000, [cpuFigure]: ((cpuMs() - measured.cpu) / count) * 1_000 }
}

/** From the first recorded outcome to the last: starting workers is not draining. */
const drain = async (it: Contestant, book: Book, ask: Scenario & { kind: 'drain' }): Promise<Figures> => {
  for (let from = 0; from < ask.count; from += 1_000) {
    const size = Math.min(1_000, ask.count - from)
    await it.submitMany(Array.from({ length: size }, (_, index) => payload(from + index)))
  }
  book.asked = ask.count
  await it.work()
  await book.all()
  const count = ask.count - 1
  return {
    'tasks/s': (count / (book.lastMs - book.firstMs)) * 1_000,
    [cpuFigure]: ((cpuMs() - book.firstCpuMs) / count) * 1_000,
  }
}

/** Nobody works meanwhile. */
const submit = async (it: Contestant, ask: Scenario & { kind: 'submit' }): Promise<Figures> => {
  let next = 0
  const singly = async (until: number): Promise<number> => {
    const startMs = performance.now()
    const from = next
    await lanes(ask.inFlight, async () => {
      while (next < until) {
        next += 1
        await it.submit(payload(next))
      }
    })
    return ((until - from) / (performance.now() - startMs)) * 1_000
  }
  await singly(ask.count / 4)
  const single = await singly(ask.count)
  const startMs = performance.now()
  for (let from = 0; from < ask.bulk; from += 1_000) {
    await it.submitMany(Array.from({ length: 1_000 }, (_, index) => payload(next + from + index + 1)))
  }
  return { 'single/s': single, 'bulk/s': (ask.bulk / (performance.now() - startMs)) * 1_000 }
}

const latency = async (it: Contestant, book: Book, ask: Scenario & { kind: 'latency' }): Promise<Figures> => {
  await it.work()
  const tookMs: number[] = []
  const timed = async (): Promise<void> => {
    const startMs = performance.now()
    await book.one(it)
    tookMs.push(performance.now() - startMs)
  }
  for (let index = 0; index < 100; index += 1) await timed()
  tookMs.length = 0
  if (ask.perSecond === 0) for (let index = 0; index < ask.count; index += 1) await timed()
  else {
    const startMs = performance.now()
    const running: Promise<void>[] = []
    for (let index = 0; index < ask.count; index += 1) {
      await pause(Math.max(0, startMs + (index * 1_000) / ask.perSecond - performance.now()))
      running.push(timed())
    }
    await Promise.all(running)
  }
  return { 'p50 ms': percentile(tookMs, 0.5), 'p99 ms': percentile(tookMs, 0.99) }
}

const perform = (it: Contestant, book: Book, scenario: Scenario): Promise<Figures> => {
  if (scenario.kind === 'end-to-end') return endToEnd(it, book, scenario)
  if (scenario.kind === 'drain') return drain(it, book, scenario)
  if (scenario.kind === 'submit') return submit(it, scenario)
  return latency(it, book, scenario)
}

const main = async (): Promise<void> => {
  const { module, scenario, ...entry } = JSON.parse(process.argv[2]!) as Ask
  if (scenario === undefined) throw new Error('a contest needs a scenario')
  const { open } = (await import(module)) as { open: Open }
  const book = new Book()
  const contestant = await open({ ...entry, done: book.done })
  const figures = await perform(contestant, book, scenario)
  await book.all()
  const facts = await contestant.facts()
  // A second run of a task may still be under way.
  await pause(200)
  const told: Told = { figures, delivery: book.asked === 0 ? null : delivery(book.asked, book.outcomes), facts }
  await contestant.close()
  process.stdout.write(`\n${JSON.stringify(told)}\n`)
  process.exit(0)
}

await main()
