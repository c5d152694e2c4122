/**
 * The checks of `agent check`, in their order. Each step goes on where the last one left the program; a step that needs
 * another that failed is not tried, and so one fault is told once.
 */
import { bounds, checkHello, protocolVersion } from '../../wire/wire.ts'
import { wrongHello } from './cell.ts'
import { short, type Heard } from './mailbox.ts'
import { agent, openIn, sameEnding, type Answer, type Talk } from './talk.ts'

export interface Check {
  readonly name: string
  readonly expected: string
  readonly outcome: 'passed' | 'failed' | 'warning' | 'not tested'
  /** What came, or what came instead; why it was not tested. */
  readonly found: string
}

export interface CheckWork {
  /** The task that is given to it; its own first when absent. */
  readonly task?: string | undefined
  readonly payload?: unknown
  /** The longest time for each step; what the protocol bounds by itself gets no more than that. */
  readonly withinMs: number
}

/** What the protocol gives: to end a cancelled attempt, to connect again, to answer a drain after its time. */
const graceMs = 5_000
const awayMs = 10_000
const afterwardsMs = 2_000
const drainMs = 2_000
/** What a task may take before it counts as one that lasts: looked at it while it works, and cancelled. */
const lookMs = 200
/** An answer to a ping that comes so late, and behind the end of the task, waited for the task. */
const promptMs = 500
const retryMs = 500
/** Timers of other runtimes may be so much early. */
const earlyMs = 25
/** How long an end is left unanswered, to see whether a drain waits for it. */
const holdMs = 300

/** Ends the checks: without this one nothing after it means anything. */
class Over extends Error {}

const inHand = 'the attempt in the open of ping, until its end is answered'
const toldAgain = `the same end again, ${retryMs} ms after it was refused as transient with that retryAfterMs`
const stale = 'the attempt dropped, after its end was refused as stale'
const taken = 'nothing open any more, once the end was taken'
const anew = 'on the new connection the end that had no answer, unasked'
const longer = `give --payload one that takes more than ${graceMs / 1_000} s`

interface Held {
  readonly attempt: string
  readonly epoch: number
}
const isWanted = (held: Held | null, { attempt, epoch }: Held): boolean =>
  held?.attempt === attempt && held.epoch === epoch

export class Conformance {
  readonly #start: () => Promise<Talk>
  readonly #ask: CheckWork
  readonly #onCheck: (check: Check) => void
  readonly #failed = new Set<string>()
  readonly #faults: string[] = []
  #talk!: Talk
  #tasks: readonly string[] = []
  #attempts = 0
  /** From run to end, uncancelled. */
  #tookMs = 0

  constructor(start: () => Promise<Talk>, ask: CheckWork, onCheck: (check: Check) => void) {
    this.#start = start
    this.#ask = ask
    this.#onCheck = onCheck
  }

  async all(): Promise<void> {
    this.#talk = await this.#start()
    try {
      await this.#hello()
      await this.#work()
      await this.#strange()
      await this.#cancel()
      await this.#lostLink()
      await this.#drain()
    } catch (error) {
      if (!(error instanceof Over)) throw error
      const last = [...this.#failed].at(-1)
      return this.#tell('the rest', 'the checks after this one', 'not tested', `it needs ${last}`)
    }
    this.#frames()
  }

  get #withinMs(): number {
    return this.#ask.withinMs
  }

  #tell(name: string, expected: string, outcome: Check['outcome'], found: string): void {
    this.#onCheck({ name, expected, outcome, found })
    if (outcome !== 'failed') return
    this.#failed.add(name)
    // A program that is not there fails everything, which says nothing about it.
    if (this.#talk.box.end !== null) throw new Over()
  }

