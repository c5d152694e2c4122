/**
 * `top`: the swarm as a table that is painted anew once a second. Without a terminal it is one look. A sitter that does
 * not answer leaves the last figures there, with their age.
 */
import { sleep, type Clock } from '../../std/std.ts'
import type { MetricsAnswer, SwarmView } from '../api.ts'
import type { Api } from './client.ts'
import { canRepaint } from './live.ts'
import type { Printer } from './printer.ts'
import { explain } from './refusal.ts'
import { facts } from './story.ts'
import { coverageText, gateText, standbyText } from './swarm.ts'
import { tableLines } from './table.ts'
import { age, count, duration, fit, guarded, plain, tally } from './text.ts'
import type { Deed } from './verb.ts'

const lookEveryMs = 1_000
/** The rate is over this many looks: calm enough to read, short enough to be true. */
const rateLooks = 10

export interface Look {
  readonly readMs: number
  readonly view: SwarmView
  readonly metrics: MetricsAnswer
}

const look = async (api: Api, clock: Clock): Promise<Look> => {
  const [view, metrics] = await Promise.all([
    api.get<SwarmView>('/api/v1/swarm', {}, 5_000),
    api.get<MetricsAnswer>('/api/v1/metrics', {}, 5_000),
  ])
  return { readMs: clock.monoMs(), view, metrics }
}

/** One figure, null when it is not there: then it is not known. */
const figure = ({ families }: MetricsAnswer, name: string, of?: string): number | null =>
  families.find((one) => one.name === name)?.samples.find(({ labels }) => of === undefined || labels['of'] === of)
    ?.value ?? null

const ended = ({ view }: Look, type: string): number => {
  const states = view.work.byType[type] ?? {}
  return (states['succeeded'] ?? 0) + (states['dead'] ?? 0) + (states['cancelled'] ?? 0)
}

/** Ends a second; by when the figures were counted, not when they were read. Null until two looks tell. */
const rateOf = (looks: readonly Look[], type: string): number | null => {
  const [first, last] = [looks[0], looks.at(-1)]
  if (first === undefined || last === undefined || first.view.epoch !== last.view.epoch) return null
  const tookMs = last.view.figuresMs - first.view.figuresMs
  return tookMs <= 0 ? null : ((ended(last, type) - ended(first, type)) * 1_000) / tookMs
}

const rateText = (rate: number | null): string => (rate === null ? 'unknown' : `${rate.toFixed(1)}/s`)
const bytesText = (bytes: number | null): string =>
  bytes === null ? 'unknown' : `${count(Math.round(bytes / 1_048_576))} MiB`
const lagText = (seconds: number | null): string => (seconds === null ? 'unknown' : duration(seconds * 1_000))

/** The newest look as lines; the older ones only give the rates. At least one look. */
export const topLines = (looks: readonly Look[], paint: Printer['paint'], columns: number | null): string[] => {
  const { view, metrics } = looks.at(-1)!
  const lag = (of: string): string => lagText(figure(metrics, 'sitter_event_loop_lag_seconds', of))
  const agents = tableLines(
    Object.entries(view.fleet.byType),
    [
      { head: 'AGENTS', value: ([type]) => type },
      {
        head: 'COUNT',
        value: ([, states]) => count(Object.values(states).reduce((sum, one) => sum + one, 0)),
        align: 'right',
      },
      { head: 'STATES', value: ([, states]) => tally(states), shrink: true },
    ],
    columns,
  )
  const tasks = tableLines(
    Object.entries(view.work.byType),
    [
      { head: 'TASKS', value: ([type]) => type },
      { head: 'ENDED', value: ([type]) => rateText(rateOf(looks, type)), align: 'right' },
      { head: 'STATES', value: ([, states]) => tally(states), shrink: true },
    ],
    columns,
  )
  const inCells = bytesText(figure(metrics, 'sitter_cells_resident_memory_bytes'))
  const cells = `cells ${inCells} in ${count(view.fleet.cells)}${standbyText(view.fleet.standbys)}`
  return [
    `${paint('bold', plain(view.name))} up ${age(view.nowMs, view.startedMs)}, epoch ${view.epoch}`,
    ...facts([
      ['gate', gateText(view.gate)],
      ['memory', `sitter ${bytesText(figure(metrics, 'sitter_resident_memory_bytes'))}, ${cells}`],
      ['evidence', coverageText(view.fleet.coverage)],
      ['event loop', `${lag('p50')} late at p50, ${lag('p99')} at p99, ${lag('max')} at most`],
      ['waiting', view.person === 0 ? 'nothing for a person' : `${count(view.person)} for a person: sitter inbox`],
    ]),
    '',
    ...agents,
    ...(Object.keys(view.work.byType).length === 0 ? [] : ['', ...tasks]),
  ]
}

const home = '\u001b[H'
const wipeLine = '\u001b[K'
const wipeRest = '\u001b[J'
const ownScreen = '\u001b[?1049h\u001b[?25l'
const leaveScreen = '\u001b[?25h\u001b[?1049l'
const quitKeys = new Set(['q', 'Q', '\u0004'])
const controlC = '\u0003'

export const top: Deed = async ({ api, printer, world }) => {
  const door = await api()
  const looks = [await look(door, world.clock)]
  if (printer.json || !world.stdout.isTerminal || !world.stdin.isTerminal || !canRepaint(world)) {
    printer.show({ swarm: looks[0]!.view, metrics: looks[0]!.metrics }, () =>
      topLines(looks, printer.paint, printer.columns),
    )
    return 0
  }
  const quit = new AbortController()
  let exit = 0
  const interrupt = (): void => {
    exit = 130
    quit.abort()
  }
  const stopKeys = world.stdin.keys((key) => {
    if (key === controlC) interrupt()
    else if (quitKeys.has(key)) quit.abort()
  })
  const stopSignals = (['SIGINT', 'SIGTERM'] as const).map((name) => world.onSignal(name, interrupt))
  let silent = ''
  const paint = (): void => {
    const columns = world.stdout.columns()
    const lines = [...topLines(looks, printer.paint, columns), '', silent === '' ? 'q quits' : silent]
    const shown = lines.slice(0, Math.max(1, world.stdout.rows() - 1)).map((line) => fitPainted(guarded(line), columns))
    world.stdout.write(`${home}${shown.map((line) => `${line}${wipeLine}\n`).join('')}${wipeRest}`)
  }
  world.stdout.write(ownScreen)
  try {
    while (!quit.signal.aborted && !world.stdout.closed) {
      paint()
      await sleep(world.clock, lookEveryMs, quit.signal)
      if (quit.signal.aborted) break
      try {
        looks.push(await look(await api(), world.clock))
        if (looks.length > rateLooks) looks.shift()
        silent = ''
      } catch (error) {
        // What is known grows old and says so.
        const old = duration(world.clock.monoMs() - looks.at(-1)!.readMs)
        silent = printer.paint('red', `figures are ${old} old: ${plain(explain(error).what)}`)
      }
    }
  } finally {
    stopKeys()
    for (const stop of stopSignals) stop()
    world.stdout.write(leaveScreen)
  }
  return exit
}

/** Lines with colours are ours and short; only plain ones can be too wide for the screen. */
const fitPainted = (line: string, columns: number): string => (line.includes('\u001b') ? line : fit(line, columns))
