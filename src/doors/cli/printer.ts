/**
 * Where words go: documents and results to stdout, messages to stderr; with `--json` stdout carries JSON and nothing
 * else.
 */
import type { Surroundings } from './surroundings.ts'
import { tableLines, type Column } from './table.ts'
import { guarded, safeJson } from './text.ts'

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow'
const escapes: Record<Style, string> = { bold: '1', dim: '2', red: '31', green: '32', yellow: '33' }

export interface Printer {
  readonly json: boolean
  readonly quiet: boolean
  /** The terminal's width for tables, null when stdout is no terminal. */
  readonly columns: number | null
  /** Colours a text for stdout when colours are wanted. */
  readonly paint: (style: Style, text: string) => string
  /** The same for stderr. */
  readonly paintMessage: (style: Style, text: string) => string
  /** One JSON document. */
  document(value: unknown): void
  /** One NDJSON line that is JSON text already. */
  jsonLine(json: string): void
  /** A line of the result; whatever a terminal obeys is shown as an escape, but for the printer's own colours. */
  line(text: string): void
  lines(texts: readonly string[]): void
  /** A message for a person; silent with `--quiet`. */
  note(text: string): void
  /** A message that is never silenced: errors, and what must be known. */
  warn(text: string): void
  /** The document with `--json`, else the lines. */
  show(value: unknown, lines: () => readonly string[]): void
  /** A list in its three forms: `{items, next: null}`, ids alone, or a table. */
  list<Row>(rows: readonly Row[], id: (row: Row) => string, shape: readonly Column<Row>[]): void
}

export const wantsColour = (world: Surroundings, isTerminal: boolean, refused: boolean): boolean => {
  if (refused || (world.env['NO_COLOR'] ?? '') !== '') return false
  if ((world.env['FORCE_COLOR'] ?? '') !== '' && world.env['FORCE_COLOR'] !== '0') return true
  return isTerminal && world.env['TERM'] !== 'dumb'
}

export const makePrinter = (
  world: Surroundings,
  options: { readonly json: boolean; readonly quiet: boolean; readonly noColour: boolean },
): Printer => {
  const painter =
    (colour: boolean) =>
    (style: Style, text: string): string =>
      colour ? `\u001b[${escapes[style]}m${text}\u001b[0m` : text
  const each = (text: string): string => text.split('\n').map(guarded).join('\n')
  const line = (text: string): void => world.stdout.write(`${each(text)}\n`)
  const warn = (text: string): void => world.stderr.write(`${each(text)}\n`)
  const jsonLine = (json: string): void => world.stdout.write(`${safeJson(json)}\n`)
  const printer: Printer = {
    json: options.json,
    quiet: options.quiet,
    columns: world.stdout.isTerminal ? world.stdout.columns() : null,
    paint: painter(wantsColour(world, world.stdout.isTerminal, options.noColour)),
    paintMessage: painter(wantsColour(world, world.stderr.isTerminal, options.noColour)),
    document: (value) => jsonLine(JSON.stringify(value, null, world.stdout.isTerminal ? 2 : 0)),
    jsonLine,
    line,
    lines: (texts) => {
      // Each is one line: what data brings with it begins no other.
      if (texts.length > 0) world.stdout.write(`${texts.map(guarded).join('\n')}\n`)
    },
    note: (text) => {
      if (!options.quiet) warn(text)
    },
    warn,
    show: (value, lines) => {
      if (options.json) printer.document(value)
      else printer.lines(lines())
    },
    list: (rows, id, shape) => {
      if (options.json) return printer.document({ items: rows, next: null })
      if (options.quiet) return printer.lines(rows.map(id))
      if (rows.length === 0) return printer.note('none')
      const [head, ...body] = tableLines(rows, shape, printer.columns)
      printer.lines([printer.paint('dim', head!), ...body])
    },
  }
  return printer
}
