/**
 * Hosts that come near their limits are recycled before they reach them: no new work, time for what is in hand, then
 * the process is ended and its agents go on in another, in a standby where there is one. No loss: nobody is charged,
 * and no restart is counted. What fills a host faster than this notices dies of it, and is found by that (death.ts).
 */
import type { Share, Usage } from '../cell/cell.ts'
import { move, refile, unseat } from './agents.ts'
import type { Group, Live, LiveCell } from './live.ts'
import { rise } from './loss.ts'
import { formatAgents } from './range.ts'
import { standbyReady } from './standby.ts'
import { notify } from './wiring.ts'

/** A host without agents has so much resident, mostly the Node program that all share. */
const bareBytes = 64_000_000
const nearShare = 0.8
/** A single high reading may be garbage that has not been collected yet. */
const beatsInARow = 2
/** What fills up again sooner is not helped by it. */
const notAgainMs = 600_000
/** Time for attempts in hand; what is left then is given to others. */
const drainMs = 60_000
const lookEveryMs = 100

export interface Load {
  readonly residentBytes: number | undefined
  /** Cap of its heap. */
  readonly memoryBytes: number
  readonly files: { readonly open: number; readonly most: number } | undefined
  /** Of all its processes together, and of its private disk, where walls or limits count them. */
  readonly usage?: Pick<Usage, 'memory' | 'disk'>
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1_000_000)} MB`
const nearShareOf = (what: string, share: Share | null | undefined): string | null =>
  share && share.usedBytes >= nearShare * share.mostBytes
    ? `${what}: ${megabytes(share.usedBytes)} of ${megabytes(share.mostBytes)}`
    : null

/** Why a host is near its limits; null when it is not, or nothing is known. */
export const nearLimit = ({ residentBytes, memoryBytes, files, usage }: Load): string | null => {
  const usedBytes = (residentBytes ?? 0) - bareBytes
  const full = nearShareOf('memory', { usedBytes, mostBytes: memoryBytes })
  if (full !== null) return full
  if (files !== undefined && files.open >= nearShare * files.most)
    return `descriptors: ${files.open} of ${files.most} are open`
  return nearShareOf('disk', usage?.disk) ?? nearShareOf('memory of all its processes', usage?.memory)
}

export interface Turn {
  readonly nowMs: number
  readonly fullBeats: number
  /** When a host of this group was recycled last. */
  readonly recycledMs: number | null
  /** Another of this type is being recycled, or waits for a restart. */
  readonly typeIsBusy: boolean
  /** Cells that start now, or wait for it. */
  readonly starting: number
}

/** One at a time of each type, and only while nothing else starts. */
export const mayRecycle = ({ nowMs, fullBeats, recycledMs, typeIsBusy, starting }: Turn): boolean =>
  fullBeats >= beatsInARow && !typeIsBusy && starting === 0 && (recycledMs === null || nowMs - recycledMs >= notAgainMs)

const isBusy = ({ cell, due }: Group): boolean =>
  due !== null || (cell !== null && (cell.phase !== 'ready' || cell.recycling !== null))

/** At each beat of a cell. */
export const weigh = (live: Live, cell: LiveCell): void => {
  const { group } = cell
  const usage = cell.cell?.usage?.()
  const pid = usage === undefined ? cell.cell?.identity?.pid : usage.pid
  // Where the host cannot be seen behind its walls, its limit ends it there, and is named.
  if (group.settings.run.module === undefined || pid === undefined || pid === null || cell.recycling !== null) return
  const { proc, clock } = live.options
  const { name, cell: asked, perCell } = group.settings
  // Each machine of a vm cell is bounded by itself; only the host's own part can fill up unseen.
  const memoryBytes = group.settings.memoryBytes + (asked.vm?.memoryBytes ?? 0) * perCell
  const seen = { residentBytes: proc.residentBytes(pid), files: proc.openFiles(pid), ...(usage && { usage }) }
  const why = nearLimit({ ...seen, memoryBytes })
  cell.fullBeats = why === null ? 0 : cell.fullBeats + 1
  const starting = live.waves.waiting + live.waves.starting
  const groups = live.groups.filter(({ settings }) => settings.name === name)
  const { fullBeats } = cell
  const { recycledMs } = group
  const turn = { nowMs: clock.monoMs(), fullBeats, recycledMs, typeIsBusy: groups.some(isBusy), starting }
  if (why === null || !mayRecycle(turn)) return
  cell.recycling = { sinceMs: turn.nowMs, why, over: false }
  for (const agent of cell.agents) refile(live, agent)
  notify(live, 'cell.recycling', 'info', {
    subject: cell.id,
    message: `cell ${cell.id} is near its limit (${why}): it gets no more work, and is replaced when it has none`,
    facts: { why, agents: formatAgents([...cell.agents]), count: cell.agents.size, pid, withinMs: drainMs },
  })
  drain(live, cell)
}

const drain = (live: Live, cell: LiveCell): void => {
  const { recycling } = cell
  if (recycling === null || cell.gone || cell.phase !== 'ready') return
  const isLate = live.options.clock.monoMs() - recycling.sinceMs >= drainMs
  const atWork = [...cell.agents].some(({ attempt, taken, dozing }) => attempt !== null || taken || dozing)
  if (isLate || (!atWork && standbyReady(live, cell.group.settings.name))) {
    recycling.over = true
    return live.deeds.kill(cell, `recycled: ${recycling.why}`)
  }
  cell.timers.add(live.agenda.after(lookEveryMs, () => drain(live, cell)))
}

/** It was ended for this; its agents go on at once. False when it ended otherwise. */
export const recycled = (live: Live, cell: LiveCell): boolean => {
  if (cell.recycling?.over !== true || live.phase !== 'open') return false
  const { group, recycling } = cell
  const nowMs = live.options.clock.monoMs()
  const agents = [...cell.agents]
  const attemptsLost = agents.filter(({ attempt }) => attempt !== null && attempt.answering === 0).length
  for (const agent of agents) {
    unseat(live, agent, { cause: `cell ${cell.id} was recycled`, collateral: true })
    // Whom a person has paused gets its seat when it goes on.
    if (agent.ordered !== null) {
      move(live, agent, 'lost')
      continue
    }
    move(live, agent, 'stop', null)
    move(live, agent, 'ended')
  }
  group.recycledMs = nowMs
  group.lostMs ??= nowMs
  notify(live, 'cell.recycled', 'info', {
    subject: cell.id,
    message: `cell ${cell.id} was recycled (${recycling.why}); ${formatAgents(agents)} go on in another`,
    facts: {
      why: recycling.why,
      agents: formatAgents(agents),
      count: agents.length,
      attemptsLost,
      drainedMs: Math.round(nowMs - recycling.sinceMs),
    },
  })
  rise(
    live,
    agents.filter(({ ordered }) => ordered === null),
    'start',
  )
  return true
}
