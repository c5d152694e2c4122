/**
 * Frames from cells. Identity comes from the socket: a frame speaks for an agent only when that agent has its seat in
 * that very cell, and about an attempt only when it was given to this incarnation of the agent. Everything else is
 * refused and changes nothing. The end of an attempt goes to the room above and is answered after its commit; only then
 * the agent is free again.
 */
import { formatAgent, parseAgent } from '../model/model.ts'
import { asFailure, Failure, type Code } from '../std/std.ts'
import { checkBeat, checkBroken, checkLog, checkWoken, type Checked } from '../wire/wire.ts'
import { becomeFree, loseAttempt } from './agents.ts'
import { noteSeen } from './evidence.ts'
import { wokeUp } from './hibernate/beds.ts'
import { usedOnce } from './useful.ts'
import { putLine } from './lines.ts'
import type { Agent, Attempt, Live, LiveCell } from './live.ts'
import { heard } from './pulse.ts'
import { getsOn } from './outside.ts'
import { formatAgents } from './range.ts'
import { isAgentMethod } from './requests.ts'
import { notify } from './wiring.ts'

export interface IncomingFrame {
  readonly method: string
  readonly params: unknown
  readonly answer: (reply: { readonly result: unknown } | { readonly error: unknown }) => void
}

/** Answers that say something about the sender, not about the work. */
const refusals: ReadonlySet<Code> = new Set<Code>(['not-your-agent', 'stale', 'unknown-method', 'frame-invalid'])

type Loose = Readonly<Record<string, unknown>>
const ends: ReadonlySet<string> = new Set(['done', 'fail', 'park'])
/** What no repetition changes: the attempt is not this agent's (any more), and the agent drops it. */
const disowned: ReadonlySet<Code> = new Set<Code>(['stale', 'not-found', 'not-your-agent'])

/** By its full name, as it nearly always is, or however short it is written. @throws Failure `frame-invalid`. */
const named = (live: Live, name: unknown): Agent | undefined => {
  const found = typeof name === 'string' ? live.agents.get(name) : undefined
  if (found) return found
  const ref = typeof name === 'string' ? parseAgent(name) : undefined
  if (ref === undefined) throw new Failure('frame-invalid', 'params.agent must be an agent, like settler/0042')
  return live.agents.get(formatAgent(ref))
}

/** @throws Failure `frame-invalid`, `not-your-agent`. */
const speaker = (live: Live, cell: LiveCell, params: unknown): { readonly agent: Agent; readonly said: Loose } => {
  if (typeof params !== 'object' || params === null) throw new Failure('frame-invalid', 'params must be an object')
  const said = params as Loose
  const agent = named(live, said['agent'])
  if (agent === undefined || agent.cell !== cell) {
    throw new Failure('not-your-agent', `${String(said['agent'])} does not live in this cell`)
  }
  const { epoch } = said
  if (epoch !== undefined && epoch !== agent.epoch) {
    throw new Failure('stale', `${agent.id} is at epoch ${agent.epoch} now`, { facts: { epoch: agent.epoch } })
  }
  return { agent, said }
}

/** @throws Failure `frame-invalid`; `stale` when this incarnation was not given the attempt. */
const attemptOf = (agent: Agent, said: Loose): { readonly id: string; readonly attempt: Attempt | null } => {
  const id = said['attempt']
  if (typeof id !== 'string') throw new Failure('frame-invalid', 'params.attempt must be an attempt id')
  if (agent.attempt?.id === id) return { id, attempt: agent.attempt }
  // Its last attempt once more: asked again after an answer was lost. The record knows it, and answers the same.
  if (agent.lastAttempt === id) return { id, attempt: null }
  throw new Failure('stale', `${agent.id} does not have ${id} in hand`)
}

