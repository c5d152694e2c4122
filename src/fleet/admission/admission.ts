/**
 * Looks once a second at what the host is short of, and holds starts while it is: cells that wait for their start go on
 * waiting, nobody is woken, and idle agents that may sleep do so at once, the one that has been idle longest first.
 * What runs goes on: nothing is ever killed for want of memory by us.
 */
import { lookNow, tendWakes } from '../hibernate/hibernate.ts'
import type { Admission, Live } from '../live.ts'
import { notify } from '../wiring.ts'
import { admissionAfter, open } from './decide.ts'

const lookEveryMs = 1_000

export const openAdmission = (): Admission => ({ ...open, reading: null, readAtMs: null })

const tell = (live: Live, before: Admission): void => {
  const { short, reading } = live.admission
  const facts = { ...reading, startsWaiting: live.waves.waiting }
  if (short !== null)
    notify(live, 'host.short', 'warn', {
      subject: live.options.owner,
      message: `the host is short: ${short.why}. No new cell is started until it is not; what runs goes on`,
      facts: { why: short.why, ...facts },
    })
  else if (before.short !== null) {
    const shortMs = Math.round(live.options.clock.monoMs() - before.short.sinceMonoMs)
    notify(live, 'host.relieved', 'info', {
      subject: live.options.owner,
      message: `the host is not short any more, after ${shortMs} ms: ${live.waves.waiting} cells that waited start`,
      facts: { shortMs, was: before.short.why, ...facts },
    })
  }
}

const look = (live: Live): void => {
  const { clock, pressure } = live.options
  if (pressure === undefined || live.phase !== 'open') return
  const before = live.admission
  const reading = pressure.read()
  const now = { monoMs: clock.monoMs(), wallMs: clock.wallMs() }
  live.admission = { ...admissionAfter(before, reading, live.bounds.pressure, now), reading, readAtMs: now.wallMs }
  const isShort = live.admission.short !== null
  if (isShort !== (before.short !== null)) {
    tell(live, before)
    live.waves.hold(isShort)
    lookNow(live)
    if (!isShort) tendWakes(live)
  }
  live.agenda.after(lookEveryMs, () => look(live))
}

/** Begins to look, where anybody can; the first look is now. */
export const tendAdmission = (live: Live): void => look(live)
