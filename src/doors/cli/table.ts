/** Aligned columns. Cut only on a terminal: what goes into a pipe is whole. */
import { displayWidth, fit, plain } from './text.ts'

export interface Column<Row> {
  readonly head: string
  value(row: Row): string
  readonly align?: 'right'
  /** May be cut on a terminal that is too narrow; without it the column keeps its width. */
  readonly shrink?: true
}

const gap = 2
/** A column is cut no further than this, so that an id's beginning can still be told. */
const leastColumns = 8

/** Takes columns from the widest shrinkable column until the line fits, or none can give any more. */
const shrunk = (widths: readonly number[], mayShrink: readonly boolean[], columns: number): number[] => {
  const result = [...widths]
  let over = result.reduce((sum, width) => sum + width + gap, -gap) - columns
  while (over > 0) {
    const widest = result.reduce(
      (best, width, index) =>
        mayShrink[index] && width > leastColumns && (best < 0 || width > result[best]!) ? index : best,
      -1,
    )
    if (widest < 0) break
    result[widest]! -= 1
    over -= 1
  }
  return result
}

/** Lines of a table, heads first. `columns` is the terminal's width, or null for a pipe. */
export const tableLines = <Row>(
  rows: readonly Row[],
  shape: readonly Column<Row>[],
  columns: number | null,
): string[] => {
  const cells = [
    shape.map((column) => column.head),
    ...rows.map((row) => shape.map((column) => plain(column.value(row)))),
  ]
  const natural = shape.map((_, index) => cells.reduce((most, line) => Math.max(most, displayWidth(line[index]!)), 0))
  const widths =
    columns === null
      ? natural
      : shrunk(
          natural,
          shape.map((column) => column.shrink === true),
          columns,
        )
  const lines = cells.map((line) =>
    line
      .map((cell, index) => {
        const text = fit(cell, widths[index]!)
        const fill = ' '.repeat(Math.max(0, widths[index]! - displayWidth(text)))
        return shape[index]!.align === 'right' ? fill + text : text + fill
      })
      .join(' '.repeat(gap))
      .trimEnd(),
  )
  // Too narrow even for what cannot shrink: a cut line can be read, a wrapped table cannot.
  return columns === null ? lines : lines.map((line) => fit(line, columns))
}

/** Lines of names and values, the values aligned: what `describe` and `status` print. */
export const factLines = (facts: readonly (readonly [string, string])[]): string[] => {
  const widest = facts.reduce((most, [name]) => Math.max(most, displayWidth(name)), 0)
  return facts.map(([name, value]) => `${name.padEnd(widest + gap)}${value}`.trimEnd())
}
