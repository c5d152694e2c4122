/**
 * What a program said to the conformance check, line by line with its time: whole frames, and what is none. One may ask
 * for the next frame of a kind, and when none comes, for what came instead.
 */
import { failure, type Clock, type Link } from '../../std/std.ts'
import { bounds, lineReader, toLine } from '../../wire/wire.ts'
import { errorAnswer } from '../connection.ts'
import { endings, faultOf, type Said } from './faults.ts'

/** One line that came. */
export interface Heard {
  readonly atMs: number
  /** Empty when the line is no frame. */
  readonly frame: Said
  readonly fault: string | undefined
}

/** A program that says more than this is not going to pass. */
const mostHeld = 20_000
const longestShown = 300

export const short = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > longestShown ? `${text.slice(0, longestShown)}…` : text
}

const saidIn = ({ frame }: Heard): string =>
  'method' in frame ? `${String(frame['method'])} ${short(frame['params'])}` : short(frame)

/** Requests that only a sitter with a swarm can answer. */
const isForSwarm = ({ id, method }: Said): boolean =>
  typeof method === 'string' && id !== undefined && method !== 'hello' && !endings.has(method)

export class Mailbox {
  readonly heard: Heard[] = []
  readonly #clock: Clock
  readonly #agent: string
  readonly #taken = new Set<Heard>()
  readonly #looks = new Set<() => void>()
  /** Questions of this link that have no answer yet. */
  readonly #asked = new Set<unknown>()
  /** Attempts of which it was told that they are not its own any more. */
  readonly #over = new Set<unknown>()
  /** How the program ended; null while it runs. */
  end: string | null = null
  /** The number of connections that it made. */
  connections = 0
  #link: Link | undefined

  constructor(clock: Clock, agent: string) {
    this.#clock = clock
    this.#agent = agent
  }

  accept(link: Link): void {
    if (this.#link !== undefined) {
      link.onData(() => {})
      link.onClose(() => {})
      link.write(toLine(errorAnswer(null, failure('conflict', 'this cell is connected already'))))
      return link.close()
    }
    this.#link = link
    this.connections += 1
    this.#asked.clear()
    let first = true
    const keep = (frame: Said, fault: string | undefined): void => {
      first = false
      if (this.heard.length < mostHeld) this.heard.push({ atMs: this.#clock.monoMs(), frame, fault })
      this.news()
    }
    link.onData(
      lineReader(bounds, {
        object: (frame) => {
          keep(frame, faultOf(frame, { agent: this.#agent, first, asked: this.#asked, over: this.#over }))
          if (frame['method'] === undefined) this.#asked.delete(frame['id'])
          if (isForSwarm(frame)) link.write(toLine(this.#noSwarm(frame)))
        },
        refused: (_code, detail, line) => keep({}, `${detail}; it begins with ${JSON.stringify(line)}`),
      }),
    )
    link.onClose(() => {
      if (this.#link === link) this.#link = undefined
      this.news()
    })
    this.news()
  }

  #noSwarm({ id, method }: Said): object {
    const what = `the check has no swarm: ${String(method).slice(0, 64)} is refused here, not answered`
    return errorAnswer(id as number | string, failure('unknown-method', what))
  }

  news(): void {
    for (const look of this.#looks) look()
  }

  send(frame: Said): void {
    if ('method' in frame && 'id' in frame) this.#asked.add(frame['id'])
    this.write(toLine({ jsonrpc: '2.0', ...frame }))
  }

  write(text: string): void {
    this.#link?.write(text)
  }

  /** It has been told that this attempt is over for it: another word about it is a fault. */
  close(attempt: string): void {
    this.#over.add(attempt)
  }

  hangUp(): void {
    this.#link?.close()
    this.#link = undefined
  }

  until(look: () => boolean, withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const over = (came: boolean): void => {
        this.#looks.delete(check)
        cancel()
        resolve(came)
      }
      const check = (): void => {
        if (look()) over(true)
        else if (this.end !== null) over(false)
      }
      const cancel = this.#clock.timer(withinMs, () => over(false))
      this.#looks.add(check)
      check()
    })
  }

  /** The first frame that fits and was not taken yet. */
  find(fits: (frame: Said) => boolean): Heard | undefined {
    return this.heard.find((one) => !this.#taken.has(one) && fits(one.frame))
  }

  async next(fits: (frame: Said) => boolean, withinMs: number): Promise<Heard | undefined> {
    await this.until(() => this.find(fits) !== undefined, withinMs)
    const found = this.find(fits)
    if (found !== undefined) this.#taken.add(found)
    return found
  }

  /** What came since then, when what was waited for did not. */
  instead(sinceMs: number): string {
    if (this.end !== null) return this.end
    const came = this.heard.filter((one) => one.atMs >= sinceMs && !this.#taken.has(one))
    const waited = `in ${Math.round(this.#clock.monoMs() - sinceMs)} ms`
    const closed = this.connections > 0 && this.#link === undefined ? '; it has closed its connection' : ''
    if (came.length === 0) return `nothing came ${waited}${closed}`
    const broken = came.filter(({ fault }) => fault !== undefined)
    const others = broken.length > 0 ? broken : came.filter(({ frame }) => frame['id'] !== undefined)
    const [first] = others
    if (first === undefined) return `no such frame came ${waited}, only beat or log${closed}`
    const said = 'method' in first.frame || 'id' in first.frame ? [saidIn(first)] : []
    const what = [...said, ...(first.fault === undefined ? [] : [first.fault])].join(' – ')
    const count = `${others.length} ${broken.length > 0 ? 'with a fault' : 'others'}`
    return `no such frame came ${waited}, but ${count}, first: ${what}${closed}`
  }
}
