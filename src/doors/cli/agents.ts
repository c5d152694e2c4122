/** `ps`, `describe`, `restart`, `release`: agents, and any id. */
import { formatAgent, parseAgent } from '../../model/model.ts'
import { failure } from '../../std/std.ts'
import type { AgentOrder, Rolling } from '../../fleet/fleet.ts'
import type {
  AgentDescription,
  AgentOrderAnswer,
  AgentView,
  CellDescription,
  CellStatus,
  EventView,
  List,
  SwarmView,
} from '../api.ts'
import { confirm, onlyDry, required, waitUntil } from './asking.ts'
import type { Api } from './client.ts'
import { incidentShow } from './incidents.ts'
import { describeBatch, describeSettlement } from './money.ts'
import { modeText } from './mode.ts'
import { coverageText } from './swarm.ts'
import { freeText, rateText } from './outside.ts'
import { agentsNow, waitForAgents } from './order-wait.ts'
import { attemptLines, eventLine, facts, section, witnessLines } from './story.ts'
import { age, at, count, counted, duration, plain, tally } from './text.ts'
import type { Deed, Invocation } from './verb.ts'
import { describeSecret } from './vault.ts'
import { describeAttempt, describeTask } from './work.ts'

const exitText = (agent: AgentView, nowMs: number): string => {
  if (agent.exit === null) return ''
  const { kind, at: whenMs, who, what } = agent.exit
  const moment = whenMs === undefined ? '' : whenMs <= nowMs ? 'due' : `in ${duration(whenMs - nowMs)}`
  // A time alone says all; every other exit needs its word.
  const named = kind === 'time' && what === undefined && moment !== '' ? '' : (what ?? kind)
  const exit = [named, who === undefined ? '' : `by ${who}`].filter((part) => part !== '').join(' ')
  return [exit, moment].filter((part) => part !== '').join(', ')
}

const countsOf = (agents: readonly AgentView[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const agent of agents) counts[agent.state] = (counts[agent.state] ?? 0) + 1
  return counts
}

export const ps: Deed = async ({ api, options, printer, world }) => {
  const asked = { type: options.text('type'), state: options.text('state'), mode: options.text('mode') }
  const door = await api()
  const agents = await door.all<AgentView>('/api/v1/agents', asked)
  const { coverage } = await door.get<List<AgentView>>('/api/v1/agents', { limit: 1 })
  const nowMs = world.clock.wallMs()
  const byNumber = agents.toSorted((a, b) => (a.type < b.type ? -1 : a.type > b.type ? 1 : a.number - b.number))
  if (printer.json) {
    printer.document({ items: byNumber, next: null, ...(coverage && { coverage }) })
    return 0
  }
  printer.list(byNumber, (agent) => agent.id, [
    { head: 'AGENT', value: (agent) => agent.id },
    { head: 'STATE', value: (agent) => agent.state },
    { head: 'MODE', value: (agent) => agent.mode },
    { head: 'SINCE', value: (agent) => age(nowMs, agent.sinceMs), align: 'right' },
    { head: 'RESTARTS', value: (agent) => String(agent.restarts), align: 'right' },
    { head: 'PID', value: (agent) => (agent.cell === null ? '–' : String(agent.cell.pid)), align: 'right' },
    { head: 'CELL', value: (agent) => agent.cell?.id ?? '–', drop: true },
    { head: 'NEXT', value: (agent) => exitText(agent, nowMs), shrink: true },
    { head: 'REASON', value: (agent) => agent.reason ?? '', shrink: true },
  ])
  const seen = coverage === undefined ? '' : `; ${coverageText(coverage)}`
  if (agents.length > 0) printer.note(`${counted(agents.length, 'agent')}: ${tally(countsOf(agents))}${seen}`)
  return 0
}

const attemptsTitle = ({ attemptsOfNewestTasks: most }: AgentDescription): string =>
  most === null ? 'attempts' : `attempts (of the newest ${most.toLocaleString('en')} tasks, and of retried ones)`

