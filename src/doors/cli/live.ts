/** Shows progress: repainted in place on a terminal, else a line when something changed. Messages go above the view. */
import type { Surroundings } from './surroundings.ts'
import { guarded } from './text.ts'

export interface Live {
  /** Shows these lines; `line` is the same as one line for where nothing can be repainted. */
  show(lines: readonly string[], line: { readonly what: string; readonly pace: string }): void
  message(text: string): void
  /** Leaves the last view where it is; nothing is shown afterwards. */
  end(): void
}

const safe = (text: string): string => text.split('\n').map(guarded).join('\n')

/** At most four repaints a second: more is flicker, not news. */
const repaintMs = 250
const plainEveryMs = 2_000

export const canRepaint = (world: Surroundings): boolean =>
  world.stderr.isTerminal && world.env['TERM'] !== 'dumb' && (world.env['CI'] ?? '') === ''

const repainting = (world: Surroundings): Live => {
  let shown: readonly string[] = []
  let paintedMs = -Infinity
  let ended = false
  // One write a repaint: up to where the view begins, wipe, what goes above it, the view.
  const paint = (above: string, lines: readonly string[]): void => {
    const back = shown.length === 0 ? '' : `\u001b[${shown.length}A\r\u001b[J`
    shown = lines
    world.stderr.write(`${back}${above}${lines.map((line) => `${line}\n`).join('')}`)
  }
  return {
    show: (lines) => {
      const nowMs = world.clock.monoMs()
      if (ended || nowMs - paintedMs < repaintMs || lines.join('\n') === shown.join('\n')) return
      paintedMs = nowMs
      paint('', lines)
    },
    message: (text) => {
      if (ended) world.stderr.write(`${safe(text)}\n`)
      else paint(`${safe(text)}\n`, shown)
    },
    end: () => {
      ended = true
    },
  }
}

const lineByLine = (world: Surroundings): Live => {
  let last = ''
  let saidMs = -Infinity
  let ended = false
  return {
    show: (_lines, { what, pace }) => {
      const nowMs = world.clock.monoMs()
      if (ended || what === last || nowMs - saidMs < plainEveryMs) return
      last = what
      saidMs = nowMs
      world.stderr.write(`${what} · ${pace}\n`)
    },
    message: (text) => world.stderr.write(`${safe(text)}\n`),
    end: () => {
      ended = true
    },
  }
}

const silent = (world: Surroundings): Live => ({
  show: () => {},
  message: (text) => world.stderr.write(`${safe(text)}\n`),
  end: () => {},
})

export const makeLive = (world: Surroundings, quiet: boolean): Live => {
  if (quiet) return silent(world)
  return canRepaint(world) ? repainting(world) : lineByLine(world)
}
