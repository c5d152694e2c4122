/**
 * Drills on canaries of this swarm: whether one may begin now, and that it began and ended. The harm itself is done by
 * who asked, from outside: the sitter does not kill itself for practice.
 */
import { z } from 'zod'
import { chooseCanary } from '../../../fleet/fleet.ts'
import { formatAgent, parseAgent } from '../../../model/model.ts'
import { Failure } from '../../../std/std.ts'
import type { Command } from '../../../store/store.ts'
import { jsonText, shaped } from '../body.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'

export const drillBody = z.strictObject({
  name: z.enum(['kill', 'stop', 'loop', 'leak', 'silence']),
  /** `canary`, or one of them: `canary/0002`. */
  agent: z.string().min(1).max(200),
})
const ms = z.number().min(0).max(86_400_000).nullable()
export const drillEndBody = z.strictObject({ held: z.boolean(), detectMs: ms, recoverMs: ms })

/** A drill may begin, on this canary. */
interface DrillBegun {
  readonly id: string
  readonly agent: string
  readonly type: string
  readonly cell: { readonly id: string; readonly kind: string; readonly pid: number; readonly startTime: string }
  readonly heartbeatMs: number
  readonly stuckAfterMs: number
  /** Whether its type has a task type `harm`, which drills that harm from within need. */
  readonly harms: boolean
}

/** Whoever began one may have died of it. */
const longestMs = 300_000
const incidentsNamed = 20

interface Open {
  readonly id: string
  readonly agent: string
  readonly untilMono: number
}

const told = (ask: Ask, kind: 'drill.began' | 'drill.ended', agent: string, facts: object): Command[] => {
  const wallMs = ask.rooms.clock.wallMs()
  const message = `${kind === 'drill.began' ? 'a drill begins on' : 'the drill is over on'} ${agent}`
  const known = { ...facts, by: ask.actor }
  return [
    {
      kind: 'audit.append',
      with: {
        wallMs,
        entries: [{ actor: ask.actor, action: kind, object: agent, decision: 'done', facts: { ...facts } }],
      },
    },
    { kind: 'events.add', with: { wallMs, events: [{ kind, level: 'info', subject: agent, message, facts: known }] } },
  ]
}

const isFrozen = async ({ rooms: { freeze, gatelink } }: Ask): Promise<boolean | 'unknown'> => {
  if (freeze.file() !== 'absent') return true
  return gatelink.gateId === null ? 'unknown' : (await gatelink.status()).frozen
}

export const drillRoutes = (): readonly Route[] => {
  let open: Open | null = null

  const begin = async (ask: Ask): Promise<Reply> => {
    const { name, agent: named } = shaped(await jsonText(ask.request), drillBody)
    const { rooms } = ask
    const one = parseAgent(named)
    const type = Object.hasOwn(rooms.config.agents, one?.type ?? named)
      ? rooms.config.agents[one?.type ?? named]
      : undefined
    const { items } = await rooms.store.read.incidents({ limit: incidentsNamed, after: null, open: true })
    const frozen = await isFrozen(ask)
    const view = one && rooms.fleet.view(one)
    const all = one === undefined ? rooms.fleet.page({ type: named, limit: 1_000, after: null }).items : []
    const agent = chooseCanary({
      type,
      agents: one === undefined ? all : view === undefined ? [] : [view],
      named: one === undefined ? named : formatAgent(one),
      frozen,
      incidents: items.map(({ title }) => title),
      other: open !== null && rooms.clock.monoMs() < open.untilMono ? open.id : null,
    })
    const id = rooms.newId('req')
    const mine = { id, agent: agent.id, untilMono: rooms.clock.monoMs() + longestMs }
    open = mine
    try {
      await rooms.store.transact(told(ask, 'drill.began', agent.id, { id, name }))
    } catch (error) {
      // What is not in the audit log does not happen.
      if (open === mine) open = null
      throw error
    }
    const begun: DrillBegun = {
      id,
      agent: agent.id,
      type: type!.name,
      cell: agent.cell!,
      heartbeatMs: type!.heartbeatMs,
      stuckAfterMs: type!.stuckAfterMs,
      harms: Object.values(rooms.config.tasks).some((task) => task.name === 'harm' && task.agent === type!.name),
    }
    return { status: 201, body: begun }
  }

  const end = async (ask: Ask): Promise<Reply> => {
    const report = shaped(await jsonText(ask.request), drillEndBody)
    const id = ask.params['id']!
    if (open?.id !== id) throw new Failure('not-found', 'this drill has ended, or its time is over')
    const { agent } = open
    open = null
    await ask.rooms.store.transact(told(ask, 'drill.ended', agent, { id, ...report }))
    return ok({ id, agent, ...report })
  }

  return [
    { method: 'POST', path: '/api/v1/drills', run: begin },
    { method: 'POST', path: '/api/v1/drills/:id/end', run: end },
  ]
}
