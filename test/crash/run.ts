/**
 * Kills a paying swarm at random moments and looks at what is left. `--kills N` (default 10), `--rows`, `--tasks`,
 * `--agents`, `--seed`, `--keep`, `--only <scenario>`. Sitter, gate or both die by SIGKILL, pool hosts at 0.5/s beside
 * them; then everything at once, with nobody to restart it; then each of sitter, gate and watch in every combination
 * (matrix.ts); then at each work of one agent (villain.ts); then one payment at each of its system calls (points.ts);
 * then 50 changes of the vault's key, each cut off (test/vault/rekey-kills.ts); then all drills twice (drills.ts); then
 * `--seconds` (120) of churn, whose descriptors and memory must stay flat (test/bounds/churn.ts); then a record in
 * PostgreSQL behind a way that breaks (postgres.ts); credentials that renew themselves (../vault/kills.ts). What pays
 * and what mostly waits run beside each other; then the long tests of all rooms (`*.slow.ts`, tests.ts).
 *
 * `--long`: 200 kills under 20,000 tasks and 2,000 payments, spread so that work is always under way, about 45 minutes;
 * 100 cut COMMITs and 10 crashes of PostgreSQL, about half an hour; the combinations with 5,000 agents (matrix.ts).
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { between, seeded, type Random } from '../../src/std/std.ts'
import { churn } from '../bounds/churn.ts'
import { killRefreshes, killRotations, rotateUnderLoad } from '../vault/kills.ts'
import { judge, type Verdict } from './judge.ts'
import { submitCounts } from './counts.ts'
import { hostsOf, isThere, kill, processes, programOf, stateOf, type Process } from './machine.ts'
import { atEveryPoint } from './points.ts'
import { matrix } from './matrix.ts'
import { onPostgres } from './postgres.ts'
import { drillTwice } from './drills.ts'
import { longTests } from './tests.ts'
import { villainAtWork } from './villain.ts'
import { endOf, prepare, sitter, type Place, type Run } from './swarm.ts'
import { killRekeys } from '../vault/rekey-kills.ts'
import { killAtRefreshes } from '../vault/refresh-kills.ts'
import { killSwarm } from '../vault/swarm-kills.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string' },
    rows: { type: 'string' },
    tasks: { type: 'string' },
    only: { type: 'string' },
    seconds: { type: 'string', default: '120' },
    long: { type: 'boolean', default: false },
    agents: { type: 'string', default: '500' },
    seed: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})
const kills = Number(values.kills ?? (values.long ? 200 : 10))
const rows = Number(values.rows ?? (values.long ? 2_000 : Math.max(2_000, kills * 800)))
const tasks = Number(values.tasks ?? (values.long ? 20_000 : 0))
/** Longer than 10 s between two deaths of a program now and then: else the watch starts it ever more slowly. */
const longestPauseMs = values.long ? 12_000 : 4_000
const seed = Number(values.seed ?? Math.floor(Date.now() / 1_000) % 1_000_000)
const directory = mkdtempSync(join(tmpdir(), 'sitter-crash-'))
/** Flushes take no time there, so all of them are made by the loop's thread: strace counts the calls of each thread apart. */
const memory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sitter-crash-'))
const clear = (): void => {
  for (const one of [directory, memory]) rmSync(one, { recursive: true, force: true })
}
/** 0.5/s, as the promise's check says. */
const hostKillMs = 2_000

const until = async (what: string, truth: () => boolean, mostMs: number): Promise<void> => {
  const startedMs = performance.now()
  while (!truth()) {
    if (performance.now() - startedMs > mostMs) throw new Error(`not within ${mostMs} ms: ${what}`)
    await wait(50)
  }
}

/** Kills a host every two seconds until it is told to stop; counts its victims. */
const killHosts = (place: Place, random: Random): { stop(): number } => {
  let count = 0
  const timer = setInterval(() => {
    const hosts = hostsOf(programOf('sitter', place.data))
    if (hosts.length > 0 && kill(hosts[between(random, 0, hosts.length - 1)])) count += 1
  }, hostKillMs)
  return {
    stop: () => {
      clearInterval(timer)
      return count
    },
  }
}

const report = (verdicts: readonly Verdict[]): number => {
  for (const { title, wrong, skipped } of verdicts)
    console.log(
      `${skipped ? '–' : wrong.length === 0 ? '✓' : '✗'} ${title}${wrong.map((one) => `\n    ${one}`).join('')}`,
    )
  return verdicts.filter((one) => one.wrong.length > 0).length
}

const killAtRandom = async (place: Place, run: Run, random: Random): Promise<number> => {
  let count = 0
  let over = false
  void run.ended.then(() => {
    over = true
  })
  while (count < kills && !over) {
    await wait(between(random, 300, longestPauseMs))
    const choice = between(random, 0, 2)
    const victims = [
      choice === 1 ? undefined : programOf('sitter', place.data),
      choice === 0 ? undefined : programOf('gate', place.data),
    ]
    const dead = victims.map((victim) => kill(victim)).filter(Boolean).length
    if (dead > 0) {
      count += 1
      console.log(`  kill ${count}: ${['sitter', 'gate', 'both'][choice]}`)
    }
  }
  return count
}

