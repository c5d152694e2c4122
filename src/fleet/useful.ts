/** How many ends of an agent were accepted in the last hour, in constant size whatever it does. Pure. */
export const hourMs = 3_600_000

/** Ends that were accepted: of the hour that runs, and of the one before it. Constant size, whatever an agent does. */
export interface Useful {
  /** Of the process's monotonic clock, counted from its beginning. */
  readonly hour: number
  readonly now: number
  readonly before: number
}

export const noUse: Useful = { hour: 0, now: 0, before: 0 }

const at = (useful: Useful, hour: number): Useful =>
  useful.hour === hour ? useful : { hour, now: 0, before: useful.hour === hour - 1 ? useful.now : 0 }

export const usedOnce = (useful: Useful, monoMs: number): Useful => {
  const present = at(useful, Math.floor(monoMs / hourMs))
  return { ...present, now: present.now + 1 }
}

/** Accepted in the last hour, the part of the hour before by its share; never more than was counted. */
export const perHour = (useful: Useful, monoMs: number): number => {
  const { now, before } = at(useful, Math.floor(monoMs / hourMs))
  return now + Math.round(before * (1 - (monoMs % hourMs) / hourMs))
}