const housingText = ({ requested, effective, weaker, refused, user }: AgentView['housing']): string => {
  if (refused !== null) return plain(`nothing: ${refused.why}. Way out: ${refused.wayOut}`)
  const asked = effective === requested ? requested : `${effective}, where ${requested} was asked for`
  const kind = user === 'own' ? `${asked}, as a user of its own` : asked
  return weaker.length === 0 ? kind : plain(`${kind}; weaker here: ${weaker.join('; ')}`)
}

const apartText = ({ apart }: AgentView, nowMs: number): string | null => {
  if (apart === undefined) return null
  const why = apart.named ? 'it was named as the cause of its cell’s death' : 'its cell died again, nobody was named'
  return `for ${age(nowMs, apart.sinceMs)}: ${why}; goes home when it has lived ${duration(apart.proofMs)} there`
}

const witnessed = (events: readonly EventView[]): string[] => {
  const lines = witnessLines(events)
  return lines.length === 0 ? [] : section('what its hosts left behind', lines)
}

const whoseText = { agent: 'it alone', type: 'all of its type', swarm: 'all agents' } as const

const limitLines = ({ limits }: AgentDescription, nowMs: number): string[] =>
  limits === 'unknown'
    ? ['unknown: the gate does not say']
    : limits.map((limit) => {
        const { name, per, rate, upstreams } = limit
        const to = upstreams.length === 0 ? '' : ` to ${upstreams.join(', ')}`
        const whose = Object.hasOwn(whoseText, per) ? whoseText[per as keyof typeof whoseText] : per
        return plain(`${name}: ${rateText(rate)} for ${whose}${to}: ${freeText(limit, nowMs)}`)
      })

const agentLines = (agent: AgentDescription, nowMs: number): string[] => [
  ...facts([
    ['agent', agent.id],
    [
      'state',
      `${agent.state} for ${age(nowMs, agent.sinceMs)}${agent.reason === null ? '' : `: ${plain(agent.reason)}`}`,
    ],
    ['mode', modeText(agent.holds, nowMs)],
    ['next', exitText(agent, nowMs) === '' ? null : plain(exitText(agent, nowMs))],
    ['epoch', String(agent.epoch)],
    ['restarts', String(agent.restarts)],
    ['attempt', agent.attempt],
    ['apart', apartText(agent, nowMs)],
    [
      'cell',
      agent.cell === null
        ? 'none'
        : `${agent.cell.id} (${agent.cell.kind}), pid ${agent.cell.pid}, start time ${agent.cell.startTime}`,
    ],
    ['lives in', housingText(agent.housing)],
  ]),
  ...section(
    'evidence',
    agent.evidence.map(
      (evidence) =>
        `${evidence.fact}: ${evidence.value}, ` +
        `${evidence.atMs === null ? 'never observed' : `seen ${age(nowMs, evidence.atMs)} ago`} ` +
        `(${plain(evidence.source)})` +
        `${evidence.detail === undefined ? '' : ` ${plain(evidence.detail)}`}`,
    ),
  ),
  ...section('limits over upstreams', limitLines(agent, nowMs)),
  ...section(attemptsTitle(agent), agent.attempts.length === 0 ? [] : attemptLines(agent.attempts, nowMs)),
  ...section('events', agent.timeLine.map(eventLine)),
  ...witnessed(agent.timeLine),
]

const cellFacts = (cell: CellStatus, nowMs: number): string[] =>
  facts([
    ['cell', cell.id],
    ['kind', cell.kind],
    ...(cell.standsBy === undefined
      ? []
      : [['stands by', cell.standsBy === 'ready' ? 'could take over for a lost cell now' : 'not ready'] as const]),
    ['agents', `${counted(cell.agents, 'agent')} of ${plain(cell.agentType)}, ${cell.busy} busy`],
    ['process', `pid ${cell.identity.pid}, start time ${cell.identity.startTime}`],
    ['started', at(cell.startedMs)],
    [
      'answered',
      cell.answeredMs === null
        ? 'never'
        : `${age(nowMs, cell.answeredMs)} ago, listing ${cell.answeredAgents ?? 'unknown'} agents`,
    ],
    ['memory', cell.residentBytes === null ? 'unknown' : `${Math.round(cell.residentBytes / 1_000_000)} MB`],
  ])

