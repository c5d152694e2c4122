/**
 * What happened around an incident, from the events of its time: what went wrong (warnings and errors) and what was
 * done about it, which is mostly no warning. Pure.
 */
import type { EventView } from '../../../store/store.ts'

/** Deeds of the swarm and of people, whatever their level. What does no more than go on is none. */
const deeds: ReadonlySet<string> = new Set([
  'agent.began-anew',
  'agent.probed',
  'agent.released',
  'agent.restarted',
  'attempt.cancelled',
  'cell.answered',
  'cell.decision',
  'cell.parted',
  'cell.recycled',
  'cell.rejoined',
  'cell.started',
  'config.applied',
  'credential.active',
  'credential.switched',
  'gate.linked',
  'group.probed',
  'host.relieved',
  'mode.expired',
  'mode.set',
  'mode.stepped-down',
  'mode.stepped-up',
  'record.freed',
  'restarts.released',
  'restarts.tried',
  'rolling.resumed',
  'sitter.started',
  'sitter.stopped',
  'start.open',
  'swarm.frozen',
  'swarm.thawed',
])

const mostWrong = 200
/** Deeds come by the thousand where a swarm comes back: the first tell how it began, the last how it ended. */
const mostFirstDeeds = 50
const mostLastDeeds = 50

export const belongs = ({ level, kind }: EventView): boolean => level !== 'info' || deeds.has(kind)

/** Of what belongs to it, the newest first: oldest first, and no more than somebody reads. */
export const timeLine = (newestFirst: readonly EventView[]): readonly EventView[] => {
  const all = newestFirst.toReversed()
  const done = all.filter(({ level }) => level === 'info')
  const shown = new Set([
    ...all.filter(({ level }) => level !== 'info').slice(0, mostWrong),
    ...done.slice(0, mostFirstDeeds),
    ...done.slice(-mostLastDeeds),
  ])
  return all.filter((event) => shown.has(event))
}