/** Finished work is the evidence of stability, for the agent and for its cell. */
const progress = (live: Live, agent: Agent, cell: LiveCell): void => {
  agent.progressed = true
  agent.finishedMs = live.options.clock.wallMs()
  agent.useful = usedOnce(agent.useful, live.options.clock.monoMs())
  noteSeen(live, agent, 'finished work, committed')
  cell.progressed = true
  if (cell.group.quarantined) live.deeds.proven(cell.group)
}

/**
 * It has told its end, and we could not take it (a full disk): it has given up what it had, and is not stuck when it
 * tells that again.
 */
const hasEnded = (live: Live, attempt: Attempt): void => {
  getsOn(live, attempt)
  Object.assign(attempt, { cancelledMs: null, askedMs: null, heldMs: null, look: null })
}

interface AttemptRequest {
  readonly method: string
  readonly agent: Agent
  readonly attempt: Attempt
  readonly params: unknown
}

/** What is thrown at once and what is refused later are the same. */
const ask = (live: Live, { method, agent, params }: AttemptRequest): Promise<unknown> => {
  try {
    return live.options.hooks.request(method, agent.id, params)
  } catch (thrown) {
    return Promise.reject(thrown)
  }
}

/** With callbacks: a chain of awaits at each end cost as much as writing it down. */
const endAttempt = (live: Live, cell: LiveCell, asked: AttemptRequest): Promise<unknown> => {
  const { method, agent, attempt } = asked
  attempt.answering += 1
  const answered = (over: boolean): void => {
    attempt.answering -= 1
    if (over) attempt.over = true
    const { lostAs } = attempt
    if (attempt.answering === 0 && lostAs !== null) loseAttempt(live, agent, attempt, lostAs)
  }
  return ask(live, asked).then(
    (result) => {
      if (method === 'done' && agent.attempt === attempt) progress(live, agent, cell)
      answered(true)
      return result
    },
    (thrown: unknown) => {
      const { code, kind } = asFailure(thrown)
      if (kind === 'transient' || kind === 'unknown') hasEnded(live, attempt)
      answered(disowned.has(code))
      throw thrown
    },
  )
}

const release = (live: Live, agent: Agent, attempt: Attempt): void => {
  if (!attempt.over || agent.attempt !== attempt) return
  agent.attempt = null
  agent.lastAttempt = attempt.id
  becomeFree(live, agent)
}

/** What an attempt asks on its way: while it is asked, and when it is answered, the attempt goes on. */
const askOnItsWay = async (live: Live, asked: AttemptRequest): Promise<unknown> => {
  const { attempt } = asked
  getsOn(live, attempt)
  try {
    const answer = await ask(live, asked)
    noteSeen(live, asked.agent, `${asked.method}, answered`)
    return answer
  } finally {
    getsOn(live, attempt)
  }
}

const request = (
  live: Live,
  cell: LiveCell,
  { method }: IncomingFrame,
  { agent, said }: ReturnType<typeof speaker>,
): Promise<unknown> => {
  if (!isAgentMethod(method)) {
    throw new Failure('unknown-method', `${method.slice(0, 64)} is no method of this sitter`)
  }
  const { attempt } = attemptOf(agent, said)
  const params = said['agent'] === agent.id ? said : { ...said, agent: agent.id }
  if (attempt === null) return live.options.hooks.request(method, agent.id, params)
  const asked = { method, agent, attempt, params }
  return ends.has(method) ? endAttempt(live, cell, asked) : askOnItsWay(live, asked)
}

const answerRequest = (live: Live, cell: LiveCell, frame: IncomingFrame): void => {
  let spoken: ReturnType<typeof speaker> | undefined
  let before: Attempt | null = null
  const refused = (thrown: unknown): void => {
    const failure = asFailure(thrown)
    if (refusals.has(failure.code)) refusedFrame(live, cell, failure.code, failure.message)
    frame.answer({ error: failure })
    if (spoken && before) release(live, spoken.agent, before)
  }
  const answered = (result: unknown): void => {
    frame.answer({ result: result ?? null })
    // After the answer, so that the next work reaches the agent behind it.
    if (spoken && before) release(live, spoken.agent, before)
  }
  try {
    spoken = speaker(live, cell, frame.params)
    before = spoken.agent.attempt
    void request(live, cell, frame, spoken).then(answered, refused)
  } catch (thrown) {
    refused(thrown)
  }
}

