/** Aligned columns. Cut only on a terminal: what goes into a pipe is whole. */
import { displayWidth, fit, plain } from './text.ts'

export interface Column<Row> {
  readonly head: string
  value(row: Row): string
  readonly align?: 'right'
  /** May be cut on a terminal that is too narrow; without it the column keeps its width. */
  readonly shrink?: true
  /** Never cut, but left out whole, before anything is cut, on a terminal that is too narrow. */
  readonly drop?: true
}

const gap = 2
/** A column is cut no further than this, so that an id's beginning can still be told. */
const leastColumns = 8

/**
 * Widths with which the line fits. What may be dropped goes first; then the widest of free text gives columns, until
 * none can give any more; then free text goes whole, the last first (width 0). Ids, references and figures are what a
 * person copies: they are not cut, though the line is too long then.
 */
const fitted = <Row>(widths: readonly number[], shape: readonly Column<Row>[], columns: number): number[] => {
  const result = [...widths]
  let over = result.reduce((sum, width) => sum + width + gap, -gap) - columns
  const leaveOut = (which: 'drop' | 'shrink'): void => {
    for (let index = result.length - 1; index > 0 && over > 0; index -= 1) {
      if (shape[index]![which] !== true || result[index] === 0) continue
      over -= result[index]! + gap
      result[index] = 0
    }
  }
  leaveOut('drop')
  while (over > 0) {
    const widest = result.reduce(
      (best, width, index) =>
        shape[index]!.shrink && width > leastColumns && (best < 0 || width > result[best]!) ? index : best,
      -1,
    )
    if (widest < 0) break
    result[widest]! -= 1
    over -= 1
  }
  leaveOut('shrink')
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
  const widths = columns === null ? natural : fitted(natural, shape, columns)
  return cells.map((line) =>
    line
      .flatMap((cell, index) => {
        if (widths[index] === 0) return []
        const text = fit(cell, widths[index]!)
        const fill = ' '.repeat(Math.max(0, widths[index]! - displayWidth(text)))
        return shape[index]!.align === 'right' ? fill + text : text + fill
      })
      .join(' '.repeat(gap))
      .trimEnd(),
  )
}

/** Lines of names and values, the values aligned: what `describe` and `status` print. */
export const factLines = (facts: readonly (readonly [string, string])[]): string[] => {
  const widest = facts.reduce((most, [name]) => Math.max(most, displayWidth(name)), 0)
  return facts.map(([name, value]) => `${name.padEnd(widest + gap)}${value}`.trimEnd())
}