const underFire = async (): Promise<Verdict[]> => {
  const place = await prepare({
    directory: join(directory, 'fire'),
    agents: Number(values.agents),
    rows,
    // 200 kills take about 26 minutes, and the work must last as long: with a burst of one this lets one payment a
    // second pass.
    ...(values.long && { rate: '2/s' }),
    ...(tasks > 0 && { counters: 12 }),
    faults: { acceptThenCut: 0.05, limited: 0.05, cutBeforeAccept: 0.01, decline: 0.01, error: 0.01, late: 0.01 },
  })
  const random = seeded(seed)
  const run = sitter(place, 'up', place.config, '--settle', place.file, '--exit-when-idle')
  await Promise.race([
    until('the sitter works', () => hostsOf(programOf('sitter', place.data)).length > 0, 60_000),
    run.ended.then((code) => {
      throw new Error(`up ended at once with ${code}\n${run.output()}`)
    }),
  ])
  const submitted = submitCounts(place, tasks)
  const hosts = killHosts(place, random)
  const killed = await killAtRandom(place, run, random)
  await submitted
  const code = await endOf(run)
  const hostsKilled = hosts.stop()
  if (code === 'stuck') {
    process.kill(-run.pid, 'SIGKILL')
    console.log(run.output().slice(-3_000))
  } else if (code !== 0) console.log(run.output().slice(-3_000))
  const audit = await sitter(place, 'audit', 'verify', '--record', join(place.data, 'swarm.db')).ended
  const second = sitter(place, 'up', place.config, '--settle', place.file, '--exit-when-idle')
  const secondCode = await second.ended
  console.log(`  ${killed} kills, ${hostsKilled} hosts killed, seed ${seed}`)
  return [
    {
      title: `${kills} kills were made while it worked`,
      wrong: killed === kills ? [] : [`only ${killed}: give it more --rows`],
    },
    { title: 'up --exit-when-idle ended with 0', wrong: code === 0 ? [] : [`it ended with ${code}`] },
    { title: 'audit verify on the record ends with 0', wrong: audit === 0 ? [] : [`it ended with ${audit}`] },
    {
      title: 'a second up with the same file ends with 0',
      wrong: secondCode === 0 ? [] : [`it ended with ${secondCode}`, second.output().slice(-500)],
    },
    ...(await judge(place, { rows, others: tasks })),
  ]
}

/** Everything dies at once, and nobody restarts it: nothing may be left to act. */
const allAtOnce = async (): Promise<Verdict[]> => {
  const place = await prepare({ directory: join(directory, 'all'), agents: 300, rows: 3_000, faults: {} })
  const run = sitter(place, 'up', place.config, '--settle', place.file)
  await until('hosts live', () => hostsOf(programOf('sitter', place.data)).length >= 3, 60_000)
  await wait(1_500)
  const hosts = hostsOf(programOf('sitter', place.data))
  const family: (Process | undefined)[] = [
    processes().find((one) => one.pid === run.pid),
    programOf('sitter', place.data),
    programOf('gate', place.data),
  ]
  for (const one of family) kill(one)
  const startedMs = performance.now()
  await until('hosts are gone', () => !hosts.some(isThere), 5_000).catch(() => {
    /* told below */
  })
  const left = hosts.filter(isThere)
  console.log(`  ${hosts.length} hosts were gone ${Math.round(performance.now() - startedMs)} ms after the kill`)
  await until('the rehearsal ends too', () => programOf('rehearsal', place.data) === undefined, 10_000).catch(() => {
    /* told below */
  })
  const rehearsal = programOf('rehearsal', place.data)
  for (const one of [...left, rehearsal]) kill(one)
  return [
    {
      title: 'no agent or cell process lives 5 s after everything was killed',
      wrong: left.map((one) => `${one.pid} ${one.command.slice(0, 80)}`),
    },
    { title: 'no other program of the swarm is left', wrong: rehearsal ? [rehearsal.command.slice(0, 80)] : [] },
  ]
}

/** Credentials that renew themselves: under load, with lost answers, and while the gate is killed. */
const renewing = async (): Promise<Verdict[]> => {
  const { long } = values
  const figures = long
    ? { everyMs: 10_000, loadMs: 300_000, kills: 50, agents: 500, refreshKills: 20, ms: 300_000 }
    : { everyMs: 2_000, loadMs: 40_000, kills: 8, agents: 100, refreshKills: 4, ms: 30_000 }
  const { everyMs, loadMs, kills: rotationKills, agents, refreshKills, ms } = figures
  return [
    {
      title: `keys rotate every ${everyMs / 1_000} s for ${loadMs / 1_000} s, and no call is refused`,
      wrong: await rotateUnderLoad(everyMs, loadMs),
    },
    {
      title: `${rotationKills} kills in rotations: one version serves after each, and no key is left behind`,
      wrong: await killRotations(rotationKills, seed),
    },
    {
      title: `${rotationKills} kills at refreshes: one grant serves after each, and none has ended`,
      wrong: await killAtRefreshes(rotationKills, seed),
    },
    {
      title: `${agents} agents on tokens of 5 s with lost answers: no call fails, one refresh at a time`,
      wrong: await killRefreshes({ kills: 0, agents, ms: ms / 3, seed, lost: 3 }),
    },
    {
      title: `${agents} agents on tokens of 5 s, ${refreshKills} kills of the gate with lost answers: no call fails`,
      wrong: await killRefreshes({ kills: refreshKills, agents, ms, seed, lost: refreshKills }),
    },
    {
      title: `a swarm of ${agents} agents, ${refreshKills} kills of gate and sitter: no call fails, each has its audited use`,
      wrong: await killSwarm({ agents, kills: refreshKills, ms, pauseMs: long ? 5_000 : 2_000, seed }),
    },
  ]
}

