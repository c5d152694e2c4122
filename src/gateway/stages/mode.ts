/**
 * Whether anything may be sent at all. Place of the modes (throttled, shadow, readonly, parked) of agent, type,
 * channel and swarm.
 */
import type { Stage } from '../call.ts'

export const mode: Stage = (_call, room) =>
  room.frozen() ? { code: 'frozen', message: 'the swarm is frozen: nothing is sent until sitter thaw' } : undefined
