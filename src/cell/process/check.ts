/**
 * Does a program speak the agent protocol? Starts it in a scratch cell without a swarm and plays its sitter, word for
 * word as docs/protocol.md says it. Each check says what was expected and what came.
 */
import { isAbsolute, join, resolve } from 'node:path'
import { failure, type Clock, type Disk, type Proc } from '../../std/std.ts'
import { realNet } from '../../std/real/real.ts'
import { bounds, checkDone, checkFail, checkHello, checkPark, protocolVersion } from '../../wire/wire.ts'
import { wrongHello } from './cell.ts'
import { startPeer, type Peer, type Said } from './peer.ts'
import { openReaper } from './reaper.ts'

export interface Check {
  readonly name: string
  readonly expected: string
  readonly ok: boolean
  /** What came instead, or what came. */
  readonly found: string
}

export interface CheckAsk {
  readonly command: readonly string[]
  /** Absolute; where the program is started. */
  readonly directory: string
  /** Absolute; a new directory is made in it, and removed. */
  readonly scratchIn: string
  /** The task that is given to it; its own first when absent. */
  readonly task?: string | undefined
  readonly payload?: unknown
  /** The time it has for each step, beside what the protocol bounds by itself. */
  readonly withinMs: number
  readonly onCheck: (check: Check) => void
  readonly onLine: (stream: 'stdout' | 'stderr', line: string) => void
}
export interface CheckPorts {
  readonly clock: Clock
  readonly proc: Proc
  readonly disk: Disk
  readonly env: Readonly<Record<string, string | undefined>>
}

const agent = 'check/0001'
const graceMs = 5_000
const awayMs = 10_000
const drainMs = 2_000

type Outcome = readonly [ok: boolean, found: string]
/** Ends the checks: without this one nothing after it means anything. */
class Over extends Error {}

const short = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}
const nothing = (peer: Peer): string => peer.end() ?? 'nothing came in time'

const isEnding = (frame: Said, attempt: string): boolean =>
  (frame['method'] === 'done' || frame['method'] === 'fail' || frame['method'] === 'park') &&
  (frame['params'] as Said | undefined)?.['attempt'] === attempt

/** What is wrong with an ending, or undefined. */
const wrongEnding = (frame: Said): string | undefined => {
  const { method, params, id } = frame
  if (typeof id !== 'number' && typeof id !== 'string') return `${String(method)} must be a request with an id`
  const checked = method === 'done' ? checkDone(params) : method === 'fail' ? checkFail(params) : checkPark(params)
  if (!checked.ok) return `${String(method)}: ${checked.message}`
  return checked.value.agent === agent ? undefined : `it speaks for ${checked.value.agent}, not for ${agent}`
}

/** One run of all checks; a class, because each step goes on where the last one left the program. */
class Conformance {
  readonly #peer: Peer
  readonly #ask: CheckAsk
  readonly checks: Check[] = []
  #tasks: readonly string[] = []
  #asked = 0
  #attempts = 0

  constructor(peer: Peer, ask: CheckAsk) {
    this.#peer = peer
    this.#ask = ask
  }

