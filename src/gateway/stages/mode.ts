/**
 * Whether anything may be sent at all. Place of the modes (throttled, shadow, readonly, parked) of agent, type, channel
 * and swarm.
 */
import type { Stage } from '../call.ts'

export const mode: Stage = (_call, room) => {
  if (room.ending()) return { code: 'gate-lost', message: 'the gate is ending: nothing was sent', silent: true }
  return room.frozen()
    ? { code: 'frozen', message: 'the swarm is frozen: nothing is sent until sitter thaw' }
    : undefined
}
