/** Where each agent's square stands in its map, and which agent stands where: arithmetic only. */
import type { AgentMap } from '../../src/doors/api.ts'

export interface Layout {
  readonly columns: number
  readonly rows: number
  readonly pitch: number
  readonly square: number
}

const [smallest, largest] = [6, 22]
/** A map is about this high when there are many agents; it grows only when squares would be too small to see. */
const goodHeight = 560

/** Squares as large as fit into the width and a good height. `pitch` = square and gap, in CSS pixels. */
export const layoutOf = (agents: number, width: number): Layout => {
  const ideal = Math.floor(Math.sqrt((width * goodHeight) / Math.max(1, agents)))
  const pitch = Math.min(largest, Math.max(smallest, ideal))
  const columns = Math.max(1, Math.floor(width / pitch))
  return { columns, rows: Math.ceil(agents / columns), pitch, square: pitch - Math.max(1, Math.round(pitch * 0.18)) }
}

/** Index of the square at a point, or null where there is none. */
export const indexAt = (layout: Layout, agents: number, x: number, y: number): number | null => {
  const column = Math.floor(x / layout.pitch)
  const index = Math.floor(y / layout.pitch) * layout.columns + column
  return x < 0 || y < 0 || column >= layout.columns || index >= agents ? null : index
}

type TypeMap = AgentMap['types'][number]

/** Number of the agent at an index of its type's map. */
export const numberAt = (map: TypeMap, index: number): number | null => {
  let left = index
  for (const [from, to] of map.ranges) {
    if (left <= to - from) return from + left
    left -= to - from + 1
  }
  return null
}

/** The index after a key, or null when the key means nothing here. */
export const indexAfter = (key: string, index: number, agents: number, layout: Layout): number | null => {
  const { columns } = layout
  const steps: Readonly<Record<string, number>> = {
    ArrowRight: index + 1,
    ArrowLeft: index - 1,
    ArrowDown: index + columns,
    ArrowUp: index - columns,
    Home: 0,
    End: agents - 1,
    PageDown: index + columns * 10,
    PageUp: index - columns * 10,
  }
  const wanted = steps[key]
  return wanted === undefined ? null : Math.min(agents - 1, Math.max(0, wanted))
}

export const agentId = (type: string, number: number): string => `${type}/${String(number).padStart(4, '0')}`
