/**
 * The pulse of a cell: at each beat a challenge that its own loop must answer with the agents and attempts that live in
 * it. The list is compared with ours: who is missing is lost, who is unknown is unseated. Beats of cells are spread
 * over the interval; all of them run on the fleet's one timer: 5,000 idle agents in 50 cells cost 0.17 % of a core at a
 * beat of 30 s.
 */
import { asFailure, Failure } from '../std/std.ts'
import type { Pong } from '../wire/wire.ts'
import { becomeFree, loseAttempt, move } from './agents.ts'
import { waitsOutside } from './evidence.ts'
import { fenceAttempt } from './fence.ts'
import type { Agent, Attempt, Live, LiveCell } from './live.ts'
import { flushLines } from './lines.ts'
import { formatAgents } from './range.ts'
import { isExcused } from './silence/decide.ts'
import { beginSilence, endSilence, judgedSince, judgeSilence, lastChallenge, lookAt, nudge } from './silence/ladder.ts'
import { attemptVerdict, beatCounts, liveness } from './verdict.ts'
import { notify } from './wiring.ts'

/** While agents of a ready cell have not shown up in it, it is asked again after this long. */
const askAgainMs = 250
/** What an attempt gets to end by itself after it was asked to. */
export const graceMs = 5_000
/** A loop that runs answers a challenge within this time; measured 0.3 ms. */
const answerWithinMs = 1_000

const stringsOf = (value: unknown): readonly string[] | undefined =>
  Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : undefined

export const readPong = (value: unknown, nonce: string): Pong | undefined => {
  if (typeof value !== 'object' || value === null) return undefined
  const { nonce: said, agents, open } = value as Partial<Record<keyof Pong, unknown>>
  const listed = stringsOf(agents)
  if (said !== nonce || listed === undefined || !Array.isArray(open)) return undefined
  const held = open.filter(
    (one): one is { agent: string; attempt: string } =>
      typeof one === 'object' && one !== null && typeof one.agent === 'string' && typeof one.attempt === 'string',
  )
  return { nonce, agents: listed, open: held }
}

/** Any word from the cell: its loop runs. What was suspect goes back to what it was doing. */
export const heard = (live: Live, cell: LiveCell): void => {
  cell.silentBeats = 0
  const silentMs = Math.round(live.options.clock.monoMs() - cell.heardMs)
  const excuse = endSilence(cell)
  cell.heardMs = live.options.clock.monoMs()
  if (!cell.suspect) return
  cell.suspect = false
  for (const agent of cell.agents) {
    if (agent.state !== 'suspect') continue
    move(live, agent, agent.attempt !== null || agent.taken ? 'heard-busy' : 'heard', null)
  }
  notify(live, 'cell.answered', 'info', {
    subject: cell.id,
    message: `cell ${cell.id} answers again`,
    facts: { agents: formatAgents([...cell.agents]), count: cell.agents.size, silentMs, excuse },
  })
}

const appear = (live: Live, cell: LiveCell, agents: readonly Agent[]): void => {
  const back = agents.filter((agent) => agent.reason !== null)
  for (const agent of agents) {
    agent.readyMs = live.options.clock.monoMs()
    agent.diedOf = null
    move(live, agent, 'ready', null)
  }
  if (back.length === 0) return
  notify(live, 'agent.restarted', 'info', {
    subject: back.length === 1 ? back[0]!.id : cell.id,
    message: `${formatAgents(back)} restarted in cell ${cell.id}`,
    facts: { agents: formatAgents(back), count: back.length, cell: cell.id, pid: cell.cell?.identity?.pid ?? null },
  })
}

/**
 * Attempts that the cell does not hold, though it was given them before it was asked; and those that it should not
 * hold.
 */
const compareAttempts = (live: Live, cell: LiveCell, pong: Pong, mark: number): void => {
  const open = new Set(pong.open.map((one) => `${one.agent} ${one.attempt}`))
  const nowMs = live.options.clock.monoMs()
  const isMissing = (agent: Agent, attempt: Attempt): boolean =>
    attempt.mark <= mark && attempt.answering === 0 && !open.has(`${agent.id} ${attempt.id}`)
  for (const agent of cell.agents) {
    if (agent.attempt !== null && agent.attempt.askedMs !== null && open.has(`${agent.id} ${agent.attempt.id}`))
      agent.attempt.heldMs = nowMs
    if (agent.attempt === null || !isMissing(agent, agent.attempt)) continue
    fenceAttempt(live, cell, agent.attempt.id)
    loseAttempt(live, agent, agent.attempt, { cause: `cell ${cell.id} does not hold the attempt`, collateral: true })
    becomeFree(live, agent)
  }
  const strange = pong.open.filter(({ agent: id, attempt }) => {
    const agent = live.agents.get(id)
    return agent?.cell !== cell || (agent.attempt?.id !== attempt && agent.lastAttempt !== attempt)
  })
  if (strange.length === 0) return
  cell.cell?.send(
    strange.map(
      ({ agent, attempt }) =>
        ({ jsonrpc: '2.0', method: 'cancel', params: { agent, attempt, reason: 'the attempt is over' } }) as const,
    ),
  )
}