/** A cell that lives, or one that is gone and of which events tell. */
const describeCell = async (invocation: Invocation, api: Api, id: string): Promise<number> => {
  const cells = await api.all<CellStatus>('/api/v1/cells')
  const cell = cells.find((one) => one.id === id)
  const asked = { subject: id, newestFirst: 'true', limit: '50' }
  const { items } = await api.get<List<EventView>>('/api/v1/events', asked)
  if (cell === undefined && items.length === 0) throw failure('not-found', `no cell has the id ${id}`)
  const nowMs = invocation.world.clock.wallMs()
  const description: CellDescription = { ...cell, id, gone: cell === undefined, timeLine: items }
  invocation.printer.show(description, () => [
    ...(cell === undefined ? facts([['cell', `${id}, which is gone`]]) : cellFacts(cell, nowMs)),
    ...section('events', items.map(eventLine)),
    ...witnessed(items),
  ])
  return 0
}

export const describe: Deed = async (invocation) => {
  const id = required(invocation, 0)
  const api = await invocation.api()
  const prefix = id.slice(0, 4)
  if (prefix === 'tsk_') return describeTask(invocation, api, id)
  if (prefix === 'set_') return describeSettlement(invocation, api, id)
  if (prefix === 'bat_') return describeBatch(invocation, api, id)
  if (prefix === 'att_') return describeAttempt(invocation, api, id)
  if (prefix === 'cel_') return describeCell(invocation, api, id)
  if (prefix === 'inc_') return incidentShow(invocation)
  if (/^[^/@]+@\d+$/.test(id)) return describeSecret(invocation, api, id)
  const agent = parseAgent(id)
  if (agent === undefined) {
    throw failure('usage', `${JSON.stringify(id)} is no id that can be described`, {
      facts: { wayOut: 'ids look like settler/0042, tsk_…, att_…, set_…, bat_…, cel_…, inc_…, northbank@3' },
    })
  }
  const description = await api.get<AgentDescription>(`/api/v1/agents/${agent.type}/${agent.number}`)
  const nowMs = invocation.world.clock.wallMs()
  invocation.printer.show(description, () => agentLines(description, nowMs))
  return 0
}

/** An agent's or a type's path in the API, and which agents are meant. */
const target = async (
  invocation: Invocation,
  api: Api,
): Promise<{ readonly path: string; readonly ids: readonly string[]; readonly type: string | null }> => {
  const text = required(invocation, 0)
  const agent = parseAgent(text)
  if (agent !== undefined) {
    return { path: `/api/v1/agents/${agent.type}/${agent.number}`, ids: [formatAgent(agent)], type: null }
  }
  if (!/^[a-z][a-z0-9-]{0,62}$/.test(text))
    throw failure('usage', `${JSON.stringify(text)} is neither an agent (settler/0042) nor a type (settler)`)
  const agents = await api.all<AgentView>('/api/v1/agents', { type: text })
  if (agents.length === 0) throw failure('not-found', `there is no agent type ${text}, or it has no agents`)
  return { path: `/api/v1/agents/${text}`, ids: agents.map((one) => one.id), type: text }
}

const act =
  (verb: 'restart' | 'release', past: string): Deed =>
  async (invocation) => {
    const api = await invocation.api()
    const { path, ids, type } = await target(invocation, api)
    if (onlyDry(invocation, `${verb} ${counted(ids.length, 'agent')}`, { verb, agents: ids })) return 0
    if (type !== null)
      await confirm(invocation, `${verb} all ${counted(ids.length, 'agent')} of ${type}?`, String(ids.length))
    const isAwaited = verb === 'restart' && invocation.options.flag('wait')
    const before = isAwaited ? await agentsNow(api, ids) : undefined
    const answer = await api.post<unknown>(`${path}/${verb}`)
    const code = before === undefined ? 0 : await waitForAgents(invocation, api, 'restart', { ids, before })
    const whom = type === null ? ids[0]! : counted(ids.length, 'agent')
    invocation.printer.show(answer, () => [`${isAwaited && code === 0 ? 'restarted' : past}: ${whom}`])
    return code
  }