  async all(): Promise<void> {
    await this.#hello()
    await this.#challenge('challenge', 'the answer to ping: its nonce, itself in agents, nothing open')
    await this.#work()
    await this.#strange()
    await this.#cancel()
    await this.#drain()
    await this.#lostLink()
    const { broken } = this.#peer
    this.#tell('whole frames', 'one JSON object a line, all the time', [
      broken.length === 0,
      broken.length === 0 ? 'nothing else' : `${broken.length} were refused, first ${broken[0]}`,
    ])
  }

  #tell(name: string, expected: string, [ok, found]: Outcome): boolean {
    const check = { name, expected, ok, found }
    this.checks.push(check)
    this.#ask.onCheck(check)
    return ok
  }

  async #hello(): Promise<void> {
    const peer = this.#peer
    const connected = await peer.until(() => peer.connections() > 0, this.#ask.withinMs)
    if (!this.#tell('connect', 'a connection to SITTER_SOCKET', [connected, connected ? 'connected' : nothing(peer)]))
      throw new Over()
    const first = await peer.next(() => true, this.#ask.withinMs)
    const expected = `hello first: protocol ${protocolVersion}, agents [] or its own, tasks, version, open`
    const wrong = first === undefined ? nothing(peer) : wrongHello(String(first['method']), first['params'], [agent])
    if (!this.#tell('hello', expected, [wrong === undefined, wrong ?? short(first?.['params'])])) throw new Over()
    const hello = checkHello(first!['params'])
    this.#tasks = hello.ok ? hello.value.tasks : []
    this.#welcome(first!)
  }

  #welcome(hello: Said): void {
    const seats = [{ agent, epoch: 1, mode: 'active', config: {} }]
    this.#peer.send({ id: hello['id'], result: { protocol: protocolVersion, sitter: 'swarmsitter check', seats } })
  }

  /** A request, and its answer. */
  async #request(method: string, params: object, withinMs: number): Promise<Said | undefined> {
    const id = (this.#asked += 1)
    this.#peer.send({ id, method, params })
    return this.#peer.next((frame) => frame['id'] === id && frame['method'] === undefined, withinMs)
  }

  async #challenge(name: string, expected: string): Promise<void> {
    const nonce = `nonce-${this.#asked}`
    const answer = await this.#request('ping', { nonce }, this.#ask.withinMs)
    const pong = (answer?.['result'] ?? {}) as Said
    const right =
      pong['nonce'] === nonce && short(pong['agents']) === short([agent]) && short(pong['open']) === short([])
    this.#tell(name, expected, [right, answer === undefined ? nothing(this.#peer) : short(answer['result'] ?? answer)])
  }

  #run(): string {
    const attempt = `att_check_${(this.#attempts += 1)}`
    const type = this.#ask.task ?? this.#tasks[0]
    const payload = this.#ask.payload ?? {}
    const rest = { task: `tsk_check_${this.#attempts}`, number: 1, deadline: null, key: `key-${attempt}` }
    this.#peer.send({ method: 'run', params: { agent, attempt, type, payload, ...rest } })
    return attempt
  }

  #ending(attempt: string, withinMs: number): Promise<Said | undefined> {
    return this.#peer.next((frame) => isEnding(frame, attempt), withinMs)
  }

  async #work(): Promise<void> {
    const given = this.#ask.task ?? this.#tasks[0]
    if (!this.#tell('tasks', 'a task type in hello', [given !== undefined, given ?? 'tasks is empty'])) return
    const attempt = this.#run()
    const first = await this.#ending(attempt, this.#ask.withinMs)
    const wrong = first === undefined ? nothing(this.#peer) : wrongEnding(first)
    const found = wrong ?? `${String(first?.['method'])} ${short(first?.['params'])}`
    if (!this.#tell('run', `done, fail or park for a task "${given}"`, [wrong === undefined, found])) return
    const data = { code: 'record-closed', kind: 'transient', retryAfterMs: 100 }
    this.#peer.send({ id: first!['id'], error: { code: -32000, message: 'not now, asks the check', data } })
    const second = await this.#ending(attempt, this.#ask.withinMs)
    const same = second !== undefined && second['method'] === first!['method']
    const expected = 'the same end again, after it was refused with kind "transient"'
    this.#tell('told again', expected, [same, second === undefined ? nothing(this.#peer) : String(second['method'])])
    if (second !== undefined) this.#peer.send({ id: second['id'], result: null })
    await this.#challenge('taken', 'nothing open any more, once the end was taken')
  }

  /** What later versions, or nobody, will send. */
  async #strange(): Promise<void> {
    const answer = await this.#request('check.unknown', {}, this.#ask.withinMs)
    const refused = answer !== undefined && typeof answer['error'] === 'object'
    this.#tell('unknown method', 'an error in answer to a request that nobody knows', [
      refused,
      answer === undefined ? nothing(this.#peer) : short(answer['error'] ?? answer),
    ])
    this.#peer.send({ method: 'check.unknown', params: { later: true } })
    await this.#challenge('unknown notification', 'an answer to the next ping: what it does not know it ignores')
    this.#peer.write(`{"jsonrpc":"2.0","method":"check.large","params":"${'x'.repeat(bounds.frameBytes)}"}\n`)
    await this.#challenge('large frame', `an answer to the next ping, after a line beyond ${bounds.frameBytes} bytes`)
  }

  async #cancel(): Promise<void> {
    if (this.#ask.task === undefined && this.#tasks.length === 0) return
    const attempt = this.#run()
    this.#peer.send({ method: 'cancel', params: { agent, attempt, reason: 'the check cancels it' } })
    const end = await this.#ending(attempt, graceMs)
    const wrong = end === undefined ? nothing(this.#peer) : wrongEnding(end)
    const found = wrong ?? String(end?.['method'])
    this.#tell('cancel', `an end of the attempt within ${graceMs} ms`, [wrong === undefined, found])
    if (end !== undefined) this.#peer.send({ id: end['id'], result: null })
  }

  async #drain(): Promise<void> {
    const answer = await this.#request('drain', { withinMs: drainMs }, drainMs + graceMs)
    const open = (answer?.['result'] as Said | undefined)?.['open']
    this.#tell('drain', `an answer within ${drainMs} ms and a little, with nothing open`, [
      short(open) === short([]),
      answer === undefined ? nothing(this.#peer) : short(answer['result'] ?? answer),
    ])
  }

  async #lostLink(): Promise<void> {
    const peer = this.#peer
    const before = peer.connections()
    peer.hangUp()
    await peer.until(() => peer.connections() > before, awayMs)
    const expected = `a new connection with a hello within ${awayMs} ms, or its end`
    if (peer.end() !== null) return void this.#tell('lost link', expected, [true, peer.end()!])
    const again = await peer.next((frame) => frame['method'] === 'hello', this.#ask.withinMs)
    const wrong = again === undefined ? nothing(peer) : wrongHello('hello', again['params'], [agent])
    this.#tell('lost link', expected, [wrong === undefined, wrong ?? 'connected anew'])
  }
}

/**
 * Runs every check in order; what cannot be tried after a failed one is left out.
 * @throws Failure `cell-start` when the program cannot be started at all.
 */
export const checkAgent = async (ports: CheckPorts, ask: CheckAsk): Promise<readonly Check[]> => {
  const [program, ...words] = ask.command
  if (program === undefined) throw failure('usage', 'there is no command to check')
  if (!isAbsolute(ask.scratchIn)) throw failure('bug', 'the scratch directory must be absolute')
  const scratch = join(ask.scratchIn, `sitter-check-${process.pid}`)
  const peer = await startPeer(
    { ...ports, net: realNet(), reaper: openReaper(ports.proc), surroundings: ports.env },
    {
      words: [program.includes('/') ? resolve(ask.directory, program) : program, ...words],
      directory: ask.directory,
      scratch,
      onLine: ask.onLine,
    },
  )
  const conformance = new Conformance(peer, ask)
  try {
    await conformance.all()
  } catch (error) {
    if (!(error instanceof Over)) throw error
  } finally {
    await peer.stop()
  }
  return conformance.checks
}