const compare = (live: Live, cell: LiveCell, pong: Pong, mark: number): void => {
  const listed = new Set(pong.agents)
  const asked = [...cell.agents].filter((agent) => agent.mark <= mark)
  const there = asked.filter((agent) => agent.state === 'starting' && listed.has(agent.id))
  appear(
    live,
    cell,
    there.toSorted((a, b) => a.takenMs - b.takenMs || a.number - b.number),
  )
  const missing = asked.filter((agent) => !listed.has(agent.id) && !agent.dozing)
  const nowMs = live.options.clock.monoMs()
  const late = missing.filter(
    ({ state, seatedMs, settings }) =>
      state !== 'starting' || nowMs - seatedMs - live.stillness.sinceMs(seatedMs) >= settings.startWithinMs,
  )
  if (late.length > 0) live.deeds.agentsLost(late, `cell ${cell.id} does not list it`)
  if (missing.length > late.length) challengeAgain(live, cell)
  const strange = pong.agents.filter((id) => live.agents.get(id)?.cell !== cell)
  if (strange.length > 0) cell.cell?.send([{ jsonrpc: '2.0', method: 'unseat', params: { agents: strange } }])
  compareAttempts(live, cell, pong, mark)
}

export const challengeAgain = (live: Live, cell: LiveCell, afterMs = askAgainMs): void => {
  cell.askedAgain?.()
  cell.askedAgain = live.agenda.after(afterMs, () => {
    cell.askedAgain = null
    challengeSoon(live, cell)
  })
}

/**
 * Asks the cell who lives in it, and compares. Gives the agents that it lists.
 * @throws Failure `timed-out`, `cell-lost`, or `frame-invalid` when the answer is none.
 */
export const challenge = async (live: Live, cell: LiveCell, withinMs: number): Promise<readonly string[]> => {
  if (cell.cell === null || cell.gone) throw new Failure('cell-lost', `cell ${cell.id} has no process`)
  const nonce = live.options.newId('req')
  const { mark } = cell
  for (const { attempt } of cell.agents)
    if (attempt !== null && attempt.cancelledMs !== null) attempt.askedMs ??= live.options.clock.monoMs()
  const pong = readPong(await cell.cell.ask('ping', { nonce }, withinMs), nonce)
  if (pong === undefined) throw new Failure('frame-invalid', `cell ${cell.id} answered a challenge with something else`)
  if (cell.gone) throw new Failure('cell-lost', `cell ${cell.id} is gone`)
  heard(live, cell)
  cell.answeredMs = live.options.clock.monoMs()
  cell.answeredWallMs = live.options.clock.wallMs()
  cell.answeredAgents = pong.agents.length
  if (live.phase === 'open' && cell.phase === 'ready') compare(live, cell, pong, mark)
  return pong.agents
}

/** A challenge that nobody waits for: silence is what the beats count, anything else is told. */
export const challengeSoon = (live: Live, cell: LiveCell): void => {
  challenge(live, cell, 3 * cell.group.settings.heartbeatMs).catch((thrown: unknown) => {
    const failure = asFailure(thrown)
    if (cell.gone || failure.code === 'timed-out' || failure.code === 'cell-lost') return
    notify(live, 'cell.refused', 'warn', {
      subject: cell.id,
      message: `cell ${cell.id} did not answer a challenge as it should: ${failure.message}`,
      facts: { code: failure.code },
    })
  })
}

