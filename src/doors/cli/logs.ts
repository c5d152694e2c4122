/**
 * `logs`: lines of sitter, gate, watch and agents. Read from the files of the data directory whenever there is one:
 * they are there when the sitter is not, which is when they are needed most, and following them costs the sitter
 * nothing. Only for a swarm elsewhere (`--url`) they are asked of its API.
 */
import { join } from 'node:path'
import { formatAgent, parseAgent } from '../../model/model.ts'
import {
  lastLines,
  levelName,
  linesAfter,
  logLevels,
  parsePlace,
  placeSince,
  type LogAsk,
  type LogLevel,
  type LogLine,
  type LogPage,
} from '../../record/record.ts'
import { failure, sleep, type Folder } from '../../std/std.ts'
import type { LogAnswer } from '../api.ts'
import type { Api } from './client.ts'
import { namedDataDirectory, nearestDataDirectory } from './locate.ts'
import type { Style } from './printer.ts'
import { plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

const usualTail = 200
const mostTail = 100_000
const lookEveryMs = 250
/** One asking of the files looks at this much before what was found is printed. */
const pieceBytes = 64 * 1024 * 1024
const pieceLines = 1_000

interface Source {
  last(most: number): Promise<LogPage>
  after(place: string): Promise<LogPage>
  /** Where lines from `sinceMs` on may begin. */
  begin(sinceMs: number): Promise<string>
}

const rooms = ['watch', 'sitter', 'gate', 'fleet', 'agent', 'rehearsal']

/** `settler/42` as it stands in lines; a cell or a room as it is. @throws Failure `usage`. */
const idOf = (given: string | undefined): string | null => {
  if (given === undefined) return null
  const agent = parseAgent(given)
  if (agent !== undefined) return formatAgent(agent)
  if (rooms.includes(given) || /^cel_[0-9a-f-]{1,40}$/.test(given)) return given
  throw failure(
    'usage',
    `${JSON.stringify(given)} has no log: give an agent (settler/0042), a cell (cel_…) or a part`,
    {
      facts: { wayOut: `parts are ${rooms.join(' ')}` },
    },
  )
}

const askOf = ({ arguments: [id], options, world }: Invocation): LogAsk => {
  const level = options.text('level') ?? 'trace'
  if (!Object.hasOwn(logLevels, level))
    throw failure('usage', `--level ${JSON.stringify(level)} is none of ${Object.keys(logLevels).join(' ')}`)
  const since = options.duration('since')
  return {
    id: idOf(id),
    level: logLevels[level as LogLevel],
    sinceMs: since === undefined ? null : world.clock.wallMs() - since,
    grep: options.text('grep') ?? null,
  }
}

const files = (folder: Folder, ask: LogAsk): Source => ({
  last: (lines) => lastLines(folder, ask, { lines, bytes: Number.MAX_SAFE_INTEGER }),
  after: (place) => linesAfter(folder, ask, parsePlace(place), { lines: pieceLines, bytes: pieceBytes }),
  begin: async (sinceMs) => {
    const { file, offset } = await placeSince(folder, sinceMs)
    return `${file}:${offset}`
  },
})

const asked = (api: Api, ask: LogAsk): Source => {
  const filters = {
    id: ask.id ?? undefined,
    grep: ask.grep ?? undefined,
    level: ask.level === 0 ? undefined : levelName(ask.level),
    since: ask.sinceMs ?? undefined,
  }
  const page = async (query: Record<string, string | number>): Promise<LogPage> => {
    const { items, ...rest } = await api.get<LogAnswer>('/api/v1/logs', { ...filters, ...query })
    return { ...rest, lines: items }
  }
  return {
    last: (lines) => page({ limit: Math.min(lines, pieceLines) }),
    after: (place) => page({ after: place, limit: pieceLines }),
    // Places are numbered from 1; the API goes on with the oldest file that is there.
    begin: async () => '0:0',
  }
}

const sourceOf = async (invocation: Invocation, ask: LogAsk): Promise<Source> => {
  const { world, options } = invocation
  const named = namedDataDirectory(world, options)
  const elsewhere = (options.text('url') ?? world.env['SITTER_URL']) !== undefined
  if (elsewhere && named === undefined) return asked(await invocation.api(), ask)
  const directory = named ?? (await nearestDataDirectory(world))
  const where = directory ?? join(world.directory, '.sitter')
  if (directory === undefined || !(await world.disk.exists(join(directory, 'logs')))) {
    throw failure('not-found', `there is no log in ${where}: nothing ran there yet`, {
      facts: { wayOut: 'say where it is: --data-dir <dir> (SITTER_DATA_DIR), or --url with --token' },
    })
  }
  return files(world.folder(join(directory, 'logs')), ask)
}

const known = new Set(['level', 'time', 'room', 'agent', 'cell', 'msg'])
const styles: Partial<Record<LogLevel, Style>> = {
  error: 'red',
  fatal: 'red',
  warn: 'yellow',
  debug: 'dim',
  trace: 'dim',
}

/** `12:30:01.250 warn  gate  message key=value`: whatever a line holds stays on one line and moves no cursor. */
const lineFor = (line: LogLine, paint: (style: Style, text: string) => string): string => {
  const level = levelName(line.level)
  const style = styles[level]
  const time = Temporal.Instant.fromEpochMilliseconds(Math.round(line.time)).toString({ smallestUnit: 'millisecond' })
  const who = line.agent ?? line.cell ?? line.room
  const rest = Object.entries(line)
    .filter(([name]) => !known.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  const name = style === undefined ? level.padEnd(5) : paint(style, level.padEnd(5))
  return [
    paint('dim', time.slice(0, -1)),
    name,
    plain(who),
    plain(line.msg),
    ...(rest.length === 0 ? [] : [paint('dim', plain(rest.join(' ')))]),
  ].join(' ')
}

export const logs: Deed = async (invocation) => {
  const { options, printer, world, interrupted } = invocation
  const ask = askOf(invocation)
  const tail = options.whole('tail')
  if (tail !== undefined && tail > mostTail) throw failure('usage', `--tail is at most ${mostTail}`)
  const source = await sourceOf(invocation, ask)
  let isEmpty = true
  const print = ({ lines, unread }: LogPage): void => {
    if (lines.length > 0) isEmpty = false
    for (const one of lines) {
      if (printer.json) printer.jsonLine(JSON.stringify(one))
      else printer.line(lineFor(one, printer.paint))
    }
    for (const name of unread) printer.warn(`${name} is broken: not all of its lines are here`)
  }
  /** Everything up to the end of the log as it is now. */
  const drain = async (from: string): Promise<string> => {
    for (let place = from; ;) {
      const page = await source.after(place)
      print(page)
      if (page.complete || interrupted.aborted || world.stdout.closed) return page.place
      // What was printed leaves before more is read: a slow reader must not fill our memory.
      await world.stdout.drained()
      place = page.place
    }
  }
  let place
  if (tail === undefined && ask.sinceMs !== null) place = await drain(await source.begin(ask.sinceMs))
  else {
    const page = await source.last(Math.max(1, tail ?? usualTail))
    if (tail !== 0) print(page)
    if (!page.complete) printer.warn('older lines were not looked at')
    place = page.place
  }
  if (isEmpty && tail !== 0) printer.note(options.flag('follow') ? 'no such lines yet' : 'no such lines')
  while (options.flag('follow') && !interrupted.aborted && !world.stdout.closed) {
    await sleep(world.clock, lookEveryMs, interrupted)
    if (!interrupted.aborted) place = await drain(place)
  }
  return 0
}