const valueOf = <Value>(method: string, checked: Checked<Value>): Value => {
  if (!checked.ok) throw new Failure('frame-invalid', `${method}: ${checked.message}`)
  return checked.value
}

const takeNotification = (live: Live, cell: LiveCell, { method, params }: IncomingFrame): void => {
  const { agent } = speaker(live, cell, params)
  if (method === 'beat') {
    const { progress } = valueOf(method, checkBeat(params))
    // A beat without a word about progress proves that somebody beats, not that work goes on. With one it is the
    // agent's own word: it is not asked to give up for it, and evidence says that nothing else is known.
    if (progress && agent.attempt) agent.attempt.progressMs = live.options.clock.monoMs()
  } else if (method === 'log') {
    const { level, message, fields } = valueOf(method, checkLog(params))
    putLine(live, cell, {
      level,
      source: 'agent',
      agent: agent.id,
      message,
      ...(fields === undefined ? {} : { fields }),
    })
  } else if (method === 'agent.woken') {
    wokeUp(live, cell, agent, valueOf(method, checkWoken(params)).anew)
  } else {
    const { error } = valueOf(method, checkBroken(params))
    live.deeds.agentsLost([agent], `broken, says its cell: ${error.name}: ${error.message}`.slice(0, 1_000))
  }
}

const onNotification = (live: Live, cell: LiveCell, frame: IncomingFrame): void => {
  try {
    takeNotification(live, cell, frame)
    frame.answer({ result: null })
  } catch (thrown) {
    const failure = asFailure(thrown)
    refusedFrame(live, cell, failure.code, failure.message)
    frame.answer({ error: failure })
  }
}

const notifications: ReadonlySet<string> = new Set(['beat', 'log', 'agent.broken', 'agent.woken'])

export const onFrame = (live: Live, cell: LiveCell, frame: IncomingFrame): void => {
  heard(live, cell)
  if (notifications.has(frame.method)) onNotification(live, cell, frame)
  else answerRequest(live, cell, frame)
}

/** Refusals are counted; an event tells of the first, and then each time the count has grown tenfold. */
const refusedFrame = (live: Live, cell: LiveCell, code: string, detail: string): void => {
  cell.refusedFrames += 1
  live.counts.framesRefused += 1
  if (cell.refusedFrames < Math.max(1, cell.refusedTold * 10)) return
  cell.refusedTold = cell.refusedFrames
  notify(live, 'frame.refused', 'warn', {
    subject: cell.id,
    message: `${cell.refusedFrames} frames of cell ${cell.id} refused; last: ${detail.slice(0, 200)}`,
    facts: { code, count: cell.refusedFrames },
  })
}

/** The cell kind refused a frame (garbage, flood) before anybody read it. */
export const onRefused = refusedFrame

export const onLine = (live: Live, cell: LiveCell, stream: 'stdout' | 'stderr', text: string): void => {
  // What a program prints is its agent's; what a host prints belongs to no one of its agents.
  const agent = cell.group.settings.run.module === undefined ? (cell.group.agents[0]?.id ?? null) : null
  // Programs write their ordinary log to stderr, and those of one task their progress; `source` tells which it was. In
  // a host it is Node that writes there, when something is wrong.
  const level = stream === 'stderr' && agent === null ? 'warn' : 'info'
  // Until it is up nobody can say which agent a line is about: it is about all of them.
  const fields = agent === null && cell.phase === 'starting' ? { agents: formatAgents([...cell.agents]) } : undefined
  putLine(live, cell, { level, source: stream, agent, message: text, ...(fields && { fields }) })
}
