/** An agent of the swarm under fire, in a pool: it beats, works a while, and does a hazard when it is the one named. */
import { setTimeout as wait } from 'node:timers/promises'
import { defineAgent, type Context } from 'swarmsitter/agent'
import { attack, type Targets } from '../../villains/hazards.ts'
import { beat, beatEveryMs, type Turn } from './beats.ts'

const beating = new Map<string, NodeJS.Timeout>()

const work = async (ctx: Context, turn: Turn & { readonly targets: Targets }): Promise<string> => {
  if (ctx.agent !== turn.who) {
    await wait(turn.waitMs, undefined, { signal: ctx.signal })
    return 'worked'
  }
  // Its cell-mates are at work too by then: that it alone was is not to give it away.
  await wait(turn.waitMs / 2)
  return `${turn.hazard}: ${await attack(turn)}`
}

/** Task types are those of agents: p0, p1, … */
const mostTypes = 16

export default defineAgent({
  start: ({ agent }) => {
    const number = Number(agent.split('/')[1])
    clearInterval(beating.get(agent))
    // Spread over the second, as agents are that were not all born at once.
    const first = setTimeout(
      () => {
        beat(number)
        beating.set(
          agent,
          setInterval(() => beat(number), beatEveryMs),
        )
      },
      (number * 10) % beatEveryMs,
    )
    beating.set(agent, first)
  },
  tasks: Object.fromEntries(Array.from({ length: mostTypes }, (_, index) => [`p${index}`, work])),
})
