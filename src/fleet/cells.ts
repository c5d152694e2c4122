/**
 * Cells from launch to end. A cell is started for the agents of its group that want a seat; those that want one later
 * are seated in the living cell. No agent is given an epoch, and no cell is trusted with work, before the record holds
 * it. A replacement is never started before the old process is known to be gone.
 */
import type { Cell, CellEnd, CellEvents, CellPlan } from '../cell/cell.ts'
import { asFailure, Failure } from '../std/std.ts'
import { move, refile, touch, unseat } from './agents.ts'
import { onFrame, onLine, onRefused } from './frames.ts'
import { bringBeds, seatsNow, wakeFromBeds } from './hibernate/beds.ts'
import { announce } from './fence.ts'
import { startable } from './governor/starts.ts'
import { housingOf, kindOf } from './housing.ts'
import type { Agent, Group, Live, LiveCell, Post } from './live.ts'
import { beginTrial, cellLost, dueAtOnce } from './loss.ts'
import { waitsFor } from './order/starts.ts'
import { beginProbes } from './probes/probes.ts'
import { beginPulse, challengeSoon } from './pulse.ts'
import { hostPlan, isWatched, newPlace } from './place.ts'
import { formatAgents } from './range.ts'
import { recycled } from './recycle.ts'
import { dismiss, handOver, takeStandby } from './standby.ts'
import { stepDone } from './silence/ladder.ts'
import { clearAway, notify, say } from './wiring.ts'

/** A host that stands by answers in 0.3 ms; one that does not within this time is not waited for any longer. */
const answerWithinMs = 500
/** A killed process that is still there after this long is killed again, and people are told. */
const killAgainMs = 5_000
/** Of three times the time that a start may take: longer than what a kind of cell waits for its process. */
const mostRounds = 4

const openCell = (live: Live, group: Group, post: Post | undefined): LiveCell => {
  const { clock } = live.options
  return {
    ...(post?.place ?? newPlace(live, group.settings)),
    group,
    stoodBy: post !== undefined,
    launchedMs: clock.monoMs(),
    startedWallMs: clock.wallMs(),
    phase: 'starting',
    cell: null,
    welcomed: false,
    recorded: false,
    gone: false,
    ended: Promise.withResolvers<void>(),
    readyMs: null,
    progressed: false,
    agents: new Set(),
    named: new Map(),
    killedFor: null,
    judged: false,
    vacated: false,
    announced: false,
    endedAttempts: [],
    bedding: false,
    slept: false,
    wasStopped: false,
    jitter: group.settings.maxLifetimeMs === undefined ? 0 : live.options.random.next(),
    fullBeats: 0,
    recycling: null,
    mark: 0,
    pulse: 0,
    silentBeats: 0,
    suspect: false,
    suspected: null,
    excuse: null,
    steps: [],
    effort: null,
    probes: null,
    probed: null,
    heardMs: clock.monoMs(),
    answeredMs: null,
    answeredWallMs: null,
    answeredAgents: null,
    askedAgain: null,
    timers: new Set(),
    exists: null,
    lines: { windowMs: clock.monoMs(), count: 0, dropped: 0 },
    refusedFrames: 0,
    refusedTold: 0,
  }
}

const planOf = (live: Live, cell: LiveCell): CellPlan => ({
  ...hostPlan(live, cell.group.settings, cell),
  run: cell.group.settings.run,
  code: live.codes.get(cell.group.settings.name) ?? 0,
  watched: isWatched(live, cell.group),
  seats: seatsNow(cell.agents),
})

const take = (live: Live, cell: LiveCell, agent: Agent): void => {
  agent.cell = cell
  agent.seatedMs = live.options.clock.monoMs()
  agent.mark = cell.mark += 1
  agent.lastCells = [cell.id, ...agent.lastCells.filter((id) => id !== cell.id)].slice(0, 4)
  cell.agents.add(agent)
}

const wanting = (live: Live, group: Group): Agent[] => {
  const waiting = group.agents.filter(({ state, cell }) => state === 'starting' && cell === null)
  return startable(
    live,
    group,
    waiting.filter((agent) => waitsFor(live, agent) === null),
  )
}

