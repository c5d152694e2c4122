/**
 * Hosts that stand by: started ahead, so that the replacement of a dead cell need not wait for a process to start. They
 * are no agents and hold none; of their type they have the heap cap, limits and walls, and nothing else. Each is in the
 * record before it counts, answers challenges like any cell, and ends with the sitter.
 *
 *   starting ─ connected, recorded, answered ─▶ ready ─ taken ─▶ handed over: a cell like any other
 *      └───────────── died, silent, did not answer when it was taken ─▶ gone; another is started later
 *
 * They never compete with cells: one at a time, only while no cell waits or starts, and not before it has been quiet
 * for a second. Bound: `standbysWanted` of the model.
 */
import type { CellEnd, CellEvents } from '../cell/cell.ts'
import { standbysWanted, type AgentType } from '../model/model.ts'
import { asFailure, canonicalJson, Failure } from '../std/std.ts'
import { kindOf, memoryOf } from './housing.ts'
import type { Live, Post, StandbyLine, Stock } from './live.ts'
import { hostPlan, newPlace } from './place.ts'
import type { CellStatus } from './port.ts'
import { readPong } from './pulse.ts'
import { clearAway, notify, say } from './wiring.ts'

/** After the last start or loss: a swarm that is coming back has the machine for itself. */
const quietMs = 1_000
const longestPutOffMs = 60_000
/** One that stood this long was no failure to start. */
const stoodMs = 60_000
/** Beats within which a challenge must be answered. */
const patienceBeats = 2

/** What is to be kept of each type; what a type's line knows of failures goes on. */
const linesOf = (types: readonly AgentType[], before: readonly StandbyLine[]): readonly StandbyLine[] => {
  const wanted = standbysWanted(types)
  return types
    .map((settings) => {
      const { failures, notBeforeMs } = before.find((line) => line.settings.name === settings.name) ?? {
        failures: 0,
        notBeforeMs: -Infinity,
      }
      return { settings, wanted: wanted.get(settings.name) ?? 0, failures, notBeforeMs }
    })
    .filter((line) => line.wanted > 0)
}

export const openStock = (types: readonly AgentType[], canStandBy: boolean): Stock => ({
  lines: canStandBy ? linesOf(types, []) : [],
  posts: new Set(),
  cancelLook: null,
})

const lineOf = (live: Live, { settings }: Post): StandbyLine | undefined =>
  live.stock.lines.find((line) => line.settings.name === settings.name)

/** A host has its type's heap cap, limits and walls, and these show the code of its module; nothing else is in it. */
const partsOf = ({ cell, memoryBytes, limits, run }: AgentType): unknown => [
  cell.kind,
  cell.walls ?? null,
  cell.vm ?? null,
  memoryBytes,
  limits,
  run.module ?? null,
]
const fits = (post: Post, settings: AgentType): boolean =>
  post.settings === settings || canonicalJson(partsOf(post.settings)) === canonicalJson(partsOf(settings))

/** Other types, or other settings of them: who stands by and is not wanted any more ends. */
export const restock = (live: Live): void => {
  const { stock } = live
  if (live.options.cells.standBy === undefined) return
  stock.lines = linesOf([...live.types.values()], stock.lines)
  const kept = new Map<string, number>()
  for (const post of stock.posts) {
    if (post.state !== 'starting' && post.state !== 'ready') continue
    const line = lineOf(live, post)
    const count = (kept.get(post.settings.name) ?? 0) + 1
    if (line !== undefined && fits(post, line.settings) && count <= line.wanted) kept.set(post.settings.name, count)
    else {
      post.unwanted = true
      post.standby?.kill('it stood by and is not wanted any more')
    }
  }
  tendStandbys(live)
}

/** The type whose turn it is to get another. */
const shortest = (live: Live): StandbyLine | undefined => {
  const standing = (line: StandbyLine): number =>
    [...live.stock.posts].filter(
      (post) => post.settings.name === line.settings.name && post.state !== 'taken' && !post.unwanted,
    ).length
  return live.stock.lines
    .filter((line) => standing(line) < line.wanted)
    .toSorted((a, b) => a.notBeforeMs - b.notBeforeMs)[0]
}