const pastOf: Record<AgentOrder, string> = {
  start: 'started',
  stop: 'stopped',
  pause: 'paused',
  resume: 'resumed',
  quarantine: 'quarantined',
}

const leftText = (left: AgentOrderAnswer['left']): string[] => {
  if (left.length === 0) return []
  const states: Record<string, number> = {}
  for (const { state } of left) states[state] = (states[state] ?? 0) + 1
  return [`left as they are: ${tally(states)}`]
}

export const order =
  (what: AgentOrder): Deed =>
  async (invocation) => {
    const api = await invocation.api()
    const { path, ids, type } = await target(invocation, api)
    const reason = invocation.options.text('reason')
    if (onlyDry(invocation, `${what} ${counted(ids.length, 'agent')}`, { verb: what, agents: ids, reason })) return 0
    // Whoever lets agents go on takes nothing away from anybody; the others do.
    const isMild = what === 'start' || what === 'resume'
    if (type !== null && !isMild)
      await confirm(invocation, `${what} all ${counted(ids.length, 'agent')} of ${type}?`, String(ids.length))
    const answer = await api.post<AgentOrderAnswer>(`${path}/${what}`, reason === undefined ? {} : { reason })
    const awaited = what === 'start' || what === 'stop' ? what : undefined
    const code =
      awaited !== undefined && invocation.options.flag('wait')
        ? await waitForAgents(invocation, api, awaited, { ids: answer.agents })
        : 0
    const done = answer.agents.length === 1 ? answer.agents[0]! : counted(answer.agents.length, 'agent')
    invocation.printer.show(answer, () => [`${pastOf[what]}: ${done}`, ...leftText(answer.left)])
    return code
  }

const actAtOnce = act('restart', 'restart ordered')

const progressText = ({ type, done, total, held }: Rolling): string =>
  held === null
    ? `${plain(type)}: ${count(done)} of ${counted(total, 'agent')} have begun anew`
    : `${plain(type)} is held at ${count(done)} of ${counted(total, 'agent')}: ${plain(held)}`

/** Until the type is through, or does not go on. */
const waitForRolling = async (invocation: Invocation, api: Api, type: string): Promise<number> => {
  let told = ''
  const held = await waitUntil(invocation, `the rolling restart of ${type}`, async () => {
    const { fleet } = await api.get<SwarmView>('/api/v1/swarm')
    const rolling = (fleet.rolling ?? []).find((one) => one.type === type)
    if (rolling === undefined) return { held: null }
    const text = progressText(rolling)
    if (text !== told) invocation.printer.note(text)
    told = text
    return rolling.held === null ? undefined : { held: rolling.held }
  })
  if (held.held === null) return 0
  invocation.printer.note('it goes on by itself when they work; else mend the code, or `sitter config rollback`')
  return 4
}

const roll: Deed = async (invocation) => {
  const { options, printer } = invocation
  const api = await invocation.api()
  const { path, ids, type } = await target(invocation, api)
  if (type === null) throw failure('usage', '--rolling is for a type, like settler')
  const surge = options.text('surge')
  const what = `restart ${counted(ids.length, 'agent')} part after part, ${surge ?? '25%'} at once`
  if (onlyDry(invocation, what, { verb: 'restart', rolling: true, surge: surge ?? '25%', agents: ids })) return 0
  await confirm(
    invocation,
    `restart all ${counted(ids.length, 'agent')} of ${type}, part after part?`,
    String(ids.length),
  )
  const answer = await api.post<unknown>(`${path}/restart`, { rolling: true, ...(surge !== undefined && { surge }) })
  const isAwaited = options.flag('wait')
  const ended = isAwaited ? await waitForRolling(invocation, api, type) : 0
  const agents = counted(ids.length, 'agent')
  printer.show(answer, () => {
    if (!isAwaited) return [`rolling restart ordered: ${agents}; sitter status shows how far it is`]
    return ended === 0 ? [`restarted, part after part: ${agents}`] : []
  })
  return ended
}

export const restart: Deed = (invocation) => {
  if (invocation.options.flag('rolling')) return roll(invocation)
  if (invocation.options.flag('surge')) throw failure('usage', '--surge is for --rolling')
  return actAtOnce(invocation)
}
export const release = act('release', 'released')
