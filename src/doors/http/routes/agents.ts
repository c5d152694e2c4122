/** Agents and the cells that they live in: lists, one in full, the map for the page, and the deeds a person may do. */
import { agentStates, modes, parseAgent, type AgentStateName } from '../../../model/model.ts'
import { z } from 'zod'
import { readSurge, type AgentOrder, type AgentState } from '../../../fleet/fleet.ts'
import { Failure } from '../../../std/std.ts'
import type { AgentDescription, AgentMap, AgentOrderAnswer, AgentView, ChallengeAnswer } from '../../api.ts'
import { jsonText, nothing, shaped } from '../body.ts'
import { cut, listOf, pageAsk } from '../list.ts'
import type { Once } from '../once.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'
import type { Rooms } from '../rooms.ts'

const attemptsShown = 20
const timeLineEvents = 50
/** Cells are few (100 agents share one), so a list has them all unless asked otherwise. */
const mostCells = 1_000

const oneOf = (name: string, value: string | undefined, known: readonly string[]): void => {
  if (value === undefined || known.includes(value)) return
  throw new Failure('invalid', `${name} must be one of ${known.join(' ')}`)
}

const list = (ask: Ask, type: string | undefined): Reply => {
  const { state, mode } = ask.query
  oneOf('type', type, Object.keys(ask.rooms.config.agents))
  oneOf('state', state, agentStates)
  oneOf('mode', mode, modes)
  const { items, next } = ask.rooms.fleet.page({ type, state, mode, ...pageAsk(ask) })
  const page = listOf(ask, { items, next }, (agent) => agent)
  return ok({ ...page, coverage: ask.rooms.fleet.summary().coverage })
}

const notFound = (what: string): Failure => new Failure('not-found', `there is no ${what}`)

const agentAsked = (ask: Ask): AgentView => {
  const id = `${ask.params['type']}/${ask.params['number']}`
  const ref = parseAgent(id)
  const view = ref === undefined ? undefined : ask.rooms.fleet.view(ref)
  if (view === undefined) throw notFound(`agent ${id.slice(0, 80)}`)
  return view
}

/** Limits over upstreams that its calls may meet; without the gate nobody knows what is used of them. */
const limitsOf = async ({ rooms }: Ask, { id, type }: AgentView): Promise<AgentDescription['limits']> => {
  // A type that is gone from the configuration and works on: whatever counts it.
  const mayCall = rooms.config.agents[type]?.upstreams ?? Object.keys(rooms.config.upstreams)
  const meets = (upstreams: readonly string[]): boolean =>
    upstreams.length === 0 ? mayCall.length > 0 : upstreams.some((one) => mayCall.includes(one))
  try {
    const all = await rooms.gatelink.limitsOf(id)
    return all.filter(({ upstreams }) => meets(upstreams))
  } catch {
    return 'unknown'
  }
}

const describe = async (ask: Ask): Promise<Reply> => {
  const view = agentAsked(ask)
  const { read } = ask.rooms.store
  // What befell its cell befell the agent: the death of a host is one event, told under the cell's id.
  const subjects = [view.id, ...new Set([...(view.cell === null ? [] : [view.cell.id]), ...(view.lastCells ?? [])])]
  const pages = await Promise.all(
    subjects.map((subject) => read.events({ limit: timeLineEvents, after: null, subject, newestFirst: true })),
  )
  const timeLine = pages
    .flatMap((page) => page.items)
    .toSorted((one, other) => other.seq - one.seq)
    .slice(0, timeLineEvents)
  const { items: attempts, ofNewestTasks } = await read.attemptsOf(view.id, attemptsShown)
  const holds = ask.rooms.modes.of({ agent: view.id, channel: null })
  const limits = await limitsOf(ask, view)
  const told = { holds, limits, timeLine, attempts, attemptsOfNewestTasks: ofNewestTasks }
  const description: AgentDescription = { ...view, ...told }
  return ok(description)
}

type Deed = 'restart' | 'unquarantine'

const act = async (ask: Ask, once: Once, deed: Deed): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  shaped(text, nothing)
  return once(ask, text, async () => {
    const agents = ask.params['number'] === undefined ? ofType(ask) : [agentAsked(ask)]
    const refs = agents.map(({ type, number }) => ({ type, number }))
    await ask.rooms.fleet[deed](refs, ask.actor)
    return {
      status: 202,
      body: { asked: deed === 'restart' ? 'restart' : 'release', agents: agents.map((agent) => agent.id) },
    }
  })
}

/** `surge`: how many may be away at once, like `3` or `25%`; a quarter when absent. */
export const restartBody = z.strictObject({
  rolling: z.boolean().default(false),
  surge: z
    .string()
    .max(10)
    .refine((text) => readSurge(text) !== undefined, 'a number of agents like "3", or a share like "25%"')
    .optional(),
})

/** All of a type: as they stand, or part after part. */
const restartType = async (ask: Ask, once: Once): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  const { rolling, surge } = shaped(text, restartBody)
  if (surge !== undefined && !rolling) throw new Failure('invalid', 'surge: only with rolling')
  return once(ask, text, async () => {
    const agents = ofType(ask)
    const refs = agents.map(({ type, number }) => ({ type, number }))
    const { fleet } = ask.rooms
    if (rolling) await fleet.roll(ask.params['type']!, surge === undefined ? null : readSurge(surge)!, ask.actor)
    else await fleet.restart(refs, ask.actor)
    return { status: 202, body: { asked: 'restart', agents: agents.map((agent) => agent.id) } }
  })
}

