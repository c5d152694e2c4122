/**
 * The log, by filters that are values: what a reader says is compared with lines and is never part of a path or a
 * pattern. One reading looks at 64 MiB at most, and two are under way at a time: searching the log must not cost the
 * swarm its heartbeats.
 */
import { Failure } from '../../../std/std.ts'
import { lastLines, linesAfter, logLevels, parsePlace, type LogAsk, type LogLevel } from '../../../record/record.ts'
import type { LogAnswer } from '../../api.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'

const mostLines = 1_000
const usualLines = 200
/** Takes 0.4 s of a core, and 0.9 s when the JSON of every line must be read; in pieces of 4 ms. */
const mostBytes = 64 * 1024 * 1024
const atOnce = 2
const longestGrep = 200

const levelOf = (text: string | undefined): number => {
  if (text === undefined) return 0
  if (!Object.hasOwn(logLevels, text))
    throw new Failure('invalid', `level must be one of ${Object.keys(logLevels).join(' ')}`)
  return logLevels[text as LogLevel]
}

const wholeOf = (name: string, text: string | undefined, most: number): number | undefined => {
  if (text === undefined) return undefined
  if (!/^[0-9]{1,15}$/.test(text) || Number(text) > most)
    throw new Failure('invalid', `${name} must be a whole number, at most ${most}`)
  return Number(text)
}

const askOf = ({ query }: Ask): LogAsk => {
  const { id, grep } = query
  if ((id?.length ?? 0) > longestGrep || (grep?.length ?? 0) > longestGrep)
    throw new Failure('invalid', `id and grep have at most ${longestGrep} characters`)
  return {
    id: id ?? null,
    grep: grep ?? null,
    level: levelOf(query['level']),
    sinceMs: wholeOf('since', query['since'], Number.MAX_SAFE_INTEGER) ?? null,
  }
}

export const logRoutes = (): readonly Route[] => {
  let underWay = 0
  const read = async (ask: Ask): Promise<Reply> => {
    const asked = askOf(ask)
    const after = ask.query['after'] === undefined ? undefined : parsePlace(ask.query['after'])
    const budget = {
      lines: Math.max(1, wholeOf('limit', ask.query['limit'], mostLines) ?? usualLines),
      bytes: mostBytes,
    }
    if (underWay >= atOnce) throw new Failure('overloaded', 'the log is being searched already; ask again in a second')
    underWay += 1
    try {
      const { logs } = ask.rooms
      const { lines, ...rest } = await (after === undefined
        ? lastLines(logs, asked, budget)
        : linesAfter(logs, asked, after, budget))
      const answer: LogAnswer = { items: lines, next: null, ...rest }
      return ok(answer)
    } finally {
      underWay -= 1
    }
  }
  const query = ['id', 'level', 'since', 'grep', 'limit', 'after']
  return [{ method: 'GET', path: '/api/v1/logs', query, run: read }]
}
