/** Programs that end by themselves, and well: to `transient` that is no loss, and they are not started again. */
import type { CellEnd } from '../cell/cell.ts'
import { move, unseat } from './agents.ts'
import type { Live, LiveCell } from './live.ts'
import { notify } from './wiring.ts'

/** A program with nothing in hand that ended by itself, and says that it went well: to `transient` that is no loss. */
export const endedWell = ({ group, killedFor, agents }: LiveCell, { cause, end }: CellEnd): boolean =>
  group.settings.restart.type === 'transient' &&
  group.settings.run.command !== undefined &&
  killedFor === null &&
  cause === 'exit' &&
  end?.code === 0 &&
  [...agents].every(({ attempt, taken }) => attempt === null && !taken)

export const endWell = (live: Live, { id, agents }: LiveCell): void => {
  const reason = 'it ended by itself, with exit code 0'
  for (const agent of agents) {
    unseat(live, agent, { cause: reason, collateral: true })
    if (agent.ordered !== null) continue
    move(live, agent, 'stop', reason)
    if (agent.state === 'stopping') move(live, agent, 'ended')
    notify(live, 'agent.ended', 'info', {
      subject: agent.id,
      message: `${agent.id} ended by itself, with exit code 0: it is not started again`,
      facts: { cell: id, restart: 'transient' },
    })
  }
}
