/**
 * Finds the best driver that this machine really has, by making a group and entering it. Version 2 wants its processes
 * in leaves: the sitter's own family is moved into `supervisor` first, and only when nobody else lives in its group.
 */
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { controllers, ownGroups, type Controller } from './dialect.ts'
import { controlGroups, makeParents, type Hierarchies } from './groups.ts'
import type { CellLimits, LimitDriver } from './port.ts'
import { resourceLimits } from './resources.ts'

export interface LimitsAsk {
  /** Name of our directory: one for each data directory, so that swarms on one machine stay apart. */
  readonly name: string
  /** False only looks: nothing stays, and no process is moved. */
  readonly settle: boolean
  /** Where the machine's view of itself is read; tests bring their own. */
  readonly proc?: string
}

const leaf = 'supervisor'
/** A busy machine must not pass for a weak one until the sitter is started again. */
const tryWithinMs = 10_000
const tried: CellLimits = { memoryBytes: 64_000_000, cpus: 0.5, processes: 16, files: 64 }

const textOf = async (path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return '' // absent, or not ours to read
  }
}

/** Fields of stat after the program's name: state, parent, group. */
const familyOf = async (proc: string, pid: number): Promise<{ readonly parent: number; readonly group: number }> => {
  const stat = await textOf(join(proc, String(pid), 'stat'))
  const [, parent = '0', group = '0'] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { parent: Number(parent), group: Number(group) }
}

/**
 * The first of these processes that is not of our own family: started by the leader of our watch's process group. The
 * first process of a container (`docker run --init`) has no other business than ours: on a machine of its own it would
 * not live in a group beside others.
 */
const strangerAmong = async (proc: string, pids: readonly number[]): Promise<number | undefined> => {
  const leader = (await familyOf(proc, process.ppid)).group
  for (const pid of pids) {
    let at = pid
    while (at > 1 && at !== leader && at !== process.pid) at = (await familyOf(proc, at)).parent
    if (at !== leader && at !== process.pid && pid !== 1) return pid
  }
  return undefined
}

const membersOf = async (group: string): Promise<readonly number[]> =>
  (await textOf(join(group, 'cgroup.procs')))
    .split('\n')
    .filter((one) => one !== '')
    .map(Number)

/** Children that were born while their parents moved stayed where they were: it is looked again. */
const mostRounds = 10

const moveAll = async (base: string, first: readonly number[]): Promise<void> => {
  await mkdir(join(base, leaf), { recursive: true })
  let left = first
  for (let round = 0; left.length > 0 && round < mostRounds; round += 1) {
    for (const pid of left)
      await writeFile(join(base, leaf, 'cgroup.procs'), String(pid)).catch((error: NodeJS.ErrnoException) => {
        // It ended meanwhile.
        if (error.code !== 'ESRCH') throw error
      })
    const now = await membersOf(base)
    // Nobody moved: these are no real groups, and what enters one will find that out.
    if (now.join() === left.join()) return
    left = now
  }
}

type Found = { readonly hierarchies: Hierarchies } | { readonly why: string }

/** Version 2: our group, or the one above when we are in its leaf already. */
const second = async (ask: LimitsAsk, own: string): Promise<Found> => {
  const base = basename(own) === leaf ? dirname(own) : own
  const available = (await textOf(join(base, 'cgroup.controllers'))).trim().split(/\s+/)
  const missing = controllers.filter((one) => !available.includes(one))
  if (missing.length > 0) return { why: `cgroup v2 delegates no ${missing.join(', ')} here` }
  const parent = join(base, ask.name)
  const hierarchies: Hierarchies = { version: 2, parents: { memory: parent, pids: parent, cpu: parent } }
  // The root of all groups is exempt from the rule of leaves; it alone has no type.
  const isRoot = (await textOf(join(base, 'cgroup.type'))) === ''
  const pids = await membersOf(base)
  const stranger = isRoot ? undefined : await strangerAmong(ask.proc ?? '/proc', pids)
  if (stranger !== undefined) return { why: `process ${stranger}, which is not ours, lives in the same cgroup` }
  if (!ask.settle) {
    const why = await makeParents(hierarchies)
    await controlGroups(hierarchies).close()
    return why === null ? { hierarchies } : { why }
  }
  try {
    if (!isRoot && pids.length > 0) await moveAll(base, pids)
    const all = controllers.map((one) => `+${one}`).join(' ')
    await writeFile(join(base, 'cgroup.subtree_control'), all)
    await mkdir(parent, { recursive: true })
    await writeFile(join(parent, 'cgroup.subtree_control'), all)
    return { hierarchies }
  } catch (error) {
    return { why: `cgroup v2: ${(error as Error).message}` }
  }
}

