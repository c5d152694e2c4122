/**
 * Gathers the frames of one turn of the loop into one write: a hundred agents that finish together cost one system
 * call.
 */
import { toLine } from '../wire/wire.ts'

export interface Outbox {
  put(frame: object): void
  /** As put, a frame that is a line already. */
  putLine(line: string): void
  /** Writes what has gathered now, not at the end of the turn. */
  flush(): void
}

export const outbox = (write: (text: string) => void): Outbox => {
  let lines = ''
  const flush = (): void => {
    if (lines === '') return
    const text = lines
    lines = ''
    write(text)
  }
  const putLine = (line: string): void => {
    if (lines === '') setImmediate(flush)
    lines += line
  }
  return {
    put: (frame) => putLine(toLine(frame)),
    putLine,
    flush,
  }
}
