/**
 * What a mode makes of an agent: parked, it gets no work and is not woken for any; throttled, it rests between its
 * pieces of work (rest.ts). An attempt in hand goes on: the gate refuses what its agent may no longer send.
 */
import { stricter, type AgentType, type Mode } from '../../model/model.ts'
import { refile, touch } from '../agents.ts'
import type { Live, LiveCell } from '../live.ts'
import { modeOf } from '../roster.ts'

/** The stricter of the configuration's override and what holds now. */
export const modeNow = (live: Pick<Live, 'options'>, settings: AgentType, id: string): Mode =>
  stricter(modeOf(settings, id), live.options.modeOf?.(id) ?? 'active')

/** Looks at every agent's mode again: it is told, and gets work or not from now on. */
export const remode = (live: Live): void => {
  const told = new Map<LiveCell, { jsonrpc: '2.0'; method: 'mode'; params: { agent: string; mode: Mode } }[]>()
  for (const agent of live.agents.values()) {
    const mode = modeNow(live, agent.settings, agent.id)
    if (mode === agent.mode) continue
    agent.mode = mode
    if (mode !== 'throttled') agent.restMs = -Infinity
    refile(live, agent)
    touch(live, agent)
    const { cell } = agent
    if (cell?.phase !== 'ready' || cell.cell === null) continue
    const frame = { jsonrpc: '2.0', method: 'mode', params: { agent: agent.id, mode } } as const
    told.set(cell, [...(told.get(cell) ?? []), frame])
  }
  for (const [cell, frames] of told) cell.cell!.send(frames)
}
