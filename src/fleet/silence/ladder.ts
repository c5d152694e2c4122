/**
 * The ladder that a silent cell goes down, each step told as a decision with its evidence:
 *
 *   2 beats: suspect, nudged ─ half a beat ─▶ challenged ─ 3 beats ─▶ judged ─ blamed ─▶ asked where its loop is
 *        ▲                                                   │                           (a host), SIGTERM (a program)
 *        └──────────────── any word of it ───────────────────┴─ starved: told, not ended       └─▶ SIGKILL to its tree
 */
import type { EndStep } from '../../cell/cell.ts'
import type { Effort, Spent } from '../../std/std.ts'
import { spentBetween } from '../../std/std.ts'
import { programOf } from '../housing.ts'
import type { Live, LiveCell } from '../live.ts'
import { formatAgents } from '../range.ts'
import { notify } from '../wiring.ts'
import { suspectAtBeats } from '../verdict.ts'
import { isExcused, textOf, whySilent, type Look, type WhySilent } from './decide.ts'

/** Many questions about one cell in one breath read its process once. */
const keptMs = 250

/** What its process has done with its time; undefined when it has none, or it cannot be seen. */
export const effortOf = (live: Live, cell: LiveCell): Effort | undefined => {
  const nowMs = live.options.clock.monoMs()
  if (cell.effort !== null && nowMs - cell.effort.atMs < keptMs) return cell.effort.seen
  const pid = programOf(cell.cell)
  const seen = pid === undefined ? undefined : live.options.proc.effort(pid)
  cell.effort = { atMs: nowMs, seen }
  return seen
}

export const lookAt = (live: Live, cell: LiveCell): Look => ({
  atMs: live.options.clock.monoMs(),
  seen: effortOf(live, cell),
})

const existsNow = (live: Live, cell: LiveCell): boolean | null => {
  const identity = cell.cell?.identity ?? null
  return identity === null ? null : live.options.proc.startTime(identity.pid) === identity.startTime
}

export interface Judged {
  readonly why: WhySilent
  readonly text: string
  readonly spent: Spent | undefined
  readonly state: string | undefined
}

/** What a cell's process did since a look, and what that says about its silence. */
export const judgedSince = (live: Live, cell: LiveCell, look: Look, answersForMs: number): Judged => {
  const { clock, pressure, seesItself } = live.options
  const spent = spentBetween(look.seen, effortOf(live, cell), clock.monoMs() - look.atMs)
  const pid = programOf(cell.cell)
  const state = spent?.state ?? (pid === undefined ? undefined : live.options.proc.state(pid))
  const why = whySilent({
    state,
    answersForMs,
    spent,
    exists: existsNow(live, cell),
    cores: cell.group.settings.limits.cpus ?? 1,
    stalled: pressure?.read().stalled ?? null,
    seesItself: seesItself?.() ?? true,
  })
  return { why, text: textOf(why, spent), spent, state }
}

type Facts = Readonly<Record<string, unknown>> & { readonly text: string }
const step = (live: Live, cell: LiveCell, name: string, facts: Facts): void => {
  const silentMs = Math.round(live.options.clock.monoMs() - cell.heardMs)
  cell.steps.push(name)
  notify(live, 'cell.decision', name === 'judge' ? 'warn' : 'info', {
    subject: cell.id,
    message: `cell ${cell.id}, silent for ${silentMs} ms: ${facts.text}`,
    facts: { step: name, silentMs, agents: formatAgents([...cell.agents]), count: cell.agents.size, ...facts },
  })
}

/** The first step; what its process does is compared with this moment from now on. */
export const beginSilence = (live: Live, cell: LiveCell): void => {
  cell.suspected = lookAt(live, cell)
  cell.steps.push('suspect')
}

/** The next beat's question, which comes at once and is told: it may only have missed one. */
export const nudge = (live: Live, cell: LiveCell): void => {
  const withinMs = Math.round(cell.group.settings.heartbeatMs / 2)
  step(live, cell, 'nudge', { withinMs, text: 'asked again' })
}

const doneText = (name: EndStep, lines: number | undefined): string => {
  if (name === 'kill') return 'SIGKILL, to all that belongs to it'
  if (name === 'term') return 'SIGTERM, to its group'
  return lines === undefined || lines === 0
    ? 'asked where its loop is, and nothing came'
    : `asked where its loop is: it printed ${lines} lines`
}

/** A step of its end that was done, whatever it is ended for; of an end in order there are none. */
export const stepDone = (live: Live, cell: LiveCell, name: EndStep, facts: { readonly lines?: number }): void => {
  if (!cell.judged) return
  cell.steps.push(name)
  notify(live, 'cell.decision', 'warn', {
    subject: cell.id,
    message: `cell ${cell.id}: ${doneText(name, facts.lines)} (${cell.killedFor ?? 'no reason'})`,
    facts: {
      step: name,
      why: cell.killedFor,
      agents: formatAgents([...cell.agents]),
      count: cell.agents.size,
      ...facts,
    },
  })
}

/** The last question. */
export const lastChallenge = (live: Live, cell: LiveCell): void => {
  const withinMs = Math.round(cell.group.settings.heartbeatMs / 2)
  step(live, cell, 'challenge', { withinMs, text: `asked a last time, for ${withinMs} ms` })
}

/** At the third beat, and at each after it: whether it is ended, and for what. Null = not now. */
export const judgeSilence = (live: Live, cell: LiveCell): string | null => {
  const { heartbeatMs } = cell.group.settings
  cell.suspected ??= lookAt(live, cell)
  // Once it was seen to be starved, nothing is known of the two beats before that either: it has them again.
  const answersForMs = cell.excuse === 'starved' ? suspectAtBeats * heartbeatMs : heartbeatMs / 2
  const { why, text, spent, state } = judgedSince(live, cell, cell.suspected, answersForMs)
  if (cell.excuse !== why || !isExcused(why))
    step(live, cell, 'judge', {
      verdict: why,
      text,
      spent: spent ?? null,
      stalled: live.admission.reading?.stalled ?? null,
    })
  cell.excuse = isExcused(why) ? why : null
  if (cell.excuse !== null) return null
  const silentMs = Math.round(live.options.clock.monoMs() - cell.heardMs)
  cell.wasStopped = why === 'stopped'
  const doing = state === undefined ? '' : `, process state ${state}`
  return `silent for ${cell.silentBeats} beats (${silentMs} ms${doing}): ${text}`
}

/** It has said something: the ladder begins anew. Gives what it was excused with. */
export const endSilence = (cell: LiveCell): LiveCell['excuse'] => {
  const { excuse } = cell
  cell.suspected = null
  cell.excuse = null
  cell.steps.length = 0
  return excuse
}