  /** Undefined: passed, with what was found. */
  #verdict(name: string, expected: string, wrong: string | undefined, found: string): boolean {
    this.#tell(name, expected, wrong === undefined ? 'passed' : 'failed', wrong ?? found)
    return wrong === undefined
  }

  /** False, and told, when a check that this one needs has failed. */
  #may(name: string, expected: string, ...needs: readonly string[]): boolean {
    const missing = needs.find((need) => this.#failed.has(need))
    if (missing === undefined) return true
    this.#tell(name, expected, 'not tested', `skipped: it needs "${missing}"`)
    // What needs this one needs that one too.
    this.#failed.add(name)
    return false
  }

  #must(right: boolean): void {
    if (!right) throw new Over()
  }

  async #hello(): Promise<void> {
    const talk = this.#talk
    const beganMs = talk.nowMs()
    const came = await talk.box.until(() => talk.box.connections > 0, this.#withinMs)
    const instead = came ? undefined : talk.box.instead(beganMs)
    this.#must(this.#verdict('connect', 'a connection to SITTER_SOCKET', instead, 'connected'))
    const first = await talk.greeting(true, this.#withinMs)
    const expected = `hello first: protocol ${protocolVersion}, agents [] or its own, tasks, version, open`
    this.#must(this.#verdict('hello', expected, this.#wrongHello(first, beganMs), short(first?.frame['params'])))
    const hello = checkHello(first!.frame['params'])
    this.#tasks = hello.ok ? hello.value.tasks : []
    talk.welcome(first!)
    const pong = await talk.ping(this.#withinMs)
    const wrong = pong.right && pong.open.length === 0 ? undefined : pong.instead
    this.#verdict('challenge', 'the answer to ping: its nonce, itself in agents, nothing open', wrong, pong.instead)
    this.#task()
  }

  #wrongHello(hello: Heard | undefined, sinceMs: number): string | undefined {
    if (hello === undefined) return this.#talk.box.instead(sinceMs)
    if (hello.fault !== undefined) return hello.fault
    if (hello.frame['id'] === undefined) return 'hello must be a request with an id'
    return wrongHello(String(hello.frame['method']), hello.frame['params'], [agent])
  }

  #task(): void {
    const asked = this.#ask.task
    const expected = 'a task type in hello'
    if (asked === undefined || this.#tasks.includes(asked))
      this.#verdict('tasks', expected, this.#tasks.length > 0 ? undefined : 'tasks is empty', short(this.#tasks))
    else this.#tell('tasks', expected, 'warning', `${short(this.#tasks)} in hello do not name ${short(asked)}`)
  }

  #run(): string {
    const attempt = `att_check_${(this.#attempts += 1)}`
    this.#talk.run(attempt, { type: this.#ask.task ?? this.#tasks[0]!, payload: this.#ask.payload ?? {} })
    return attempt
  }

  async #work(): Promise<void> {
    const expected = 'done, fail or park for a task'
    if (!this.#may('run', expected, 'tasks')) return
    const talk = this.#talk
    const beganMs = talk.nowMs()
    const attempt = this.#run()
    await talk.box.until(() => talk.endingOf(attempt) !== undefined, lookMs)
    const pong = this.#failed.has('challenge') ? undefined : await talk.ping(this.#withinMs)
    const end = await talk.ending(attempt, this.#withinMs)
    this.#tookMs = (end?.atMs ?? talk.nowMs()) - beganMs
    this.#pingAtWork(pong, end)
    const wrong = end === undefined ? await this.#noEnd(attempt, beganMs) : end.fault
    this.#verdict('run', expected, wrong, `${String(end?.frame['method'])} ${short(end?.frame['params'])}`)
    await this.#inHand(attempt, pong)
    if (this.#may('told again', toldAgain, 'run')) await this.#toldAgain(attempt, end!)
    else this.#may('stale', stale, 'run')
  }

  async #noEnd(attempt: string, sinceMs: number): Promise<string> {
    const said = this.#talk.box.instead(sinceMs)
    if (this.#talk.box.end !== null || this.#failed.has('challenge')) return said
    const { open } = await this.#talk.ping(this.#withinMs)
    if (!open.includes(attempt)) return said
    return `${said}; it still has the task in hand: give --within more time, or --payload a shorter one`
  }

  #pingAtWork(pong: Answer | undefined, end: Heard | undefined): void {
    const name = 'ping at work'
    const expected = 'an answer to ping while a task is worked on'
    if (pong === undefined) return void this.#may(name, expected, 'challenge')
    const { heard, askedMs } = pong
    if (heard === undefined) return this.#tell(name, expected, 'failed', pong.instead)
    const tookMs = Math.round(heard.atMs - askedMs)
    if (end === undefined || heard.atMs < end.atMs) return this.#tell(name, expected, 'passed', `after ${tookMs} ms`)
    if (tookMs >= promptMs) {
      const found = `after ${tookMs} ms, behind the end of the task: read frames in one thread, work in another`
      return this.#tell(name, expected, 'failed', found)
    }
    const lasted = `the task ended by itself after ${Math.round(this.#tookMs)} ms; ${longer}`
    this.#tell(name, expected, 'not tested', lasted)
  }

  async #inHand(attempt: string, before: { readonly open: readonly string[] } | undefined): Promise<void> {
    if (!this.#may('in hand', inHand, 'run', 'challenge') || before === undefined) return
    const after = await this.#talk.ping(this.#withinMs)
    const lists = [before, after].every(({ open }) => open.includes(attempt))
    const found = `open was ${short(before.open)} when it had been given, ${short(after.open)} when its end was told`
    this.#verdict('in hand', inHand, lists ? undefined : found, short(after.open))
  }

  /** Told again after what may pass, then dropped after what does not. */
  async #toldAgain(attempt: string, first: Heard): Promise<void> {
    const talk = this.#talk
    const beganMs = talk.nowMs()
    talk.refuse(first, { code: 'overloaded', kind: 'transient', retryAfterMs: retryMs })
    const again = await talk.ending(attempt, retryMs + this.#withinMs)
    const afterMs = Math.round((again?.atMs ?? 0) - beganMs)
    let wrong: string | undefined
    if (again === undefined) wrong = talk.box.instead(beganMs)
    else if (!sameEnding(first, again))
      wrong = `another: ${String(again.frame['method'])} ${short(again.frame['params'])}`
    else if (afterMs < retryMs - earlyMs) wrong = `after ${afterMs} ms: too soon`
    this.#verdict('told again', toldAgain, wrong, `after ${afterMs} ms`)
    if (!this.#may('stale', stale, 'told again')) {
      // Off its hands all the same, or what follows would fail with it.
      if (again !== undefined) talk.take(again)
      return
    }
    talk.box.close(attempt)
    talk.refuse(again!, { code: 'stale', kind: 'refused' })
    await this.#dropped('stale', stale, attempt)
  }

  async #dropped(name: string, expected: string, attempt: string): Promise<void> {
    if (!this.#may(name, expected, 'challenge')) return
    const pong = await this.#talk.ping(this.#withinMs)
    const told = this.#talk.endingOf(attempt)
    let wrong = pong.right && !pong.open.includes(attempt) ? undefined : pong.instead
    if (told !== undefined) wrong = `it told the end once more: ${String(told.frame['method'])}`
    this.#verdict(name, expected, wrong, 'dropped')
  }

  /** What later versions, or nobody, will send. */
  async #strange(): Promise<void> {
    const { heard, instead } = await this.#talk.ask('check.unknown', {})(this.#withinMs)
    const code = (heard?.frame['error'] as { readonly code?: unknown } | null | undefined)?.code
    const expected = 'error -32601 in answer to a request that nobody knows'
    this.#verdict('unknown method', expected, code === -32601 ? undefined : instead, instead)
    this.#talk.box.send({ method: 'check.unknown', params: { later: true } })
    await this.#unshaken('unknown notification', 'after a notification that nobody knows')
    this.#talk.box.write('{"this is": no JSON\n')
    await this.#unshaken('no JSON', 'after a line that is no JSON')
    this.#talk.box.write(`{"jsonrpc":"2.0","method":"check.large","params":"${'x'.repeat(bounds.frameBytes)}"}\n`)
    await this.#unshaken('large line', `after a line of more than ${bounds.frameBytes} bytes`)
  }

  async #unshaken(name: string, after: string): Promise<void> {
    const expected = `an answer to the next ping, and nothing else, ${after}`
    if (!this.#may(name, expected, 'challenge')) return
    const sinceMs = this.#talk.nowMs()
    const pong = await this.#talk.ping(this.#withinMs)
    const fault = this.#talk.box.heard.find((one) => one.atMs >= sinceMs && one.fault !== undefined)?.fault
    this.#verdict(name, expected, pong.right ? fault : pong.instead, 'answered')
  }

  async #cancel(): Promise<void> {
    const ms = Math.min(graceMs, this.#withinMs)
    const expected = `an end of the attempt within ${ms} ms`
    if (!this.#may('cancel', expected, 'run')) return void this.#may('taken', taken, 'run')
    const talk = this.#talk
    const attempt = this.#run()
    const early = await talk.box.until(() => talk.endingOf(attempt) !== undefined, lookMs)
    const cancelledMs = talk.nowMs()
    talk.cancel(attempt)
    const end = await talk.ending(attempt, ms)
    const killed = `after ${graceMs} ms a sitter kills the program`
    if (end === undefined) this.#tell('cancel', expected, 'failed', `${talk.box.instead(cancelledMs)}; ${killed}`)
    else this.#heeded(expected, end, early ? undefined : end.atMs - cancelledMs)
    if (end === undefined) {
      this.#may('taken', taken, 'cancel')
      return this.#again()
    }
    talk.take(end)
    await this.#dropped('taken', taken, attempt)
  }

  /** Whether the end came of the cancel, and not by itself. */
  #heeded(expected: string, end: Heard, afterMs: number | undefined): void {
    const kind = (end.frame['params'] as { readonly error?: { readonly kind?: unknown } }).error?.kind
    const by = `${String(end.frame['method'])} after ${Math.round(afterMs ?? 0)} ms`
    const sooner = afterMs !== undefined && afterMs + lookMs < this.#tookMs * 0.8 - promptMs
    if (end.fault !== undefined) return this.#tell('cancel', expected, 'failed', end.fault)
    if (afterMs !== undefined && (kind === 'interrupted' || sooner)) return this.#tell('cancel', expected, 'passed', by)
    this.#tell('cancel', expected, 'not tested', `the task ended by itself (${by} of the cancel); ${longer}`)
  }

  /** The link is lost between an end and its answer. */
  async #lostLink(): Promise<void> {
    const ms = Math.min(awayMs, this.#withinMs)
    const expected = `within ${ms} ms a new connection, its hello with what is in hand, or the program's own end`
    if (!this.#may('lost link', expected, 'run')) return void this.#may('end after it', anew, 'run')
    const talk = this.#talk
    const attempt = this.#run()
    const ranMs = talk.nowMs()
    const end = await talk.ending(attempt, this.#withinMs)
    if (end === undefined) return this.#tell('lost link', expected, 'failed', talk.box.instead(ranMs))
    const before = talk.box.connections
    const lostMs = talk.nowMs()
    talk.box.hangUp()
    await talk.box.until(() => talk.box.connections > before, ms)
    const hello = await talk.greeting(false, ms)
    if (talk.box.end !== null) return this.#endedItself(expected, talk.box.end)
    const held = (hello?.frame['params'] as { readonly open?: unknown } | undefined)?.open
    const wanted = { attempt, epoch: talk.epoch }
    const isHeld = Array.isArray(held) && held.some((one: Held | null) => isWanted(one, wanted))
    const wrong =
      this.#wrongHello(hello, lostMs) ?? (isHeld ? undefined : `open was ${short(held)}, without ${short(wanted)}`)
    const right = this.#verdict('lost link', expected, wrong, 'connected anew')
    if (hello !== undefined) talk.welcome(hello)
    if (!right && hello === undefined) return void this.#may('end after it', anew, 'lost link')
    const again = await talk.ending(attempt, this.#withinMs)
    const other = again !== undefined && !sameEnding(end, again) ? `another end: ${short(again.frame)}` : undefined
    const found = again === undefined ? talk.box.instead(lostMs) : other
    this.#verdict('end after it', anew, found, String(again?.frame['method']))
    if (again !== undefined) talk.take(again)
  }

  async #endedItself(expected: string, end: string): Promise<void> {
    this.#onCheck({ name: 'lost link', expected, outcome: 'passed', found: `${end}, of itself` })
    this.#tell('end after it', anew, 'not tested', 'it ended itself instead, which is fine')
    await this.#again()
  }

  /** Another life, as a sitter would give it to a program that has ended, or that it has killed. */
  async #again(): Promise<void> {
    this.#collect()
    this.#talk = await this.#start()
    const beganMs = this.#talk.nowMs()
    const hello = await this.#talk.greeting(true, this.#withinMs)
    const wrong = this.#wrongHello(hello, beganMs)
    if (wrong !== undefined) this.#tell('second start', 'hello, as the first time', 'failed', wrong)
    this.#must(wrong === undefined)
    this.#talk.welcome(hello!)
  }

  async #drain(): Promise<void> {
    const withinMs = Math.min(drainMs, this.#withinMs)
    const expected = `what is in hand ended and answered, no run taken after it, then an answer, within ${withinMs} ms`
    if (!this.#may('drain', expected, 'run', 'lost link')) return
    const talk = this.#talk
    const attempt = this.#run()
    const drain = talk.ask('drain', { withinMs })
    const late = this.#run()
    const answered = drain(withinMs + afterwardsMs)
    let answer: Answer | undefined
    void answered.then((one) => (answer = one))
    await talk.box.until(() => talk.endingOf(attempt) !== undefined || answer !== undefined, withinMs + afterwardsMs)
    await talk.box.until(() => answer !== undefined, holdMs)
    const end = await talk.ending(attempt, 0)
    const heldMs = talk.nowMs()
    if (end !== undefined) talk.take(end)
    const { heard, askedMs, instead } = await answered
    const open = openIn(heard)
    const afterMs = Math.round((heard?.atMs ?? 0) - askedMs)
    let wrong: string | undefined
    if (open === undefined) wrong = instead
    else if (open.includes(late) || talk.endingOf(late) !== undefined) wrong = `it took ${late}, which came after drain`
    else if (heard!.atMs < heldMs && afterMs < withinMs / 2)
      wrong = `after ${afterMs} ms, with ${attempt} in hand (open ${short(open)})`
    else if (end !== undefined && heard!.atMs >= heldMs && open.includes(attempt)) wrong = `open was ${short(open)}`
    this.#verdict('drain', expected, wrong, `after ${afterMs} ms`)
  }

  #collect(): void {
    for (const { fault } of this.#talk.box.heard) if (fault !== undefined) this.#faults.push(fault)
  }

  #frames(): void {
    this.#collect()
    const [first] = this.#faults
    const wrong = first === undefined ? undefined : `${this.#faults.length} with a fault, first: ${first}`
    this.#tell(
      'whole frames',
      'one JSON object a line, each as the page says, all the time',
      wrong === undefined ? 'passed' : 'failed',
      wrong ?? 'nothing else',
    )
  }
}
