/** What is known, from where, and since when. What is not known is unknown: never healthy, never zero. */
export interface Evidence {
  /**
   * What was observed: `exists` (pid and start time), `responds` (challenge), `progresses` (work seen by us), `useful`
   * (outcomes that were accepted).
   */
  readonly fact: 'exists' | 'responds' | 'progresses' | 'useful'
  readonly source: string
  /** Wall time of the observation, null when it was never observed. */
  readonly atMs: number | null
  readonly value: 'yes' | 'no' | 'unknown'
  readonly detail?: string
}

/** How much of a figure was really observed: "4,812 of 5,000 reporting, oldest 41 s". */
export interface Coverage {
  readonly reporting: number
  readonly of: number
  readonly oldestMs: number | null
  /** Asleep: nothing of them runs, so nothing reports; they are not among `of`. */
  readonly asleep?: number
}
