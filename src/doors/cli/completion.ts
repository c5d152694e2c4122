/**
 * `completion` prints what a shell needs; on Tab the shell asks `sitter complete -- <words>`. The words come from the
 * list of verbs, the values from the model and from the configuration that was applied last: no sitter is asked, for a
 * shell must not wait for one.
 */
import { RootCommand, type Complete } from '@bomb.sh/tab'
import { readApplied, type SwarmConfig } from '../../config/config.ts'
import { agentStates, modes, settlementStates, taskStates } from '../../model/model.ts'
import { logLevels } from '../../record/record.ts'
import { failure } from '../../std/std.ts'
import { nearestDataDirectory } from './locate.ts'
import type { Surroundings } from './surroundings.ts'
import { everywhere, type Deed, type Verb } from './verb.ts'

const shells = ['bash', 'zsh', 'fish']

interface Values {
  readonly agentTypes: readonly string[]
  readonly taskTypes: readonly string[]
  readonly channels: readonly string[]
}

const noValues: Values = { agentTypes: [], taskTypes: [], channels: [] }

const appliedConfig = async (world: Surroundings, directory: string): Promise<SwarmConfig | undefined> => {
  try {
    return (await readApplied(world.disk, directory)).config
  } catch {
    return undefined // nothing was applied yet, or it cannot be read: then there is nothing to offer
  }
}

const valuesHere = async (world: Surroundings): Promise<Values> => {
  const directory = world.env['SITTER_DATA_DIR'] ?? (await nearestDataDirectory(world))
  const config = directory === undefined ? undefined : await appliedConfig(world, directory)
  if (config === undefined) return noValues
  return {
    agentTypes: Object.keys(config.agents),
    taskTypes: Object.keys(config.tasks),
    channels: Object.keys(config.channels),
  }
}

/** What may stand behind an option of a verb, or for one of its words; empty = not ours to tell. */
const choices = (verb: Verb, word: string, { agentTypes, taskTypes, channels }: Values): readonly string[] => {
  const isWork = verb.path.startsWith('task') || verb.path.startsWith('dlq')
  switch (word) {
    case 'type':
      return isWork ? taskTypes : agentTypes
    case '<type>':
      return taskTypes
    case '<agent|type>':
      return agentTypes
    case 'state':
      return isWork ? taskStates : verb.path.startsWith('settlement') ? settlementStates : agentStates
    case 'mode':
      return modes
    case 'channel':
      return channels
    case 'level':
      return Object.keys(logLevels)
    case '<shell>':
      return shells
    case '<kind>':
      return ['tasks', 'attempts', 'settlements', 'transfers', 'audit']
    default:
      return []
  }
}

const offer =
  (values: readonly string[]) =>
  (complete: Complete): void => {
    for (const value of values) complete(value, '')
  }

const flagOf = (flags: string): { readonly name: string; readonly short?: string; readonly takesValue: boolean } => {
  const [, short, name, value] = /^(?:-(\w), )?--([a-z-]+)( .*)?$/.exec(flags) ?? []
  return { name: name ?? flags, ...(short !== undefined && { short }), takesValue: value?.includes('<') === true }
}

const addVerb = (root: RootCommand, verb: Verb, values: Values): void => {
  const command = root.command(verb.path, verb.summary)
  for (const [flags, what] of [...(verb.options ?? []), ...everywhere]) {
    const { name, short, takesValue } = flagOf(flags)
    if (takesValue) command.option(name, what, offer(choices(verb, name, values)), short)
    else command.option(name, what, short)
  }
  for (const [name] of verb.parameters ?? []) command.argument(name, offer(choices(verb, name, values)))
}

/** The verbs, handed in by their own list. */
export interface Vocabulary {
  readonly verbs: readonly Verb[]
  readonly groupSummaries: Readonly<Record<string, string>>
}

const programFor = ({ verbs, groupSummaries }: Vocabulary, values: Values): RootCommand => {
  const root = new RootCommand()
  for (const [group, summary] of Object.entries(groupSummaries)) root.command(group, summary)
  for (const verb of verbs) if (verb.hidden !== true) addVerb(root, verb, values)
  for (const [flags, what] of everywhere) {
    const { name, short, takesValue } = flagOf(flags)
    if (takesValue) root.option(name, what, offer([]), short)
    else root.option(name, what, short)
  }
  return root
}

export const completionOf = (vocabulary: Vocabulary): { readonly completion: Deed; readonly complete: Deed } => ({
  completion: async ({ arguments: [shell] }) => {
    if (shell === undefined || !shells.includes(shell))
      throw failure('usage', `there is a completion for ${shells.join(', ')}, not for ${JSON.stringify(shell ?? '')}`)
    programFor(vocabulary, noValues).setup('sitter', 'sitter', shell)
    return 0
  },
  /** Prints what may come next, as the shell's script wants it. */
  complete: async ({ arguments: words, world }) => {
    programFor(vocabulary, await valuesHere(world)).parse(words.filter((word) => word !== undefined))
    return 0
  },
})