/** Gives true when it was not before. */
const suspectCell = (live: Live, cell: LiveCell): boolean => {
  if (cell.suspect) return false
  cell.suspect = true
  const agents = [...cell.agents].filter((agent) => agent.state === 'idle' || agent.state === 'busy')
  const silentMs = Math.round(live.options.clock.monoMs() - cell.heardMs)
  live.figures.silent(silentMs)
  beginSilence(live, cell)
  for (const agent of agents) move(live, agent, 'silent', `cell ${cell.id} has been silent for ${silentMs} ms`)
  notify(live, 'cell.silent', 'warn', {
    subject: cell.id,
    message: `cell ${cell.id} has not answered for ${cell.silentBeats} beats`,
    facts: {
      step: 'suspect',
      beats: cell.silentBeats,
      silentMs,
      answeredMs: cell.answeredWallMs,
      agents: formatAgents(agents),
      count: agents.length,
      pid: cell.cell?.identity?.pid ?? null,
      exists: existsNow(live, cell),
    },
  })
  return true
}

const existsNow = (live: Live, cell: LiveCell): boolean | null => {
  const identity = cell.cell?.identity ?? null
  return identity === null ? null : live.options.proc.startTime(identity.pid) === identity.startTime
}

const challengeLast = (live: Live, cell: LiveCell): void => {
  if (!cell.suspect) return
  lastChallenge(live, cell)
  challengeSoon(live, cell)
}

const endSilent = (live: Live, cell: LiveCell): void => {
  const why = liveness(cell.silentBeats) === 'dead' ? judgeSilence(live, cell) : null
  if (why !== null) live.deeds.kill(cell, why, 'ask')
}

const beat = (live: Live, cell: LiveCell, dueMs: number): void => {
  const intervalMs = cell.group.settings.heartbeatMs
  const nowMs = live.options.clock.monoMs()
  if (beatCounts(Math.max(nowMs - dueMs, live.stillness.sinceMs(dueMs - intervalMs)), intervalMs)) cell.silentBeats += 1
  live.stillness.watch()
  const verdict = liveness(cell.silentBeats)
  if (verdict !== 'alive' && suspectCell(live, cell)) nudge(live, cell)
  if (verdict === 'suspect') schedulePulse(live, cell, nowMs + intervalMs / 2, () => challengeLast(live, cell))
  // Its answer may lie unread in the socket: judged after the loop has read once more.
  if (verdict === 'dead') schedulePulse(live, cell, nowMs, () => endSilent(live, cell))
  flushLines(live, cell)
  live.deeds.weigh(cell)
  challengeSoon(live, cell)
  schedulePulse(live, cell, Math.max(dueMs + intervalMs, nowMs + intervalMs / 2), (atMs) => beat(live, cell, atMs))
}

/** Whether what an attempt did not do is not its agent's fault: its process was not let run, or we cannot judge. */
const isExcusedAttempt = (live: Live, agent: Agent, attempt: Attempt, answersForMs: number): boolean => {
  const { cell } = agent
  if (cell === null || attempt.look === null) return false
  const { why, text, spent } = judgedSince(live, cell, attempt.look, answersForMs)
  if (!isExcused(why)) return false
  attempt.look = lookAt(live, cell)
  notify(live, 'attempt.excused', 'warn', {
    subject: agent.id,
    message: `${agent.id} gets more time for ${attempt.id}: ${text}`,
    facts: { attempt: attempt.id, verdict: why, spent: spent ?? null, cell: cell.id },
  })
  return true
}

/** Without progress for so long that it is asked to give up; from half of that time on its process is looked at. */
const judgeStuck = (live: Live, agent: Agent, attempt: Attempt, isStuck: boolean): void => {
  const { cell, settings } = agent
  const nowMs = live.options.clock.monoMs()
  const isLate = nowMs - attempt.progressMs >= settings.stuckAfterMs / 2
  if (!isLate) attempt.look = null
  else if (cell !== null) attempt.look ??= lookAt(live, cell)
  if (!isStuck) return
  if (isExcusedAttempt(live, agent, attempt, settings.stuckAfterMs / 4)) {
    attempt.progressMs = nowMs - settings.stuckAfterMs / 2
    return
  }
  cancelAttempt(live, agent, attempt, `no progress for ${Math.round(nowMs - attempt.progressMs)} ms`)
}

/**
 * It was asked to give up and its grace is over. Its cell is ended when it says that it still holds the attempt, or
 * says nothing though it could; one that does not hold it has dropped it (`compareAttempts`).
 */
const judgeGrace = (live: Live, agent: Agent, attempt: Attempt): void => {
  const { cell } = agent
  if (cell === null) return
  const nowMs = live.options.clock.monoMs()
  // Excused once, it has its grace again: a look at less of its time would call every process starved.
  if (attempt.look !== null && nowMs - attempt.look.atMs < graceMs) return
  if (attempt.heldMs === null) {
    if (attempt.askedMs === null) return challengeSoon(live, cell)
    if (nowMs - attempt.askedMs < answerWithinMs) return
  }
  if (isExcusedAttempt(live, agent, attempt, graceMs / 2)) return
  cell.named.set(agent.id, nowMs)
  live.deeds.kill(cell, `${agent.id} did not give up ${attempt.id} within ${graceMs} ms`, 'ask')
}