/** Sees to it that as many stand by as should: later, one at a time, behind everything else. */
export const tendStandbys = (live: Live): void => {
  const { stock } = live
  stock.cancelLook?.()
  stock.cancelLook = null
  const line = shortest(live)
  if (live.phase !== 'open' || line === undefined) return
  // The one that starts now calls again when it stands, or is gone.
  if ([...stock.posts].some((post) => post.state === 'starting')) return
  const waitMs = Math.max(quietMs, line.notBeforeMs - live.options.clock.monoMs())
  stock.cancelLook = live.agenda.after(waitMs, () => {
    stock.cancelLook = null
    if (live.waves.waiting + live.waves.starting > 0 || live.admission.short !== null) return tendStandbys(live)
    void start(live, line.settings)
  })
}

const start = async (live: Live, settings: AgentType): Promise<void> => {
  const { owner, epoch, clock, cells } = live.options
  const place = newPlace(live, settings)
  const post: Post = {
    place,
    settings,
    startedWallMs: clock.wallMs(),
    ended: Promise.withResolvers<void>(),
    state: 'starting',
    unwanted: false,
    standby: null,
    connected: false,
    recorded: false,
    durable: false,
    readyMs: null,
    answeredWallMs: null,
    cancelBeat: null,
  }
  live.stock.posts.add(post)
  try {
    const standby = await cells.standBy!(hostPlan(live, settings, place), eventsOf(live, post))
    post.standby = standby
    if (post.state === 'gone') return
    if (live.phase !== 'open') return standby.kill('the sitter stops')
    if (post.unwanted) return standby.kill('it is not wanted any more')
    const { id, directory } = place
    const { identity } = standby
    const what = { id, kind: kindOf(live, settings), agentType: settings.name, identity, directory }
    live.record.cell({ kind: 'cell.started', with: { ...what, owner, epoch, wallMs: clock.wallMs() } })
    post.recorded = true
    await live.record.flush()
    post.durable = true
    if (post.connected) void ask(live, post)
  } catch (thrown) {
    const { message } = asFailure(thrown)
    say(live, 'error', `a host that should stand by could not be started: ${message}`, place.id)
    if (post.standby === null) lost(live, post, { cause: 'start-failed', detail: message, end: null })
    else post.standby.kill(message)
  }
}

const eventsOf = (live: Live, post: Post): CellEvents => ({
  ready: () => {
    post.connected = true
    if (post.durable) void ask(live, post)
  },
  frame: (_method, _params, answer) =>
    answer({ error: new Failure('not-your-agent', 'no agent lives in a host that stands by') }),
  refused: (code, detail) => say(live, 'warn', `a frame of a host that stands by was refused: ${code}`, detail),
  line: (_stream, text) => say(live, 'warn', `a host that stands by says: ${text}`, post.place.id),
  gone: (end) => lost(live, post, end),
})

/** At each beat; the first answer is what makes it ready. */
const ask = async (live: Live, post: Post): Promise<void> => {
  const { heartbeatMs } = post.settings
  const nonce = live.options.newId('req')
  try {
    const pong = readPong(await post.standby!.ask('ping', { nonce }, patienceBeats * heartbeatMs), nonce)
    if (pong === undefined || pong.agents.length > 0) throw new Failure('frame-invalid', 'it answered something else')
  } catch (thrown) {
    if (post.state === 'starting' || post.state === 'ready')
      post.standby!.kill(`it stood by and did not answer a challenge: ${asFailure(thrown).message}`)
    return
  }
  if (live.phase !== 'open' || (post.state !== 'starting' && post.state !== 'ready')) return
  post.answeredWallMs = live.options.clock.wallMs()
  post.cancelBeat = live.agenda.after(heartbeatMs, () => void ask(live, post))
  if (post.state === 'ready') return
  post.state = 'ready'
  post.readyMs = live.options.clock.monoMs()
  const { pid, startTime } = post.standby!.identity
  notify(live, 'standby.ready', 'info', {
    subject: post.place.id,
    message: `a host stands by for ${post.settings.name}`,
    facts: { type: post.settings.name, pid, startTime },
  })
  tendStandbys(live)
}

