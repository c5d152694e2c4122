/**
 * Any text: half of its letters from all of Unicode, half from the blocks with most of what cannot be seen or turns the
 * reading order. fast-check's unit `binary` draws all of them alike, which seldom meets those, and its table of a
 * million letters costs each process half a second.
 */
import fc from 'fast-check'

const upTo = (last: number) => fc.integer({ min: 0, max: last }).map((code) => String.fromCodePoint(code))

/** May hold half of a pair. */
export const anyText = fc.string({ unit: fc.oneof(upTo(0x20_7f), upTo(0x10_ff_ff)) })
