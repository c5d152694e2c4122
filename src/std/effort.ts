/**
 * What a process did with a span of time: ran, waited for a processor, or slept. Silence alone does not say whether
 * somebody is hung or was never let run; the kernel's own count of both does. Read twice, compared purely.
 */

/** `waitedMs`: the time in which the thread could have run and had no processor; null = not counted here. */
export interface ThreadEffort {
  /** `R` could run, `S` sleeps, `D` waits for a disk, `T` and `t` were stopped. */
  readonly state: string
  readonly ranMs: number
  readonly waitedMs: number | null
}
export interface Effort {
  readonly startTime: string
  /** Of the process: its first thread's. */
  readonly state: string
  readonly threads: ReadonlyMap<number, ThreadEffort>
}

/** Of the thread that wanted to run most; the three make up the span. */
export interface Spent {
  readonly spanMs: number
  readonly ranMs: number
  readonly waitedMs: number
  readonly sleptMs: number
  readonly state: string
}

const spentBy = (before: ThreadEffort | undefined, now: ThreadEffort, spanMs: number): Spent => {
  const ranMs = Math.min(spanMs, Math.max(0, now.ranMs - (before?.ranMs ?? 0)))
  const counted = now.waitedMs === null ? 0 : Math.max(0, now.waitedMs - (before?.waitedMs ?? 0))
  const restMs = spanMs - ranMs
  // A thread held back by its group's share is in no queue (Linux 6.18), but could run all the same.
  const isHeld = now.state === 'R' && before?.state === 'R'
  const waitedMs = isHeld ? restMs : Math.min(restMs, counted)
  return { spanMs, ranMs, waitedMs, sleptMs: restMs - waitedMs, state: now.state }
}

/** What became of a process between two looks; undefined when it is not the same one, or was not seen. */
export const spentBetween = (
  before: Effort | undefined,
  now: Effort | undefined,
  spanMs: number,
): Spent | undefined => {
  if (before === undefined || now === undefined || before.startTime !== now.startTime) return undefined
  const all = [...now.threads].map(([id, thread]) => spentBy(before.threads.get(id), thread, spanMs))
  const [most] = all.toSorted((a, b) => b.ranMs + b.waitedMs - (a.ranMs + a.waitedMs))
  return most && { ...most, state: now.state }
}

/** Time that was its own: in which it ran, or chose not to. Only that can be held against it. */
export const ownMs = ({ spanMs, waitedMs }: Spent): number => spanMs - waitedMs
