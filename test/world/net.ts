/**
 * Unix sockets between processes of a world: bytes take their time and stay in order within a link, not across links;
 * they come in pieces that end anywhere; a link can be cut. A process that ends closes its links, one that is stopped
 * reads nothing and its peers' bytes pile up.
 */
import type { Link, Listening, Net } from '../../src/std/std.ts'
import type { Timeline, WorldProcess } from '../worlds/timeline.ts'
import type { Weather } from './weather.ts'

type Ended = (cause: Error | undefined) => void

class End implements Link {
  readonly owner: WorldProcess
  readonly #world: WorldNet
  peer!: End
  /** Nothing arrives here before this time: order within the link. */
  arrivesMs = 0
  #unread = 0
  #over = false
  #told = false
  #early: Uint8Array[] = []
  #data: ((chunk: Uint8Array) => void) | undefined
  readonly #closes: Ended[] = []

  constructor(world: WorldNet, owner: WorldProcess) {
    this.#world = world
    this.owner = owner
    owner.onEnd(() => {
      this.#over = true
      this.peer.hangUp(undefined)
    })
  }

  /** Bytes that the peer has not read. */
  get pendingBytes(): number {
    return this.peer.#unread
  }
  write(text: string): boolean {
    if (this.#over || !this.owner.alive) return false
    const bytes = Buffer.from(text)
    this.peer.#unread += bytes.length
    // One in a hundred is cut in two anywhere, as sockets do.
    const at = this.#world.weather.random.next() < 0.01 ? Math.floor(bytes.length / 3) : 0
    if (at > 0) this.peer.#arrive(bytes.subarray(0, at))
    this.peer.#arrive(bytes.subarray(at))
    return true
  }
  close(): void {
    if (this.#over) return
    this.#over = true
    this.peer.hangUp(undefined)
    this.#world.timeline.soon(this.owner, () => this.#tell(undefined))
  }
  onData(listener: (chunk: Uint8Array) => void): void {
    this.#data = listener
    for (const chunk of this.#early.splice(0)) listener(chunk)
  }
  onDrain(): void {
    /* nothing here ever waits for room */
  }
  onClose(listener: Ended): void {
    this.#closes.push(listener)
  }

  cut(cause: Error): void {
    for (const end of [this, this.peer] as End[]) {
      end.#over = true
      this.#world.timeline.soon(end.owner, () => end.#tell(cause))
    }
  }
  /** The other side closed: told behind what is still on its way. */
  hangUp(cause: Error | undefined): void {
    this.#at(() => {
      this.#over = true
      this.#tell(cause)
    })
  }
  #arrive(chunk: Uint8Array): void {
    this.#at(() => {
      this.#unread -= chunk.length
      if (this.#told) return
      if (this.#data === undefined) this.#early.push(chunk)
      else this.#data(chunk)
    })
  }
  #at(fire: () => void): void {
    const { timeline, weather } = this.#world
    this.arrivesMs = Math.max(this.arrivesMs, timeline.monoMs + weather.travelMs())
    timeline.at(this.arrivesMs, { owner: this.owner, kind: 'arrival', fire })
  }
  #tell(cause: Error | undefined): void {
    if (this.#told) return
    this.#told = true
    for (const listener of this.#closes) listener(cause)
  }
}

interface Listener {
  readonly owner: WorldProcess
  readonly accept: (link: Link) => void
}

export class WorldNet {
  readonly timeline: Timeline
  readonly weather: Weather
  readonly #listeners = new Map<string, Listener>()

  constructor(timeline: Timeline, weather: Weather) {
    this.timeline = timeline
    this.weather = weather
  }

  /** The network as one process sees it. */
  of(owner: WorldProcess): Net {
    return {
      connect: (path) => this.connect(owner, path),
      listen: async (path, accept): Promise<Listening> => {
        const listener = { owner, accept }
        this.#listeners.set(path, listener)
        return {
          close: async () => {
            if (this.#listeners.get(path) === listener) this.#listeners.delete(path)
          },
        }
      },
    }
  }

  connect(owner: WorldProcess, path: string): Promise<End> {
    return new Promise((resolve, reject) => {
      const arrive = (): void => {
        const listener = this.#listeners.get(path)
        if (listener?.owner.alive !== true) return reject(new Error(`connect ECONNREFUSED ${path}`))
        const [near, far] = [new End(this, owner), new End(this, listener.owner)]
        near.peer = far
        far.peer = near
        this.timeline.at(this.timeline.monoMs, {
          owner: listener.owner,
          kind: 'arrival',
          fire: () => listener.accept(far),
        })
        resolve(near)
      }
      this.timeline.at(this.timeline.monoMs + this.weather.travelMs(), { owner, kind: 'arrival', fire: arrive })
    })
  }
}
export type { End }