const lost = (live: Live, post: Post, end: CellEnd): void => {
  if (post.state === 'gone') return
  const { place, settings } = post
  const { clock } = live.options
  const nowMs = clock.monoMs()
  post.state = 'gone'
  clearAway(live, place.id, end)
  post.cancelBeat?.()
  live.stock.posts.delete(post)
  const { cause, detail } = end
  if (post.recorded)
    live.record.cell({ kind: 'cell.ended', with: { id: place.id, cause, detail, wallMs: clock.wallMs() } })
  post.ended.resolve()
  if (live.phase !== 'open') return
  const line = lineOf(live, post)
  if (post.unwanted || line === undefined) return tendStandbys(live)
  line.failures = post.readyMs !== null && nowMs - post.readyMs >= stoodMs ? 1 : line.failures + 1
  const putOffMs = Math.min(longestPutOffMs, quietMs * 2 ** (line.failures - 1))
  line.notBeforeMs = nowMs + putOffMs
  notify(live, 'standby.lost', 'warn', {
    subject: place.id,
    message: `a host that stood by for ${settings.name} is gone (${cause}): ${detail}; no agent was in it`,
    facts: {
      cause,
      detail,
      type: settings.name,
      pid: post.standby?.identity.pid ?? null,
      wasReady: post.readyMs !== null,
      failures: line.failures,
      nextInMs: putOffMs,
    },
  })
  tendStandbys(live)
}

/** One that stands by for a cell with these settings, from now on its caller's: to be handed over, or dismissed. */
export const takeStandby = (live: Live, settings: AgentType): Post | undefined => {
  for (const post of live.stock.posts) {
    if (post.settings.name !== settings.name || post.state !== 'ready' || post.unwanted) continue
    if (!fits(post, settings)) continue
    post.state = 'taken'
    post.cancelBeat?.()
    tendStandbys(live)
    return post
  }
  return undefined
}

/** One stands by for this type, or none is to be waited for. */
export const standbyReady = (live: Live, type: string): boolean =>
  !live.stock.lines.some((line) => line.settings.name === type) ||
  [...live.stock.posts].some((post) => post.settings.name === type && post.state === 'ready' && !post.unwanted)

/** It is a cell now, and told as one. */
export const handOver = (live: Live, post: Post): void => {
  post.state = 'gone'
  const line = lineOf(live, post)
  if (line) line.failures = 0
  live.stock.posts.delete(post)
  post.ended.resolve()
}

export const dismiss = (live: Live, post: Post, why: string): void => {
  say(live, 'warn', `a host that stood by is not taken: ${why}`, post.place.id)
  post.standby?.kill(`it stood by and did not answer when it was needed: ${why}`)
}

/** Resolves when none is left. */
export const endStandbys = async (live: Live, why: string): Promise<void> => {
  const posts = [...live.stock.posts]
  for (const post of posts) post.standby?.kill(why)
  await Promise.all(posts.map((post) => post.ended.promise))
}

export const standbyCounts = (live: Live): { readonly ready: number; readonly wanted: number } => ({
  ready: [...live.stock.posts].filter((post) => post.state === 'ready').length,
  wanted: live.stock.lines.reduce((sum, line) => sum + line.wanted, 0),
})

/** Those whose process is known, as cells without agents. */
export const standbyStatuses = (live: Live): CellStatus[] =>
  [...live.stock.posts].flatMap(({ place, settings, standby, state, startedWallMs, answeredWallMs }) =>
    standby === null
      ? []
      : [
          {
            id: place.id,
            kind: kindOf(live, settings),
            agentType: settings.name,
            identity: standby.identity,
            agents: 0,
            busy: 0,
            startedMs: startedWallMs,
            answeredMs: answeredWallMs,
            answeredAgents: answeredWallMs === null ? null : 0,
            residentBytes: memoryOf(live, standby, standby.identity.pid),
            standsBy: state === 'ready' ? ('ready' as const) : ('not-ready' as const),
          },
        ],
  )
