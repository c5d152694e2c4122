/** The bed of one agent: forgotten when its machine is with a host again, or when it is to begin anew. */
import { touch } from '../agents.ts'
import type { Agent, Live } from '../live.ts'
import { say } from '../wiring.ts'

export const forgetBed = (live: Live, agent: Agent): void => {
  agent.bed?.cancelDue?.()
  agent.bed = null
  live.dormitory.types.get(agent.type)?.called.delete(agent)
  live.options.beds?.remove(agent.id).catch((thrown: unknown) => {
    say(live, 'warn', `the snapshot of ${agent.id} stays where it lay: ${(thrown as Error).message}`)
  })
}

/** What it was is not wanted any more: it begins anew when it wakes. */
export const dropBed = (live: Live, agent: Agent): void => {
  if (agent.bed === null) return
  forgetBed(live, agent)
  touch(live, agent)
}