export const orderBody = z.strictObject({ reason: z.string().min(1).max(500).default('no reason given') })

/** One agent, or all of a type; those that cannot take the order in their state are named. */
const order = async (ask: Ask, once: Once, what: AgentOrder): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  const { reason } = shaped(text, orderBody)
  return once(ask, text, async () => {
    const agents = ask.params['number'] === undefined ? ofType(ask) : [agentAsked(ask)]
    const refs = agents.map(({ type, number }) => ({ type, number }))
    const { done, left } = await ask.rooms.fleet.order(what, refs, { actor: ask.actor, reason })
    const answer: AgentOrderAnswer = { asked: what, agents: done, left }
    return { status: 202, body: answer }
  })
}

const orders: readonly AgentOrder[] = ['start', 'stop', 'pause', 'resume', 'quarantine']

const ofType = (ask: Ask): readonly AgentState[] => {
  const type = ask.params['type']
  const agents = ask.rooms.fleet.states(type)
  if (agents.length === 0) throw notFound(`agent of type ${String(type).slice(0, 80)}`)
  return agents
}

/** One letter a state; the answer carries this table, so that a reader needs no copy of it. */
const letterOf: Record<AgentStateName, string> = {
  starting: 's',
  idle: 'i',
  busy: 'b',
  suspect: 'd',
  backoff: 'r',
  hibernating: 'h',
  paused: 'p',
  quarantined: 'q',
  stopping: 'e',
  stopped: 'o',
  unknown: 'u',
}
const letters = Object.fromEntries(Object.entries(letterOf).map(([state, letter]) => [letter, state]))

/** The map of sorted agents: numbers as ranges, states as letters. */
export const agentMap = (agents: readonly AgentState[]): AgentMap['types'] => {
  const types = new Map<string, { type: string; ranges: [number, number][]; states: string[] }>()
  for (const agent of agents) {
    const entry = types.get(agent.type) ?? { type: agent.type, ranges: [], states: [] }
    types.set(agent.type, entry)
    const last = entry.ranges.at(-1)
    if (last !== undefined && last[1] + 1 === agent.number) last[1] = agent.number
    else entry.ranges.push([agent.number, agent.number])
    entry.states.push(letterOf[agent.state])
  }
  return [...types.values()].map((entry) => ({ ...entry, states: entry.states.join('') }))
}

const map = ({ rooms }: Ask): Reply => {
  const { byState, coverage } = rooms.fleet.summary()
  const answer: AgentMap = {
    nowMs: rooms.clock.wallMs(),
    letters,
    types: agentMap(rooms.fleet.states()),
    byState,
    coverage,
  }
  return ok(answer)
}

const challenge = async ({ rooms, params }: Ask): Promise<Reply> => {
  const cell = params['id']!
  if (!rooms.fleet.cells().some((status) => status.id === cell)) throw notFound(`living cell ${cell.slice(0, 80)}`)
  const askedMs = rooms.clock.wallMs()
  const agents = await rooms.fleet.challenge(cell)
  const answer: ChallengeAnswer = { cell, agents, askedMs, answeredMs: rooms.clock.wallMs() }
  return ok(answer)
}

const cellsPage = (ask: Ask): Reply =>
  ok(
    listOf(
      ask,
      cut(sortedCells(ask.rooms), pageAsk(ask, mostCells), (cell) => cell.id),
      (cell) => cell,
    ),
  )
const sortedCells = ({ fleet }: Rooms): ReturnType<Rooms['fleet']['cells']> =>
  [...fleet.cells(), ...fleet.standbys()].toSorted((left, right) => (left.id < right.id ? -1 : 1))

export const agentRoutes = (once: Once): readonly Route[] => [
  {
    method: 'GET',
    path: '/api/v1/agents',
    query: ['limit', 'cursor', 'type', 'state', 'mode'],
    run: (ask) => list(ask, ask.query['type']),
  },
  { method: 'GET', path: '/api/v1/agents/map', run: map },
  {
    method: 'GET',
    path: '/api/v1/agents/:type',
    query: ['limit', 'cursor', 'state', 'mode'],
    run: (ask) => list(ask, ask.params['type']),
  },
  { method: 'GET', path: '/api/v1/agents/:type/:number{[0-9]+}', run: describe },
  { method: 'POST', path: '/api/v1/agents/:type/restart', run: (ask) => restartType(ask, once) },
  { method: 'POST', path: '/api/v1/agents/:type/release', run: (ask) => act(ask, once, 'unquarantine') },
  { method: 'POST', path: '/api/v1/agents/:type/:number{[0-9]+}/restart', run: (ask) => act(ask, once, 'restart') },
  {
    method: 'POST',
    path: '/api/v1/agents/:type/:number{[0-9]+}/release',
    run: (ask) => act(ask, once, 'unquarantine'),
  },
  ...orders.flatMap((what): Route[] =>
    ['', '/:number{[0-9]+}'].map((number) => ({
      method: 'POST',
      path: `/api/v1/agents/:type${number}/${what}`,
      run: (ask) => order(ask, once, what),
    })),
  ),
  { method: 'GET', path: '/api/v1/cells', query: ['limit', 'cursor'], run: cellsPage },
  { method: 'POST', path: '/api/v1/cells/:id/challenge', run: challenge },
]
