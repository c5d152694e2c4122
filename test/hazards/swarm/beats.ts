/**
 * The beats of a witness, in its own hand: each agent writes when it was awake into a file on its cell's private disk,
 * which whoever watches reads from outside. A cell that dies leaves its last beats to who holds the file open.
 */
import { openSync, writeSync } from 'node:fs'

export const beatEveryMs = 1_000
export const beatsFile = '/tmp/beats'
/** Agent's number, then the time in ms. */
export const recordBytes = 16

let file: number | undefined
const record = Buffer.alloc(recordBytes)

export const beat = (number: number): void => {
  file ??= openSync(beatsFile, 'a')
  record.writeUInt32LE(number, 0)
  record.writeDoubleLE(performance.timeOrigin + performance.now(), 8)
  try {
    writeSync(file, record)
  } catch (error) {
    // A cell-mate may have filled the disk of the cell: who cannot write is late, and lives on.
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}

/** What a task asks for: one agent does the hazard, the others are only at work meanwhile. */
export interface Turn {
  readonly who: string
  readonly hazard: string
  readonly waitMs: number
}
