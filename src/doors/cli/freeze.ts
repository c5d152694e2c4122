/**
 * `freeze` and `thaw`. The file comes first: the gate looks at it by itself, so a freeze holds beside a dead or hung
 * sitter; then the sitter is told, which tells the gate and records it. Thawing is a living sitter's alone.
 */
import { join } from 'node:path'
import { failure, idMaker } from '../../std/std.ts'
import type { SwarmView } from '../api.ts'
import { confirm, onlyDry } from './asking.ts'
import { namedDataDirectory, nearestDataDirectory } from './locate.ts'
import { explain } from './refusal.ts'
import { plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

/** A hung sitter must not keep a person waiting who wants everything to stop. */
const sitterWithinMs = 2_000

/** Under sudo and in containers the variables may be absent; the number of the user never is. */
const numberOfUser = async ({ world }: Invocation): Promise<string> => {
  const { uid } = await world.inspect()
  return uid === undefined ? 'unknown' : `uid-${uid}`
}

/** Writes `run/FROZEN` unless it is there; gives its path, or undefined when no data directory is near. */
const writeFile = async (invocation: Invocation, reason: string): Promise<string | undefined> => {
  const { world, options } = invocation
  const directory = namedDataDirectory(world, options) ?? (await nearestDataDirectory(world))
  if (directory === undefined) return undefined
  if (!(await world.disk.exists(directory))) throw failure('not-found', `there is no data directory ${directory}`)
  const path = join(directory, 'run', 'FROZEN')
  if (await world.disk.exists(path)) return path
  const { frozenText } = await import('../../gatelink/gatelink.ts')
  const user = world.env['USER'] ?? world.env['LOGNAME'] ?? (await numberOfUser(invocation))
  const id = idMaker(world.clock, world.random)('frz')
  await world.disk.makeDirectory(join(directory, 'run'), 0o700)
  await world.disk.writeWhole(path, frozenText({ id, actor: `cli:${user}`, reason, atMs: world.clock.wallMs() }), 0o600)
  return path
}

export const freeze: Deed = async (invocation) => {
  const { options, printer } = invocation
  const reason = options.text('reason') ?? 'no reason given'
  if (onlyDry(invocation, 'freeze: nothing new goes out', { verb: 'freeze', reason })) return 0
  const file = await writeFile(invocation, reason)
  let gate: true | 'unknown' = 'unknown'
  try {
    const api = await invocation.api()
    gate = (
      await api.post<{ gate: true | 'unknown' }>('/api/v1/swarm/freeze', { reason }, { withinMs: sitterWithinMs })
    ).gate
  } catch (error) {
    if (file === undefined) throw error
    printer.warn(`the sitter was not told: ${plain(explain(error).what)}`)
    printer.note('the gate looks at the file by itself within 250 ms; the next sitter records who froze')
  }
  printer.show({ frozen: true, file: file ?? null, gate }, () => [
    gate === true ? 'frozen: the gate says so' : 'frozen by file; whether the gate has seen it is not known',
    ...(file === undefined ? [] : [`file ${file}`]),
  ])
  return 0
}

export const thaw: Deed = async (invocation) => {
  const { options } = invocation
  const api = await invocation.api()
  const { name, freeze: held } = await api.get<SwarmView>('/api/v1/swarm')
  if (onlyDry(invocation, `thaw ${plain(name)}`, { verb: 'thaw', name })) return 0
  const why = held.by === null ? '' : ` Frozen by ${plain(held.by.actor)}: ${plain(held.by.reason)}.`
  await confirm(invocation, `Calls and payments of ${plain(name)} go out again.${why}`, name)
  // Read here for its fault; the sitter reads it again.
  options.duration('throttled')
  const throttledFor = options.text('throttled')
  const stages = throttledFor === undefined ? {} : { throttledFor }
  const answer = await api.post<unknown>('/api/v1/swarm/thaw', { confirm: name, ...stages })
  invocation.printer.show(answer, () => [`${plain(name)} is thawed`])
  return 0
}