/** Gets every agent of the group that wants a seat into a cell: into the living one, or by asking for a start. */
export const provide = (live: Live, group: Group): void => {
  if (live.phase !== 'open') return
  const agents = wanting(live, group)
  if (agents.length === 0) return
  const { cell } = group
  if (cell?.phase === 'ready') return void seat(live, cell, agents)
  // A starting or ending cell asks again when it is ready or gone.
  if (cell !== null) return
  const leftMs = group.notBeforeMs - live.options.clock.monoMs()
  if (leftMs <= 0) live.waves.ask(group)
  else live.agenda.after(leftMs, () => provide(live, group))
}

/** Seats agents in a living cell, once the record holds their epochs. */
const seat = async (live: Live, cell: LiveCell, agents: readonly Agent[]): Promise<void> => {
  for (const agent of agents) take(live, cell, agent)
  try {
    await Promise.all([live.record.flush(), bringBeds(live, agents)])
  } catch {
    return /* the record told its fault; without it nothing new is started */
  }
  const still = agents.filter((agent) => agent.cell === cell && agent.state === 'starting')
  if (still.length === 0 || cell.phase !== 'ready' || live.phase !== 'open') return
  for (const agent of still) {
    agent.mark = cell.mark += 1
    agent.seatedMs = live.options.clock.monoMs()
  }
  announce(live, cell)
  const seats = seatsNow(still)
  if (seats.length > 0) cell.cell!.send([{ jsonrpc: '2.0', method: 'seat', params: { seats } }])
  wakeFromBeds(live, cell, still)
  challengeSoon(live, cell)
}

/** Kills the process behind a cell; `gone` follows, and only then anything is replaced. */
export const kill = (live: Live, cell: LiveCell, why: string, ask?: 'ask'): void => {
  if (cell.gone) return
  cell.killedFor ??= why
  if (ask === 'ask') cell.judged = true
  cell.phase = 'ending'
  for (const agent of cell.agents) refile(live, agent)
  cell.cell?.kill(why, ask)
  cell.timers.add(
    live.agenda.after(killAgainMs, () => {
      notify(live, 'cell.outlived', 'error', {
        subject: cell.id,
        message: `cell ${cell.id} outlives its kill by ${killAgainMs} ms (${why}); nothing replaces it meanwhile`,
        facts: { pid: cell.cell?.identity?.pid ?? null, why },
      })
      kill(live, cell, why)
    }),
  )
}

/** An agent was taken out of a living cell. What is one agent's own process ends with it. */
export const vacate = (live: Live, cell: LiveCell, agent: Agent, why: string): void => {
  if (cell.group.settings.run.module !== undefined)
    return cell.cell?.send([{ jsonrpc: '2.0', method: 'unseat', params: { agents: [agent.id] } }])
  cell.vacated = true
  kill(live, cell, `${agent.id}: ${why}`)
}

const gone = (live: Live, cell: LiveCell, end: CellEnd): void => {
  if (cell.gone) return
  cell.gone = true
  cell.phase = 'ending'
  const { group } = cell
  clearAway(live, cell.id, end)
  for (const cancel of cell.timers) cancel()
  cell.askedAgain?.()
  live.cells.delete(cell.id)
  if (group.cell === cell) group.cell = null
  group.goesFirst = false
  live.options.gatelink.closeCell(cell.id)
  const wallMs = live.options.clock.wallMs()
  const { cause, detail } = end
  if (cell.recorded && cell.cell?.identity !== null)
    live.record.cell({
      kind: 'cell.ended',
      with: { id: cell.id, cause, detail: cell.killedFor ?? detail, wallMs, ...(cell.slept && { forget: true }) },
    })
  if (live.phase !== 'open') endQuietly(live, cell)
  else if (!recycled(live, cell)) cellLost(live, cell, end)
  cell.ended.resolve()
  live.waves.done(group)
  dueAtOnce(live, group)
  provide(live, group)
  live.deeds.vacant(group)
}

