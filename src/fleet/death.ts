/** What a cell's end says: who is to blame, whether somebody outside did it, and how it is told. */
import type { CellEnd, Witness } from '../cell/cell.ts'
import { formatDuration } from '../std/std.ts'
import type { Agent, Group, Live, LiveCell } from './live.ts'
import { formatAgents } from './range.ts'
import type { Decision, Policy, QuarantineWhy } from './restart.ts'
import { charged } from './verdict.ts'
import { notify } from './wiring.ts'

/** A name given this shortly before a cell's death is evidence about that death. */
const namedWithinMs = 2_000

export const groupPolicy = (group: Group): Policy => ({
  ...group.settings.restart,
  type: 'permanent',
  firstAtOnce: true,
})

export const whyText: Record<QuarantineWhy, (policy: Policy) => string> = {
  window: (policy) => `more than ${policy.max} losses within ${formatDuration(policy.withinMs)}`,
  'in-a-row': (policy) => `more than ${policy.max} losses in a row without proven stability`,
  'probe-failed': () => 'lost again before its probe had proven stable',
}

export const causeOf = (cell: LiveCell, end: CellEnd): string =>
  cell.killedFor === null
    ? `cell ${cell.id} ended (${end.cause}): ${end.detail}`
    : `cell ${cell.id} killed by us: ${cell.killedFor}`

export interface Death {
  readonly seated: readonly Agent[]
  readonly atWork: readonly Agent[]
  readonly blamed: ReadonlySet<string>
  /** It had been ready, nobody outside ended it, and it was not on trial. */
  readonly ownDoing: boolean
}

/**
 * What the cell's death says about its agents: nothing when somebody outside killed it, or while the whole group is on
 * trial and the death is about the cell. What dies apart and alone has nobody else to blame.
 */
export const examine = (cell: LiveCell, end: CellEnd, ask: { nowMs: number; fromOutside: boolean }): Death => {
  const { nowMs, fromOutside } = ask
  const { group } = cell
  const seated = [...cell.agents]
  const atWork = seated.filter((agent) => agent.attempt !== null && agent.attempt.answering === 0)
  const named = [...cell.named].filter(([, atMs]) => nowMs - atMs <= namedWithinMs).map(([id]) => id)
  const pointsAt = end.witness?.agent ?? null
  const isAlone = group.part !== null && group.agents.length === 1 && cell.readyMs !== null
  const alone = isAlone ? (seated[0]?.id ?? null) : null
  // The host's word counts only about those who lived there.
  const witnessed = alone ?? (seated.some(({ id }) => id === pointsAt) ? pointsAt : null)
  const blameless = fromOutside || group.quarantined
  const blamed = blameless ? [] : charged({ witnessed, named, inHand: atWork.map((agent) => agent.id) })
  return { seated, atWork, blamed: new Set(blamed), ownDoing: !blameless && cell.readyMs !== null }
}

/**
 * A signal that a program does not get by its own doing, while the kernel killed nobody for memory meanwhile; or one
 * that somebody had stopped, and that we ended for its silence.
 */
export const isFromOutside = (live: Live, cell: LiveCell, end: CellEnd): boolean => {
  const before = live.oomKills
  live.oomKills = live.options.proc.oomKills()
  const signal = end.end?.signal
  if (cell.killedFor !== null) return cell.wasStopped
  // Its link was cut for what it said, or it did not start: the signal was ours.
  if (end.cause !== 'killed') return false
  // Where the cell's own group counts, that is known; else the whole machine's count must do.
  if (end.end?.hits?.some(({ limit }) => limit === 'memory') === true) return false
  return (signal === 'SIGKILL' || signal === 'SIGTERM') && before !== undefined && live.oomKills === before
}

const witnessFacts = (witness: Witness | undefined): object | null =>
  witness === undefined ? null : { ...witness, looks: witness.looks ?? null }

export interface Told extends Death {
  readonly cause: string
  readonly decision: Decision
  /** Agents that get cells of their own, list by list. */
  readonly parts: readonly (readonly Agent[])[]
  readonly proofMs: number | null
}

const whoText = ({ blamed, parts }: Told, { witness }: CellEnd): string => {
  const who = blamed.size > 0 ? `${[...blamed].join(', ')} to blame` : 'no agent to blame'
  const at = witness?.stack[0] === undefined ? '' : `, the loop was at ${witness.stack[0]}`
  const apart =
    parts.length === 0 ? '' : parts.length === 1 ? '; it gets a cell of its own' : `; parted over ${parts.length} cells`
  return `${who}${at}${apart}`
}

const tellQuarantine = (live: Live, cell: LiveCell, { cause, decision }: Told): void => {
  if (decision.action !== 'quarantine') return
  const held = cell.group.agents.filter((agent) => agent.hold === 'cell')
  const why = whyText[decision.why](groupPolicy(cell.group))
  notify(live, 'agent.quarantined', 'error', {
    subject: cell.id,
    message: `${formatAgents(held)} are quarantined with their cell: ${why}`,
    facts: {
      cause,
      why: decision.why,
      agents: formatAgents(held),
      count: held.length,
      nextProbeInMs: decision.delayMs,
      lossesInWindow: decision.state.losses.length,
      inARow: decision.state.inARow,
    },
  })
}

const tellParts = (live: Live, cell: LiveCell, { parts, blamed, proofMs }: Told): void => {
  if (parts.length === 0) return
  const apart = parts.flat()
  const named = blamed.size > 0
  notify(live, 'cell.parted', 'warn', {
    subject: named ? apart[0]!.id : cell.id,
    message: named
      ? `${formatAgents(apart)} lives in a cell of its own from now on: it ended its cell again`
      : `${formatAgents(apart)} are parted over ${parts.length} cells: theirs died again, nothing points at one`,
    facts: {
      named,
      parts: parts.map((part) => formatAgents(part)),
      count: apart.length,
      goHomeAfterMs: proofMs,
      partsInAll: live.apart.parts.size,
    },
  })
}

export const tellLoss = (live: Live, cell: LiveCell, end: CellEnd, told: Told): void => {
  const { seated, atWork, blamed, cause, decision } = told
  notify(live, 'cell.lost', 'warn', {
    subject: cell.id,
    message: `${cause}; ${formatAgents(seated)} lost, ${whoText(told, end)}`,
    facts: {
      cause: end.cause,
      detail: end.detail,
      killedFor: cell.killedFor,
      code: end.end?.code ?? null,
      signal: end.end?.signal ?? null,
      pid: cell.cell?.identity?.pid ?? null,
      startTime: cell.cell?.identity?.startTime ?? null,
      agents: formatAgents(seated),
      count: seated.length,
      attemptsLost: atWork.length,
      blamed: [...blamed],
      witness: witnessFacts(end.witness),
      upMs: Math.round(live.options.clock.monoMs() - cell.launchedMs),
      ready: cell.readyMs !== null,
      silentBeats: cell.silentBeats,
      ladder: [...cell.steps],
      answeredMs: cell.answeredWallMs,
      next: decision.action,
      nextInMs: decision.action === 'stop' ? null : decision.delayMs,
      inARow: decision.state.inARow,
      lossesInWindow: decision.state.losses.length,
    },
  })
  tellParts(live, cell, told)
  tellQuarantine(live, cell, told)
}