/** Directories of killed swarms that never came back. One that is used cannot be removed; who needs one makes it. */
const removeEmpty = async (places: readonly string[], name: string): Promise<void> => {
  for (const place of places) {
    const found = await readdir(place).catch(() => [])
    for (const one of found)
      if (one !== name && /^swarmsitter-[0-9a-f]{12}$/.test(one)) await rmdir(join(place, one)).catch(() => {})
  }
}

/** Version 1: one hierarchy a controller, each with our group in it. */
const first = async (ask: LimitsAsk, own: Readonly<Partial<Record<Controller, string>>>): Promise<Found> => {
  const missing = controllers.filter((one) => own[one] === undefined)
  if (missing.length > 0) return { why: `cgroup v1 has no ${missing.join(', ')} here` }
  const parents = Object.fromEntries(controllers.map((one) => [one, join(own[one]!, ask.name)]))
  const hierarchies: Hierarchies = { version: 1, parents }
  if (ask.settle) await removeEmpty(Object.values(own), ask.name)
  const why = await makeParents(hierarchies)
  return why === null ? { hierarchies } : { why: `cgroup v1: ${why}` }
}

/** A process enters a group and finds itself there; null when it did. */
const enterFault = async (driver: LimitDriver): Promise<string | null> => {
  const group = await driver.open('tried', tried)
  try {
    const [program = '', ...words]: readonly string[] = [
      ...group.before,
      '/bin/cat',
      '/proc/self/cgroup',
      '/proc/self/limits',
    ]
    const said = await new Promise<string>((resolve) => {
      execFile(program, words, { timeout: tryWithinMs }, (error, out, errors) => resolve(error ? errors : out))
    })
    if (!said.includes('/tried')) return `a process cannot enter a group: ${said.split('\n')[0]}`
    const files = new RegExp(`^Max open files\\s+${tried.files}\\s+${tried.files} `, 'm')
    return files.test(said) ? null : 'a process in a group has another limit of open files than it was given'
  } finally {
    await group.remove()
  }
}

const tryGroups = async (found: Found, settle: boolean): Promise<LimitDriver | string> => {
  if ('why' in found) return found.why
  const driver = controlGroups(found.hierarchies)
  // Without settling, version 2 has handed no controllers down: that it could be made is all that can be seen.
  if (found.hierarchies.version === 2 && !settle) return driver
  try {
    if (settle) await driver.sweep()
    const why = await enterFault(driver)
    return why ?? driver
  } catch (error) {
    return (error as Error).message
  } finally {
    if (!settle) await driver.close()
  }
}

/** The best driver that was really tried: control groups of version 2, of version 1, or resource limits and why. */
export const openLimits = async (ask: LimitsAsk): Promise<LimitDriver> => {
  const proc = ask.proc ?? '/proc'
  const own = ownGroups(await textOf(join(proc, 'self', 'mountinfo')), await textOf(join(proc, 'self', 'cgroup')))
  const reasons: string[] = []
  const attempts = [
    ...(own[2] === undefined ? [] : [() => second(ask, own[2]!)]),
    ...(Object.keys(own[1]).length === 0 ? [] : [() => first(ask, own[1])]),
  ]
  for (const attempt of attempts) {
    const outcome = await tryGroups(await attempt(), ask.settle)
    if (typeof outcome !== 'string') return outcome
    reasons.push(outcome)
  }
  return resourceLimits(reasons.length === 0 ? 'this machine has no control groups' : reasons.join('; '))
}