/** The sitter stops: nobody is charged, and what waited in quarantine goes on waiting. */
const endQuietly = (live: Live, cell: LiveCell): void => {
  const cause = live.phase === 'stopping' ? 'the sitter stops' : 'a newer sitter acts for this host'
  for (const agent of cell.agents) {
    unseat(live, agent, { cause, collateral: true })
    if (agent.state !== 'stopping') move(live, agent, 'stop')
    if (agent.state === 'stopping') move(live, agent, 'ended')
  }
}

/** Welcomed and recorded: from now on its agents may be given work, one by one as the cell itself lists them. */
const becomeReady = (live: Live, cell: LiveCell): void => {
  if (!cell.welcomed || !cell.recorded || cell.phase !== 'starting') return
  cell.phase = 'ready'
  cell.readyMs = live.options.clock.monoMs()
  Object.assign(cell.group, { diedOf: null, goesFirst: false })
  for (const agent of cell.agents) agent.seatedMs = cell.readyMs
  wakeFromBeds(live, cell, [...cell.agents])
  live.waves.done(cell.group)
  tellStarted(live, cell)
  if (cell.group.lostMs !== null) live.figures.back(cell.readyMs - cell.group.lostMs)
  cell.group.lostMs = null
  challengeSoon(live, cell)
  beginProbes(live, cell)
  beginPulse(live, cell)
  beginTrial(live, cell.group)
  provide(live, cell.group)
}

/** Not of those that come and go with the work: they are told as wakes, many in one. */
const tellStarted = (live: Live, cell: LiveCell): void => {
  const { group } = cell
  if (group.settings.hibernate !== undefined && group.lostMs === null) return
  notify(live, 'cell.started', 'info', {
    subject: cell.id,
    message: `cell ${cell.id} is up with ${formatAgents([...cell.agents])}`,
    facts: {
      pid: cell.cell!.identity?.pid ?? null,
      startTime: cell.cell!.identity?.startTime ?? null,
      agents: formatAgents([...cell.agents]),
      count: cell.agents.size,
      tookMs: Math.round((cell.readyMs ?? cell.launchedMs) - cell.launchedMs),
      stoodBy: cell.stoodBy,
      watched: isWatched(live, cell.group),
      apart: group.part !== null,
      afterLossMs: group.lostMs === null ? null : Math.round((cell.readyMs ?? group.lostMs) - group.lostMs),
    },
  })
}

const eventsOf = (live: Live, cell: LiveCell): CellEvents => ({
  ready: () => {
    // Connected anew: what was on the way may be lost, so it is asked what it holds.
    if (cell.phase === 'ready') return challengeSoon(live, cell)
    cell.welcomed = true
    becomeReady(live, cell)
  },
  frame: (method, params, answer) => {
    if (!cell.gone) onFrame(live, cell, { method, params, answer })
  },
  refused: (code, detail) => {
    if (!cell.gone) onRefused(live, cell, code, detail)
  },
  line: (stream, text) => {
    onLine(live, cell, stream, text)
  },
  did: (step, facts) => stepDone(live, cell, step, facts),
  gone: (end) => {
    gone(live, cell, end)
  },
})

const adopt = async (live: Live, cell: LiveCell, started: Cell): Promise<void> => {
  cell.cell = started
  if (cell.gone) return
  if (cell.phase === 'ending') return started.kill(cell.killedFor ?? 'not wanted any more')
  const { owner, epoch, clock } = live.options
  const { name } = cell.group.settings
  const kind = kindOf(live, cell.group.settings)
  const { id, directory } = cell
  const { identity } = started
  // A seat in which nothing runs leaves nothing that the next sitter would have to sweep.
  if (identity !== null)
    live.record.cell({
      kind: 'cell.started',
      with: { id, kind, agentType: name, identity, directory, owner, epoch, wallMs: clock.wallMs() },
    })
  cell.recorded = true
  announce(live, cell)
  await live.record.flush()
  becomeReady(live, cell)
}

/**
 * A host that stood by is not there after all. Nothing of the agents' ran in it, so it is no loss of theirs: they are
 * taken out again, and another start is made at once.
 */
