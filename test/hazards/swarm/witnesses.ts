/** Reads the beats of all agents from outside, and says how late they were. */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import { beatEveryMs, beatsFile, recordBytes } from './beats.ts'

export interface CellSeen {
  readonly id: string
  readonly agentType: string
  readonly pid: number
}

/** One agent, wherever it lives: when it was awake last, and how late it was at worst in this window. */
interface Agent {
  lastMs: number
  worstMs: number
  /** Where it beat last. */
  cell: string
  /** Where it lived when the window began. */
  home: string
}

interface Watched {
  readonly cell: CellSeen
  readonly file: number
  place: number
}

/** The first process inside of the walls, as we see it: child of the wall. */
const insideOf = (pid: number): number | undefined => {
  try {
    const found = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0])
    return found > 1 ? found : undefined
  } catch {
    return undefined
  }
}

const outside = 'outside'

export interface Lateness {
  /** Of the process that is none of the swarm's, at worst. */
  readonly outsideMs: number
  readonly witnesses: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

const share = (sorted: readonly number[], part: number): number =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN)

export class Witnesses {
  readonly #cells = new Map<string, Watched>()
  readonly #agents = new Map<string, Agent>()

  /** Opens the beats of cells that are new. */
  meet(cells: readonly CellSeen[]): void {
    for (const cell of cells) {
      if (this.#cells.has(cell.id)) continue
      const inside = insideOf(cell.pid)
      if (inside === undefined) continue
      try {
        const file = openSync(`/proc/${inside}/root${beatsFile}`, 'r')
        this.#cells.set(cell.id, { cell, file, place: 0 })
      } catch {
        // Nobody has beaten there yet.
      }
    }
  }

  /** A process that is none of the swarm's: how late it is, the machine is by itself. */
  meetOutside(file: string): void {
    const cell = { id: outside, agentType: '', pid: 0 }
    this.#cells.set(outside, { cell, file: openSync(file, 'r'), place: 0 })
  }

  hasMet(cells: readonly CellSeen[]): boolean {
    return cells.every(({ id }) => this.#cells.has(id))
  }

  forget(living: ReadonlySet<string>): void {
    for (const [id, { file }] of this.#cells) {
      if (living.has(id) || id === outside) continue
      closeSync(file)
      this.#cells.delete(id)
    }
  }

  /** Who has not beaten for longer than two beats: its cell-mate of the last try may have left it a full disk. */
  behind(without: ReadonlySet<string>): readonly string[] {
    this.#read()
    const nowMs = performance.timeOrigin + performance.now()
    return [...this.#agents]
      .filter(([id, { lastMs, home }]) => home !== outside && !without.has(id) && nowMs - lastMs > 2 * beatEveryMs)
      .map(([id]) => id)
  }

  /** Reads what came since; from now on worst gaps begin anew. */
  begin(): void {
    this.#read()
    for (const agent of this.#agents.values()) {
      agent.worstMs = 0
      agent.home = agent.cell
    }
  }

  /** Of those who lived in these cells at `begin`: each agent's worst lateness since, also of a beat that is due. */
  end(cells: ReadonlySet<string>, without: ReadonlySet<string>): Lateness {
    this.#read()
    const nowMs = performance.timeOrigin + performance.now()
    const late: number[] = []
    let outsideMs = 0
    for (const [id, { lastMs, worstMs, home }] of this.#agents) {
      const lateMs = Math.max(0, worstMs, nowMs - lastMs - beatEveryMs)
      if (home === outside) outsideMs = Math.max(outsideMs, Math.round(lateMs))
      else if (cells.has(home) && !without.has(id)) late.push(lateMs)
    }
    late.sort((one, other) => one - other)
    return {
      outsideMs,
      witnesses: late.length,
      p50Ms: share(late, 0.5),
      p99Ms: share(late, 0.99),
      maxMs: share(late, 1),
    }
  }

  #read(): void {
    for (const watched of this.#cells.values()) this.#readOne(watched)
  }

  #readOne(watched: Watched): void {
    const { cell } = watched
    const size = fstatSync(watched.file).size
    const bytes = Math.floor((size - watched.place) / recordBytes) * recordBytes
    if (bytes <= 0) return
    const buffer = Buffer.alloc(bytes)
    readSync(watched.file, buffer, 0, bytes, watched.place)
    watched.place += bytes
    for (let at = 0; at < bytes; at += recordBytes) {
      const atMs = buffer.readDoubleLE(at + 8)
      const number = buffer.readUInt32LE(at)
      const id = `${cell.agentType}/${String(number).padStart(4, '0')}`
      const agent = this.#agents.get(id)
      if (agent === undefined) this.#agents.set(id, { lastMs: atMs, worstMs: 0, cell: cell.id, home: cell.id })
      else if (atMs > agent.lastMs) {
        agent.worstMs = Math.max(agent.worstMs, atMs - agent.lastMs - beatEveryMs)
        agent.lastMs = atMs
        agent.cell = cell.id
      }
    }
  }
}