/** A change of the vault's key, cut off wherever: one key opens every secret afterwards. */
const amidRekeys = async (count: number): Promise<Verdict[]> => {
  const left = await killRekeys(count, seeded(seed))
  const [intents, files] = [left.filter(({ intent }) => intent), left.filter(({ next }) => next)]
  console.log(`  ${count} kills: ${intents.length} left an intent, ${files.length} a new key file beside the old one`)
  return [{ title: `${count} rekeys were killed, no secret was lost`, wrong: [] }]
}

let failed = 0
let passed = 0
let skipped = 0
const points = (): Promise<Verdict[]> => atEveryPoint(join(memory, 'points'), values.long ? 1 : 8)

type Part = readonly [name: string, run: () => Promise<Verdict[]>]
const paying: readonly Part[] = [
  ['under fire', underFire],
  ['at every point', points],
  ['churn', () => churn(join(directory, 'churn'), Number(values.seconds))],
  [
    'on PostgreSQL',
    () =>
      onPostgres(join(directory, 'postgres'), {
        ...(values.long ? { cuts: 100, crashes: 10 } : { cuts: 6, crashes: 2 }),
        random: seeded(seed),
      }),
  ],
]
/** They wait more than they work. */
const waiting: readonly Part[] = [
  ['all at once', allAtOnce],
  ['matrix', () => matrix(values.long)],
  ['villain', villainAtWork],
  ['renewing credentials', renewing],
  ['rekeys', () => amidRekeys(50)],
  ['drills', () => drillTwice(join(directory, 'drills'))],
]
/** Parts of one step run beside each other. */
const steps: readonly (readonly (readonly Part[])[])[] = [
  [paying, waiting],
  [[['long tests', () => longTests(directory, values.long)]]],
]
const names = steps.flat(2).map(([name]) => name)
if (values.only !== undefined && !names.includes(values.only)) {
  console.error(`no part is called ${values.only}: ${names.join(', ')}`)
  clear()
  process.exit(2)
}
/** Four times what the longest part takes on two cores; a part that hangs is told with what lived, not waited for. */
const longestPartMs = (values.long ? 120 : 15) * 60_000

/** Every process of this run, also of the part that runs beside: its programs name its directories, and strace names none. */
const ours = (): Process[] =>
  processes().filter(({ command }) => [directory, memory, 'strace '].some((word) => command.includes(word)))

const within = async (scenario: () => Promise<Verdict[]>): Promise<Verdict[]> => {
  const patience = new AbortController()
  const late = wait(longestPartMs, undefined, { signal: patience.signal }).then(() => {
    const living = ours()
    const told = living.map(
      ({ pid, parent, command }) => `${pid} of ${parent} ${stateOf(pid)} ${command.slice(0, 200)}`,
    )
    for (const one of living) kill(one)
    throw new Error(`it was not over after ${longestPartMs / 60_000} min; what lived then:\n${told.join('\n')}`)
  })
  try {
    return await Promise.race([scenario(), late])
  } finally {
    patience.abort()
    late.catch(() => {
      /* the patience that was not needed */
    })
  }
}

const runPart = async ([name, scenario]: Part): Promise<void> => {
  if (values.only !== undefined && values.only !== name) return
  const startedMs = performance.now()
  console.log(`${name} begins`)
  let verdicts: Verdict[]
  try {
    verdicts = await within(scenario)
  } catch (error) {
    verdicts = [
      { title: `${name} ran`, wrong: [error instanceof Error ? (error.stack ?? error.message) : String(error)] },
    ]
  }
  console.log(`\n${name}, ${Math.round((performance.now() - startedMs) / 1_000)} s`)
  const wrong = report(verdicts)
  failed += wrong
  const left = verdicts.filter((one) => one.skipped).length
  skipped += left
  passed += verdicts.length - wrong - left
}

for (const lanes of steps)
  await Promise.all(
    lanes.map(async (parts) => {
      for (const part of parts) await runPart(part)
    }),
  )
if (failed === 0 && !values.keep) clear()
else console.log(`\nkept in ${directory} and ${memory}; again with --seed ${seed}`)
console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exit(failed === 0 ? 0 : 1)
