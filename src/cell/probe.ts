/**
 * Asks one program once whether it is well: an HTTP GET to its own address on this host, or a command, never through a
 * shell. Each has a time, after which it did not pass; what a command started ends with it.
 */
import type { Proc } from '../std/std.ts'
import { environmentOf, findProgram, type Surroundings } from './process/program.ts'

export interface ProbeAsk {
  readonly agent: string
  readonly directory: string
  readonly withinMs: number
  /** Exactly one of the two. */
  readonly http?: string
  readonly command?: readonly string[]
}

/** Gives why it did not pass; null = it passed. */
export type AskProbe = (ask: ProbeAsk) => Promise<string | null>

const longestWord = 200

const byHttp = async (url: string, withinMs: number): Promise<string | null> => {
  try {
    const answer = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(withinMs) })
    await answer.body?.cancel()
    return answer.ok ? null : `${url} answered ${answer.status}`
  } catch (error) {
    const { name, cause } = error as Error
    if (name === 'TimeoutError') return `${url} did not answer within ${withinMs} ms`
    return `${url} does not answer: ${(cause as NodeJS.ErrnoException | undefined)?.code ?? name}`
  }
}

const byCommand = async (
  { proc, surroundings }: { readonly proc: Proc; readonly surroundings: Surroundings },
  { command = [], directory, agent, withinMs }: ProbeAsk,
): Promise<string | null> => {
  const [name = '', ...args] = command
  let said = ''
  const child = await proc.spawn({
    command: findProgram(name, surroundings),
    args,
    env: environmentOf(surroundings, { SITTER_AGENT: agent }),
    cwd: directory,
    ownGroup: true,
    dieWithParent: true,
    readPerSecond: 16_384,
    onLine: (_stream, line) => {
      said = line.slice(0, longestWord)
    },
  })
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.killGroup('SIGKILL')
  }, withinMs)
  const { code, signal } = await child.ended
  clearTimeout(timer)
  child.killGroup('SIGKILL')
  if (late) return `${name} did not end within ${withinMs} ms`
  return code === 0 ? null : `${name} ended with ${signal ?? code}${said === '' ? '' : `: ${said}`}`
}

/** @throws Failure `cell-start` when the command is not there. */
export const openProbe =
  (proc: Proc, surroundings: Surroundings = process.env): AskProbe =>
  (ask) =>
    ask.http === undefined ? byCommand({ proc, surroundings }, ask) : byHttp(ask.http, ask.withinMs)
