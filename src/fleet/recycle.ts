/**
 * Hosts that come near their limits, and processes that are as old as they may become, are recycled: no new work, time
 * for what is in hand, then the process is ended and its agents go on in another, in a standby where there is one. No
 * loss: nobody is charged, and no restart is counted. What fills a host faster than this notices dies of it, and is
 * found by that (death.ts).
 */
import type { Share, Usage } from '../cell/cell.ts'
import { formatDuration } from '../std/std.ts'
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

/** A tenth of their longest life: processes that were started together are not replaced together. */
const jitterShare = 0.1

/** Why a process is old enough to be replaced; null when it is not, or may live for ever. */
export const oldAge = (maxLifetimeMs: number | undefined, jitter: number, ageMs: number): string | null =>
  maxLifetimeMs !== undefined && ageMs >= maxLifetimeMs * (1 - jitterShare * jitter)
    ? `it has lived for ${formatDuration(Math.round(ageMs))}, of at most ${formatDuration(maxLifetimeMs)}`
    : null

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

/** Why a pool host is near its limits. Where it cannot be seen behind its walls, its limit ends it there. */
const fullness = (live: Live, { group: { settings }, cell }: LiveCell): string | null => {
  const usage = cell?.usage?.()
  const pid = usage === undefined ? cell?.identity?.pid : usage.pid
  if (settings.run.module === undefined || pid === undefined || pid === null) return null
  const { proc } = live.options
  // Each machine of a vm cell is bounded by itself; only the host's own part can fill up unseen.
  const memoryBytes = settings.memoryBytes + (settings.cell.vm?.memoryBytes ?? 0) * settings.perCell
  const seen = { residentBytes: proc.residentBytes(pid), files: proc.openFiles(pid), ...(usage && { usage }) }
  return nearLimit({ ...seen, memoryBytes })
}

/** At each beat of a cell. A seat in which no process lives has no age. */
export const weigh = (live: Live, cell: LiveCell): void => {
  const { group } = cell
  if (cell.recycling !== null || (cell.cell?.identity ?? null) === null) return
  const nowMs = live.options.clock.monoMs()
  const full = fullness(live, cell)
  const old = full === null ? oldAge(group.settings.maxLifetimeMs, cell.jitter, nowMs - cell.launchedMs) : null
  cell.fullBeats = full === null ? 0 : cell.fullBeats + 1
  const why = full ?? old
  if (why === null) return
  const typeIsBusy = live.groups.some((one) => one.settings.name === group.settings.name && isBusy(one))
  const starting = live.waves.waiting + live.waves.starting
  const turn = { nowMs, fullBeats: cell.fullBeats, recycledMs: group.recycledMs, typeIsBusy, starting }
  // Age is no reading that may be wrong, and grows again as slowly as it did.
  if (!mayRecycle(old === null ? turn : { ...turn, fullBeats: beatsInARow, recycledMs: null })) return
  cell.recycling = { sinceMs: nowMs, why, over: false }
  for (const agent of cell.agents) refile(live, agent)
  notify(live, 'cell.recycling', 'info', {
    subject: cell.id,
    message: `cell ${cell.id} is to be replaced (${why}): it gets no more work, and goes when it has none`,
    facts: {
      why,
      agents: formatAgents([...cell.agents]),
      count: cell.agents.size,
      pid: cell.cell?.identity?.pid ?? null,
      withinMs: drainMs,
    },
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
