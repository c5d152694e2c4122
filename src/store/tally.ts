/**
 * Counts of tasks by state and of ended attempts by outcome, kept as they change: commands note what changes, and the
 * turn writes the sums in its own transaction. So a count is exactly as old and as true as the rows it counts, and to
 * ask for it costs nothing, however many rows there are.
 */
import { isTaskEnd, type AttemptOutcome, type TaskStateName } from '../model/model.ts'

export interface TallyChange {
  readonly kind: 'task' | 'attempt' | 'partial' | 'left'
  /** Task type; empty for attempts. */
  readonly type: string
  /** State, or outcome, or the end that was left; empty for ends of attempts that left a rest. */
  readonly label: string
  readonly change: number
}

export interface Tallies {
  /** A task takes a state, out of another (`null`: it is new). An end that it leaves (a redrive) stays counted. */
  task(type: string, from: TaskStateName | null, to: TaskStateName): void
  attempt(outcome: AttemptOutcome): void
  /** An attempt of this task type ended with part of its work done. */
  partial(type: string): void
  /** What has changed; nothing twice that came back to where it was. */
  changes(): readonly TallyChange[]
  /** Forgets what was noted after `mark`, with the list that is rolled back; 0 = all. */
  rewind(mark: number): void
  readonly mark: number
}

type Sums = Map<string, { kind: TallyChange['kind']; type: string; label: string; change: number }>

/** Notes as they come, in a list: a rolled back list takes off its end. */
export const openTallies = (): Tallies => {
  const notes: TallyChange[] = []
  return {
    task: (type, from, to) => {
      if (from === to) return
      if (from !== null) notes.push({ kind: 'task', type, label: from, change: -1 })
      notes.push({ kind: 'task', type, label: to, change: 1 })
      if (from !== null && isTaskEnd(from)) notes.push({ kind: 'left', type, label: from, change: 1 })
    },
    attempt: (outcome) => {
      notes.push({ kind: 'attempt', type: '', label: outcome, change: 1 })
    },
    partial: (type) => {
      notes.push({ kind: 'partial', type, label: '', change: 1 })
    },
    changes: () => {
      // By label and then by type, which are texts that are there: a key made of them cost as much as a statement.
      const sums = {
        task: new Map<string, Sums>(),
        attempt: new Map<string, Sums>(),
        partial: new Map<string, Sums>(),
        left: new Map<string, Sums>(),
      }
      for (const { kind, type, label, change } of notes) {
        const ofKind = sums[kind]
        let ofLabel = ofKind.get(label)
        if (ofLabel === undefined) ofKind.set(label, (ofLabel = new Map()))
        const sum = ofLabel.get(type)
        if (sum) sum.change += change
        else ofLabel.set(type, { kind, type, label, change })
      }
      return [sums.task, sums.attempt, sums.partial, sums.left]
        .flatMap((ofKind) => [...ofKind.values()].flatMap((ofLabel) => [...ofLabel.values()]))
        .filter(({ change }) => change !== 0)
    },
    rewind: (mark) => {
      notes.length = mark
    },
    get mark() {
      return notes.length
    },
  }
}
