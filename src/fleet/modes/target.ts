/** Targets of modes, as people write them and as events name them. */
import { agentTarget, channelTarget, formatAgent, parseAgent, swarmTarget, typeTarget } from '../../model/model.ts'
import type { ModeTarget, SwarmConfig } from '../../model/model.ts'
import { Failure } from '../../std/std.ts'

type Named = Pick<SwarmConfig, 'agents' | 'channels'>

const unknown = (text: string): Failure =>
  new Failure('not-found', `there is no agent, agent type or channel ${JSON.stringify(text.slice(0, 80))}`)

/**
 * `swarm`, `settler/42`, `settler`, `northbank`; or with its kind, which a name that is both a type and a channel
 * needs.
 * @throws Failure `not-found`, `conflict`.
 */
export const readTarget = (config: Named, text: string): ModeTarget => {
  if (text === swarmTarget) return swarmTarget
  const [, kind, name = text] = /^(type|agent|channel):(.+)$/.exec(text) ?? []
  const agent = kind === undefined || kind === 'agent' ? parseAgent(name) : undefined
  if (agent !== undefined) return agentTarget(formatAgent(agent))
  const [isType, isChannel] = [Object.hasOwn(config.agents, name), Object.hasOwn(config.channels, name)]
  if (kind === undefined && isType && isChannel)
    throw new Failure('conflict', `${name} is a type and a channel: say type:${name} or channel:${name}`)
  if (isType && kind !== 'channel') return typeTarget(name)
  if (isChannel && kind !== 'type') return channelTarget(name)
  throw unknown(text)
}

/** Whether the configuration has it. */
export const isKnown = ({ agents, channels }: Named, target: ModeTarget): boolean => {
  const [kind = '', name = ''] = target === swarmTarget ? [swarmTarget] : target.split(':', 2)
  const agent = kind === 'agent' ? parseAgent(name) : undefined
  return (
    kind === swarmTarget ||
    (kind === 'type' && Object.hasOwn(agents, name)) ||
    (kind === 'channel' && Object.hasOwn(channels, name)) ||
    (agent !== undefined &&
      Object.hasOwn(agents, agent.type) &&
      agent.number >= 1 &&
      agent.number <= agents[agent.type]!.count)
  )
}

/** @throws Failure `not-found` when the configuration does not have it. */
export const assertKnown = (config: Named, target: ModeTarget): void => {
  if (!isKnown(config, target)) throw unknown(target)
}

/** An agent's events are told under its own id. */
export const subjectOf = (target: ModeTarget): string =>
  target.startsWith('agent:') ? target.slice('agent:'.length) : target
