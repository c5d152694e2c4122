/**
 * Promise R6 over time: a swarm whose cells are killed, whose tasks come and go, and whose API is asked without pause;
 * then a flood of submissions from 200 callers at once. Descriptors and memory of sitter and gate are read from /proc:
 * the last third of the run may not be above the second one.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { submitCounts } from '../crash/counts.ts'
import type { Verdict } from '../crash/judge.ts'
import { hostsOf, kill, programOf } from '../crash/machine.ts'
import { prepare, sitter, type Place } from '../crash/swarm.ts'
import { ask, isReady, until } from '../storage/api.ts'

const roles = ['sitter', 'gate'] as const
type Role = (typeof roles)[number]

interface Sample {
  readonly descriptors: number
  readonly megabytes: number
}

const sample = (pid: number): Sample => ({
  descriptors: readdirSync(`/proc/${pid}/fd`).length,
  megabytes: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1_024,
})

const median = (values: readonly number[]): number =>
  values.toSorted((left, right) => left - right)[values.length >> 1] ?? 0

/**
 * How much may lie between two thirds of a run: sockets of a kill under way; the heap between two collections
 * (measured over 24 s: 154 to 159 MB in the sitter, 121 in the gate, 4 descriptors fewer).
 */
const slack: Sample = { descriptors: 12, megabytes: 40 }

const slopes = (role: Role, samples: readonly Sample[]): string[] => {
  const third = Math.floor(samples.length / 3)
  return (['descriptors', 'megabytes'] as const).flatMap((what) => {
    const before = median(samples.slice(third, third * 2).map((one) => one[what]))
    const after = median(samples.slice(third * 2).map((one) => one[what]))
    console.log(`  ${role}: ${before.toFixed(0)} → ${after.toFixed(0)} ${what}`)
    return after - before > slack[what] ? [`${role}: ${what} grew from ${before} to ${after}`] : []
  })
}

interface Flood {
  readonly taken: number
  readonly later: number
  readonly wrong: readonly string[]
}

/** 200 callers submit one task after the other; each answer must be yes, or later with a time. */
const flood = async (place: Place, seconds: number): Promise<Flood> => {
  const untilMs = performance.now() + seconds * 1_000
  let taken = 0
  let later = 0
  const wrong: string[] = []
  const caller = async (number: number): Promise<void> => {
    for (let count = 0; performance.now() < untilMs; count += 1) {
      const key = `flood-${number}-${count}`
      const answer = await ask(place, '/api/v1/tasks', { type: 'count', payload: { number }, key, delayMs: 86_400_000 })
      if (answer === 'lost') wrong.push('a connection was lost')
      else if (answer.status < 300) taken += 1
      else if ((answer.status === 429 || answer.status === 503) && answer.retryAfter !== null) later += 1
      else wrong.push(`${answer.status} ${String(answer.body['code'])}`)
    }
  }
  await Promise.all(Array.from({ length: 200 }, (_, number) => caller(number)))
  return { taken, later, wrong }
}

export const churn = async (directory: string, seconds: number): Promise<Verdict[]> => {
  const place = await prepare({ directory, agents: 60, rows: 1, faults: {}, counters: 40 })
  const run = sitter(place, 'up', place.config)
  await Promise.race([
    until('the swarm is ready', () => isReady(place), 60_000),
    run.ended.then((code) => {
      throw new Error(`up ended with ${code}: ${run.output()}`)
    }),
  ])
  const pids = { sitter: programOf('sitter', place.data)!.pid, gate: programOf('gate', place.data)!.pid }
  const samples: Record<Role, Sample[]> = { sitter: [], gate: [] }
  const stop = new AbortController()
  const untilStopped = async (pauseMs: number, deed: () => unknown): Promise<void> => {
    while (!stop.signal.aborted) {
      await deed()
      await wait(pauseMs)
    }
  }
  let killed = 0
  const under = [
    untilStopped(1_000, () => roles.forEach((role) => samples[role].push(sample(pids[role])))),
    untilStopped(1_500, () => {
      if (kill(hostsOf(programOf('sitter', place.data))[killed % 2])) killed += 1
    }),
    untilStopped(0, () => ask(place, '/api/v1/tasks?limit=100')),
    untilStopped(20, () => ask(place, '/api/v1/swarm')),
    // 40 agents finish some 80 of them a second.
    submitCounts(place, seconds * 60),
  ]
  await wait(seconds * 1_000)
  stop.abort()
  await Promise.all(under)
  const flooded = await flood(place, Math.min(10, seconds / 4))
  const same = roles.every((role) => programOf(role, place.data)?.pid === pids[role])
  process.kill(run.pid, 'SIGTERM')
  const code = await run.ended
  console.log(`  ${seconds} s, ${killed} cells killed; the flood: ${flooded.taken} taken, ${flooded.later} told later`)
  return [
    { title: 'cells were killed and tasks were taken in', wrong: killed > 0 && flooded.taken > 0 ? [] : ['none'] },
    { title: 'descriptors and memory stay flat', wrong: roles.flatMap((role) => slopes(role, samples[role])) },
    {
      title: 'a flood of submissions is taken or told later, never cut',
      wrong: [...new Set(flooded.wrong)].map(
        (one) => `${flooded.wrong.filter((other) => other === one).length} × ${one}`,
      ),
    },
    { title: 'sitter and gate lived through it', wrong: same ? [] : ['a program was started again'] },
    { title: 'it stops in order afterwards', wrong: code === 0 ? [] : [`up ended with ${code}`] },
  ]
}