const turnAway = (live: Live, cell: LiveCell, post: Post, why: string): void => {
  dismiss(live, post, why)
  const { group } = cell
  if (cell.phase === 'ending' || live.phase !== 'open')
    return gone(live, cell, { cause: 'killed-by-us', detail: cell.killedFor ?? 'not wanted any more', end: null })
  cell.gone = true
  for (const cancel of cell.timers) cancel()
  for (const agent of cell.agents) {
    agent.cell = null
    touch(live, agent)
  }
  live.cells.delete(cell.id)
  group.cell = null
  live.options.gatelink.closeCell(cell.id)
  cell.ended.resolve()
  void launch(live, group)
}

/** A host that stood by becomes the cell: it loads the agents' module while the record takes their epochs. */
const enter = async (live: Live, cell: LiveCell, post: Post): Promise<void> => {
  const standby = post.standby!
  const durable = Promise.all([live.record.flush(), bringBeds(live, cell.agents)])
  durable.catch(() => {
    /* heard below, where it is waited for */
  })
  announce(live, cell)
  try {
    const what = { run: cell.group.settings.run, watched: isWatched(live, cell.group) }
    await standby.load(what, eventsOf(live, cell), answerWithinMs)
  } catch (thrown) {
    return turnAway(live, cell, post, asFailure(thrown).message)
  }
  handOver(live, post)
  cell.cell = standby
  cell.recorded = true
  if (cell.phase === 'ending') return standby.kill(cell.killedFor ?? 'not wanted any more')
  await durable
  if (live.phase !== 'open') throw new Failure('cell-start', 'the sitter stops')
  if (!cell.gone) standby.welcome(seatsNow(cell.agents))
}

const startFresh = async (live: Live, cell: LiveCell): Promise<void> => {
  await Promise.all([live.record.flush(), bringBeds(live, cell.agents)])
  if (live.phase !== 'open') throw new Failure('cell-start', 'the sitter stops')
  const { refused } = housingOf(live, cell.group.settings)
  if (refused) throw new Failure('cell-refused', `${refused.why}. Way out: ${refused.wayOut}`)
  await adopt(live, cell, await live.options.cells.start(planOf(live, cell), eventsOf(live, cell)))
}

/**
 * What does not get as far as a process is ended, and frees its place in the wave. Once there is one, its kind counts
 * the time that it had (cell/deadline.ts); this is the end of all patience.
 */
const awaitReady = (live: Live, cell: LiveCell, round: number): void => {
  const longestMs = 3 * cell.group.settings.startWithinMs
  cell.timers.add(
    live.agenda.after(longestMs, () => {
      live.waves.done(cell.group)
      if (cell.phase !== 'starting') return
      // Who does not see itself ends nobody: it asks again after the same time.
      if (live.options.seesItself?.() === false) return awaitReady(live, cell, round)
      if (cell.cell !== null && !cell.welcomed && round < mostRounds) awaitReady(live, cell, round + 1)
      else kill(live, cell, `not ready within ${round * longestMs} ms`)
    }),
  )
}

/** Starts the group's cell; called by the waves, which hear `done` when it is ready or gone. */
export const launch = async (live: Live, group: Group): Promise<void> => {
  const agents = wanting(live, group)
  if (live.phase !== 'open' || group.cell !== null || agents.length === 0) {
    group.goesFirst &&= group.cell !== null
    return live.waves.done(group)
  }
  const post = takeStandby(live, group.settings)
  const cell = openCell(live, group, post)
  group.cell = cell
  live.cells.set(cell.id, cell)
  for (const agent of agents) take(live, cell, agent)
  live.stillness.watch()
  awaitReady(live, cell, 1)
  try {
    await (post === undefined ? startFresh(live, cell) : enter(live, cell, post))
  } catch (thrown) {
    const failure = asFailure(thrown)
    say(live, 'error', `cell ${cell.id} could not be started: ${failure.message}`, cell.id)
    if (cell.cell === null) gone(live, cell, { cause: 'start-failed', detail: failure.message, end: null })
    else kill(live, cell, failure.message)
  }
}
