/**
 * A B A B …: every contestant once a round, each in a fresh process with fresh files and a fresh server, so that what
 * else the machine does weighs on all of them alike. A round that fails is told and counts for nothing.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { ratio, show, spread } from './figures.ts'
import type { Ask, Scenario, Told } from './contest.ts'
import { removeDirectory, startRedis, temporary, type Postgres } from './servers.ts'

export interface Runner {
  readonly name: string
  /** The program that measures, in this folder; contest.ts for the races of the queue. */
  readonly program: string
  /** What contest.ts opens, in contestants/. */
  readonly module?: string
  readonly scenario?: Scenario
  readonly needs: 'nothing' | 'redis' | 'postgres'
  readonly options: Ask['options']
  /**
   * What our figure must be beside this peer's, in the median of the rounds: far below the goal, so that noise does not
   * miss it. `most`: of this one's own figure, which no machine makes another.
   */
  readonly floor?:
    | { readonly figure: string; readonly atLeast: number }
    | { readonly figure: string; readonly atMost: number }
    | { readonly figure: string; readonly most: number }
}

export interface Machine {
  /** Whether the peers' packages are installed in this folder. */
  readonly packages: boolean
  readonly rounds: number
  readonly redis: boolean
  readonly postgres: Postgres | undefined
}

/** Longest that one contestant may take, servers included. */
const longestMs = 180_000
const nodeFlags = ['--conditions=source', '--disable-warning=ExperimentalWarning']

/** Runs a program of this folder; gives the last line that it printed. */
export const runProgram = (file: string, args: readonly string[], withinMs = longestMs): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...nodeFlags, file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    let late = false
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, withinMs)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      if (code === 0) resolve(out.trim().split('\n').at(-1)!)
      else reject(new Error(late ? `not done within ${withinMs} ms` : `ended with ${code ?? signal}`))
    })
  })

let databases = 0

const runOnce = async (runner: Runner, machine: Machine): Promise<Told> => {
  const directory = temporary('run')
  const redis = runner.needs === 'redis' ? await startRedis() : undefined
  databases += 1
  const postgres = runner.needs === 'postgres' ? machine.postgres!.database(`bench_${databases}`) : ''
  try {
    const ask: Ask = {
      module: join(import.meta.dirname, 'contestants', runner.module ?? ''),
      directory,
      redis: redis?.at ?? '',
      postgres,
      options: runner.options,
      ...(runner.scenario === undefined ? {} : { scenario: runner.scenario }),
    }
    return JSON.parse(await runProgram(join(import.meta.dirname, runner.program), [JSON.stringify(ask)])) as Told
  } finally {
    await redis?.stop()
    removeDirectory(directory)
  }
}

const isPeer = ({ module = '', options }: Runner): boolean => module.endsWith('.mjs') || options['how'] === 'pm2'

const canRun = (runner: Runner, machine: Machine): string | undefined => {
  if (isPeer(runner) && !machine.packages) return 'not run: its package is not installed (npm ci in bench/)'
  if (runner.needs === 'redis' && !machine.redis) return 'not run: redis-server is not installed'
  if (runner.needs === 'postgres' && machine.postgres === undefined) return 'not run: PostgreSQL is not installed'
  return undefined
}

const attempt = async (runner: Runner, machine: Machine): Promise<Told | Error> => {
  try {
    return await runOnce(runner, machine)
  } catch (error) {
    return error as Error
  }
}

export interface Line {
  readonly name: string
  readonly rounds: readonly (Told | null)[]
  readonly faults: readonly string[]
}

/** Runs every runner `rounds` times in turn. */
export const race = async (runners: readonly Runner[], machine: Machine): Promise<readonly Line[]> => {
  const lines = runners.map((runner) => ({
    name: runner.name,
    rounds: [] as (Told | null)[],
    faults: [canRun(runner, machine)].flatMap((why) => why ?? []),
  }))
  for (let round = 0; round < machine.rounds; round += 1) {
    for (const [index, runner] of runners.entries()) {
      const line = lines[index]!
      if (canRun(runner, machine) !== undefined) continue
      const told = await attempt(runner, machine)
      if (told instanceof Error) line.faults.push(`round ${round + 1}: ${told.message}`)
      else if (told.delivery?.exact === false)
        line.faults.push(`round ${round + 1}: not exactly once: ${JSON.stringify(told.delivery)}`)
      line.rounds.push(told instanceof Error ? null : told)
    }
  }
  return lines
}

const valuesOf = (line: Line, figure: string): (number | null)[] =>
  line.rounds.map((told) => told?.figures[figure] ?? null)

/** One table a figure: the first runner is ours, and each ratio is ours over that peer in the same round. */
export const tell = (title: string, lines: readonly Line[]): string => {
  const figures = [...new Set(lines.flatMap((line) => line.rounds.flatMap((told) => Object.keys(told?.figures ?? {}))))]
  const tables = figures.map((figure) => {
    const rows = lines.map((line) => {
      const values = valuesOf(line, figure)
      const own = show(spread(values.filter((value) => value !== null)))
      const beside = line === lines[0] ? '' : `ours ×${show(ratio(valuesOf(lines[0]!, figure), values))}`
      return `  ${line.name.padEnd(42)} ${own.padEnd(30)} ${beside}`
    })
    return `${title}, ${figure}: median (min–max)\n${rows.join('\n')}`
  })
  const faults = lines.flatMap((line) => line.faults.map((fault) => `  ! ${line.name}: ${fault}`))
  const checked = lines.filter((line) => line.rounds.some((told) => told?.delivery?.exact === true))
  const exact = checked.length === 0 ? [] : [`  exactly once: ${checked.map((line) => line.name).join(', ')}`]
  return [...tables, ...exact, ...faults].join('\n')
}

const median = (line: Line, figure: string): number =>
  spread(valuesOf(line, figure).filter((value) => value !== null)).median

/** What is said of figures that missed their floors; empty when none did. */
export const missed = (runners: readonly Runner[], lines: readonly Line[]): readonly string[] =>
  runners.flatMap(({ name, floor }, index) => {
    if (floor === undefined || !lines[index]!.rounds.some((told) => told !== null)) return []
    const { figure } = floor
    // NaN, when it was never measured, misses every floor.
    if ('most' in floor) {
      const own = median(lines[index]!, figure)
      return own <= floor.most ? [] : [`  beyond its bound: ${figure} of ${name} is ${own}, not at most ${floor.most}`]
    }
    const beside = ratio(valuesOf(lines[0]!, figure), valuesOf(lines[index]!, figure)).median
    const holds = 'atLeast' in floor ? beside >= floor.atLeast : beside <= floor.atMost
    const bound = 'atLeast' in floor ? `at least ×${floor.atLeast}` : `at most ×${floor.atMost}`
    return holds ? [] : [`  below its floor: ${figure} beside ${name} is ×${beside.toPrecision(3)}, not ${bound}`]
  })

export const keep = (name: string, short: boolean, result: unknown): void => {
  const directory = join(import.meta.dirname, 'results')
  mkdirSync(directory, { recursive: true })
  const machine = { cores: cpus().length, model: cpus()[0]?.model ?? 'unknown', node: process.version }
  const text = JSON.stringify({ name, at: new Date().toISOString(), short, machine, result }, null, 2)
  writeFileSync(join(directory, `${name}.json`), `${text}\n`)
}
