/**
 * The one writer of the log. Lines wait in a bounded queue and are appended together; a disk that takes nothing costs
 * lines, which are counted and told as soon as it takes some again, and never stops or slows who speaks.
 */
import { BoundedQueue, type Cancel, type Clock, type Folder } from '../../std/std.ts'
import { activeName, logFiles, rotatedName, tidy } from './files.ts'
import { lineOf, lineText, logLevels, type LogLine, type Printed } from './line.ts'

export interface LogBounds {
  /** At this size a file is closed and packed. */
  readonly fileBytes: number
  /** All files together. */
  readonly totalBytes: number
  /** Lines that may wait to be written. */
  readonly waitingLines: number
}
/** Lines of one swarm's agents were packed to a 24th of their size: 1 GB holds hundreds of full files. */
export const logBounds: LogBounds = { fileBytes: 32 * 1024 * 1024, totalBytes: 1_000_000_000, waitingLines: 20_000 }

/** Lines of 50 ms are one write, and `logs -f` still looks live. */
const gatherMs = 50
/** A disk that refused is asked again after this; meanwhile lines wait, and above the bound they are lost. */
const againMs = 1_000

export interface LogWriter {
  put(line: LogLine): void
  putPrinted(printed: Printed): void
  /** Lines that were lost since it was opened: the queue was full, or the disk took none. */
  readonly lost: number
  /** Writes what waits, once; resolves when it was tried. */
  stop(): Promise<void>
}

export interface LogWriterParts {
  readonly folder: Folder
  readonly clock: Clock
  readonly bounds?: Partial<LogBounds>
}

class Writer implements LogWriter {
  readonly #parts: LogWriterParts
  readonly #bounds: LogBounds
  readonly #waiting: BoundedQueue<string>
  #lost = 0
  #untold = 0
  #why = ''
  /** Size of the file that is written; unknown until it was looked at. */
  #bytes: number | undefined
  #timer: Cancel | undefined
  #writing: Promise<void> | undefined
  #tidying: Promise<void> = Promise.resolve()

  constructor(parts: LogWriterParts) {
    this.#parts = parts
    this.#bounds = { ...logBounds, ...parts.bounds }
    this.#waiting = new BoundedQueue(this.#bounds.waitingLines)
    this.#tidy()
  }

  get lost(): number {
    return this.#lost
  }

  put(line: LogLine): void {
    if (!this.#waiting.push(lineText(line))) this.#lose(1, 'too many lines at once')
    this.#arm(gatherMs)
  }

  putPrinted(printed: Printed): void {
    this.put(lineOf(printed))
  }

  #lose(lines: number, why: string): void {
    this.#lost += lines
    this.#untold += lines
    this.#why = why
  }

  #arm(delayMs: number): void {
    if (this.#timer !== undefined || this.#writing !== undefined) return
    this.#timer = this.#parts.clock.timer(delayMs, () => {
      this.#timer = undefined
      this.#writing = this.#write().then((took) => {
        this.#writing = undefined
        if (this.#waiting.size > 0 || this.#untold > 0) this.#arm(took ? gatherMs : againMs)
      })
    })
  }

  /** False when the disk took nothing: what was to be written is lost, what waits goes on waiting. */
  async #write(): Promise<boolean> {
    const lines = this.#waiting.take(this.#bounds.waitingLines)
    const untold = this.#untold
    if (untold > 0) {
      const msg = `${untold} lines of the log were lost: ${this.#why}`
      const { clock } = this.#parts
      lines.unshift(lineText({ level: logLevels.warn, time: clock.wallMs(), room: 'watch', msg, lost: untold }))
    }
    if (lines.length === 0) return true
    try {
      await this.#append(Buffer.from(`${lines.join('\n')}\n`))
      this.#untold -= untold
      return true
    } catch (error) {
      // A full disk must not stop the swarm for its log; the record says what matters.
      this.#bytes = undefined
      this.#lose(lines.length - (untold > 0 ? 1 : 0), (error as Error).message.slice(0, 200))
      return false
    }
  }

  async #append(bytes: Uint8Array): Promise<void> {
    const { folder } = this.#parts
    if (this.#bytes === undefined) this.#bytes = logFiles(await folder.list()).at(-1)!.bytes
    if (this.#bytes > 0 && this.#bytes + bytes.length > this.#bounds.fileBytes) {
      await folder.rename(activeName, rotatedName(logFiles(await folder.list()).at(-1)!.number))
      this.#tidy()
    }
    this.#bytes = await folder.append(activeName, bytes)
  }

  /** Beside the writing, one at a time. What it cannot do now it does at the next rotation. */
  #tidy(): void {
    this.#tidying = this.#tidying.then(() =>
      tidy(this.#parts.folder, this.#bounds.totalBytes).catch((error: unknown) => {
        const msg = `old files of the log were not packed: ${(error as Error).message}`
        this.put({ level: logLevels.warn, time: this.#parts.clock.wallMs(), room: 'watch', msg })
      }),
    )
  }

  async stop(): Promise<void> {
    this.#timer?.()
    await this.#writing
    this.#timer?.()
    await this.#write()
    await this.#tidying
  }
}

export const openLogWriter = (parts: LogWriterParts): LogWriter => new Writer(parts)
