/**
 * Asks programs what their type's probes ask. At most eight questions are open at once on this host, the others wait
 * their turn: a thousand programs are not asked in one breath. What a program depends on is its readiness alone.
 */
import type { Probe } from '../../model/model.ts'
import { asFailure } from '../../std/std.ts'
import { refile } from '../agents.ts'
import { noteState } from '../order/starts.ts'
import type { Live, LiveCell } from '../live.ts'
import { lookAt, judgedSince } from '../silence/ladder.ts'
import { isExcused, type Look } from '../silence/decide.ts'
import { notify } from '../wiring.ts'
import { afterProbe, beginState, mayWork, type ProbeName } from './decide.ts'

const mostAtOnce = 8

/** Whose turn it is: one for each fleet. */
export interface Turns {
  open: number
  readonly waiting: (() => void)[]
}
export const openTurns = (): Turns => ({ open: 0, waiting: [] })

const withTurn = async <Value>(turns: Turns, ask: () => Promise<Value>): Promise<Value> => {
  if (turns.open >= mostAtOnce)
    await new Promise<void>((resolve) => {
      turns.waiting.push(resolve)
    })
  turns.open += 1
  try {
    return await ask()
  } finally {
    turns.open -= 1
    turns.waiting.shift()?.()
  }
}

const isAsked = (cell: LiveCell): boolean => !cell.gone && cell.phase === 'ready' && cell.probes !== null

/** `{number}` stands for the agent's number, so that programs of one type can have ports of their own. */
const filled = (text: string, number: number): string => text.replaceAll('{number}', String(number))

const askOnce = async (live: Live, cell: LiveCell, probe: Probe): Promise<string | null> => {
  const [agent] = cell.agents
  if (agent === undefined || live.options.probe === undefined) return 'nobody can ask it'
  try {
    return await live.options.probe({
      agent: agent.id,
      directory: cell.group.settings.run.directory ?? '/',
      withinMs: probe.timeoutMs,
      ...(probe.http !== undefined && { http: filled(probe.http, agent.number) }),
      ...(probe.command && { command: probe.command.map((word) => filled(word, agent.number)) }),
    })
  } catch (thrown) {
    return asFailure(thrown).message
  }
}

const tellReady = (live: Live, cell: LiveCell, isReady: boolean, why: string | null): void => {
  const [agent] = cell.agents
  if (agent === undefined) return
  notify(live, isReady ? 'agent.ready' : 'agent.not-ready', isReady ? 'info' : 'warn', {
    subject: agent.id,
    message: isReady ? `${agent.id} is ready: it gets work` : `${agent.id} is not ready, and gets no work: ${why}`,
    facts: { why, cell: cell.id },
  })
}

interface Judging {
  readonly probe: ProbeName
  readonly look: Look
  readonly answersForMs: number
}

/** Whether what a program did not do is nobody's fault that we know of: told, and nobody is ended. */
const isExcusedProbe = (live: Live, cell: LiveCell, { probe, look, answersForMs }: Judging): boolean => {
  const { why, text } = judgedSince(live, cell, look, answersForMs)
  if (!isExcused(why)) return false
  notify(live, 'cell.decision', 'warn', {
    subject: cell.id,
    message: `cell ${cell.id} does not pass its ${probe} probe and is not ended: ${text}`,
    facts: { step: 'judge', verdict: why, probe, failed: cell.probes?.why ?? null },
  })
  return true
}

/** One outcome, and what follows: who may work, and who is ended. Gives false when nothing more is asked. */
const take = (live: Live, cell: LiveCell, name: ProbeName, asked: { failed: string | null; most: number }): boolean => {
  if (!isAsked(cell)) return false
  const before = cell.probes!
  const { state, isDead } = afterProbe(before, { probe: name, ...asked })
  cell.probes = state
  if (mayWork(before) !== mayWork(state)) {
    for (const agent of cell.agents) {
      refile(live, agent)
      noteState(live, agent)
    }
    tellReady(live, cell, mayWork(state), state.why)
  }
  if (!isDead) return true
  if (isExcusedProbe(live, cell, { probe: name, look: cell.probed ?? lookAt(live, cell), answersForMs: 1 })) return true
  live.deeds.kill(cell, `liveness failed ${state.fails.liveness} times in a row: ${asked.failed ?? ''}`, 'ask')
  return false
}

const repeat = (live: Live, cell: LiveCell, name: ProbeName, probe: Probe): void => {
  const round = async (): Promise<void> => {
    if (!isAsked(cell)) return
    if (name === 'liveness' && cell.probes!.fails.liveness === 0) cell.probed = lookAt(live, cell)
    const failed = await withTurn(live.probing, () => askOnce(live, cell, probe))
    if (!take(live, cell, name, { failed, most: probe.fails })) return
    if (name === 'startup' && failed === null) return begin(live, cell)
    cell.timers.add(live.agenda.after(probe.everyMs, () => void round()))
  }
  void round()
}

/** Liveness and readiness begin when it has started. */
const begin = (live: Live, cell: LiveCell): void => {
  const { health } = cell.group.settings
  if (health?.liveness) repeat(live, cell, 'liveness', health.liveness)
  if (health?.readiness) repeat(live, cell, 'readiness', health.readiness)
}

/** Its cell is up: from now on it is asked, and gets work only when the answers allow it. */
export const beginProbes = (live: Live, cell: LiveCell): void => {
  const { health } = cell.group.settings
  if (health === undefined) return
  const { startup } = health
  cell.probes = beginState({
    startup: startup !== undefined,
    liveness: health.liveness !== undefined,
    readiness: health.readiness !== undefined,
  })
  if (startup === undefined) return begin(live, cell)
  repeat(live, cell, 'startup', startup)
  awaitStarted(live, cell, startup.withinMs)
}

/** It has so much time to start, of which half must have been its own; else it has it again. */
const awaitStarted = (live: Live, cell: LiveCell, withinMs: number): void => {
  const look = lookAt(live, cell)
  cell.timers.add(
    live.agenda.after(withinMs, () => {
      if (!isAsked(cell) || cell.probes!.started) return
      if (isExcusedProbe(live, cell, { probe: 'startup', look, answersForMs: withinMs / 2 }))
        return awaitStarted(live, cell, withinMs)
      live.deeds.kill(cell, `did not start within ${withinMs} ms: ${cell.probes!.why ?? 'not asked yet'}`, 'ask')
    }),
  )
}