/** What its evidence says about an attempt, done: asked to give up, then ended with its cell and named as the cause. */
const judge = (live: Live, agent: Agent): void => {
  const { attempt, cell, settings } = agent
  if (attempt === null || cell === null || attempt.answering > 0 || agent.state === 'suspect') return
  const nowMs = live.options.clock.monoMs()
  const { progressMs, cancelledMs } = attempt
  const verdict = attemptVerdict({
    awakeMs: nowMs - (cancelledMs ?? progressMs) - live.stillness.sinceMs(cancelledMs ?? progressMs),
    cancelled: cancelledMs !== null,
    stuckAfterMs: settings.stuckAfterMs,
    graceMs,
    waitsOutside: waitsOutside(live, attempt),
  })
  if (verdict === 'waits') attempt.progressMs = nowMs
  if (cancelledMs === null) judgeStuck(live, agent, attempt, verdict === 'stuck')
  else if (verdict === 'ignores-cancel') judgeGrace(live, agent, attempt)
}

const look = (live: Live, cell: LiveCell, everyMs: number): void => {
  for (const agent of cell.agents) judge(live, agent)
  schedulePulse(live, cell, live.options.clock.monoMs() + everyMs, () => look(live, cell, everyMs))
}

/** Asks the agent to give up an attempt; its grace ends by itself. Asking again changes nothing. */
export const cancelAttempt = (live: Live, agent: Agent, attempt: Attempt, reason: string): void => {
  const { cell } = agent
  if (cell === null || attempt.cancelledMs !== null) return
  attempt.cancelledMs = live.options.clock.monoMs()
  attempt.look = lookAt(live, cell)
  fenceAttempt(live, cell, attempt.id)
  cell.cell?.send([{ jsonrpc: '2.0', method: 'cancel', params: { agent: agent.id, attempt: attempt.id, reason } }])
  notify(live, 'attempt.cancelled', 'warn', {
    subject: agent.id,
    message: `${agent.id} is asked to give up ${attempt.id}: ${reason}`,
    facts: { attempt: attempt.id, reason, graceMs, cell: cell.id },
  })
  // What it has dropped already is found by asking.
  challengeAgain(live, cell)
  endGrace(live, agent, attempt, graceMs)
}

/** Judged when its grace is over, and again while a part of that was a time in which the sitter stood still. */
const endGrace = (live: Live, agent: Agent, attempt: Attempt, leftMs: number): void => {
  if (agent.cell === null) return
  schedule(live, agent.cell, live.options.clock.monoMs() + leftMs, () => {
    if (agent.attempt !== attempt || attempt.cancelledMs === null) return
    judge(live, agent)
    endGrace(live, agent, attempt, graceMs / 5)
  })
}

/** Of this pulse only. */
const schedulePulse = (live: Live, cell: LiveCell, atMs: number, fire: (atMs: number) => void): void => {
  const { pulse } = cell
  schedule(live, cell, atMs, (dueMs) => {
    if (cell.pulse === pulse) fire(dueMs)
  })
}

const schedule = (live: Live, cell: LiveCell, atMs: number, fire: (atMs: number) => void): void => {
  const cancel = live.agenda.at(atMs, () => {
    cell.timers.delete(cancel)
    if (!cell.gone && cell.phase === 'ready') fire(atMs)
  })
  cell.timers.add(cancel)
}

/**
 * The first beat falls where the group's place among all groups puts it, so that beats spread over the interval. Called
 * again when the intervals are others.
 */
export const beginPulse = (live: Live, cell: LiveCell): void => {
  cell.pulse += 1
  const { heartbeatMs, stuckAfterMs } = cell.group.settings
  const nowMs = live.options.clock.monoMs()
  const places = Math.max(1, live.groups.length)
  const offsetMs = heartbeatMs * (((cell.group.index % places) + 1) / places)
  schedulePulse(live, cell, nowMs + offsetMs, (atMs) => beat(live, cell, atMs))
  const everyMs = Math.max(50, Math.min(heartbeatMs, stuckAfterMs / 4))
  schedulePulse(live, cell, nowMs + everyMs, () => look(live, cell, everyMs))
}
