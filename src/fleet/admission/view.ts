/** What people are told about the host: what was read, and what it means for starts. */
import type { Live } from '../live.ts'
import type { FleetSummary } from '../port.ts'

export const admissionView = ({ admission, waves }: Live): FleetSummary['admission'] => {
  const { short, reading, readAtMs } = admission
  return {
    short: short === null ? null : { sinceMs: short.sinceMs, why: short.why },
    reading: reading === null || readAtMs === null ? null : { ...reading, atMs: readAtMs },
    startsWaiting: waves.waiting,
  }
}
