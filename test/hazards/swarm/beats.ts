/**
 * The beats of a witness, in its own hand: each agent writes when it was awake into a file on its cell's private disk,
 * which whoever watches reads from outside. A cell that dies leaves its last beats to who holds the file open.
 */
import { appendFileSync, openSync, writeSync } from 'node:fs'

export const beatEveryMs = 1_000
export const beatsFile = '/tmp/beats'
/** What came of an attempt that ended, one JSON object a line. */
export const wordsFile = '/tmp/words'
/** Agent's number, then the time in ms. */
export const recordBytes = 16

export interface Word {
  readonly who: string
  readonly hazard: string
  readonly word: string
}

let file: number | undefined
const record = Buffer.alloc(recordBytes)

/** A cell-mate may have filled the disk of the cell: who cannot write is late, and lives on. */
const unlessFull = (work: () => unknown): void => {
  try {
    work()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}

export const beat = (number: number): void => {
  file ??= openSync(beatsFile, 'a')
  record.writeUInt32LE(number, 0)
  record.writeDoubleLE(performance.timeOrigin + performance.now(), 8)
  unlessFull(() => writeSync(file!, record))
}

export const leaveWord = (word: Word): void => unlessFull(() => appendFileSync(wordsFile, `${JSON.stringify(word)}\n`))

/** What a task asks for: one agent does the hazard, the others are only at work meanwhile. */
export interface Turn {
  readonly who: string
  readonly hazard: string
  readonly waitMs: number
}
